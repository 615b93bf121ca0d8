"""From chunks to articles: which articles are closest to one article, all of its chunks counted.

    score(query, target) = 1/2 (mean over query chunks of the cosine to the closest target chunk
                              + mean over target chunks of the cosine to the closest query chunk)

That is MaxSim (Khattab and Zaharia, ColBERT, 2020) over passages instead of tokens, taken both ways: each part of one
article has to be close to some part of the other, so neither a long target nor a long query is favoured.

The search is exact although only the closest chunks of each query chunk are fetched. Of what was not fetched it is
known that no cosine is above the lowest one fetched, and that bounds the score of every article, fetched or not:

    score(query, target) <= 1/2 (mean + maximum over query chunks of an upper bound of the cosine to any target chunk)

Articles are scored from the highest bound down, until no other can get into the list; as long as one of which nothing
was fetched could, more is fetched (the threshold algorithm: Fagin, Lotem and Naor, 2003).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue import CANDIDATE, Candidates, Layout
from recommender.types import Vectors
from recommender.vector_index import Rows, Scores, VectorIndex

DECIMALS = 4
"""Scores are rounded to so many places before they are compared, so that noise in the last bits decides nothing."""

FIRST_FETCH = 4
"""Chunks fetched first, for each query chunk and wanted article; four times as many each time that is not enough."""

SLACK = 10.0**-DECIMALS
"""Added to bounds, for rounding."""


def rank(queries: Sequence[Vectors], index: VectorIndex, layout: Layout, limit: int, own_rows: Sequence[int | None]) -> list[Candidates]:
    """The `limit` closest articles of each query article.

    Args:
        queries: The chunk vectors of each query article: float32 (n_chunks, dim), n_chunks >= 1, unit norm.
        own_rows: The query's own row, which is left out; None for a draft.

    Returns:
        For each query its candidates, closest first; equal scores by date, newest first, then by id.
        `query_chunk` counts from the query's first chunk.
    """
    results: list[Candidates] = [np.empty(0, dtype=CANDIDATE)] * len(queries)
    waiting = list(range(len(queries)))
    k = FIRST_FETCH * (limit + 1)
    while waiting:
        k = min(k, len(index))
        scores, rows = index.search(np.concatenate([queries[place] for place in waiting]), k)
        ends = np.cumsum([len(queries[place]) for place in waiting])[:-1]
        still_waiting = []
        for place, fetched, fetched_rows in zip(waiting, np.split(scores, ends), np.split(rows, ends), strict=True):
            found, bounds, unseen = _bounds(fetched, fetched_rows, layout, own_rows[place])
            closest, closest_scores = _closest(queries[place], found, bounds, index, layout, limit)
            if k < len(index) and (len(closest) < limit or closest_scores[-1] <= unseen):
                still_waiting.append(place)
            else:
                results[place] = _with_passages(queries[place], closest, closest_scores, index, layout)
        waiting, k = still_waiting, k * 4
    return results


def _bounds(fetched: Scores, rows: Rows, layout: Layout, own_row: int | None) -> tuple[Rows, NDArray[np.float64], float]:
    """The articles of which a chunk was fetched, an upper bound of the score of each, and one for all other articles."""
    articles = np.searchsorted(layout.offsets, rows.ravel(), side="right") - 1
    found, places = np.unique(articles, return_inverse=True)
    lowest = fetched[:, -1:].astype(np.float64)
    cosines = np.repeat(lowest, len(found), axis=1)  # (n query chunks, n found): what the closest target chunk has at most
    query_chunks = np.repeat(np.arange(len(rows)), rows.shape[1])
    np.maximum.at(cosines, (query_chunks, places), fetched.ravel())
    bounds = _mean_of_mean_and_maximum(cosines)
    keep = found != own_row
    return found[keep], bounds[keep] + SLACK, float(_mean_of_mean_and_maximum(lowest)[0]) + SLACK


def _mean_of_mean_and_maximum(cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    bounds: NDArray[np.float64] = (cosines.mean(axis=0) + cosines.max(axis=0)) / 2
    return bounds


def _closest(
    query: Vectors, articles: Rows, bounds: NDArray[np.float64], index: VectorIndex, layout: Layout, limit: int
) -> tuple[Rows, NDArray[np.float64]]:
    """The closest of some articles, and their scores."""
    by_bound = np.argsort(-bounds)
    first, rest = by_bound[: 2 * limit], by_bound[2 * limit :]
    scores = np.full(len(articles), -1.0)
    scores[first] = _scores(query, articles[first], index, layout)
    if len(rest):
        rest = rest[bounds[rest] >= np.sort(scores[first])[-limit]]
        scores[rest] = _scores(query, articles[rest], index, layout)
    closest = np.lexsort((layout.tie_order[articles], -scores))[:limit]
    return articles[closest], scores[closest]


def _scores(query: Vectors, articles: Rows, index: VectorIndex, layout: Layout) -> NDArray[np.float64]:
    """The score of each article, exact, rounded to `DECIMALS`."""
    if not len(articles):
        return np.empty(0)
    chunk_rows, begins, sizes = _chunk_rows(articles, layout)
    cosines = query @ index.vectors(chunk_rows).T
    there = np.maximum.reduceat(cosines, begins, axis=1).mean(axis=0, dtype=np.float64)
    back = np.add.reduceat(cosines.max(axis=0), begins, dtype=np.float64) / sizes
    scores: NDArray[np.float64] = np.clip(np.round((there + back) / 2, DECIMALS), 0.0, 1.0)
    return scores


def _with_passages(query: Vectors, articles: Rows, scores: NDArray[np.float64], index: VectorIndex, layout: Layout) -> Candidates:
    """Candidates, each with its best-matching pair of chunks."""
    candidates = np.empty(len(articles), dtype=CANDIDATE)
    if not len(articles):
        return candidates
    chunk_rows, begins, sizes = _chunk_rows(articles, layout)
    cosines = query @ index.vectors(chunk_rows).T
    nearest = cosines.max(axis=0)
    is_best = nearest == np.repeat(np.maximum.reduceat(nearest, begins), sizes)
    _, first_best = np.unique(np.repeat(np.arange(len(articles)), sizes)[is_best], return_index=True)
    best = np.flatnonzero(is_best)[first_best]
    candidates["article"], candidates["score"] = articles, scores
    candidates["query_chunk"] = cosines[:, best].argmax(axis=0)
    candidates["target_chunk"] = chunk_rows[best]
    return candidates


def _chunk_rows(articles: Rows, layout: Layout) -> tuple[Rows, Rows, Rows]:
    """The rows of all chunks of some articles, where each article begins among them, and how many it has."""
    starts, sizes = layout.offsets[articles], layout.offsets[articles + 1] - layout.offsets[articles]
    begins = np.cumsum(sizes) - sizes
    return np.arange(sizes.sum()) + np.repeat(starts - begins, sizes), begins, sizes
