"""Compute MaxSim: the closeness in meaning of articles, from the cosines of all their chunks.

    score(query, target) = 1/2 (mean over query chunks of the cosine to the closest target chunk
                              + mean over target chunks of the cosine to the closest query chunk)

This is MaxSim (Khattab and Zaharia, ColBERT, 2020) over passages instead of tokens, in both directions. Each part of
one article must be close to some part of the other. So neither a long target nor a long query has an advantage.

A small archive is searched exactly: all its chunks are multiplied with the query's. In a large archive the index finds
some hundred articles (`ArticleIndex.near`), and only these are compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from recommender.features.article_features import Layout
from recommender.features.filters import SearchFilter
from recommender.features.ranker import DECIMALS
from recommender.storage.ragged import stretches
from recommender.types import Rows, Scores, Vectors
from recommender.vectors.exact import ArticleIndex, FlatIndex, VectorIndex, check_unit, mean_vector, mean_vectors

FOUND = 512
"""Articles of a large archive to compare chunk by chunk. docs/benchmarks.md reports the cost."""

BLOCK = 128
"""Articles to compare together. Their vectors fit the processor's cache. All at once take several times as long."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One article compared with some others, chunk by chunk. All arrays are (n_others,).

    Attributes:
        there: float64, mean over the query's chunks of the cosine to the closest target chunk.
        back: float64, mean over the target's chunks of the cosine to the closest query chunk.
        closest: float64, cosine of the closest pair of chunks.
        mean_cosine: float64, cosine of the mean vectors.
        query_chunk: Number of the query's chunk in that pair, counted from its first.
        target_chunk: Row of the target's chunk in that pair.
    """

    there: NDArray[np.float64]
    back: NDArray[np.float64]
    closest: NDArray[np.float64]
    mean_cosine: NDArray[np.float64]
    query_chunk: Rows
    target_chunk: Rows

    def of(self, places: Rows) -> "Comparison":
        """Return the comparison with only some of the others."""
        return Comparison(*(getattr(self, name)[places] for name in self.__slots__))

    def and_(self, other: "Comparison") -> "Comparison":
        """Return the comparison with the others of both."""
        return Comparison(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.__slots__))


def nearest(
    queries: Sequence[Vectors],
    index: VectorIndex,
    layout: Layout,
    limit: int,
    own_rows: Sequence[int | None],
    wanted: SearchFilter | None = None,
) -> list[tuple[Rows, NDArray[np.float64]]]:
    """Return the `limit` closest articles of each query article.

    Args:
        queries: The chunk vectors of each query article: float32 (n_chunks, dim), n_chunks >= 1, unit norm.
        own_rows: The query's own row, which is left out. None for a draft.
        wanted: Filter: only these articles. None: any.

    Returns:
        Rows and scores for each query, closest first. Equal scores are ordered by date, newest first, then by id.
    """
    if isinstance(index, ArticleIndex):
        found = index.near(queries, max(FOUND, 2 * limit) + 1, wanted)
    else:
        found = [np.arange(layout.n_articles) if wanted is None else np.flatnonzero(wanted.mask)] * len(queries)
    results = []
    for query, rows, own_row in zip(queries, found, own_rows, strict=True):
        check_unit(query)
        others = np.sort(rows[rows != own_row] if own_row is not None else rows)
        scores = _scores(query, others, index, layout)
        if len(scores) > limit:  # the order of the others does not matter
            highest = np.flatnonzero(scores >= np.partition(scores, -limit)[-limit])
            others, scores = others[highest], scores[highest]
        closest = np.lexsort((layout.tie_order[others], -scores))[:limit]
        results.append((others[closest], scores[closest]))
    return results


def compare(query: Vectors, articles: Rows, index: VectorIndex, layout: Layout) -> Comparison:
    """Compare an article, given by its chunk vectors, with some others, given by their rows."""
    if not len(articles):
        nothing, none = np.empty(0), np.empty(0, dtype=np.int64)
        return Comparison(nothing, nothing, nothing, nothing, none, none)
    return reduce(Comparison.and_, (_compare(query, block, index, layout) for block in _blocks(articles)))


def _compare(query: Vectors, articles: Rows, index: VectorIndex, layout: Layout) -> Comparison:
    places, begins = stretches(layout.offsets, articles)
    sizes = np.diff(begins)
    vectors = index.vectors(places)
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


def _scores(query: Vectors, articles: Rows, index: VectorIndex, layout: Layout) -> NDArray[np.float64]:
    """Return the exact score of each article, rounded to `DECIMALS`, without the other results of `compare`."""
    if isinstance(index, FlatIndex) and 2 * len(articles) > layout.n_articles:  # one product is then faster than copies
        return _scores_of(_cosines(query, index.array), layout.offsets)[articles]
    scores = [np.empty(0)]
    for block in _blocks(articles):
        places, begins = stretches(layout.offsets, block)
        scores.append(_scores_of(_cosines(query, index.vectors(places)), begins))
    return np.concatenate(scores)


def _scores_of(cosines: Scores, begins: Rows) -> NDArray[np.float64]:
    """Return the score of each article, given the cosines of all its chunks.

    Args:
        cosines: float32 (n query chunks, n target chunks).
        begins: int64 (n_articles + 1,): where each article begins among the target chunks.
    """
    there = np.maximum.reduceat(cosines, begins[:-1], axis=1).mean(axis=0, dtype=np.float64)
    back = np.add.reduceat(cosines.max(axis=0), begins[:-1], dtype=np.float64) / np.diff(begins)
    return np.asarray(np.clip(np.round((there + back) / 2, DECIMALS), 0.0, 1.0))


def scores_of_all(query: Vectors, vectors: Vectors, layout: Layout) -> NDArray[np.float64]:
    """Return the score of every article whose vectors are in memory, rounded as in `nearest`.

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
    """Compute the cosines of a query's chunks and others: float32 (n_query, n_others).

    BLAS is three times as fast with the larger matrix first.
    """
    return np.ascontiguousarray((vectors @ query.T).T)
