"""Compute the features of an article's candidates and the best-matching sentences."""

import numpy as np
from numba import njit

from index.kernels.arrays import FREE, Chunks, Floats, Numbers32, SentenceArrays, TermArrays, Titles
from index.kernels.maxsim_loops import compare, vectors_of
from index.kernels.terms import cosine, look, table_of, title_closeness, weights_of
from recommender.types import Numbers


@njit(cache=True)
def describe(rows: Numbers, begins: Numbers, targets: Numbers, chunks: Chunks, words: TermArrays, titles: Titles) -> tuple[Floats, Numbers]:
    """Compare every article of a block with its candidates.

    Args:
        rows: int64 (n,).
        begins: int64 (n + 1,): where each article's candidates begin in `targets`.
        targets: int64 (n_pairs,).

    Returns:
        float64 (n_pairs, 7): the columns of `recommender.features.feature_assembly.Figures`;
        int64 (n_pairs, 2): chunks of the closest pair, the query's counted from its first, and the target's row.
    """
    figures = np.empty((len(targets), 7))
    pairs = np.empty((len(targets), 2), dtype=np.int64)
    for article in range(len(rows)):
        row = rows[article]
        query = vectors_of(chunks, row)
        best = np.empty(len(query), dtype=np.float32)
        table, values = table_of(*weights_of(words, row))
        for place in range(begins[article], begins[article + 1]):
            target = targets[place]
            there, back, closest, query_chunk, target_chunk, total = compare(query, chunks, target, best)
            mention, overlap = title_closeness(row, target, titles)
            figures[place, 0], figures[place, 1], figures[place, 2] = there, back, closest
            figures[place, 3] = total / (chunks.sums[row] * chunks.sums[target])
            figures[place, 4] = np.sqrt(cosine(table, values, words, target))
            figures[place, 5], figures[place, 6] = mention, overlap
            pairs[place, 0], pairs[place, 1] = query_chunk, target_chunk
    return figures, pairs


@njit(cache=True)
def best_sentences(query_chunks: Numbers, target_chunks: Numbers, sentences: SentenceArrays) -> Numbers32:
    """Return the best-matching sentences of chunk pairs, as `explanations.best_pairs` finds them.

    Pairs of one query chunk should be neighbours.

    Returns:
        int32 (n_pairs, 4): first and last character of the query's sentence and of the target's.
    """
    found = np.empty((len(query_chunks), 4), dtype=np.int32)
    words = owners = np.empty(0, dtype=np.int64)
    table, firsts = table_of(words, words)
    masses = scores = np.empty(0)
    last = FREE
    for pair in range(len(query_chunks)):
        chunk = query_chunks[pair]
        first_own, end_own = sentences.of_chunk[chunk], sentences.of_chunk[chunk + 1]
        if chunk != last:  # the words of the chunk, each with the sentences that contain it
            begin, end = sentences.begins[first_own], sentences.begins[end_own]
            keys = np.empty(end - begin, dtype=np.int64)
            for sentence in range(first_own, end_own):
                for place in range(sentences.begins[sentence], sentences.begins[sentence + 1]):
                    keys[place - begin] = np.int64(sentences.words[place]) << 32 | (sentence - first_own)
            keys = np.sort(keys)
            words, owners = keys >> 32, keys & 0xFFFFFFFF
            fresh = np.ones(len(words), dtype=np.bool_)
            fresh[1:] = words[1:] != words[:-1]
            starts = np.flatnonzero(fresh)
            table, firsts = table_of(words[starts], starts)
            masses = np.zeros(end_own - first_own)
            for place in range(len(words)):
                masses[owners[place]] += sentences.idf[words[place]]
            scores = np.empty(len(masses))
            last = chunk
        highest, mine, its = -1.0, first_own, sentences.of_chunk[target_chunks[pair]]
        for target in range(sentences.of_chunk[target_chunks[pair]], sentences.of_chunk[target_chunks[pair] + 1]):
            scores[:] = 0.0
            mass = 0.0
            for of in range(sentences.begins[target], sentences.begins[target + 1]):
                word = np.int64(sentences.words[of])
                mass += sentences.idf[word]
                slot = look(table, word)
                if slot != FREE:
                    place = firsts[slot]
                    while place < len(words) and words[place] == word:
                        scores[owners[place]] += sentences.idf[word]
                        place += 1
            for own in range(len(scores)):
                score = np.rint(scores[own] / np.sqrt(max(masses[own], 1e-9)) / np.sqrt(max(mass, 1e-9)) * 1e6)
                if score > highest or (score == highest and first_own + own < mine):
                    highest, mine, its = score, first_own + own, target
        found[pair, 0], found[pair, 1] = sentences.spans[mine, 0], sentences.spans[mine, 1]
        found[pair, 2], found[pair, 3] = sentences.spans[its, 0], sentences.spans[its, 1]
    return found
