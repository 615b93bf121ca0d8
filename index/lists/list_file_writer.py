"""Write the related lists of a release; `recommender.release.list_file` reads them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.storage.npy_append import allocated
from recommender.release.list_file import LISTS, PLACE, PLACES


class ListWriter:
    """Lists that are being written, in any order of articles, each once. What another writer left in the folder stays.

    Args:
        folder: Where the files are put.
    """

    def __init__(self, folder: Path, n_articles: int) -> None:
        self._folder = folder
        self._places = allocated(folder / PLACES, PLACE, (n_articles,))
        self._end = int((self._places["begin"] + self._places["length"]).max(initial=0))
        self._file = (folder / LISTS).open("ab")
        self._file.truncate(self._end)  # of a list that was being written nothing is known

    @property
    def done(self) -> NDArray[np.bool_]:
        """Which articles have their lists: bool (n_articles,)."""
        return np.asarray(self._places["length"] > 0)

    def add(self, row: int, packed: bytes) -> None:
        """Append the list of an article, best by the shipped weights first."""
        self._file.write(packed)
        self._file.flush()  # to the system, which keeps it whatever becomes of this process
        self._places[row] = self._end, len(packed)
        self._end += len(packed)

    def finish(self, folder: Path) -> None:
        """Move the complete files to where they belong."""
        self._places.flush()
        for name in (LISTS, PLACES):
            (self._folder / name).rename(folder / name)

    def close(self) -> None:
        self._file.close()
