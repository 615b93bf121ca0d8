"""Closeness in meaning, from chunks to articles: which articles are closest to one article, all of its chunks counted.

    score(query, target) = 1/2 (mean over query chunks of the cosine to the closest target chunk
                              + mean over target chunks of the cosine to the closest query chunk)

That is MaxSim (Khattab and Zaharia, ColBERT, 2020) over passages instead of tokens, taken both ways: each part of one
article has to be close to some part of the other, so neither a long target nor a long query is favoured.

In a small archive the search is exact although only the closest chunks of each query chunk are fetched. Of what was not fetched it is
known that no cosine is above the lowest one fetched, and that bounds the score of every article, fetched or not:

    score(query, target) <= 1/2 (mean + maximum over query chunks of an upper bound of the cosine to any target chunk)

Articles are scored from the highest bound down, until no other can get into the list; as long as one of which nothing
was fetched could, more is fetched (the threshold algorithm: Fagin, Lotem and Naor, 2003). In a large one
the index finds some hundred articles (`ArticleIndex.near`), and these are compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from recommender.embedding import mean_vector
from recommender.facts import Layout
from recommender.ranker import DECIMALS
from recommender.stretches import stretches
from recommender.types import Vectors
from recommender.vector_index import ArticleIndex, FlatIndex, Rows, Scores, VectorIndex, mean_vectors
from recommender.wanted import Wanted

FIRST_FETCH = 4
"""Chunks fetched first, for each query chunk and wanted article; four times as many each time that is not enough."""

SLACK = 10.0**-DECIMALS
"""Added to bounds, for rounding."""

FOUND = 512
"""Articles of a large archive that are compared chunk by chunk, which costs (docs/benchmarks.md)."""

BLOCK = 128
"""Articles compared together: their vectors stay in the processor's cache. All at once, a thousand take several times as long."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One article compared with some others, chunk by chunk; all arrays are (n_others,).

    Attributes:
        there: float64, mean over the query's chunks of the cosine to the closest target chunk.
        back: float64, mean over the target's chunks of the cosine to the closest query chunk.
        closest: float64, cosine of the closest pair of chunks.
        mean_cosine: float64, cosine of the mean vectors.
        query_chunk: Which of the query's chunks is in that pair, counted from its first.
        target_chunk: Row of the target's chunk in that pair.
    """

    there: NDArray[np.float64]
    back: NDArray[np.float64]
    closest: NDArray[np.float64]
    mean_cosine: NDArray[np.float64]
    query_chunk: Rows
    target_chunk: Rows

    def of(self, places: Rows) -> "Comparison":
        """The comparison with some of the others only."""
        return Comparison(*(getattr(self, name)[places] for name in self.__slots__))

    def and_(self, other: "Comparison") -> "Comparison":
        """The comparison with the others of both."""
        return Comparison(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.__slots__))


def nearest(
    queries: Sequence[Vectors],
    index: VectorIndex,
    layout: Layout,
    limit: int,
    own_rows: Sequence[int | None],
    wanted: Wanted | None = None,
) -> list[tuple[Rows, NDArray[np.float64]]]:
    """The `limit` closest articles of each query article.

    Args:
        queries: The chunk vectors of each query article: float32 (n_chunks, dim), n_chunks >= 1, unit norm.
        own_rows: The query's own row, which is left out; None for a draft.
        wanted: Only these articles; None: any.

    Returns:
        For each query rows and scores, closest first; equal scores by date, newest first, then by id.
    """
    if isinstance(index, ArticleIndex):
        return _nearest_of(index.near(queries, max(FOUND, 2 * limit) + 1, wanted), queries, index, layout, limit, own_rows)
    if not isinstance(index, FlatIndex):
        raise TypeError(f"{type(index).__name__} cannot be searched")
    if wanted is not None:
        return _nearest_of([np.flatnonzero(wanted.mask)] * len(queries), queries, index, layout, limit, own_rows)
    nothing = (np.empty(0, dtype=np.int64), np.empty(0))
    results: list[tuple[Rows, NDArray[np.float64]]] = [nothing] * len(queries)
    waiting = list(range(len(queries)))
    k = FIRST_FETCH * (limit + 1)
    while waiting:
        k = min(k, len(index))
        scores, rows = index.search(np.concatenate([queries[place] for place in waiting]), k)
        ends = np.cumsum([len(queries[place]) for place in waiting])[:-1]
        still_waiting = []
        for place, fetched, fetched_rows in zip(waiting, np.split(scores, ends), np.split(rows, ends), strict=True):
            found, bounds, unseen = _bounds(fetched, fetched_rows, layout, own_rows[place])
            closest, closest_scores = _closest(index.turned(queries[place]), found, bounds, index, layout, limit)
            if k < len(index) and (len(closest) < limit or closest_scores[-1] <= unseen):
                still_waiting.append(place)
            else:
                results[place] = closest, closest_scores
        waiting, k = still_waiting, k * 4
    return results


def _nearest_of(
    found: Sequence[Rows],
    queries: Sequence[Vectors],
    index: VectorIndex,
    layout: Layout,
    limit: int,
    own_rows: Sequence[int | None],
) -> list[tuple[Rows, NDArray[np.float64]]]:
    """The same, of some articles for each query, all of which are compared."""
    results = []
    for query, rows, own_row in zip(queries, found, own_rows, strict=True):
        others = np.sort(rows[rows != own_row] if own_row is not None else rows)
        scores = _scores(index.turned(query), others, index, layout)
        closest = np.lexsort((layout.tie_order[others], -scores))[:limit]
        results.append((others[closest], scores[closest]))
    return results


def compare(query: Vectors, articles: Rows, index: VectorIndex, layout: Layout) -> Comparison:
    """Compare an article, given by its chunk vectors, with some others, given by their rows."""
    if not len(articles):
        nothing, none = np.empty(0), np.empty(0, dtype=np.int64)
        return Comparison(nothing, nothing, nothing, nothing, none, none)
    turned = index.turned(query)
    return reduce(Comparison.and_, (_compare(turned, block, index, layout) for block in _blocks(articles)))


def _compare(query: Vectors, articles: Rows, index: VectorIndex, layout: Layout) -> Comparison:
    places, begins = stretches(layout.offsets, articles)
    sizes = np.diff(begins)
    vectors = index.stored(places)
    cosines = _cosines(query, vectors)
    best_of_target = cosines.max(axis=0)
    closest = np.maximum.reduceat(best_of_target, begins[:-1])
    is_best = np.flatnonzero(best_of_target == np.repeat(closest, sizes))
    _, first_best = np.unique(np.repeat(np.arange(len(articles)), sizes)[is_best], return_index=True)
    best = is_best[first_best]
    return Comparison(
        there=np.maximum.reduceat(cosines, begins[:-1], axis=1).mean(axis=0, dtype=np.float64),
        back=np.add.reduceat(best_of_target, begins[:-1], dtype=np.float64) / sizes,
        closest=closest.astype(np.float64),
        mean_cosine=(mean_vectors(vectors, begins) @ mean_vector(query)).astype(np.float64),
        query_chunk=cosines[:, best].argmax(axis=0),
        target_chunk=places[best],
    )


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
    """The score of each article, exact, rounded to `DECIMALS`; without what `compare` finds besides."""
    scores = np.empty(len(articles))
    for first, block in enumerate(_blocks(articles)):
        places, begins = stretches(layout.offsets, block)
        cosines = _cosines(query, index.stored(places))
        there = np.maximum.reduceat(cosines, begins[:-1], axis=1).mean(axis=0, dtype=np.float64)
        back = np.add.reduceat(cosines.max(axis=0), begins[:-1], dtype=np.float64) / np.diff(begins)
        scores[BLOCK * first : BLOCK * (first + 1)] = (there + back) / 2
    return np.clip(np.round(scores, DECIMALS), 0.0, 1.0)


def scores_of_all(query: Vectors, vectors: Vectors, layout: Layout) -> NDArray[np.float64]:
    """The score of every article whose vectors are in memory, rounded as those of `nearest` are.

    Args:
        vectors: float32 (n_chunks, dim), article by article.
    """
    begins = layout.offsets[:-1]
    cosines = _cosines(query, vectors)
    there = np.maximum.reduceat(cosines, begins, axis=1).mean(axis=0, dtype=np.float64)
    back = np.add.reduceat(cosines.max(axis=0), begins, dtype=np.float64) / np.diff(layout.offsets)
    return np.asarray(np.clip(np.round((there + back) / 2, DECIMALS), 0.0, 1.0))


def _blocks(articles: Rows) -> Iterator[Rows]:
    return (articles[first : first + BLOCK] for first in range(0, len(articles), BLOCK))


def _cosines(query: Vectors, vectors: Vectors) -> Scores:
    """Cosines of a query's chunks and others: float32 (n_query, n_others); with the many first BLAS is three times as fast."""
    return np.ascontiguousarray((vectors @ query.T).T)
