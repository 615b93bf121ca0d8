"""Count more values than memory holds by an external merge sort: sorted runs on disk, merged range by range."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.storage.npy_append import Growing
from recommender.storage.mapped import mapped
from recommender.types import UInts

BYTES = 128
"""Bytes of memory for each value in process: collected, sorted, and counted."""

SAMPLES = 1024
"""Number of samples from every range, to find the start of the next range."""

NONE = np.uint32(0xFFFFFFFF)
"""The number of a value that occurs only once."""


class Runs:
    """A collector of values. A separate thread sorts each run while the next one is collected.

    Args:
        folder: Folder to create for the runs. The caller removes it.
        memory: Bytes that may be in use.
        dtype: uint32 or uint64.
    """

    def __init__(self, folder: Path, memory: int, dtype: type[np.unsignedinteger[Any]]) -> None:
        folder.mkdir(parents=True)
        self._folder, self._dtype = folder, dtype
        self._most = max(memory // BYTES, 1)
        self._collected: list[NDArray[Any]] = []
        self._n_collected = 0
        self._n_runs = 0
        self._sorter = ThreadPoolExecutor(1)
        self._sorting: Future[None] | None = None

    def add(self, values: NDArray[Any]) -> None:
        """Add values that belong to one run."""
        self._collected.append(values)
        self._n_collected += len(values)
        if self._n_collected >= self._most:
            self._sort()

    def counted(self) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
        """Yield all distinct values, ascending, and the count of each, in ranges that fit in memory."""
        runs = self._sorted()
        for slices in _ranges(runs, self._most):
            values = np.concatenate([run[own] for run, own in zip(runs, slices, strict=True)])
            values.sort(kind="stable")  # the stable sort merges sorted parts
            firsts = np.flatnonzero(_is_new(values))
            yield values[firsts], np.diff(firsts, append=len(values))

    def numbered(self) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
        """Assign numbers to the values that were added more than once, from 0 in ascending order.

        `numbers` then yields the number of each value.

        Returns:
            These values and the count of each, in ranges that fit in memory.
        """
        runs = self._sorted()
        growing = [Growing(self._path(number, "numbers"), np.uint32) for number in range(len(runs))]
        with ExitStack() as stack:
            for of_run in growing:
                stack.enter_context(of_run)
            n_numbered = 0
            for slices in _ranges(runs, self._most):
                parts = [run[own] for run, own in zip(runs, slices, strict=True)]
                values = np.concatenate(parts)
                order = np.argsort(values, kind="stable")
                values = values[order]
                new = _is_new(values)
                firsts = np.flatnonzero(new)
                counts = np.diff(firsts, append=len(values))
                several = counts > 1
                of_distinct = np.where(several, (n_numbered - 1 + np.cumsum(several)).astype(np.uint32), NONE)
                numbers = np.empty(len(values), dtype=np.uint32)
                numbers[order] = np.repeat(of_distinct, counts)
                for of_run, begin, end in zip(growing, *_bounds(parts), strict=True):
                    of_run.add(numbers[begin:end])
                n_numbered += int(several.sum())
                yield values[firsts[several]], counts[several]

    def numbers(self) -> Iterator[UInts]:
        """Yield the numbers of all values in the order in which they were added, run by run."""
        for number in range(self._n_runs):
            order = mapped(self._path(number, "order"))
            numbers = np.empty(len(order), dtype=np.uint32)
            numbers[order] = mapped(self._path(number, "numbers"))
            yield numbers

    def close(self) -> None:
        self._sorter.shutdown(cancel_futures=True)

    def _sorted(self) -> list[NDArray[Any]]:
        if self._collected:
            self._sort()
        if self._sorting is not None:
            self._sorting.result()
        self.close()
        return [mapped(self._path(number, "values")) for number in range(self._n_runs)]

    def _sort(self) -> None:
        if self._sorting is not None:
            self._sorting.result()  # one at a time
        self._sorting = self._sorter.submit(self._write, self._n_runs, self._collected)
        self._collected, self._n_collected = [], 0
        self._n_runs += 1

    def _write(self, number: int, collected: Sequence[NDArray[Any]]) -> None:
        values = np.concatenate(collected).astype(self._dtype, copy=False)
        order = np.argsort(values)
        np.save(self._path(number, "values"), values[order], allow_pickle=False)
        np.save(self._path(number, "order"), order.astype(np.uint32), allow_pickle=False)

    def _path(self, number: int, what: str) -> Path:
        return self._folder / f"{number}-{what}.npy"


def _ranges(runs: Sequence[NDArray[Any]], most: int) -> Iterator[list[slice]]:
    """Yield the slices of every run for one range of values after the other.

    The slices of a range hold about `most` values.
    """
    stride = max(1, most // SAMPLES)
    samples = np.sort(np.concatenate([run[::stride] for run in runs])) if runs else np.empty(0)
    per_range = most // stride
    begins = [0] * len(runs)
    for bound in [*np.unique(samples[per_range::per_range]), None]:
        ends = [len(run) if bound is None else int(np.searchsorted(run, bound)) for run in runs]
        if ends != begins:
            yield [slice(begin, end) for begin, end in zip(begins, ends, strict=True)]
        begins = ends


def _is_new(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which ascending values differ from the value before."""
    new = np.ones(len(values), dtype=np.bool_)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return new


def _bounds(parts: Sequence[NDArray[Any]]) -> tuple[list[int], list[int]]:
    ends = np.cumsum([len(part) for part in parts]).tolist()
    return [0, *ends[:-1]], ends
