"""The related lists of a release: `lists.bin` holds them one after the other, `lists.npy` says where each begins.

They may lie in any order: the build computes neighbours of each other together. Both files are mapped into memory.
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
"""Where a list lies in `lists.bin`, in bytes; an entry for every article."""


class StoredLists:
    """Read-only; safe to share between threads.

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
        """Return the candidates of an article, best by the shipped weights first; see `list_codec.unpack`.

        Raises:
            ValueError: The list is damaged.
        """
        begin, length = self._places[row].tolist()
        return unpack(self._content[begin : begin + length], briefly=briefly)

    def close(self) -> None:
        """Let go of the file; no thread may be reading."""
        self._content.close()
