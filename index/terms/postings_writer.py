"""Invert every article's terms into postings, strongest first, in ranges of terms that fit in memory."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.storage.npy_append import Growing, close_all
from recommender.storage.mapped import mapped
from recommender.terms.inverted_index import POSTINGS

BYTES = 64
"""Bytes of memory for each posting of a range that is sorted."""

MOST = 1 << 24
"""Maximum number of postings in a range.

A posting's place, its term within the range, and a 16-bit weight must fit in 64 bits.
"""

PLACE_BITS = 25

POSTING = np.dtype([("term", np.uint32), ("owner", np.uint32), ("weight", np.float16)])


class PostingsWriter:
    """A writer of postings. It takes the terms of articles in order of rows, and stores them by ranges of terms until
    `write`.

    Args:
        folder: Folder to create for the stored terms. `write` leaves it empty.
        df: Upper bound of the number of articles that contain each term of the vocabulary.
        memory: Bytes that may be in use.
    """

    def __init__(self, folder: Path, df: NDArray[Any], memory: int) -> None:
        folder.mkdir()
        most = min(max(memory // BYTES, 1), MOST)
        total = np.concatenate([[0], np.cumsum(df, dtype=np.int64)])
        self._first = np.unique(np.searchsorted(total, np.arange(0, max(total[-1], 1), most)))
        """First term of every range, followed by the end of the last range."""
        self._last = len(df)
        self._paths = [folder / f"{number}.npy" for number in range(len(self._first))]
        self._aside = [Growing(path, POSTING) for path in self._paths]

    def add(self, terms: NDArray[np.int64], owners: NDArray[np.int64], weights: NDArray[np.float32]) -> None:
        """Store terms with the rows and the weights of their articles."""
        ranges = np.searchsorted(self._first, terms, side="right").astype(np.uint16) - np.uint16(1)
        by_range = np.argsort(ranges, kind="stable")
        postings = np.empty(len(terms), dtype=POSTING)
        postings["term"], postings["owner"], postings["weight"] = terms[by_range], owners[by_range], weights[by_range]
        ends = np.cumsum(np.bincount(ranges, minlength=len(self._aside)))
        for aside, begin, end in zip(self._aside, [0, *ends], ends, strict=False):
            aside.add(postings[begin:end])

    def close(self) -> None:
        close_all(*self._aside)

    def write(self, folder: Path) -> None:
        """Write starts.npy, rows.npy and impacts.npy."""
        with (
            Growing(folder / "starts.npy", np.int64) as starts,
            Growing(folder / "rows.npy", np.uint32) as rows,
            Growing(folder / "impacts.npy", np.float16) as impacts,
        ):
            ranges = zip(self._first, [*self._first[1:], self._last], self._aside, self._paths, strict=True)
            for first, end, aside, path in ranges:
                aside.close()
                postings = mapped(path)
                kept, counts = _strongest_first(postings["term"] - np.uint32(first), postings["weight"], int(end - first))
                starts.add(rows.n + np.cumsum(counts) - counts)
                rows.add(postings["owner"][kept])
                impacts.add(postings["weight"][kept])
                path.unlink()
            starts.add(np.array([rows.n]))


def _strongest_first(terms: NDArray[np.uint32], weights: NDArray[np.float16], n_terms: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the places of each term's `POSTINGS` strongest, term by term, and their number per term.

    Equal weights keep their order. Term, weight and place are sorted as one number, which is many times faster than by
    three.
    """
    weakness = np.uint64(0xFFFF) - np.ascontiguousarray(weights).view(np.uint16)  # positive floats and their bits have the same order
    packed = terms.astype(np.uint64) << np.uint64(16 + PLACE_BITS) | weakness << np.uint64(PLACE_BITS)
    packed |= np.arange(len(terms), dtype=np.uint64)
    packed.sort()
    counts = np.bincount(terms, minlength=n_terms)
    rank = np.arange(len(terms)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = (packed & np.uint64((1 << PLACE_BITS) - 1)).astype(np.int64)[rank < POSTINGS]
    return kept, np.minimum(counts, POSTINGS)
