"""From chunks to articles: which articles are closest to one article, all of its chunks counted.

    score(query, target) = 1/2 (mean over query chunks of the cosine to the closest target chunk
                              + mean over target chunks of the cosine to the closest query chunk)

That is MaxSim (Khattab and Zaharia, ColBERT, 2020) over passages instead of tokens, taken both ways: each part of one
article has to be close to some part of the other, so neither a long target nor a long query is favoured.

The search is exact although only the closest chunks of each query chunk are fetched. An article of which nothing was
fetched has, for each query chunk, no cosine above the lowest one fetched. That bounds its score; when enough scored
articles lie above the bound nothing can be missing, and until they do more is fetched (the threshold algorithm: Fagin,
Lotem and Naor, 2003).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.catalogue import CANDIDATE, Candidates, Layout
from recommender.types import Vectors
from recommender.vector_index import VectorIndex

DECIMALS = 4
"""Scores are rounded to so many places before they are compared, so that noise in the last bits decides nothing."""

FIRST_FETCH = 4
"""Chunks fetched first, for each query chunk and wanted article."""


def rank(queries: Sequence[Vectors], index: VectorIndex, layout: Layout, limit: int, own_rows: Sequence[int | None]) -> list[Candidates]:
    """The `limit` closest articles of each query article.

    Args:
        queries: The chunk vectors of each query article: float32 (n_chunks, dim), unit norm.
        own_rows: The query's own row, which is left out; None for a draft.

    Returns:
        For each query its candidates, closest first; equal scores by date, newest first, then by id.
        `query_chunk` counts from the query's first chunk.
    """
    results: list[Candidates] = [np.empty(0, dtype=CANDIDATE)] * len(queries)
    open_ = [place for place, query in enumerate(queries) if len(query)]
    k = FIRST_FETCH * (limit + 1)
    while open_:
        k = min(k, len(index))
        scores, rows = index.search(np.concatenate([queries[place] for place in open_]), k)
        still_open = []
        for place, (first, last) in zip(open_, _spans([queries[place] for place in open_]), strict=True):
            found = np.unique(np.searchsorted(layout.offsets, rows[first:last].ravel(), side="right") - 1)
            found = found[found != own_rows[place]] if own_rows[place] is not None else found
            ranked = _score(queries[place], found, index, layout)[:limit]
            lowest = scores[first:last, -1]
            bound = (float(lowest.mean()) + float(lowest.max())) / 2 + 10.0**-DECIMALS
            if k == len(index) or (len(ranked) == limit and ranked["score"][-1] > bound):
                results[place] = ranked
            else:
                still_open.append(place)
        open_, k = still_open, k * 4
    return results


def _score(query: Vectors, articles: NDArray[np.int64], index: VectorIndex, layout: Layout) -> Candidates:
    """Score articles exactly and sort them."""
    ranked = np.empty(len(articles), dtype=CANDIDATE)
    if not len(articles):
        return ranked
    starts, sizes = layout.offsets[articles], np.diff(layout.offsets)[articles]
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    chunk_rows = np.arange(sizes.sum()) + np.repeat(starts - begins, sizes)
    cosines = query @ index.vectors(chunk_rows).T
    best = np.maximum.reduceat(cosines, begins, axis=1)  # (n query chunks, n articles)
    forth = best.mean(axis=0, dtype=np.float64)
    back = np.add.reduceat(cosines.max(axis=0), begins, dtype=np.float64) / sizes
    ranked["article"] = articles
    ranked["score"] = np.clip(np.round((forth + back) / 2, DECIMALS), 0.0, 1.0)
    ranked["query_chunk"] = best.argmax(axis=0)
    for place, (begin, size) in enumerate(zip(begins, sizes, strict=True)):
        nearest = int(cosines[ranked["query_chunk"][place], begin : begin + size].argmax())
        ranked["target_chunk"][place] = starts[place] + nearest
    return ranked[np.lexsort((layout.tie_order[articles], -ranked["score"]))]


def _spans(parts: Sequence[Vectors]) -> Iterator[tuple[int, int]]:
    """Where each part lies in their concatenation."""
    last = 0
    for part in parts:
        first, last = last, last + len(part)
        yield first, last
