"""Define the arrays of the whole archive that the loops read."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FREE = -1
"""Marks an unused slot: no row."""

Numbers32 = NDArray[np.int32]
Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Near = tuple[Numbers32, Floats32]


class Chunks(NamedTuple):
    """Vectors of all chunks.

    Attributes:
        stored: int8 or float32 (n_chunks, dim).
        scales: float32 (n_chunks,), factor that scales each vector to unit norm.
        offsets: int64 (n_articles + 1,), article a has the chunks offsets[a] <= row < offsets[a + 1].
        sums: float32 (n_articles,), norm of the sum of each article's chunk vectors.
        tie_order: int64 (n_articles,), rank of each article among ties. by_tie: the article of each rank.
    """

    stored: NDArray[Any]
    scales: NDArray[np.float32]
    offsets: NDArray[np.int64]
    sums: NDArray[np.float32]
    tie_order: NDArray[np.integer[Any]]
    by_tie: NDArray[np.int64]


class TermArrays(NamedTuple):
    """The inverted index of all articles (see `recommender.terms.inverted_index`).

    Half floats are stored as their bits. `halves` converts these bits to floats.
    """

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
        offsets, keys, idf: int64 (n_articles + 1,), uint64 and float64: terms of each title.
        masses: float64 (n_articles,), sum of the idf of a title's pairs.
        text_offsets, text_keys: All keys of every article.
        pairs: Keys from this value on belong to pairs.
    """

    offsets: NDArray[np.int64]
    keys: NDArray[np.uint64]
    idf: NDArray[np.float64]
    masses: NDArray[np.float64]
    text_offsets: NDArray[np.int64]
    text_keys: NDArray[np.uint64]
    pairs: np.uint64


class Mentions(NamedTuple):
    """Pairs of words and the titles that contain them.

    Pair p has the weight idf[p]. The titles that contain it are rows[starts[p]:starts[p + 1]].
    """

    keys: NDArray[np.uint64]
    idf: NDArray[np.float64]
    starts: NDArray[np.int64]
    rows: NDArray[np.uint32]


class SentenceArrays(NamedTuple):
    """The sentences of all chunks.

    Attributes:
        of_chunk: int64 (n_chunks + 1,), chunk c has the sentences of_chunk[c] <= s < of_chunk[c + 1].
        spans: int32 (n_sentences, 2), first and last character in the article's text.
        begins: int64 (n_sentences + 1,), the start of each sentence in `words`.
        words: uint32, numbers of the distinct words of each sentence.
        idf: float64 (n_words,), of every word of the archive.
    """

    of_chunk: NDArray[np.int64]
    spans: NDArray[np.int32]
    begins: NDArray[np.int64]
    words: NDArray[np.uint32]
    idf: NDArray[np.float64]
