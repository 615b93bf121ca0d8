"""An array on disk that grows: numbers too many for memory, written in order and mapped when they are complete."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray


class Growing:
    """A context; at its end the file is complete.

    Attributes:
        n: Numbers written so far.
    """

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self.n = 0
        self._dtype = np.dtype(dtype)
        self._file = path.open("wb", buffering=1 << 20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def add(self, numbers: ArrayLike) -> None:
        """Append some numbers."""
        array = np.asarray(numbers, dtype=self._dtype)
        self._file.write(array.tobytes())
        self.n += array.size


def mapped(path: Path, dtype: DTypeLike) -> NDArray[Any]:
    """What was written, in one dimension, read as it is needed."""
    if not path.stat().st_size:  # nothing can be mapped of an empty file
        return np.empty(0, dtype=dtype)
    return np.asarray(np.memmap(path, dtype=dtype, mode="r"))
