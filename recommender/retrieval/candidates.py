"""Retrieve candidates of an article: the closest in meaning, the closest in words, and those whose titles it names.

Each candidate gets its features. A draft gets its candidates on the spot. The build computes those of every article and
stores them. `index.kernels` repeats the search and the comparison in loops, and a test compares the two.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.features.article_features import ArticleFeatures, Layout
from recommender.features.feature_assembly import Facts, Figures, assemble, facts_of, reciprocal_ranks
from recommender.features.feature_schema import CANDIDATE, UNDATED, Candidates, Features, column
from recommender.features.filters import SearchFilter
from recommender.features.link_history import EVER, NEVER, LinkHistory
from recommender.features.ranker import SHIPPED
from recommender.terms.inverted_index import LexicalIndex, Terms
from recommender.types import LIVE, Matrix, Rows, Vectors
from recommender.vectors import maxsim
from recommender.vectors.exact import VectorIndex

N_CANDIDATES = 64
"""Candidates stored per article, and neighbours of each kind that they are chosen from. Filters still leave a list."""

N_MENTIONED = 16

HUB_NEIGHBOURS = 10
"""Number of nearest articles whose mean closeness is the hubness of an article."""

OWN_TITLE = 0.8
"""Closeness from which two titles are one, except for a word such as "Exclusive"."""

OWN_TEXT = 0.97
"""MaxSim from which two texts under the same title are the same text."""


@dataclass(frozen=True, slots=True)
class Query:
    """An article that needs candidates.

    Attributes:
        vectors: Its chunk vectors: float32 (n_chunks, dim).
        published: Seconds since 1970, UNDATED if unknown.
        section: Number of its section, -1 if it has none or the archive does not know it.
        length: Characters of title and text.
        row: Row of the query in the release. None if it is not in the release.
        draft: Whether the query may be an article of the archive under another id.
        part: Whether the vectors cover only some of its chunks.
        language: Number of its language, -1 if it is unknown.
    """

    vectors: Vectors
    terms: Terms
    published: int
    section: int
    length: float
    row: int | None
    draft: bool = False
    part: bool = False
    language: int = -1

    @property
    def facts(self) -> Facts:
        return Facts(self.published, self.section, self.length)

    @property
    def moment(self) -> int:
        """Return the moment before which a hand-made list must be known to count.

        For a draft without a date all lists count, for an undated article none.
        """
        return self.published if self.published != UNDATED else EVER if self.draft else NEVER


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest neighbours of an article, closest first.

    Attributes:
        in_meaning, in_words: Rows.
        maxsim, words: Closeness of each: MaxSim, and the square root of the TF-IDF cosine.
    """

    in_meaning: Rows
    maxsim: NDArray[np.float64]
    in_words: Rows
    words: NDArray[np.float64]

    def first(self, limit: int) -> "Neighbours":
        """Return only the first of these neighbours."""
        return Neighbours(self.in_meaning[:limit], self.maxsim[:limit], self.in_words[:limit], self.words[:limit])

    def without(self, rows: Container[int]) -> "Neighbours":
        """Return the neighbours without some articles."""
        in_meaning, in_words = (~_in(near, rows) for near in (self.in_meaning, self.in_words))
        return Neighbours(self.in_meaning[in_meaning], self.maxsim[in_meaning], self.in_words[in_words], self.words[in_words])

    @property
    def both(self) -> tuple[Rows, NDArray[np.float64]]:
        """Return rows and closeness of all. An article that is near in both ways occurs twice."""
        return np.concatenate([self.in_meaning, self.in_words]), np.maximum(np.concatenate([self.maxsim, self.words]), 0.0)

    def language(self, facts: ArticleFeatures) -> int:
        """Return the language of most of the nearest in words, which a text without a language shares. -1: unknown."""
        if facts.language is None:
            return -1
        numbers = facts.language[self.in_words[self.in_words < LIVE][:HUB_NEIGHBOURS]]
        known = numbers[numbers >= 0]
        return int(np.bincount(known).argmax()) if len(known) else -1

    @property
    def hubness(self) -> tuple[float, float]:
        """Return the mean closeness to the nearest, in meaning and in words."""
        return _mean(self.maxsim[:HUB_NEIGHBOURS]), _mean(self.words[:HUB_NEIGHBOURS])


@dataclass(frozen=True, slots=True)
class CandidateSource:
    """Search structures in which candidates are found and described."""

    index: VectorIndex
    layout: Layout
    lexical: LexicalIndex
    facts: ArticleFeatures
    precedents: LinkHistory


def neighbours(
    queries: Sequence[Query], index: VectorIndex, layout: Layout, lexical: LexicalIndex, limit: int = N_CANDIDATES
) -> list[Neighbours]:
    """Return the `limit` nearest neighbours of each query, in meaning and in words."""
    in_meaning = maxsim.nearest([query.vectors for query in queries], index, layout, limit, [query.row for query in queries])
    found = []
    for query, (rows, scores) in zip(queries, in_meaning, strict=True):
        in_words, cosines = lexical.search(query.terms, limit, query.row)
        found.append(Neighbours(rows, scores, in_words, np.sqrt(cosines, dtype=np.float64)))
    return found


def candidates(
    query: Query, near: Neighbours, archive: CandidateSource, wanted: SearchFilter | None = None, gone: Container[int] = ()
) -> tuple[Candidates, maxsim.Comparison]:
    """Return the best `N_CANDIDATES` by the shipped weights. Near-duplicates are replaced by their canonical article.

    Args:
        near: The nearest of all articles. Their ranks weigh the candidates, whatever the filter.
        wanted: Filter. The nearest articles that pass it are candidates too, and come before all others.
        gone: Rows of articles that were withdrawn or replaced since the build.

    Returns:
        Candidates, best first, without passages and terms, and their comparison with the query.
    """
    named = archive.lexical.mentioned(query.terms, N_MENTIONED, query.row)
    more = [] if wanted is None else _nearest_among(query, archive, wanted)
    rows = _standing(np.concatenate([near.in_meaning, near.in_words, named, *more]), archive.facts.canonical, gone)
    if query.row is not None:
        rows = rows[rows != archive.facts.canonical[query.row]]
    found, compared = described(query, rows, near, archive)
    return best(found, compared, wanted, archive.facts.foreign(query.language, found["article"]))


def _standing(rows: Rows, canonical: NDArray[np.int32], gone: Container[int]) -> Rows:
    """Return the rows that represent some articles in lists.

    If the canonical article of a duplicate group is gone, the first remaining one represents it.
    """
    stands = canonical[rows]
    lost = _in(stands, gone)
    if lost.any():
        left = np.unique(rows[lost & ~_in(rows, gone)])
        _, firsts = np.unique(canonical[left], return_index=True)
        stands = np.concatenate([stands[~lost], left[firsts]])
    return np.unique(stands).astype(np.int64)


def _in(rows: NDArray[Any], some: Container[int]) -> NDArray[np.bool_]:
    """Return whether each row is in `some`, which may be much larger."""
    return np.fromiter((row in some for row in rows.tolist()), dtype=np.bool_, count=len(rows))


def _nearest_among(query: Query, archive: CandidateSource, wanted: SearchFilter) -> tuple[Rows, Rows]:
    """Return the nearest articles that pass the filter, in meaning and in words."""
    ((in_meaning, _),) = maxsim.nearest([query.vectors], archive.index, archive.layout, N_CANDIDATES, [query.row], wanted)
    in_words, _ = archive.lexical.search(query.terms, N_CANDIDATES, query.row, wanted.mask)
    return in_meaning, in_words


def described(query: Query, rows: Rows, near: Neighbours, archive: CandidateSource) -> tuple[Candidates, maxsim.Comparison]:
    """Describe some articles as candidates of a query, without passages and terms. The query itself is left out."""
    compared = maxsim.compare(query.vectors, rows, archive.index, archive.layout)
    found = np.zeros(len(rows), dtype=CANDIDATE)
    found["article"], found["tie"] = rows, archive.layout.tie_order[rows]
    found["published"], found["section"] = archive.facts.published[rows], archive.facts.section[rows]
    found["features"] = features(query, rows, near, compared, archive)
    itself = is_itself(found["features"], rows, archive)
    if query.draft:  # a draft, or a page that the archive holds under another id
        closeness = found["features"][:, column("maxsim_there" if query.part else "maxsim")]
        itself |= (closeness >= OWN_TEXT) & (found["features"][:, column("title_overlap")] >= OWN_TITLE)
    others = np.flatnonzero(~itself)
    return found[others], compared.of(others)


def best(
    found: Candidates, compared: maxsim.Comparison, wanted: SearchFilter | None = None, foreign: NDArray[np.bool_] | None = None
) -> tuple[Candidates, maxsim.Comparison]:
    """Return the best `N_CANDIDATES` by the shipped weights, best first.

    Those that pass the filter come before all others, then those that are not in a foreign language.
    """
    # A live article may be in a section that the release does not know. There are few such articles.
    others = np.zeros(len(found), dtype=np.bool_) if wanted is None else ~wanted.among(found) & (found["article"] < LIVE)
    abroad = np.zeros(len(found), dtype=np.bool_) if foreign is None else foreign
    order = np.lexsort((found["tie"], -SHIPPED.scores(found["features"]), abroad, others))[:N_CANDIDATES]
    return found[order], compared.of(order)


def least_score(found: Candidates) -> float:
    """Return the minimum score for a place among some candidates, which are the best of all."""
    return float(SHIPPED.scores(found["features"][-1:])[0]) if len(found) == N_CANDIDATES else -np.inf


def features(query: Query, rows: Rows, near: Neighbours, compared: maxsim.Comparison, archive: CandidateSource) -> Matrix:
    """Compute the features of some articles as candidates of a query: float32 (n_rows, len(FEATURES))."""
    words = np.sqrt(archive.lexical.cosines(query.terms, rows))
    titles = archive.lexical.title_features(query.terms, rows)
    return assemble(
        Figures(compared.there, compared.back, compared.closest, compared.mean_cosine, words, *titles),
        query.facts,
        facts_of(rows, archive.facts),
        maxsim_rank=reciprocal_ranks(rows, near.in_meaning),
        words_rank=reciprocal_ranks(rows, near.in_words),
        linked=archive.precedents.linked(rows, query.moment),
        linked_nearby=archive.precedents.linked_nearby(rows, *near.both, query.moment),
    )


def is_itself(found: Features, rows: Rows, archive: CandidateSource) -> NDArray[np.bool_]:
    """Return which candidates are the query's own headline: a title without text, equal to the query's title."""
    return np.asarray(archive.facts.headline[rows] & (found[:, column("title_overlap")] >= OWN_TITLE))


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else 0.0
