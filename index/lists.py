"""The related list of every article, computed once, in the build, so that a reader never waits for it."""

from collections.abc import Iterator

import numpy as np

from recommender.catalogue import Candidates, Layout
from recommender.ranking import rank
from recommender.vector_index import VectorIndex

N_CANDIDATES = 64
"""Candidates stored for each article: more than any list shows, so that filters leave enough."""

BLOCK = 256
"""Articles searched together: enough to keep the processor busy, few enough to keep memory small."""


def related_lists(index: VectorIndex, layout: Layout) -> Iterator[tuple[int, Candidates]]:
    """Yield row and candidates of every article, in order of rows; chunks are named by their rows."""
    for first in range(0, layout.n_articles, BLOCK):
        rows = range(first, min(first + BLOCK, layout.n_articles))
        queries = [index.vectors(np.arange(layout.offsets[row], layout.offsets[row + 1])) for row in rows]
        for row, candidates in zip(rows, rank(queries, index, layout, N_CANDIDATES, rows), strict=True):
            candidates["query_chunk"] += layout.offsets[row]
            yield row, candidates
