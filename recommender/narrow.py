"""Whole numbers in three bytes each, where three hold them all; else in four.

They are stored as an array of type V3, or V4, little-endian, with one entry more than there are numbers: so every number, the last
too, can be read as the four bytes that begin with it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.stretches import between

Numbers = NDArray[np.uint32]


class Narrow:
    """Read as an array is, by places and slices."""

    def __init__(self, stored: NDArray[np.void]) -> None:
        width = stored.dtype.itemsize
        self._wide: Numbers = np.ndarray(max(len(stored) - 1, 0), "<u4", stored.view(np.uint8), strides=(width,))
        self._all = np.uint32((1 << 8 * width) - 1)

    def __len__(self) -> int:
        return len(self._wide)

    def __getitem__(self, places: Any) -> Numbers:
        numbers: Numbers = self._wide[places] & self._all
        return numbers

    def between(self, begins: NDArray[Any], ends: NDArray[Any]) -> Numbers:
        """See `stretches.between`."""
        numbers: Numbers = between(self._wide, begins, ends) & self._all
        return numbers


def narrow_type(n: int) -> np.dtype[np.void]:
    """What holds the numbers below n."""
    return np.dtype("V3" if n <= 1 << 24 else "V4")


def narrow(numbers: NDArray[Any], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """What `Narrow` is made of, but for the entry behind it.

    >>> stored = narrow(np.array([7, 70_000, 0]), narrow_type(70_001))
    >>> stored.nbytes, Narrow(stored)[:].tolist()
    (9, [7, 70000])
    """
    wide = numbers.astype("<u4").view(np.uint8).reshape(-1, 4)
    return np.ascontiguousarray(wide[:, : dtype.itemsize]).view(dtype).ravel()
