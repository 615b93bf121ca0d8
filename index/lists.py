"""The related list of every article, computed once, in the build, so that a reader never waits for it.

Two passes over the archive: the first finds every article's nearest, from which hubness and near-duplicates follow; the
second describes and explains its candidates.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np

from recommender.candidate import N_TERMS, Candidates
from recommender.facts import Facts, Layout
from recommender.lexical import LexicalIndex, Terms
from recommender.passages import Sentences, best_pairs
from recommender.retrieval import Archive, Neighbours, Query, candidates, neighbours
from recommender.types import Matrix, Vectors
from recommender.vector_index import VectorIndex

BLOCK = 256
"""Articles searched together: enough to keep the processor busy, few enough to keep memory small."""

CHUNKS_KEPT = 100_000
"""Chunks whose sentences are kept: neighbours are candidates of each other, so a chunk is asked for again and again."""


def queries(rows: Iterable[int], index: VectorIndex, layout: Layout, terms: Sequence[Terms], facts: Facts) -> list[Query]:
    """Some articles of the archive as queries."""
    return [
        Query(
            vectors=index.vectors(np.arange(layout.offsets[row], layout.offsets[row + 1])),
            terms=terms[row],
            published=int(facts.published[row]),
            section=int(facts.section[row]),
            length=float(facts.length[row]),
            row=row,
        )
        for row in rows
    ]


def all_neighbours(index: VectorIndex, layout: Layout, lexical: LexicalIndex, terms: Sequence[Terms], facts: Facts) -> Iterator[Neighbours]:
    """The nearest of every article, in order of rows."""
    for first in range(0, layout.n_articles, BLOCK):
        rows = range(first, min(first + BLOCK, layout.n_articles))
        yield from neighbours(queries(rows, index, layout, terms, facts), index, layout, lexical)


def hubness(near: Iterable[Neighbours]) -> Matrix:
    """Hubness of every article: float32 (n_articles, 2)."""
    return np.array([found.hubness for found in near], dtype=np.float32).reshape(-1, 2)


def mean_vectors(index: VectorIndex, layout: Layout) -> Vectors:
    """Mean chunk vectors of all articles: float32 (n_articles, dim), unit norm."""
    means = np.add.reduceat(index.vectors(np.arange(len(index))), layout.offsets[:-1], axis=0)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return means


def related_lists(
    archive: Archive, terms: Sequence[Terms], near: Sequence[Neighbours], sentences_of: Callable[[int], Sentences]
) -> Iterator[tuple[int, Candidates]]:
    """Yield row and candidates of every article, in order of rows.

    Args:
        sentences_of: Row of a chunk -> its sentences.
    """
    kept = lru_cache(CHUNKS_KEPT)(sentences_of)
    layout = archive.layout
    for row, found in enumerate(near):
        query = queries([row], archive.index, layout, terms, archive.facts)[0]
        best, compared = candidates(query, found, archive)
        own_chunks = compared.query_chunk + layout.offsets[row]
        for chunk in np.unique(own_chunks):
            places = np.flatnonzero(own_chunks == chunk)
            own, theirs = kept(int(chunk)), [kept(int(compared.target_chunk[place])) for place in places]
            for place, target, (mine, its) in zip(places, theirs, best_pairs(own, theirs), strict=True):
                best["query_passage"][place], best["target_passage"][place] = own.spans[mine], target.spans[its]
        best["terms"] = archive.lexical.shared_terms(query.terms, best["article"].astype(np.int64), N_TERMS)
        yield row, best
