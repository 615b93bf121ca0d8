"""Append to `.npy` arrays on disk piece by piece, so that only a piece is in memory."""

import math
import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

BUFFER = 1 << 16
"""Bytes per write."""


class Growing:
    """A growing array of one dimension. It is a context manager, and is complete when closed.

    Attributes:
        n: Number of values so far.
    """

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._file = path.open("wb", buffering=BUFFER)
        self.n = 0
        self._write_header()

    def add(self, values: ArrayLike) -> None:
        """Append some values."""
        array = np.asarray(values, dtype=self._dtype)
        self._file.write(array.tobytes())
        self.n += array.size

    def close(self) -> None:
        if not self._file.closed:
            with self._file:  # closed even if the disk is full
                self._file.seek(0)
                self._write_header()

    def _write_header(self) -> None:
        """Write the header, whose length never changes: numpy reserves room for the array to grow."""
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self.n,)}
        np.lib.format.write_array_header_1_0(self._file, header)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class GrowingStretches:
    """A ragged array that grows by one range of values per article. See `recommender.storage.ragged`."""

    def __init__(self, values: Path, offsets: Path, dtype: DTypeLike) -> None:
        self._values, self._offsets = Growing(values, dtype), Growing(offsets, np.int64)
        self._offsets.add([0])

    def add(self, values: NDArray[Any]) -> None:
        """Append the range of the next article."""
        self._values.add(values)
        self._offsets.add([self._values.n])

    def extend(self, values: NDArray[Any], lengths: NDArray[np.int64]) -> None:
        """Append the ranges of the next articles, one after the other."""
        self._offsets.add(self._values.n + np.cumsum(lengths))
        self._values.add(values)

    def close(self) -> None:
        close_all(self._values, self._offsets)


def close_all(*growing: Growing | GrowingStretches) -> None:
    """Close all arrays, even if the disk is full."""
    with ExitStack() as stack:
        for one in growing:
            stack.callback(one.close)


def allocated(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """Return a memory-mapped array of zeros to be filled in any order. An existing array is kept.

    Raises:
        OSError: The disk lacks the space. A write to a mapped file without disk space would kill the process.
    """
    if not path.exists():
        new = path.with_name(f"new-{path.name}")
        with new.open("wb") as file:
            header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            file.flush()
            os.posix_fallocate(file.fileno(), 0, file.tell() + np.dtype(dtype).itemsize * math.prod(shape))
        new.rename(path)
    return np.lib.format.open_memmap(path, mode="r+")
