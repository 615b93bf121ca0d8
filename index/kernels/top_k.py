"""Encode a value and a row as one integer key, and select the highest keys."""

from typing import Any

import numpy as np
from numba import njit

from recommender.types import Numbers


@njit(cache=True, inline="always")
def key_of(value: Any, row: Any) -> Any:
    """Encode a value between -2 and 2 and a row as one key.

    Higher values have higher keys. Among equal values, lower rows have higher keys.
    """
    return (np.int64((np.float64(value) + 2.0) * (1 << 29)) << 32) | (0xFFFFFFFF - np.int64(row))


@njit(cache=True, inline="always")
def row_of(key: Any) -> Any:
    return 0xFFFFFFFF - (key & 0xFFFFFFFF)


@njit(cache=True)
def push(heap: Numbers, key: Any) -> None:
    """Replace the lowest key of a heap with a higher key."""
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
def highest_of(keys: Numbers, limit: int) -> Numbers:
    """Return the highest keys, highest first: int64 (at most limit,)."""
    heap = np.sort(keys[:limit])
    for place in range(limit, len(keys)):
        if keys[place] > heap[0]:
            push(heap, keys[place])
    return np.sort(heap)[::-1]
