"""Map the arrays of a release into memory."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import CURE, IndexDamaged, unreadable


def mapped(path: Path) -> NDArray[Any]:
    """Return a memory-mapped array, whose pages are read on demand.

    It is a plain array: every slice of a `memmap` costs as much as a small sum.

    Raises:
        IndexDamaged: The file cannot be read.
    """
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise unreadable(path, error) from error


class MappedArrays(dict[str, Any]):
    """The arrays of a folder, by the names of their files.

    Raises:
        IndexDamaged: A file cannot be read, or is missing when its array is requested.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__({path.stem: mapped(path) for path in folder.glob("*.npy")})
        self._folder = folder

    def __missing__(self, name: str) -> NDArray[Any]:
        raise IndexDamaged(f"{self._folder / name}.npy is not there - {CURE}")
