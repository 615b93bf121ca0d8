"""Tables of terms by their keys: in full, as a build works with them, and in few bytes, as a large archive keeps them."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.carried import Carried, bisected
from recommender.narrow import Narrow
from recommender.vector_index import Rows

PAIRS = np.uint64(1 << 32)
"""The keys of pairs begin here."""

Keys = NDArray[np.uint64]
"""uint64 (n,), sorted, distinct: a word's key is its number, a pair's is (first + 1) << 32 | second."""

LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


class KeyTable(Protocol):
    """Distinct keys in ascending order; a term's place among them stands for it."""

    def __len__(self) -> int: ...

    def find(self, keys: NDArray[np.uint64]) -> tuple[Rows, NDArray[np.bool_]]:
        """Places of those keys that are in the table, and which these are."""
        ...

    def at(self, places: Rows) -> NDArray[np.uint64]:
        """The keys at some places."""
        ...


class SortedKeys:
    """All keys as they are: 8 bytes each. Any ascending numbers will do."""

    def __init__(self, keys: NDArray[Any]) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, keys: NDArray[Any]) -> tuple[Rows, NDArray[np.bool_]]:
        """See `KeyTable`."""
        places = np.searchsorted(self._keys, keys)
        known = np.zeros(len(keys), dtype=np.bool_)
        inside = places < len(self._keys)
        known[inside] = self._keys[places[inside]] == keys[inside]
        return places[known], known

    def at(self, places: Rows) -> NDArray[np.uint64]:
        """See `KeyTable`."""
        return self._keys[places]


class HalvedKeys:
    """Keys in half: 3 or 4 bytes each, and one for each word. The upper halves of neighbours are the same, and so need not be written.

    Args:
        begins: Of n_words + 2: the keys with the upper half h lie at begins[h] <= place < begins[h + 1].
        lower: Their lower halves, ascending between two begins.
    """

    def __init__(self, begins: Carried, lower: Narrow) -> None:
        self._begins, self._lower = begins, lower

    def __len__(self) -> int:
        return len(self._lower)

    def find(self, keys: NDArray[np.uint64]) -> tuple[Rows, NDArray[np.bool_]]:
        """See `KeyTable`. Bisects for all keys at once."""
        upper, lower = np.minimum(keys >> HALF, np.uint64(len(self._begins) - 1)).astype(np.int64), keys & LOW
        low, high = self._begins[upper], self._begins[np.minimum(upper + 1, len(self._begins) - 1)]
        places = bisected(self._lower, low, high, lower)
        known = places < high
        known[known] = self._lower[places[known]] == lower[known]
        return places[known], known

    def at(self, places: Rows) -> NDArray[np.uint64]:
        """See `KeyTable`."""
        upper = self._begins.count(places).astype(np.uint64) - np.uint64(1)
        return upper << HALF | self._lower[places]


def halved(keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """What `HalvedKeys` is made of.

    >>> begins, lower = halved(np.array([3, 5, 1 << 32 | 7], dtype=np.uint64))
    >>> begins.tolist(), lower.tolist()
    ([0, 2, 3], [3, 5, 7])
    """
    upper = keys >> HALF
    n_upper = int(upper[-1]) + 1 if len(keys) else 0
    return np.searchsorted(upper, np.arange(n_upper + 1, dtype=np.uint64)), (keys & LOW).astype(np.uint32)
