"""Write the vectors of a release: as they are, or in two tiers (`recommender.tiered_index`) where there are many.

The lists of a large archive are computed from better vectors than it keeps. Until it is published these lie in a folder of their own:

    staged_vectors/chunks.npy    int8 (n_chunks, dim): each vector scaled to the integers' range
                   scales.npy    float32 (n_chunks,): what makes each of length 1 again
                   means.npy     float16 (n_articles, dim): mean chunk vector of each article, unit norm
                   cells.npy     uint16 (n_articles,): the cell of each article in the upper tier
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from index.codebook import CodebookWriter
from recommender.arrays import mapped
from recommender.errors import StorageError
from recommender.facts import Layout
from recommender.manifest import VECTORS
from recommender.tiered_index import ARTICLES, CELLS
from recommender.types import Vectors
from recommender.vector_index import Rows, check_unit, mean_vectors

EXACT = 100_000
"""Chunks up to which the search is exact."""

STAGED_VECTORS = "staged_vectors"
CHUNKS, SCALES, MEANS, ARTICLE_CELLS = (f"{STAGED_VECTORS}/{name}.npy" for name in ("chunks", "scales", "means", "cells"))

BLOCK = 1024
"""Articles whose means, and whose chunks' codes, are computed together."""

CELLS_PER_ROOT, MOST_CELLS = 8.0, 1 << 16
"""So many times the square root of the number of articles; of more than `MOST_CELLS`, two bytes could not name each."""

PER_CELL, ROUNDS = 24, 10
"""Articles that the place of a cell is computed from, and how often it is moved."""

BITS = 2
"""Of a number in the upper tier."""

FITTED_TO = 32_768
"""Chunks that the codebook is fitted to."""


class StagedChunks:
    """The vectors of a large archive's chunks, as its lists are computed from them.

    Args:
        staged: The folder of a release that is being built.
    """

    def __init__(self, staged: Path) -> None:
        self.integers: NDArray[np.int8] = mapped(staged / CHUNKS)
        self.scales: NDArray[np.float32] = mapped(staged / SCALES)

    @property
    def dim(self) -> int:
        return int(self.integers.shape[1])

    def __len__(self) -> int:
        return len(self.integers)

    def vectors(self, rows: Rows) -> Vectors:
        """See `VectorIndex.vectors`."""
        return np.asarray(self.integers.take(rows, axis=0) * self.scales[rows, None])


def write_chunks(blocks: Iterable[Vectors], n_chunks: int, dim: int, staged: Path) -> None:
    """Write the vectors of all chunks; where there are many, to compute lists from.

    Args:
        blocks: float32 (n, dim), unit norm, in order of rows.
    """
    if n_chunks <= EXACT or dim % 2:  # a byte of a code tells two numbers
        with _array(staged / VECTORS, np.float32, n_chunks, dim) as exact:
            for vectors in blocks:
                check_unit(vectors)
                exact.write(np.ascontiguousarray(vectors, dtype=np.float32).data)
        return
    (staged / STAGED_VECTORS).mkdir()
    with _array(staged / CHUNKS, np.int8, n_chunks, dim) as integers, _array(staged / SCALES, np.float32, n_chunks) as scales:
        for vectors in blocks:
            check_unit(vectors)
            in_8_bits, scale = to_integers(vectors)
            integers.write(in_8_bits.data)
            scales.write(scale.data)


def write_tiers(layout: Layout, staged: Path) -> None:
    """Write both tiers of what is kept of many vectors, after `write_chunks`; of a few, nothing more is to be written."""
    if not (staged / CHUNKS).exists():
        return
    chunks, sizes = StagedChunks(staged), np.diff(layout.offsets)
    with _array(staged / MEANS, np.float16, layout.n_articles, chunks.dim) as means:
        for articles in _blocks(layout.n_articles):
            means.write(_means(chunks, layout, articles).astype(np.float16).data)
    centres, cells = write_articles(mapped(staged / MEANS), staged / ARTICLES)
    np.save(staged / ARTICLE_CELLS, cells, allow_pickle=False)
    of_chunks = np.repeat(cells, sizes)
    np.save(staged / CELLS, of_chunks, allow_pickle=False)
    sample = np.arange(0, len(chunks), -(-len(chunks) // FITTED_TO))
    writer = CodebookWriter.fitted(chunks.vectors(sample), of_chunks[sample], centres)
    writer.save(staged)
    with _array(staged / VECTORS, np.uint8, len(chunks), chunks.dim // 2) as codes:
        for articles in _blocks(layout.n_articles):
            rows = np.arange(layout.offsets[articles.start], layout.offsets[articles.stop])
            codes.write(writer.codes(chunks.vectors(rows), of_chunks[rows]).data)


def to_integers(vectors: Vectors) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Unit vectors in 8 bits, and their scales.

    >>> integers, scales = to_integers(np.array([[0.6, -0.8]], dtype=np.float32))
    >>> integers, (integers * scales[:, None]).round(2)
    (array([[  95, -127]], dtype=int8), array([[ 0.6, -0.8]], dtype=float32))
    """
    scaled = np.rint(vectors * (127 / np.abs(vectors).max(axis=1, keepdims=True)))
    return scaled.astype(np.int8), (1 / np.linalg.norm(scaled, axis=1)).astype(np.float32)


def write_articles(means: NDArray[np.float16], path: Path) -> tuple[Vectors, NDArray[np.uint16]]:
    """Write the upper tier.

    Args:
        means: float16 (n_articles, dim), unit norm.

    Returns:
        The centres of its cells, float32 (n_cells, dim), and the cell of each article, (n_articles,).

    Raises:
        StorageError: The disk is full, or the folder cannot be written.
    """
    import faiss

    n, dim = means.shape
    n_cells = min(n, int(CELLS_PER_ROOT * np.sqrt(n)), MOST_CELLS)
    centres = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFRaBitQ(centres, dim, n_cells, faiss.METRIC_INNER_PRODUCT, True, BITS)
    index.cp.min_points_per_centroid = 1
    index.cp.spherical = True
    index.cp.niter = ROUNDS
    index.train(means[:: max(1, n // (PER_CELL * n_cells))].astype(np.float32))
    for articles in _blocks(n):
        index.add(means[articles.start : articles.stop].astype(np.float32))
    cells = np.empty(n, dtype=np.uint16)
    lists: Any = index.invlists
    for cell in range(n_cells):
        size = lists.list_size(cell)
        if size:
            cells[faiss.rev_swig_ptr(lists.get_ids(cell), size)] = cell
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:
        reason = str(error).strip().rpartition("(")[2].rstrip(")")  # the rest of what FAISS says is of its own code
        raise StorageError(f"{path} cannot be written ({reason}) - free space or give another folder; the index is as it was") from error
    return centres.reconstruct_n(0, n_cells), cells


def _blocks(n_articles: int) -> Iterator[range]:
    return (range(first, min(first + BLOCK, n_articles)) for first in range(0, n_articles, BLOCK))


def _means(chunks: StagedChunks, layout: Layout, articles: range) -> Vectors:
    begins = layout.offsets[articles.start : articles.stop + 1]
    return mean_vectors(chunks.vectors(np.arange(begins[0], begins[-1])), begins - begins[0])


@contextmanager
def _array(path: Path, dtype: Any, *shape: int) -> Iterator[BinaryIO]:
    """A file to write an array into, a few rows at a time; a mapped file would end the process where the disk is full."""
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        yield file
