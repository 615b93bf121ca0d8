"""Find the distinct values in every range of a ragged array, whose ranges are contiguous as in
`recommender.storage.ragged`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Stretches(NamedTuple):
    """A ragged array: values of one dimension, and the length of every range, int64 (n,)."""

    values: NDArray[Any]
    lengths: NDArray[np.int64]


def distinct(owners: NDArray[np.int64], values: NDArray[np.uint32], n_owners: int) -> Stretches:
    """Return the distinct values of every owner, ascending.

    >>> distinct(np.array([0, 2, 0, 0]), np.array([7, 1, 2, 7], dtype=np.uint32), 3)
    Stretches(values=array([2, 7, 1], dtype=uint32), lengths=array([2, 0, 1]))
    """
    keys = owners.astype(np.uint64) << np.uint64(32) | values
    keys.sort()
    keys = keys[_new(keys)]
    return Stretches(keys.astype(np.uint32), np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=n_owners))


def counted(stretches: Sequence[NDArray[Any]]) -> tuple[Stretches, NDArray[np.int64]]:
    """Return the distinct values of every range, ascending, and the count of each.

    >>> counted([np.array([7, 2, 7]), np.array([7])])
    (Stretches(values=array([2, 7, 7]), lengths=array([2, 1])), array([1, 2, 1]))
    """
    ends = np.cumsum([len(stretch) for stretch in stretches])
    values = np.concatenate([np.sort(stretch) for stretch in stretches])
    new = _new(values)
    new[ends[ends < len(values)]] = True
    firsts = np.flatnonzero(new)
    return Stretches(values[firsts], np.diff(np.searchsorted(firsts, ends), prepend=0)), np.diff(firsts, append=len(values))


def _new(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which values differ from the value before."""
    new = np.ones(len(values), dtype=np.bool_)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return new
