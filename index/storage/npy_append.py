"""Arrays that grow on disk: `.npy` files written piece by piece, so that only the pieces are ever in memory."""

import math
import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

BUFFER = 1 << 16
"""Bytes written at a time."""


class Growing:
    """One array of one dimension. Usable as a context manager; complete when closed.

    Attributes:
        n: How many values it has so far.
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
        """As long at the end as in the beginning: numpy leaves room for an array to grow."""
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self.n,)}
        np.lib.format.write_array_header_1_0(self._file, header)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class GrowingStretches:
    """An array in which every article has a stretch of its own, and where each begins: see `recommender.storage.ragged`."""

    def __init__(self, values: Path, offsets: Path, dtype: DTypeLike) -> None:
        self._values, self._offsets = Growing(values, dtype), Growing(offsets, np.int64)
        self._offsets.add([0])

    def add(self, values: NDArray[Any]) -> None:
        """The stretch of the next article."""
        self._values.add(values)
        self._offsets.add([self._values.n])

    def extend(self, values: NDArray[Any], lengths: NDArray[np.int64]) -> None:
        """The stretches of the next articles, one after the other."""
        self._offsets.add(self._values.n + np.cumsum(lengths))
        self._values.add(values)

    def close(self) -> None:
        close_all(self._values, self._offsets)


def close_all(*growing: Growing | GrowingStretches) -> None:
    """Close some arrays, all of them even if the disk is full."""
    with ExitStack() as stack:
        for one in growing:
            stack.callback(one.close)


def allocated(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """A mapped array of zeros to be filled in any order; one that is there stays as it is.

    Raises:
        OSError: The disk is too full for it: writing to a mapped file that has no room there would end the process.
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
