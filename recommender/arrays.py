"""Arrays of a release, read where they lie on disk."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import IndexDamaged


def mapped(path: Path) -> NDArray[Any]:
    """An array whose pages are read when they are needed; a plain one, since every slice of a `memmap` costs as much as a small sum.

    Raises:
        IndexDamaged: The file cannot be read.
    """
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise IndexDamaged(f"{path} cannot be read ({type(error).__name__}) - build again") from error
