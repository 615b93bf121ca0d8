"""Search the vectors of a large archive in two tiers: mean vectors find articles, chunk vectors score them.

    articles.faiss   the articles' mean vectors, two bits a number, in clusters (FAISS IndexIVFRaBitQ)
    chunks.npy       int8 (n_chunks, dim): the chunks' vectors, each scaled to the range of int8
    scales.npy       float32 (n_chunks,): the factor that restores each vector to length 1

Only the `maxsim.FOUND` closest articles by mean are compared chunk by chunk, because that is costly
(docs/benchmarks.md).
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
"""A search probes one cluster in `LOOKED_INTO`, at least `LEAST`. Real texts cluster less clearly than synthetic."""


class StoredChunks:
    """The lower tier: chunk vectors in 8 bits a number (scalar quantization). They can be read, but not searched.

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
        chunks: The lower tier.
        path: File of the upper tier.

    Raises:
        IndexDamaged: The file cannot be read, or holds something else.
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
        """Return the rows of the articles whose mean vectors are closest: at most k for each query, closest first."""
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
    """Open the vectors of a release for search, in either storage format.

    Raises:
        IndexDamaged: A file cannot be read, or holds something else.
    """
    chunks = open_chunks(folder)
    return chunks if isinstance(chunks, FlatIndex) else TieredIndex(chunks, folder / ARTICLES)


def open_chunks(folder: Path) -> FlatIndex | StoredChunks:
    """Open the vectors of a release for reading, without faiss.

    Raises:
        IndexDamaged: The file cannot be read, or holds something else.
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
        # A damaged header can request any amount of memory. No vector of a sound file is larger than the file.
        faiss.set_deserialization_vector_byte_limit(max(path.stat().st_size, 1))
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)  # processes share its pages
    except (RuntimeError, OSError) as error:
        raise IndexDamaged(f"{path} is not a FAISS index - build again, or restore an older release") from error


def _among(mask: NDArray[np.bool_], n_cells: int) -> Any:
    """Return search parameters that restrict a search to some articles.

    All clusters are probed: the articles may be in any, and other articles cost next to nothing.
    """
    import faiss

    of: Any = faiss  # its type hints omit that its constructors in Python take arrays and names
    return of.SearchParametersIVF(sel=of.IDSelectorBitmap(np.packbits(mask, bitorder="little")), nprobe=n_cells)


def looked_into(n_cells: int) -> int:
    """Return the number of clusters that a search probes (`nprobe`)."""
    return min(n_cells, max(LEAST, n_cells // LOOKED_INTO))
