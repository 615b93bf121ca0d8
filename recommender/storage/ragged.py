"""Slice ragged arrays, in which every article has a stretch of its own, one after the other: chunks, terms, titles."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def between(values: NDArray[Any], begins: NDArray[Any], ends: NDArray[Any]) -> NDArray[Any]:
    """Return the entries of some stretches, one after the other. They are copied in pieces, not one by one.

    >>> between(np.arange(9), np.array([6, 1]), np.array([8, 2])).tolist()
    [6, 7, 1]
    """
    parts = [values[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
    return np.concatenate(parts) if parts else values[:0]


def stretches(offsets: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of the entries of some articles.

    Args:
        offsets: int64 (n_articles + 1,): article a has the entries offsets[a] <= place < offsets[a + 1].
        rows: int64 (n,): rows of the articles.

    Returns:
        The places of all their entries, article by article, and where each article begins among these: int64 (n + 1,).

    >>> places, begins = stretches(np.array([0, 2, 3, 6]), np.array([2, 0]))
    >>> places.tolist(), begins.tolist()
    ([3, 4, 5, 0, 1], [0, 3, 5])
    """
    begins = np.concatenate([[0], np.cumsum(offsets[rows + 1] - offsets[rows])])
    return np.arange(begins[-1]) + np.repeat(offsets[rows] - begins[:-1], np.diff(begins)), begins


def sums(values: NDArray[np.float64], begins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sum of each article's entries: float64 (n,). An article may have no entries.

    >>> sums(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 2, 3])).tolist()
    [3.0, 0.0, 4.0]
    """
    total = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(total[begins[1:]] - total[begins[:-1]])
