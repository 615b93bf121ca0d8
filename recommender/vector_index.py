"""Search over vectors: the `VectorIndex` seam, and FAISS behind it.

FAISS answers bad calls with `-1` ids, NaN scores or a bare assertion; everything is checked here before it is called.
Its files carry no checksum: `manifest.verify` has hashed the file before it is read.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.errors import IndexDamaged, StorageError
from recommender.types import Vectors

if TYPE_CHECKING:
    import faiss

Scores = NDArray[np.float32]
Rows = NDArray[np.int64]


class VectorIndex(Protocol):
    """Vectors of chunks, by row.

    Attributes:
        dim: Length of a vector.
    """

    @property
    def dim(self) -> int: ...

    def __len__(self) -> int: ...

    def vectors(self, rows: Rows) -> Vectors:
        """The stored vectors of some rows: float32 (len(rows), dim)."""
        ...


class FlatIndex:
    """Exact search: FAISS `IndexFlatIP`. The reference for every other back end.

    faiss is imported here, not with the module: lists by id are served without it.
    """

    def __init__(self, index: "faiss.IndexFlatIP") -> None:
        import faiss

        self._index = index
        # FAISS's own memory, seen as an array: reading rows from it is several times faster than `reconstruct_batch`.
        self._stored: Vectors = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d).reshape(-1, index.d)

    @classmethod
    def build(cls, vectors: Vectors) -> "FlatIndex":
        """Index unit vectors: float32 (n, dim).

        Raises:
            ValueError: A vector is not finite or not of unit norm.
        """
        import faiss

        check_unit(vectors)
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(np.ascontiguousarray(vectors, dtype=np.float32))
        return cls(index)

    @classmethod
    def open(cls, path: Path) -> "FlatIndex":
        """Read an index file.

        Raises:
            IndexDamaged: FAISS cannot read the file.
        """
        import faiss

        index = open_faiss(path)
        if not isinstance(index, faiss.IndexFlatIP):
            raise IndexDamaged(f"{path} holds a {type(index).__name__}, an IndexFlatIP was expected - build again")
        return cls(index)

    def save(self, path: Path) -> None:
        save_faiss(self._index, path)

    @property
    def dim(self) -> int:
        return int(self._index.d)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, queries: Vectors, k: int) -> tuple[Scores, Rows]:
        """The k closest rows of every query, closest first.

        Args:
            queries: float32 (n, dim), unit norm.
            k: At most `len(self)` are returned.

        Returns:
            Scores and rows, each (n, min(k, len(self))).
        """
        check_unit(queries)
        if queries.shape[1] != self.dim:
            raise ValueError(f"queries have {queries.shape[1]} dimensions, the index has {self.dim}")
        if k < 1:
            raise ValueError(f"k is {k}, it must be at least 1")
        scores, rows = self._index.search(np.ascontiguousarray(queries, dtype=np.float32), min(k, len(self)))
        return scores, rows

    def vectors(self, rows: Rows) -> Vectors:
        """See `VectorIndex.vectors`."""
        return self._stored[rows]


def open_faiss(path: Path) -> "faiss.Index":
    """Map an index file into memory.

    Raises:
        IndexDamaged: FAISS cannot read the file.
    """
    import faiss

    # A damaged header can ask for any amount of memory; no vector of a sound file is larger than the file.
    faiss.set_deserialization_vector_byte_limit(max(path.stat().st_size, 1))
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)  # processes share its pages
    except RuntimeError as error:
        raise IndexDamaged(f"{path} is not a FAISS index - build again, or restore an older release") from error


def save_faiss(index: "faiss.Index", path: Path) -> None:
    """Write an index file.

    Raises:
        StorageError: The disk is full, or the folder cannot be written.
    """
    import faiss

    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:
        reason = str(error).strip().rpartition("(")[2].rstrip(")")  # the rest of what FAISS says is of its own code
        raise StorageError(f"{path} cannot be written ({reason}) - free space or give another folder; the index is as it was") from error


def check_unit(vectors: Vectors) -> None:
    """Refuse what would be searched in silence and answered wrongly.

    Raises:
        ValueError: Not two-dimensional, not finite (NaN, infinity), or a row is not of length 1.
    """
    if vectors.ndim != 2:
        raise ValueError(f"vectors have {vectors.ndim} dimensions, 2 are needed: (n, dim)")
    norms = np.einsum("ij,ij->i", vectors, vectors)
    wrong = np.flatnonzero(~(np.abs(norms - 1.0) < 1e-3))  # NaN compares false
    if len(wrong):
        raise ValueError(f"vector {wrong[0]} is not of unit norm (squared norm {norms[wrong[0]]}); normalise, and drop empty texts")
