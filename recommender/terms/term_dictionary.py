"""Look up terms in the term dictionary: their keys in ascending order. The place of a key is the number of its term."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.types import Rows

PAIRS = np.uint64(1 << 32)
"""The keys of pairs begin here."""

Keys = NDArray[np.uint64]
"""uint64 (n,), sorted, distinct. A word's key is its number, a pair's is (first + 1) << 32 | second."""


class SortedKeys:
    """Distinct keys in ascending order, or any other ascending numbers, 8 bytes each."""

    def __init__(self, keys: NDArray[Any]) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, keys: NDArray[Any]) -> tuple[Rows, NDArray[np.bool_]]:
        """Return the places of those keys that are in the table, and a mask of these keys."""
        places = np.searchsorted(self._keys, keys)
        known = np.zeros(len(keys), dtype=np.bool_)
        inside = places < len(self._keys)
        known[inside] = self._keys[places[inside]] == keys[inside]
        return places[known], known

    def at(self, places: Rows) -> NDArray[np.uint64]:
        """Return the keys at some places."""
        return self._keys[places]
