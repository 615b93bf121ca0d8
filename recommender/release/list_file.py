"""Read the related lists of a release: `lists.bin` holds the encoded lists, `lists.npy` the offset of each.

The lists may be in any order, because the build computes neighbours of each other together. Both files are mapped into
memory.
"""

import mmap
from pathlib import Path

import numpy as np

from recommender.errors import unreadable
from recommender.features.feature_schema import Candidates
from recommender.release.list_codec import unpack
from recommender.storage.mapped import mapped

LISTS = "lists.bin"
PLACES = "lists.npy"

PLACE = np.dtype([("begin", "<i8"), ("length", "<i4")])
"""Offset and length of a list in `lists.bin`, in bytes. Every article has an entry."""


class StoredLists:
    """Read-only access to the stored lists. Safe to share between threads.

    Raises:
        IndexDamaged: A file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._places = mapped(folder / PLACES)
        try:
            with (folder / LISTS).open("rb") as file:
                self._content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise unreadable(folder / LISTS, error) from error

    def __len__(self) -> int:
        return len(self._places)

    def read(self, row: int, *, briefly: bool = False) -> Candidates:
        """Return the candidates of an article, best by the shipped weights first. See `list_codec.unpack`.

        Raises:
            ValueError: The list is damaged.
        """
        begin, length = self._places[row].tolist()
        return unpack(self._content[begin : begin + length], briefly=briefly)

    def close(self) -> None:
        """Close the file. No thread may be reading."""
        self._content.close()
