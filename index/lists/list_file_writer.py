"""Write the related lists of a release, which `recommender.release.list_codec` reads."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.storage.npy_append import allocated
from recommender.release.list_codec import LISTS, PLACE, PLACES


class ListWriter:
    """A writer of lists, in any order of articles, each once.

    It keeps the lists that another writer left in the folder.

    Args:
        folder: The folder of the files.
    """

    def __init__(self, folder: Path, n_articles: int) -> None:
        self._folder = folder
        self._places = allocated(folder / PLACES, PLACE, (n_articles,))
        self._end = int((self._places["begin"] + self._places["length"]).max(initial=0))
        self._file = (folder / LISTS).open("ab")
        self._file.truncate(self._end)  # drop an unfinished list

    @property
    def done(self) -> NDArray[np.bool_]:
        """Return which articles have their lists: bool (n_articles,)."""
        return np.asarray(self._places["length"] > 0)

    def add(self, row: int, packed: bytes) -> None:
        """Append the list of an article, sorted by the shipped weights, best first."""
        self._file.write(packed)
        self._file.flush()  # the system keeps it even if this process dies
        self._places[row] = self._end, len(packed)
        self._end += len(packed)

    def finish(self, folder: Path) -> None:
        """Move the complete files to their final folder."""
        self._places.flush()
        for name in (LISTS, PLACES):
            (self._folder / name).rename(folder / name)

    def close(self) -> None:
        self._file.close()
