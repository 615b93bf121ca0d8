"""Explain why two articles are related: find the pair of sentences, one of each, that shares most.

The embeddings determine the closest pair of chunks. Inside these chunks, sentences are compared by their words,
weighted by rarity:

    score(a, b) = sum of idf over shared words / sqrt(sum of idf over a's words x sum of idf over b's words)

Embedding every sentence would cost as much as embedding the whole archive.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.terms.term_dictionary import Keys
from recommender.text.chunking import SENTENCE_END
from recommender.text.words import words

FEWEST_WORDS = 4
"""Minimum words of a sentence that explains, if there is a longer one."""


@dataclass(frozen=True, slots=True)
class Sentences:
    """The sentences of a chunk, at least one.

    Attributes:
        spans: int32 (n, 2), first and last character of each in the article's text.
        numbers: uint64 (n_words,), numbers of the distinct words of each sentence, sentence by sentence.
        idf: float64 (n_words,), idf of these words.
        begins: int64 (n + 1,), where each sentence begins among the words.
    """

    spans: NDArray[np.int32]
    numbers: Keys
    idf: NDArray[np.float64]
    begins: NDArray[np.int64]


def split(chunk: str, start: int) -> list[tuple[int, int, list[str]]]:
    """Split a chunk, which begins at character `start` of its article, into sentences, and these into words.

    A text without a sentence end is one sentence.

    >>> split("Ships left the old port. They came back late. No!", 10)
    [(10, 34, ['ships', 'left', 'the', 'old', 'port']), (35, 55, ['they', 'came', 'back', 'late'])]
    """
    found: list[tuple[int, int, list[str]]] = []
    begin = 0
    for end in [*(match.end() for match in SENTENCE_END.finditer(chunk)), len(chunk)]:
        sentence = chunk[begin:end]
        of = words(sentence)
        if len(of) >= FEWEST_WORDS:
            left = start + begin + len(sentence) - len(sentence.lstrip())
            found.append((left, left + len(sentence.strip()), of))
        begin = end
    return found or [(start, start + len(chunk), words(chunk))]


def read_sentences(
    chunk: str, start: int, numbers_of: Callable[[Sequence[str]], Mapping[str, int]], idf_of: Callable[[Keys], NDArray[np.float64]]
) -> Sentences:
    """Return the sentences of a chunk, with the words that the archive knows.

    Args:
        start: First character of the chunk in its article's text.
        numbers_of: Maps words to the numbers of those that the archive knows.
    """
    spans, of_sentences = [], []
    for begin, end, of in split(chunk, start):
        spans.append((begin, end))
        of_sentences.append(of)
    known = numbers_of([word for of_one in of_sentences for word in of_one])
    distinct = [sorted({known[word] for word in of_one if word in known}) for of_one in of_sentences]
    numbers = np.array([number for of_one in distinct for number in of_one], dtype=np.uint64)
    return Sentences(np.array(spans, dtype=np.int32), numbers, idf_of(numbers), np.cumsum([0, *map(len, distinct)]))


def best_pairs(query: Sentences, targets: Sequence[Sentences]) -> list[tuple[int, int]]:
    """Return the best-matching sentences of a query chunk and of each target chunk. Without shared words, the first."""
    own, places = np.unique(query.numbers, return_inverse=True)
    holds = np.zeros((len(query.spans), len(own) + 1))  # the last column is for words that the query does not have
    sentence_of_word = np.repeat(np.arange(len(query.spans)), np.diff(query.begins))
    holds[sentence_of_word, places] = query.idf
    mass = np.sqrt(np.maximum(holds.sum(axis=1), 1e-9))

    theirs = np.concatenate([target.numbers for target in targets])
    idf = np.concatenate([target.idf for target in targets])
    found = np.searchsorted(own, theirs)
    found[found == len(own)] = 0 if len(own) else len(own)
    column = np.where(own[found] == theirs, found, len(own)) if len(own) else found
    n_words = np.concatenate([np.diff(target.begins) for target in targets])
    ends = np.cumsum(n_words)
    total = np.concatenate([np.zeros((len(holds), 1)), np.cumsum(holds[:, column], axis=1)], axis=1)
    their_total = np.concatenate([[0.0], np.cumsum(idf)])
    their_mass = np.sqrt(np.maximum(their_total[ends] - their_total[ends - n_words], 1e-9))
    scores = np.round((total[:, ends] - total[:, ends - n_words]) / mass[:, None] / their_mass, 6)  # (query's sentences, all targets')
    pairs = []
    begin = 0
    for target in targets:
        mine = scores[:, begin : begin + len(target.spans)]
        best = divmod(int(mine.argmax()), mine.shape[1])
        pairs.append(best)
        begin += len(target.spans)
    return pairs
