"""How often each value occurs among more values than memory holds: sorted runs on disk, then all runs stretch by stretch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from recommender.stretches import mapped

Value = TypeVar("Value", np.uint32, np.uint64)

BYTES = 128
"""Of memory for each value at work: buffered, sorted, and counted."""

SAMPLES = 1024
"""Of every stretch, to find where the next begins."""


class Runs(Generic[Value]):
    """Values that are counted.

    Args:
        folder: To be made, for the runs; `counted` leaves it empty.
        memory: Bytes that may be in use.
    """

    def __init__(self, folder: Path, memory: int) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._most = max(memory // BYTES, 1)
        self._buffer: list[NDArray[Value]] = []
        self._buffered = 0
        self._paths: list[Path] = []

    def add(self, values: NDArray[Value]) -> None:
        self._buffer.append(values)
        self._buffered += len(values)
        if self._buffered >= self._most:
            self._spill()

    def counted(self) -> Iterator[tuple[NDArray[Value], NDArray[np.int64]]]:
        """All values, distinct and ascending, and how often each was added, in stretches that fit memory; once."""
        if self._buffer:
            self._spill()
        runs = [mapped(path) for path in self._paths]
        stride = max(1, self._most // SAMPLES)
        samples = np.sort(np.concatenate([run[::stride] for run in runs])) if runs else np.empty(0)
        begins = [0] * len(runs)
        for end in [*np.unique(samples[SAMPLES::SAMPLES]), None]:
            ends = [len(run) if end is None else int(np.searchsorted(run, end)) for run in runs]
            if ends != begins:
                parts = [run[begin:stop] for run, begin, stop in zip(runs, begins, ends, strict=True)]
                yield np.unique(np.concatenate(parts), return_counts=True)
            begins = ends
        for path in self._paths:
            path.unlink()

    def _spill(self) -> None:
        run = np.concatenate(self._buffer)
        self._buffer, self._buffered = [], 0
        run.sort()
        self._paths.append(self._folder / f"{len(self._paths):06}.npy")
        np.save(self._paths[-1], run, allow_pickle=False)
