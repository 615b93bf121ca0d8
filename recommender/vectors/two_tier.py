"""The vectors of a large archive, in two tiers: articles, to find what may be near; chunks, to tell how near it is.

    articles.faiss   the articles' mean vectors, two bits a number, in cells of like ones (FAISS IndexIVFRaBitQ)
    chunks.npy       int8 (n_chunks, dim): the chunks' vectors, each scaled to the integers' range
    scales.npy       float32 (n_chunks,): what makes each of length 1 again

What is found by means is compared chunk by chunk, which costs, and so is done of the `maxsim.FOUND` closest only (docs/benchmarks.md).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import IndexDamaged
from recommender.features.filters import SearchFilter
from recommender.release.manifest import TIERED, VECTORS
from recommender.storage.mapped import mapped
from recommender.types import Rows, Vectors
from recommender.vectors.exact import FlatIndex, VectorIndex, check_unit, mean_vector

if TYPE_CHECKING:
    import faiss

ARTICLES, SCALES = "articles.faiss", "scales.npy"

LOOKED_INTO, LEAST = 8, 192
"""A search looks into one cell in so many, but no fewer than the second: real texts lie less neatly in cells than made-up ones."""


class StoredChunks:
    """The lower tier: chunk vectors in 8 bits a number. They can be read and not searched.

    Args:
        integers: int8 (n, dim).
        scales: float32 (n,).
    """

    def __init__(self, integers: NDArray[np.int8], scales: NDArray[np.float32]) -> None:
        self._integers, self._scales = integers, scales

    @property
    def dim(self) -> int:
        return int(self._integers.shape[1])

    def __len__(self) -> int:
        return len(self._integers)

    def vectors(self, rows: Rows) -> Vectors:
        """See `VectorIndex.vectors`."""
        return np.asarray(self._integers.take(rows, axis=0) * self._scales[rows, None])


class TieredIndex:
    """Both tiers.

    Args:
        chunks: The lower one.
        path: Of the upper one.

    Raises:
        IndexDamaged: The file cannot be read, or is of something else.
    """

    kind = TIERED

    def __init__(self, chunks: VectorIndex, path: Path) -> None:
        import faiss

        self._chunks = chunks
        index = open_faiss(path)
        if not isinstance(index, faiss.IndexIVF):
            raise IndexDamaged(f"{path} holds a {type(index).__name__}, an IndexIVF was expected - build again")
        index.nprobe = looked_into(index.nlist)
        self.articles = index

    @property
    def dim(self) -> int:
        return self._chunks.dim

    def __len__(self) -> int:
        return len(self._chunks)

    @property
    def n_articles(self) -> int:
        return int(self.articles.ntotal)

    def vectors(self, rows: Rows) -> Vectors:
        """See `VectorIndex.vectors`."""
        return self._chunks.vectors(rows)

    def near(self, queries: Sequence[Vectors], k: int, wanted: SearchFilter | None = None) -> list[Rows]:
        """The rows of the articles whose mean vectors are closest: at most k for each query, closest first."""
        means = np.stack([mean_vector(query) for query in queries])
        check_unit(means)
        if wanted is None:
            _, rows = self.articles.search(means, k)
        else:
            mask = wanted.mask
            if mask.sum() <= k:
                return [np.flatnonzero(mask)] * len(queries)
            _, rows = self.articles.search(means, k, params=_among(mask, self.articles.nlist))
        return [found[found >= 0] for found in rows]


def open_vectors(folder: Path) -> FlatIndex | TieredIndex:
    """The vectors of a release, whichever way it keeps them, to be searched.

    Raises:
        IndexDamaged: A file cannot be read, or is of something else.
    """
    chunks = open_chunks(folder)
    return chunks if isinstance(chunks, FlatIndex) else TieredIndex(chunks, folder / ARTICLES)


def open_chunks(folder: Path) -> FlatIndex | StoredChunks:
    """The same, to be read: no faiss is needed for it.

    Raises:
        IndexDamaged: The file cannot be read, or is of something else.
    """
    stored = mapped(folder / VECTORS)
    if stored.ndim != 2 or stored.dtype not in (np.float32, np.int8):
        raise IndexDamaged(f"{folder / VECTORS} is an array of {stored.dtype} {stored.shape} - build again")
    if stored.dtype == np.float32:
        return FlatIndex(stored)
    scales = mapped(folder / SCALES)
    if scales.dtype != np.float32 or scales.shape != stored.shape[:1]:
        raise IndexDamaged(f"{folder / SCALES} is an array of {scales.dtype} {scales.shape}, for {len(stored)} vectors - build again")
    return StoredChunks(stored, scales)


def open_faiss(path: Path) -> "faiss.Index":
    """Map an index file into memory.

    Raises:
        IndexDamaged: FAISS cannot read the file.
    """
    import faiss

    try:
        # A damaged header can ask for any amount of memory; no vector of a sound file is larger than the file.
        faiss.set_deserialization_vector_byte_limit(max(path.stat().st_size, 1))
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)  # processes share its pages
    except (RuntimeError, OSError) as error:
        raise IndexDamaged(f"{path} is not a FAISS index - build again, or restore an older release") from error


def _among(mask: NDArray[np.bool_], n_cells: int) -> Any:
    """A search of some articles only: they may lie in any cell, and the others there cost next to nothing."""
    import faiss

    of: Any = faiss  # its type hints do not know that Python's own constructors take arrays and names
    return of.SearchParametersIVF(sel=of.IDSelectorBitmap(np.packbits(mask, bitorder="little")), nprobe=n_cells)


def looked_into(n_cells: int) -> int:
    """How many cells a search looks into."""
    return min(n_cells, max(LEAST, n_cells // LOOKED_INTO))
