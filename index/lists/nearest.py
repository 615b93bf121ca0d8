"""Find the nearest neighbours of every article in meaning and in words, as the first pass of the lists.

Hubness and near-duplicates follow from the neighbours. In a small archive the search in meaning is exact: all cosines
of a block's chunks with all chunks are computed, and then MaxSim. In a large archive the articles of a cluster are
compared with the means of the articles in the nearby clusters. The closest of these are then compared chunk by chunk.
"""

import os
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from index import kernels
from index.lists.inputs import LISTS, NEAR, NEAR_DONE, BuildInputs, Near
from index.storage.npy_append import allocated
from index.workers.processes import BlockWorkers, OfFolder
from recommender.retrieval.candidates import N_CANDIDATES
from recommender.terms.inverted_index import DEPTH, QUERY_TERMS
from recommender.types import Matrix, Rows
from recommender.vectors.maxsim import FOUND

FEW = 256
"""Number of chunks compared with all others at a time."""

STRETCH = 8_192
"""Number of chunks, or article means, that a block is compared with at a time."""

Nearest = tuple[NDArray[np.int32], Matrix]


def find_neighbours(staged: BuildInputs, processes: BlockWorkers) -> Iterator[int]:
    """Write the missing nearest neighbours of all articles for `BuildInputs.near`, and yield the number of finished
    articles.
    """
    folder, shape = staged.folder / LISTS, (staged.n_articles, N_CANDIDATES)
    files = [allocated(folder / f"{name}.npy", kind, shape) for name, kind in zip(NEAR, (np.int32, np.float32) * 2, strict=True)]
    done = allocated(folder / f"{NEAR_DONE}.npy", np.bool_, (staged.n_articles,))
    yield int(done.sum())
    opened = OfFolder(partial(BuildInputs, n_articles=staged.n_articles), staged.folder)
    for rows, found in processes.everywhere(_neighbours, opened, staged.blocks(done)):
        for file, part in zip(files, (found.in_meaning, found.maxsim, found.in_words, found.words), strict=True):
            file[rows] = part
        done[rows] = True
        yield int(done.sum())
    for name in NEAR:  # Nodes recognize a changed file by its time, and writing through a map need not change that time.
        os.utime(folder / f"{name}.npy")


def _neighbours(staged: BuildInputs, rows: Rows) -> tuple[Rows, Near]:
    in_meaning = _by_means(staged, rows) if staged.two_tiers else _by_all(staged, rows)
    in_words, cosines = kernels.nearest_in_words(rows, staged.words, QUERY_TERMS, DEPTH, N_CANDIDATES)
    return rows, Near(*in_meaning, in_words, np.sqrt(cosines))


def _by_all(staged: BuildInputs, rows: Rows) -> Nearest:
    """Return the nearest neighbours of adjacent rows by an exact search over all chunks."""
    parts = [_by_products(staged, few) for few in _few(staged, rows)]
    return np.concatenate([near for near, _ in parts]), np.concatenate([closeness for _, closeness in parts])


def _few(staged: BuildInputs, rows: Rows) -> Iterator[Rows]:
    """Yield adjacent rows in parts of at most `FEW` chunks, at least one article each."""
    parts = (staged.chunks.offsets[rows] - staged.chunks.offsets[rows[0]]) // FEW
    return iter(np.split(rows, np.flatnonzero(np.diff(parts)) + 1))


def _by_products(staged: BuildInputs, rows: Rows) -> Nearest:
    chunks, n_articles = staged.chunks, staged.n_articles
    own = chunks.offsets[rows[0] : rows[-1] + 2]
    queries = chunks.stored[own[0] : own[-1]]
    scores = np.empty((len(rows), n_articles))
    first = 0
    while first < n_articles:
        last = max(first + 1, int(np.searchsorted(chunks.offsets, chunks.offsets[first] + STRETCH, side="right")) - 1)
        stretch = chunks.offsets[first : last + 1]
        products = queries @ chunks.stored[stretch[0] : stretch[-1]].T
        kernels.scores_of_products(products, own - own[0], stretch - stretch[0], scores[:, first:last])
        first = last
    return kernels.nearest_by_scores(rows, scores, chunks.tie_order, chunks.by_tie, N_CANDIDATES)


def _by_means(staged: BuildInputs, rows: Rows) -> Nearest:
    """Return the nearest neighbours of articles of one cluster, among the articles with the closest means."""
    order, cells = staged.order, staged.cells
    cell = int(np.searchsorted(cells, np.flatnonzero(order == rows[0])[0], side="right")) - 1
    near = staged.near_cells[cell]
    others = np.concatenate([order[cells[of] : cells[of + 1]] for of in near if of >= 0]).astype(np.int32)
    queries = staged.means[rows].astype(np.float32)
    kept = np.zeros((len(rows), max(FOUND, 2 * N_CANDIDATES) + 1), dtype=np.int64)
    for first in range(0, len(others), STRETCH):
        stretch = others[first : first + STRETCH]
        kernels.keep_highest(queries @ staged.means[stretch].astype(np.float32).T, stretch, kept)
    return kernels.nearest_of(rows, kernels.rows_of(kept), staged.chunks, N_CANDIDATES)
