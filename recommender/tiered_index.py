"""The vectors of a large archive, in two tiers: articles, to find what may be near; chunks, to tell how near it is.

    articles.faiss   the articles' mean vectors in 8 bits, in cells of like ones (FAISS IndexIVFScalarQuantizer)
    chunks.npy       int8 (n_chunks, dim): each vector scaled to the integers' range; that its length is 1 gives the scale back

Of the 10 closest articles by MaxSim, all are among the `FOUND` closest by their means, and of the 64 closest .996 or more
(docs/benchmarks.md); so the comparison chunk by chunk, which costs, is of these only.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender.errors import IndexDamaged
from recommender.manifest import VECTORS
from recommender.types import Vectors
from recommender.vector_index import FlatIndex, Rows, VectorIndex, check_unit, open_faiss, save_faiss

ARTICLES, CHUNKS = "articles.faiss", "chunks.npy"

FOUND = 256
"""Articles that are compared chunk by chunk."""

CELLS = 4.0
"""So many times the square root of the number of articles."""

LOOKED_INTO, LEAST = 16, 96
"""A search looks into one cell in so many, but no fewer than the second: real texts lie less neatly in cells than made-up ones."""

PER_CELL = 48
"""Articles that the place of a cell is computed from."""


def open_vectors(folder: Path) -> VectorIndex:
    """The vectors of a release, whichever way it keeps them.

    Raises:
        IndexDamaged: A file cannot be read, or is of something else.
    """
    return TieredIndex(folder) if (folder / CHUNKS).exists() else FlatIndex.open(folder / VECTORS)


class StoredChunks:
    """The lower tier alone, which can be read and not searched.

    Raises:
        IndexDamaged: The file cannot be read, or is of something else.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._stored = np.load(folder / CHUNKS, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise IndexDamaged(f"{folder / CHUNKS} cannot be read ({type(error).__name__}) - build again") from error
        if self._stored.dtype != np.int8 or self._stored.ndim != 2:
            raise IndexDamaged(f"{folder / CHUNKS} is an array of {self._stored.dtype} {self._stored.shape} - build again")

    @property
    def dim(self) -> int:
        return int(self._stored.shape[1])

    def __len__(self) -> int:
        return len(self._stored)

    def vectors(self, rows: Rows) -> Vectors:
        """See `VectorIndex.vectors`."""
        return from_integers(self._stored[rows])


class TieredIndex(StoredChunks):
    """Both tiers."""

    def __init__(self, folder: Path) -> None:
        import faiss

        super().__init__(folder)
        index = open_faiss(folder / ARTICLES)
        if not isinstance(index, faiss.IndexIVF):
            raise IndexDamaged(f"{folder / ARTICLES} holds a {type(index).__name__}, an IndexIVF was expected - build again")
        index.nprobe = _looked_into(index.nlist)
        self.articles = index

    @property
    def n_articles(self) -> int:
        return int(self.articles.ntotal)

    def near(self, means: Vectors, k: int) -> list[Rows]:
        """The rows of the articles whose mean vectors are closest: at most k for each query, closest first."""
        check_unit(means)
        _, rows = self.articles.search(np.ascontiguousarray(means, dtype=np.float32), k)
        return [found[found >= 0] for found in rows]


def to_integers(vectors: Vectors) -> NDArray[np.int8]:
    """Unit vectors in 8 bits.

    >>> to_integers(np.array([[0.6, -0.8]], dtype=np.float32))
    array([[  95, -127]], dtype=int8)
    """
    scaled = np.rint(vectors * (127 / np.abs(vectors).max(axis=1, keepdims=True)))
    return np.asarray(scaled, dtype=np.int8)


def from_integers(stored: NDArray[np.int8]) -> Vectors:
    """The unit vectors again.

    >>> from_integers(np.array([[3, 4]], dtype=np.int8))
    array([[0.6, 0.8]], dtype=float32)
    """
    vectors = stored.astype(np.float32)
    vectors /= np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    return vectors


def save_articles(means: Vectors, path: Path) -> None:
    """Write the upper tier.

    Args:
        means: float32 (n_articles, dim), unit norm.
    """
    import faiss

    n, dim = means.shape
    n_cells = max(1, int(CELLS * np.sqrt(n)))
    cells = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFScalarQuantizer(cells, dim, n_cells, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid = 1
    index.cp.max_points_per_centroid = PER_CELL
    index.cp.spherical = True
    index.train(means)
    index.add(means)
    save_faiss(index, path)


def _looked_into(n_cells: int) -> int:
    return min(n_cells, max(LEAST, n_cells // LOOKED_INTO))
