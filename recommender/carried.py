"""Ascending numbers in a byte each, and 4 more for every 256 that they go up: where the stretches of millions of terms begin.

    NAME.npy           uint8 (n,): the last byte of every number
    NAME_carries.npy   uint32: at which place the rest of them is 1, 2, 3 and so on; ascending, the same again where it jumps

Both are read through `Carried`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


class Carried:
    """Read as an array is, by places."""

    def __init__(self, last: NDArray[np.uint8], carries: NDArray[np.uint32]) -> None:
        self._last, self._carries = last, carries

    def __len__(self) -> int:
        return len(self._last)

    def __getitem__(self, places: NDArray[np.integer[Any]]) -> Numbers:
        """The numbers at some places."""
        numbers: Numbers = (self._carries.searchsorted(places, side="right") << 8) + self._last[places]
        return numbers

    def count(self, values: NDArray[np.integer[Any]]) -> Numbers:
        """How many numbers are no greater than each value."""
        rest, last = np.asarray(values) >> 8, values & 255
        bounds = np.concatenate([[0], self._carries, [len(self)]])
        low, high = (bounds[np.minimum(rest + more, len(bounds) - 1)].astype(np.int64) for more in (0, 1))
        return bisected(self._last, low, high, last + 1)


def carried(numbers: NDArray[np.integer[Any]]) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """What `Carried` is made of.

    >>> last, carries = carried(np.array([0, 7, 258, 260, 800]))
    >>> last.tolist(), carries.tolist()
    ([0, 7, 2, 4, 32], [2, 4, 4])
    """
    rest = numbers >> 8
    carries = np.searchsorted(rest, np.arange(1, int(rest[-1]) + 1 if len(rest) else 0, dtype=rest.dtype))
    return (numbers & 255).astype(np.uint8), carries.astype(np.uint32)


def bisected(values: Any, low: Numbers, high: Numbers, wanted: NDArray[np.integer[Any]]) -> Numbers:
    """For each one wanted the first place, of its own from low to high, where a value is no less; high if there is none.

    Args:
        values: An array, or what is read as one; ascending between each low and its high.
    """
    step = 1 << int((high - low).max(initial=0)).bit_length()
    while step := step >> 1:
        further = np.minimum(low + step, high)
        low = np.where(values[further - 1] < wanted, further, low)
    return low
