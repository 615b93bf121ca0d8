"""The vectors of a large archive, in two tiers: articles, to find what may be near; chunks, to tell how near it is.

    articles.faiss   the articles' mean vectors, two bits a number, in cells of like ones (FAISS IndexIVFRaBitQ)
    chunks.npy       uint8 (n_chunks, dim / 2): the chunks' vectors, see `recommender.codebook`
    cells.npy        uint16 (n_chunks,): the cell of each chunk's article

What is found by means is compared chunk by chunk, which costs, and so is done of the `maxsim.FOUND` closest only (docs/benchmarks.md).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recommender.arrays import mapped
from recommender.codebook import Codebook
from recommender.embedding import mean_vector
from recommender.errors import IndexDamaged
from recommender.manifest import TIERED, VECTORS
from recommender.types import Vectors
from recommender.vector_index import FlatIndex, Rows, VectorIndex, check_unit
from recommender.wanted import Wanted

if TYPE_CHECKING:
    import faiss

ARTICLES, CELLS = "articles.faiss", "cells.npy"

LOOKED_INTO, LEAST = 8, 192
"""A search looks into one cell in so many, but no fewer than the second: real texts lie less neatly in cells than made-up ones."""


class StoredChunks:
    """The lower tier, which can be read and not searched.

    Args:
        codes: uint8 (n, dim / 2).
        cells: uint16 (n,).
    """

    def __init__(self, codes: NDArray[np.uint8], cells: NDArray[np.uint16], codebook: Codebook) -> None:
        self._codes, self._cells, self._codebook = codes, cells, codebook

    @property
    def dim(self) -> int:
        return len(self._codebook.axes)

    def __len__(self) -> int:
        return len(self._codes)

    def vectors(self, rows: Rows) -> Vectors:
        """See `VectorIndex.vectors`."""
        return self.stored(rows) @ self._codebook.axes.T

    def stored(self, rows: Rows) -> Vectors:
        """See `VectorIndex.stored`."""
        return self._codebook.read(self._codes.take(rows, axis=0), self._cells[rows])

    def turned(self, vectors: Vectors) -> Vectors:
        """See `VectorIndex.turned`."""
        return vectors @ self._codebook.axes


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

    def stored(self, rows: Rows) -> Vectors:
        """See `VectorIndex.stored`."""
        return self._chunks.stored(rows)

    def turned(self, vectors: Vectors) -> Vectors:
        """See `VectorIndex.turned`."""
        return self._chunks.turned(vectors)

    def near(self, queries: Sequence[Vectors], k: int, wanted: Wanted | None = None) -> list[Rows]:
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
    if stored.ndim != 2 or stored.dtype not in (np.float32, np.uint8):
        raise IndexDamaged(f"{folder / VECTORS} is an array of {stored.dtype} {stored.shape} - build again")
    if stored.dtype == np.float32:
        return FlatIndex(stored)
    codebook, cells = Codebook.open(folder), mapped(folder / CELLS)
    if stored.shape != (len(cells), len(codebook.axes) // 2) or cells.dtype != np.uint16:
        raise IndexDamaged(f"{folder / CELLS} is an array of {cells.dtype} {cells.shape}, of {stored.shape} codes - build again")
    if int(cells.max(initial=0)) >= len(codebook.centres):
        raise IndexDamaged(f"{folder / CELLS} names cell {cells.max()}, there are {len(codebook.centres)} - build again")
    return StoredChunks(stored, cells, codebook)


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
