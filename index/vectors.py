"""Write the vectors of a release: one exact index, or two tiers (`recommender.tiered_index`) where there are many."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from recommender.facts import Layout
from recommender.manifest import MEANS, VECTORS
from recommender.tiered_index import ARTICLES, CHUNKS, StoredChunks, save_articles, to_integers
from recommender.types import Vectors
from recommender.vector_index import FlatIndex, VectorIndex, check_unit

EXACT = 100_000
"""Chunks up to which the search is exact."""

BLOCK = 4096
"""Articles whose means are computed together."""


def write_chunks(blocks: Iterable[Vectors], n_chunks: int, dim: int, staged: Path) -> None:
    """Write the vectors of all chunks.

    Args:
        blocks: float32 (n, dim), unit norm, in order of rows.
    """
    if n_chunks <= EXACT:
        FlatIndex.build(np.concatenate(list(blocks))).save(staged / VECTORS)
        return
    stored = np.lib.format.open_memmap(staged / CHUNKS, mode="w+", dtype=np.int8, shape=(n_chunks, dim))
    done = 0
    for vectors in blocks:
        check_unit(vectors)
        stored[done : done + len(vectors)] = to_integers(vectors)
        done += len(vectors)
    stored.flush()


def write_means(layout: Layout, staged: Path) -> None:
    """Write the mean vectors of all articles: float16 (n_articles, dim), unit norm; and what finds them, where there are many."""
    two_tiers = (staged / CHUNKS).exists()
    chunks: VectorIndex = StoredChunks(staged) if two_tiers else FlatIndex.open(staged / VECTORS)
    means = np.concatenate(list(_means(chunks, layout)))
    np.save(staged / MEANS, means.astype(np.float16), allow_pickle=False)
    if two_tiers:
        save_articles(means, staged / ARTICLES)


def _means(index: VectorIndex, layout: Layout) -> Iterator[Vectors]:
    for first in range(0, layout.n_articles, BLOCK):
        offsets = layout.offsets[first : first + BLOCK + 1]
        means = np.add.reduceat(index.vectors(np.arange(offsets[0], offsets[-1])), offsets[:-1] - offsets[0], axis=0)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        yield means
