"""Compute the MaxSim of chunk vectors, as `recommender.vectors.maxsim` defines it, and the nearest neighbours by it."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from index.kernels.arrays import FREE, Chunks, Floats, Floats32, Near, Numbers32
from index.kernels.top_k import highest_of, key_of, push, row_of
from recommender.features.ranker import DECIMALS
from recommender.types import Numbers


@njit(cache=True, fastmath=True)
def _dot(query: Floats32, stored: Any) -> np.float32:
    total = np.float32(0)
    for place in range(query.shape[0]):
        total += query[place] * np.float32(stored[place])
    return total


@njit(cache=True)
def vectors_of(chunks: Chunks, row: Any) -> Floats32:
    """Return the chunk vectors of an article, unit norm."""
    begin, end = chunks.offsets[row], chunks.offsets[row + 1]
    found = np.empty((end - begin, chunks.stored.shape[1]), dtype=np.float32)
    for chunk in range(begin, end):
        for place in range(found.shape[1]):
            found[chunk - begin, place] = np.float32(chunks.stored[chunk, place]) * chunks.scales[chunk]
    return found


@njit(cache=True)
def compare(query: Floats32, chunks: Chunks, row: Any, best: Floats32) -> tuple[Any, ...]:
    """Compare two articles.

    Return the closeness there and back, the closest pair, its chunk of the query, its chunk of the target, and the sum
    of all cosines.

    Args:
        best: Scratch, float32 (n query chunks,).
    """
    best[:] = -2.0
    back, closest, total, query_chunk, target_chunk = 0.0, -2.0, 0.0, 0, 0
    begin, end = chunks.offsets[row], chunks.offsets[row + 1]
    for target in range(begin, end):
        highest: Any = np.float32(-2.0)
        its = 0
        for place in range(query.shape[0]):
            cosine = _dot(query[place], chunks.stored[target]) * chunks.scales[target]
            total += cosine
            best[place] = max(best[place], cosine)
            if cosine > highest:
                highest, its = cosine, place
        back += highest
        if highest > closest:
            closest, query_chunk, target_chunk = np.float64(highest), its, target
    there = 0.0
    for place in range(query.shape[0]):
        there += best[place]
    return there / query.shape[0], back / (end - begin), closest, query_chunk, target_chunk, total


@njit(cache=True)
def _rounded(score: float) -> Any:
    return np.rint(score * 10**DECIMALS) / 10**DECIMALS


@njit(cache=True)
def _score(there: float, back: float) -> Any:
    return min(max(_rounded((there + back) / 2), 0.0), 1.0)


@njit(cache=True)
def nearest_of(rows: Numbers, found: Numbers32, chunks: Chunks, limit: int) -> Near:
    """Return the nearest neighbours by MaxSim among the articles found for each article.

    Args:
        rows: int64 (n,): the articles.
        found: int32 (n, m): candidates, padded with FREE. The article itself may be among them.

    Returns:
        Rows int32 (n, limit), FREE-padded, and scores float32, closest first.
    """
    near, closeness = np.full((len(rows), limit), FREE, dtype=np.int32), np.zeros((len(rows), limit), dtype=np.float32)
    for place in range(len(rows)):
        query = vectors_of(chunks, rows[place])
        best = np.empty(len(query), dtype=np.float32)
        others = found[place]
        others = others[(others != FREE) & (others != rows[place])]
        keys = np.empty(len(others), dtype=np.int64)
        for other in range(len(others)):
            there, back, _, _, _, _ = compare(query, chunks, others[other], best)
            keys[other] = key_of(_score(there, back), chunks.tie_order[others[other]])
        _write(highest_of(keys, limit), chunks.by_tie, near[place], closeness[place])
    return near, closeness


@njit(cache=True)
def _write(keys: Numbers, by_tie: Numbers, near: Numbers32, closeness: Floats32) -> None:
    """Decode keys into articles and scores."""
    for place in range(len(keys)):
        near[place] = by_tie[row_of(keys[place])]
        closeness[place] = _rounded(np.float64(keys[place] >> 32) / (1 << 29) - 2.0)


@njit(cache=True)
def scores_of_products(products: Floats32, ends: Numbers, begins: Numbers, scores: Floats) -> None:
    """Compute MaxSim from all cosines between a block of articles and a range of the archive's.

    Args:
        products: float32 (n query chunks, n target chunks).
        ends: int64 (n_queries + 1,), bounds of each query's chunks.
        begins: int64 (n_targets + 1,), bounds of each target's chunks.
        scores: float64 (n_queries, n_targets), the output.
    """
    for query in range(len(ends) - 1):
        first, last = ends[query], ends[query + 1]
        for target in range(len(begins) - 1):
            there, back = 0.0, 0.0
            for one in range(first, last):
                highest: Any = np.float32(-2.0)
                for other in range(begins[target], begins[target + 1]):
                    highest = max(highest, products[one, other])
                there += highest
            for other in range(begins[target], begins[target + 1]):
                highest = np.float32(-2.0)
                for one in range(first, last):
                    highest = max(highest, products[one, other])
                back += highest
            scores[query, target] = _score(there / (last - first), back / (begins[target + 1] - begins[target]))


@njit(cache=True)
def nearest_by_scores(rows: Numbers, scores: Floats, tie_order: NDArray[Any], by_tie: Numbers, limit: int) -> Near:
    """Return the nearest neighbours of each article from its scores with every article. See `nearest_of`."""
    near, closeness = np.full((len(rows), limit), FREE, dtype=np.int32), np.zeros((len(rows), limit), dtype=np.float32)
    keys = np.empty(len(tie_order) - 1, dtype=np.int64)
    for place in range(len(rows)):
        n = 0
        for other in range(len(tie_order)):
            if other != rows[place]:
                keys[n] = key_of(scores[place, other], tie_order[other])
                n += 1
        _write(highest_of(keys, limit), by_tie, near[place], closeness[place])
    return near, closeness


@njit(cache=True)
def keep_highest(products: Floats32, rows: Numbers32, kept: Numbers) -> None:
    """Keep the keys of the highest products of each query.

    Args:
        products: float32 (n_queries, n_rows), cosines.
        rows: int32 (n_rows,).
        kept: int64 (n_queries, k), heaps of keys. 0 marks an empty place.
    """
    for query in range(len(products)):
        heap = kept[query]
        for place in range(len(rows)):
            if products[query, place] > np.float64(heap[0] >> 32) / (1 << 29) - 2.0:
                push(heap, key_of(products[query, place], rows[place]))


@njit(cache=True)
def rows_of(kept: Numbers) -> Numbers32:
    """Return the rows of the kept keys, FREE for empty places."""
    rows = np.full(kept.shape, FREE, dtype=np.int32)
    for query in range(len(kept)):
        for place in range(kept.shape[1]):
            if kept[query, place]:
                rows[query, place] = row_of(kept[query, place])
    return rows
