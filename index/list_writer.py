"""Write the related lists of a release; `recommender.stored_lists` reads them."""

from array import array
from pathlib import Path

import numpy as np

from recommender.stored_lists import LISTS, PLACE, PLACES


class ListWriter:
    """Lists that are being written, in any order of articles, each once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = (folder / LISTS).open("wb")
        self._rows, self._lengths = array("i"), array("i")

    def add(self, row: int, packed: bytes) -> None:
        """Append the list of an article, best by the shipped weights first."""
        self._rows.append(row)
        self._lengths.append(self._file.write(packed))

    def finish(self, n_articles: int) -> None:
        """Say where the list of each article lies."""
        self._file.flush()
        lengths = np.array(self._lengths, dtype=np.int64)
        places = np.zeros(n_articles, dtype=PLACE)
        rows = np.array(self._rows, dtype=np.int64)
        places["begin"][rows], places["length"][rows] = np.cumsum(lengths) - lengths, lengths
        np.save(self._folder / PLACES, places, allow_pickle=False)

    def close(self) -> None:
        self._file.close()
