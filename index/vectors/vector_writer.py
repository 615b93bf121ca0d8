"""Write the vectors of a release: floats, or two tiers (`recommender.vectors.two_tier`) above `EXACT` chunks.

Lists are computed from the vectors that the release keeps. Two more arrays exist only until it is published:

    staged_vectors/means.npy    float16 (n_articles, dim): mean chunk vector of each article, unit norm
                   cells.npy    uint16 (n_articles,): the cluster of each article in the upper tier
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from recommender.errors import StorageError
from recommender.features.article_features import Layout
from recommender.release.manifest import VECTORS
from recommender.storage.mapped import mapped
from recommender.types import Vectors
from recommender.vectors.exact import check_unit, mean_vectors
from recommender.vectors.two_tier import ARTICLES, SCALES, StoredChunks, open_chunks

EXACT = 100_000
"""Maximum number of chunks for which the search is exact."""

STAGED_VECTORS = "staged_vectors"
MEANS, CELLS = (f"{STAGED_VECTORS}/{name}.npy" for name in ("means", "cells"))

BLOCK = 1024
"""Number of articles whose means are computed together."""

CELLS_PER_ROOT, MOST_CELLS = 8.0, 1 << 16
"""Number of clusters per square root of the number of articles, and its maximum: a cluster number has two bytes."""

PER_CELL, ROUNDS = 24, 10
"""Number of sampled articles per cluster for k-means, and number of iterations."""

BITS = 2
"""Bits of a number in the upper tier."""


def write_chunks(blocks: Iterable[Vectors], n_chunks: int, dim: int, staged: Path) -> None:
    """Write the vectors of all chunks. See `chunk_writer`."""
    with chunk_writer(n_chunks, dim, staged) as write:
        for vectors in blocks:
            write(vectors)


@contextmanager
def chunk_writer(n_chunks: int, dim: int, staged: Path) -> Iterator[Callable[[Vectors], None]]:
    """Write the vectors of all chunks block by block: floats, or integers and scales.

    Yields:
        A function that writes the next block: float32 (n, dim), unit norm, in order of rows.
    """
    with ExitStack() as files:
        exact = n_chunks <= EXACT
        chunks = files.enter_context(_array(staged / VECTORS, np.float32 if exact else np.int8, n_chunks, dim))
        scales = None if exact else files.enter_context(_array(staged / SCALES, np.float32, n_chunks))

        def write(vectors: Vectors) -> None:
            check_unit(vectors)
            if scales is None:
                chunks.write(np.ascontiguousarray(vectors, dtype=np.float32).data)
            else:
                in_8_bits, scale = to_integers(vectors)
                chunks.write(in_8_bits.data)
                scales.write(scale.data)

        yield write


def write_tiers(layout: Layout, staged: Path) -> None:
    """Write the upper tier over the integers of `write_chunks`. An exact index has no upper tier."""
    chunks = open_chunks(staged)
    if not isinstance(chunks, StoredChunks):
        return
    (staged / STAGED_VECTORS).mkdir()
    with _array(staged / MEANS, np.float16, layout.n_articles, chunks.dim) as means:
        for articles in _blocks(layout.n_articles):
            means.write(_means(chunks, layout, articles).astype(np.float16).data)
    np.save(staged / CELLS, write_articles(mapped(staged / MEANS), staged / ARTICLES), allow_pickle=False)


def to_integers(vectors: Vectors) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantize unit vectors to 8 bits, and return them with their scales.

    >>> integers, scales = to_integers(np.array([[0.6, -0.8]], dtype=np.float32))
    >>> integers, (integers * scales[:, None]).round(2)
    (array([[  95, -127]], dtype=int8), array([[ 0.6, -0.8]], dtype=float32))
    """
    scaled = np.rint(vectors * (127 / np.abs(vectors).max(axis=1, keepdims=True)))
    return scaled.astype(np.int8), (1 / np.linalg.norm(scaled, axis=1)).astype(np.float32)


def write_articles(means: NDArray[np.float16], path: Path) -> NDArray[np.uint16]:
    """Write the upper tier.

    Args:
        means: float16 (n_articles, dim), unit norm.

    Returns:
        uint16 (n_articles,), the cluster of each article.

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
        reason = str(error).strip().rpartition("(")[2].rstrip(")")  # the rest of FAISS's message concerns its own code
        raise StorageError(f"{path} cannot be written ({reason}) - free space or give another folder; the index is as it was") from error
    return cells


def _blocks(n_articles: int) -> Iterator[range]:
    return (range(first, min(first + BLOCK, n_articles)) for first in range(0, n_articles, BLOCK))


def _means(chunks: StoredChunks, layout: Layout, articles: range) -> Vectors:
    begins = layout.offsets[articles.start : articles.stop + 1]
    return mean_vectors(chunks.vectors(np.arange(begins[0], begins[-1])), begins - begins[0])


@contextmanager
def _array(path: Path, dtype: Any, *shape: int) -> Iterator[BinaryIO]:
    """Open a file for an array written a few rows at a time. With a mapped file, a full disk would kill the process."""
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        yield file
