"""The inner loops of the batch job over all articles, compiled by numba.

What they compute is defined in `recommender.maxsim`, `recommender.lexical` and `recommender.passages`, which say it in numpy, for one text
at a time; tests hold the two against each other. Here it is said for a block of articles, over arrays of the whole archive.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from recommender.ranker import DECIMALS

SPARE = 8
"""A table has at least so many slots for each term in it, so that most looks end at once."""

FREE = -1

Numbers = NDArray[np.int64]
Numbers32 = NDArray[np.int32]
Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Near = tuple[Numbers32, Floats32]


class Chunks(NamedTuple):
    """Vectors of all chunks.

    Attributes:
        stored: int8 or float32 (n_chunks, dim).
        scales: float32 (n_chunks,), by which each has to be multiplied to be of length 1.
        offsets: int64 (n_articles + 1,), article a has the chunks offsets[a] <= row < offsets[a + 1].
        sums: float32 (n_articles,), length of the sum of each article's chunk vectors.
        tie_order: int64 (n_articles,), place of each article among equals; and by_tie, the article of each place.
    """

    stored: NDArray[Any]
    scales: NDArray[np.float32]
    offsets: NDArray[np.int64]
    sums: NDArray[np.float32]
    tie_order: NDArray[np.integer[Any]]
    by_tie: NDArray[np.int64]


class Words(NamedTuple):
    """The lexical index of all articles (see `recommender.lexical`); half floats as their bits, which `halves` turns to floats."""

    offsets: NDArray[np.int64]
    terms: NDArray[np.uint32]
    weights: NDArray[np.uint16]
    starts: NDArray[np.int64]
    rows: NDArray[np.uint32]
    impacts: NDArray[np.uint16]
    halves: NDArray[np.float32]


class Titles(NamedTuple):
    """The titles of all articles, and the keys of their texts.

    Attributes:
        offsets, keys, idf: int64 (n_articles + 1,), uint64 and float64: each title's terms.
        masses: float64 (n_articles,), idf of a title's pairs.
        text_offsets, text_keys: All keys of every article.
        pairs: Keys from here on are of pairs.
    """

    offsets: NDArray[np.int64]
    keys: NDArray[np.uint64]
    idf: NDArray[np.float64]
    masses: NDArray[np.float64]
    text_offsets: NDArray[np.int64]
    text_keys: NDArray[np.uint64]
    pairs: np.uint64


class Mentions(NamedTuple):
    """Pairs of words, and the titles they stand in: pair p, of idf[p], in those of rows[starts[p]:starts[p + 1]]."""

    keys: NDArray[np.uint64]
    idf: NDArray[np.float64]
    starts: NDArray[np.int64]
    rows: NDArray[np.uint32]


class Sentences(NamedTuple):
    """The sentences of all chunks.

    Attributes:
        of_chunk: int64 (n_chunks + 1,), chunk c has the sentences of_chunk[c] <= s < of_chunk[c + 1].
        spans: int32 (n_sentences, 2), first and last character in the article's text.
        begins: int64 (n_sentences + 1,), where each sentence begins in `words`.
        words: uint32, numbers of its distinct words.
        idf: float64 (n_words,), of every word of the archive.
    """

    of_chunk: NDArray[np.int64]
    spans: NDArray[np.int32]
    begins: NDArray[np.int64]
    words: NDArray[np.uint32]
    idf: NDArray[np.float64]


@njit(cache=True, fastmath=True)
def _dot(query: Floats32, stored: Any) -> np.float32:
    total = np.float32(0)
    for place in range(query.shape[0]):
        total += query[place] * np.float32(stored[place])
    return total


@njit(cache=True)
def _vectors(chunks: Chunks, row: Any) -> Floats32:
    """The chunk vectors of an article, of length 1."""
    begin, end = chunks.offsets[row], chunks.offsets[row + 1]
    found = np.empty((end - begin, chunks.stored.shape[1]), dtype=np.float32)
    for chunk in range(begin, end):
        for place in range(found.shape[1]):
            found[chunk - begin, place] = np.float32(chunks.stored[chunk, place]) * chunks.scales[chunk]
    return found


@njit(cache=True)
def _compare(query: Floats32, chunks: Chunks, row: Any, best: Floats32) -> tuple[Any, ...]:
    """An article with another: there, back, closest pair, its chunk of the query, its chunk of the target, sum of all cosines.

    Args:
        best: Scratch, float32 (n query chunks,).
    """
    best[:] = -2.0
    back, closest, total, query_chunk, target_chunk = 0.0, -2.0, 0.0, 0, 0
    begin, end = chunks.offsets[row], chunks.offsets[row + 1]
    for target in range(begin, end):
        highest: Any = np.float32(-2.0)
        its = 0
        for place in range(query.shape[0]):
            cosine = _dot(query[place], chunks.stored[target]) * chunks.scales[target]
            total += cosine
            best[place] = max(best[place], cosine)
            if cosine > highest:
                highest, its = cosine, place
        back += highest
        if highest > closest:
            closest, query_chunk, target_chunk = np.float64(highest), its, target
    there = 0.0
    for place in range(query.shape[0]):
        there += best[place]
    return there / query.shape[0], back / (end - begin), closest, query_chunk, target_chunk, total


@njit(cache=True, inline="always")
def _key(value: Any, row: Any) -> Any:
    """A value between -2 and 2 and a row as one number: higher for higher values, and for lower rows where these are equal."""
    return (np.int64((np.float64(value) + 2.0) * (1 << 29)) << 32) | (0xFFFFFFFF - np.int64(row))


@njit(cache=True, inline="always")
def _row(key: Any) -> Any:
    return 0xFFFFFFFF - (key & 0xFFFFFFFF)


@njit(cache=True)
def _push(heap: Numbers, key: Any) -> None:
    """Put a key in place of the lowest of a heap, which it is above."""
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= len(heap):
            break
        if child + 1 < len(heap) and heap[child + 1] < heap[child]:
            child += 1
        if key <= heap[child]:
            break
        heap[hole] = heap[child]
        hole = child
    heap[hole] = key


@njit(cache=True)
def _highest(keys: Numbers, limit: int) -> Numbers:
    """The highest keys, highest first: int64 (at most limit,)."""
    heap = np.sort(keys[:limit])
    for place in range(limit, len(keys)):
        if keys[place] > heap[0]:
            _push(heap, keys[place])
    return np.sort(heap)[::-1]


@njit(cache=True)
def _rounded(score: float) -> Any:
    return np.rint(score * 10**DECIMALS) / 10**DECIMALS


@njit(cache=True)
def _score(there: float, back: float) -> Any:
    return min(max(_rounded((there + back) / 2), 0.0), 1.0)


@njit(cache=True)
def nearest_of(rows: Numbers, found: Numbers32, chunks: Chunks, limit: int) -> Near:
    """The nearest by MaxSim among what was found for each article.

    Args:
        rows: int64 (n,): the articles.
        found: int32 (n, m): articles to choose from, FREE where there are fewer; the article itself may be among them.

    Returns:
        Rows int32 (n, limit), FREE-padded, and scores float32, closest first.
    """
    near, closeness = np.full((len(rows), limit), FREE, dtype=np.int32), np.zeros((len(rows), limit), dtype=np.float32)
    for place in range(len(rows)):
        query = _vectors(chunks, rows[place])
        best = np.empty(len(query), dtype=np.float32)
        others = found[place]
        others = others[(others != FREE) & (others != rows[place])]
        keys = np.empty(len(others), dtype=np.int64)
        for other in range(len(others)):
            there, back, _, _, _, _ = _compare(query, chunks, others[other], best)
            keys[other] = _key(_score(there, back), chunks.tie_order[others[other]])
        _write(_highest(keys, limit), chunks.by_tie, near[place], closeness[place])
    return near, closeness


@njit(cache=True)
def _write(keys: Numbers, by_tie: Numbers, near: Numbers32, closeness: Floats32) -> None:
    """The articles of some keys, and their scores."""
    for place in range(len(keys)):
        near[place] = by_tie[_row(keys[place])]
        closeness[place] = _rounded(np.float64(keys[place] >> 32) / (1 << 29) - 2.0)


@njit(cache=True)
def scores_of_products(products: Floats32, ends: Numbers, begins: Numbers, scores: Floats) -> None:
    """MaxSim from all cosines: of the articles of a block with a stretch of the archive's.

    Args:
        products: float32 (n query chunks, n target chunks).
        ends: int64 (n_queries + 1,), where each query's chunks begin and end.
        begins: int64 (n_targets + 1,), where each target's chunks do.
        scores: float64 (n_queries, n_targets), written.
    """
    for query in range(len(ends) - 1):
        first, last = ends[query], ends[query + 1]
        for target in range(len(begins) - 1):
            there, back = 0.0, 0.0
            for one in range(first, last):
                highest: Any = np.float32(-2.0)
                for other in range(begins[target], begins[target + 1]):
                    highest = max(highest, products[one, other])
                there += highest
            for other in range(begins[target], begins[target + 1]):
                highest = np.float32(-2.0)
                for one in range(first, last):
                    highest = max(highest, products[one, other])
                back += highest
            scores[query, target] = _score(there / (last - first), back / (begins[target + 1] - begins[target]))


@njit(cache=True)
def nearest_by_scores(rows: Numbers, scores: Floats, tie_order: NDArray[Any], by_tie: Numbers, limit: int) -> Near:
    """The nearest of each article, given its score with every article: see `nearest_of`."""
    near, closeness = np.full((len(rows), limit), FREE, dtype=np.int32), np.zeros((len(rows), limit), dtype=np.float32)
    keys = np.empty(len(tie_order) - 1, dtype=np.int64)
    for place in range(len(rows)):
        n = 0
        for other in range(len(tie_order)):
            if other != rows[place]:
                keys[n] = _key(scores[place, other], tie_order[other])
                n += 1
        _write(_highest(keys, limit), by_tie, near[place], closeness[place])
    return near, closeness


@njit(cache=True)
def keep_highest(products: Floats32, rows: Numbers32, kept: Numbers) -> None:
    """Keep the keys of the highest products of each query.

    Args:
        products: float32 (n_queries, n_rows), cosines.
        rows: int32 (n_rows,).
        kept: int64 (n_queries, k), heaps of keys; 0 where nothing was kept so far.
    """
    for query in range(len(products)):
        heap = kept[query]
        for place in range(len(rows)):
            if products[query, place] > np.float64(heap[0] >> 32) / (1 << 29) - 2.0:
                _push(heap, _key(products[query, place], rows[place]))


@njit(cache=True)
def rows_of(kept: Numbers) -> Numbers32:
    """The rows of kept keys, FREE where there is none."""
    rows = np.full(kept.shape, FREE, dtype=np.int32)
    for query in range(len(kept)):
        for place in range(kept.shape[1]):
            if kept[query, place]:
                rows[query, place] = _row(kept[query, place])
    return rows


@njit(cache=True, inline="always")
def _slot(term: Any, n_slots: int) -> Any:
    return ((np.int64(term) * 2654435761) >> 8) & (n_slots - 1)


@njit(cache=True)
def _table(terms: NDArray[Any], weights: NDArray[Any]) -> tuple[Numbers, NDArray[Any]]:
    """A table of terms and one of their weights: a term is in one of the slots behind its own, before the next free one."""
    n_slots = 64
    while n_slots < SPARE * len(terms):
        n_slots *= 2
    table, values = np.full(n_slots, FREE, dtype=np.int64), np.empty(n_slots, dtype=weights.dtype)
    for place in range(len(terms)):
        slot = _slot(terms[place], n_slots)
        while table[slot] != FREE:
            slot = (slot + 1) & (n_slots - 1)
        table[slot], values[slot] = np.int64(terms[place]), weights[place]
    return table, values


@njit(cache=True, inline="always")
def _look(table: Numbers, term: Any) -> Any:
    """Slot of a term, FREE if the table does not hold it."""
    slot = _slot(term, len(table))
    while table[slot] != FREE:
        if table[slot] == term:
            return slot
        slot = (slot + 1) & (len(table) - 1)
    return FREE


@njit(cache=True)
def _weights(words: Words, row: Any) -> tuple[NDArray[np.uint32], Floats32]:
    begin, end = words.offsets[row], words.offsets[row + 1]
    weights = np.empty(end - begin, dtype=np.float32)
    for place in range(begin, end):
        weights[place - begin] = words.halves[words.weights[place]]
    return words.terms[begin:end], weights


@njit(cache=True)
def _cosine(table: Numbers, values: Floats32, words: Words, row: Any) -> np.float32:
    total = 0.0
    for place in range(words.offsets[row], words.offsets[row + 1]):
        slot = _look(table, np.int64(words.terms[place]))
        if slot != FREE:
            total += np.float64(values[slot] * words.halves[words.weights[place]])
    return np.float32(min(max(total, 0.0), 1.0))


@njit(cache=True)
def nearest_in_words(rows: Numbers, words: Words, n_terms: int, depth: int, limit: int) -> Near:
    """The nearest by words of each article, as `LexicalIndex.search` finds them.

    Returns:
        Rows int32 (n, limit), FREE-padded, and cosines float32, closest first.
    """
    near, closeness = np.full((len(rows), limit), FREE, dtype=np.int32), np.zeros((len(rows), limit), dtype=np.float32)
    n_articles = len(words.offsets) - 1
    gathered = np.zeros(n_articles, dtype=np.float32)
    touched = np.empty(n_articles, dtype=np.int32)
    for place in range(len(rows)):
        terms, weights = _weights(words, rows[place])
        keys = np.empty(len(terms), dtype=np.int64)
        for term in range(len(terms)):
            keys[term] = _key(weights[term], term)
        n_touched = 0
        for key in _highest(keys, n_terms):
            best = _row(key)
            for posting in range(words.starts[terms[best]], words.starts[terms[best] + 1]):
                row = words.rows[posting]
                if gathered[row] == 0:
                    touched[n_touched] = row
                    n_touched += 1
                gathered[row] += weights[best] * words.halves[words.impacts[posting]]
        gathered[rows[place]] = 0.0
        keys, n_seen = np.empty(n_touched, dtype=np.int64), 0
        for row in touched[:n_touched]:
            if gathered[row] > 0:
                keys[n_seen] = _key(gathered[row], row)
                n_seen += 1
                gathered[row] = 0.0
        keys = _highest(keys[:n_seen], depth)
        table, values = _table(terms, weights)
        for seen in range(len(keys)):
            row = _row(keys[seen])
            keys[seen] = _key(_cosine(table, values, words, row), row)
        keys = _highest(keys, limit)
        for seen in range(len(keys)):
            near[place, seen] = _row(keys[seen])
            closeness[place, seen] = _cosine(table, values, words, near[place, seen])
    return near, closeness


@njit(cache=True)
def _find(keys: NDArray[np.uint64], key: np.uint64) -> Any:
    """Place of a key among sorted ones; FREE if it is not there."""
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < len(keys) and keys[low] == key else FREE


@njit(cache=True)
def mentioned(rows: Numbers, places: Numbers, begins: Numbers, mentions: Mentions, masses: Floats, named: float, limit: int) -> Numbers32:
    """The articles whose titles each article names, as `LexicalIndex.mentioned` finds them.

    Args:
        places: int64: places in `mentions` of the pairs that each article has; article i has places[begins[i]:begins[i + 1]].
        named: The least share.

    Returns:
        int32 (n, limit), FREE-padded, the most fully named first.
    """
    found = np.full((len(rows), limit), FREE, dtype=np.int32)
    gathered = np.zeros(len(masses))
    touched = np.empty(len(masses), dtype=np.int32)
    for article in range(len(rows)):
        n_touched = 0
        for pair in places[begins[article] : begins[article + 1]]:
            for posting in range(mentions.starts[pair], mentions.starts[pair + 1]):
                row = mentions.rows[posting]
                if gathered[row] == 0:
                    touched[n_touched] = row
                    n_touched += 1
                gathered[row] += mentions.idf[pair]
        keys, n_named = np.empty(n_touched, dtype=np.int64), 0
        for row in touched[:n_touched]:
            share = gathered[row] / masses[row]
            gathered[row] = 0.0
            if share >= named and row != rows[article]:
                keys[n_named] = _key(min(share, 1.0), row)
                n_named += 1
        keys = _highest(keys[:n_named], limit)
        for place in range(len(keys)):
            found[article, place] = _row(keys[place])
    return found


@njit(cache=True)
def _title(query: Any, target: Any, titles: Titles) -> tuple[Any, Any]:
    """How far an article names another's title, and how close the titles are: see `LexicalIndex.title_features`."""
    text = titles.text_keys[titles.text_offsets[query] : titles.text_offsets[query + 1]]
    own = titles.keys[titles.offsets[query] : titles.offsets[query + 1]]
    own_squared = 0.0
    for place in range(titles.offsets[query], titles.offsets[query + 1]):
        own_squared += titles.idf[place] ** 2
    share, overlap, squared = 0.0, 0.0, 0.0
    for place in range(titles.offsets[target], titles.offsets[target + 1]):
        key, idf = titles.keys[place], titles.idf[place]
        squared += idf**2
        if key >= titles.pairs and _find(text, key) != FREE:
            share += idf
        if _find(own, key) != FREE:
            overlap += idf**2
    share = min(max(share / titles.masses[target], 0.0), 1.0)
    norms = np.sqrt(squared * own_squared)
    return np.float32(share) ** 2, min(max(overlap / norms, 0.0), 1.0) if norms > 0 else 0.0


@njit(cache=True)
def describe(rows: Numbers, begins: Numbers, targets: Numbers, chunks: Chunks, words: Words, titles: Titles) -> tuple[Floats, Numbers]:
    """Compare every article of a block with its candidates.

    Args:
        rows: int64 (n,).
        begins: int64 (n + 1,): where each article's candidates begin in `targets`.
        targets: int64 (n_pairs,).

    Returns:
        float64 (n_pairs, 7): there, back, closest pair, cosine of the means, closeness in words, mention, closeness of the titles;
        int64 (n_pairs, 2): chunks of the closest pair, the query's counted from its first, and the target's row.
    """
    figures = np.empty((len(targets), 7))
    pairs = np.empty((len(targets), 2), dtype=np.int64)
    for article in range(len(rows)):
        row = rows[article]
        query = _vectors(chunks, row)
        best = np.empty(len(query), dtype=np.float32)
        table, values = _table(*_weights(words, row))
        for place in range(begins[article], begins[article + 1]):
            target = targets[place]
            there, back, closest, query_chunk, target_chunk, total = _compare(query, chunks, target, best)
            mention, overlap = _title(row, target, titles)
            figures[place, 0], figures[place, 1], figures[place, 2] = there, back, closest
            figures[place, 3] = total / (chunks.sums[row] * chunks.sums[target])
            figures[place, 4] = np.sqrt(_cosine(table, values, words, target))
            figures[place, 5], figures[place, 6] = mention, overlap
            pairs[place, 0], pairs[place, 1] = query_chunk, target_chunk
    return figures, pairs


@njit(cache=True)
def shared_terms(
    rows: Numbers, begins: Numbers, targets: Numbers, words: Words, keys: NDArray[np.uint64], n_terms: int
) -> NDArray[np.uint64]:
    """The rarest terms that each article shares with each of some others, as `LexicalIndex.shared_terms` finds them."""
    found = np.zeros((len(targets), n_terms), dtype=np.uint64)
    used = np.empty(2 * n_terms, dtype=np.int64)
    for article in range(len(rows)):
        table, values = _table(*_weights(words, rows[article]))
        products, shared = np.empty(len(table), dtype=np.float32), np.empty(len(table), dtype=np.int64)
        for place in range(begins[article], begins[article + 1]):
            n_shared = 0
            for of in range(words.offsets[targets[place]], words.offsets[targets[place] + 1]):
                slot = _look(table, np.int64(words.terms[of]))
                if slot != FREE:
                    products[n_shared] = values[slot] * words.halves[words.weights[of]]
                    shared[n_shared] = words.terms[of]
                    n_shared += 1
            n_used, n_found = 0, 0
            while n_found < n_terms:
                highest, best = np.float32(0.0), FREE
                for term in range(n_shared):
                    if products[term] > highest:
                        highest, best = products[term], term
                if best == FREE:
                    break
                products[best] = 0.0
                key = keys[shared[best]]
                second = np.int64(key & np.uint64(0xFFFFFFFF))
                first = np.int64(key >> np.uint64(32)) - 1  # -1 for a single word
                fresh: Any = True
                for one in range(n_used):
                    fresh = fresh and used[one] != second and (first < 0 or used[one] != first)
                if fresh:
                    used[n_used] = second
                    n_used += 1
                    if first >= 0:
                        used[n_used] = first
                        n_used += 1
                    found[place, n_found] = key + np.uint64(1)
                    n_found += 1
    return found


@njit(cache=True)
def best_sentences(query_chunks: Numbers, target_chunks: Numbers, sentences: Sentences) -> Numbers32:
    """The best-matching sentences of pairs of chunks, as `passages.best_pairs` finds them; pairs of one query chunk should be neighbours.

    Returns:
        int32 (n_pairs, 4): first and last character of the query's sentence and of the target's.
    """
    found = np.empty((len(query_chunks), 4), dtype=np.int32)
    words = owners = np.empty(0, dtype=np.int64)
    table, firsts = _table(words, words)
    masses = scores = np.empty(0)
    last = FREE
    for pair in range(len(query_chunks)):
        chunk = query_chunks[pair]
        first_own, end_own = sentences.of_chunk[chunk], sentences.of_chunk[chunk + 1]
        if chunk != last:  # its words, each with the sentences that hold it
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
            table, firsts = _table(words[starts], starts)
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
                slot = _look(table, word)
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
