"""The lists that a new article changes: its own, and those of older articles that it has a place in.

Its own candidates are found as those of any text. Its places are found from the other side: of the `REACH` nearest articles, those
that would have it among their candidates. How close two articles are does not depend on which of them is read, so the features
of one direction give those of the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recommender.candidate import FEATURES, Candidates, Features, column
from recommender.chunking import MAX_TEXT
from recommender.duplicates import fingerprint, is_duplicate
from recommender.lexical import words
from recommender.live_archive import pack_terms
from recommender.maxsim import Comparison
from recommender.ranker import SHIPPED
from recommender.retrieval import N_CANDIDATES, Neighbours, Query, described
from recommender.texts import Texts
from recommender.types import Article, Chunk, Vectors
from recommender.view import LIVE, View

REACH = 256
"""Articles, near in meaning and near in words, whose lists may change: most of those that a build would change."""

DAY = 86_400

ALIKE = 0.6
LOOKED_AT = 16
"""A near-duplicate is looked for among so many of the closest candidates, with at least that MaxSim."""


@dataclass(frozen=True, slots=True)
class LiveLists:
    """What a live article is to one release.

    Attributes:
        canonical: Row of the article that stands for it in lists; None if it stands for itself.
        hubness: float32 (2,).
        terms: Packed.
        queries: int64 (n_places,): rows of the articles whose lists it has a place in.
        places: It, as a candidate of each.
    """

    canonical: int | None
    hubness: NDArray[np.float32]
    terms: bytes
    candidates: Candidates
    queries: Sequence[int]
    places: Candidates


def live_lists(texts: Texts, view: View, article: Article, chunks: Sequence[Chunk], vectors: Vectors, row: int) -> LiveLists:
    """Compute the lists that an article changes.

    Args:
        row: Its own, as a live article.
    """
    terms = texts.terms(article)
    query = texts.query(article, vectors, texts.stored_row(article.id), terms)
    wide = texts.neighbours(query, view, REACH)
    near = wide.first(N_CANDIDATES)
    found, compared = texts.candidates(query, near, view, row)
    canonical = _canonical(texts, article, query, found)
    others = np.flatnonzero(found["article"] != canonical) if canonical is not None else np.arange(len(found))
    found, compared = found[others], compared.of(others)
    texts.explain(article, chunks, terms, found, compared, view)
    hubness = np.array(near.hubness, dtype=np.float32)
    if canonical is None:
        queries, places, compared = _places(texts, view, article, query, wide, row, hubness)
        texts.explain(article, chunks, terms, places, compared, view)
        places["query_passage"], places["target_passage"] = places["target_passage"].copy(), places["query_passage"].copy()
        places["article"], places["tie"] = row, LIVE - row
        places["published"], places["section"] = query.published, query.section
    else:
        queries, places = [], found[:0]
    return LiveLists(canonical, hubness, pack_terms(terms), found, queries, places)


def _canonical(texts: Texts, article: Article, query: Query, found: Candidates) -> int | None:
    """Row of the article of which this is a near-duplicate, if there is one."""
    closeness = found["features"][:, column("maxsim")]
    own = fingerprint(article)
    for place in np.argsort(-closeness, kind="stable")[:LOOKED_AT]:
        if closeness[place] < ALIKE:
            break
        row, days = int(found["article"][place]), None
        other = texts.article(row)
        if article.published is not None and other.published is not None:
            days = abs((article.published - other.published).total_seconds()) / DAY
        if is_duplicate(own, fingerprint(other), days):
            return row
    return None


def _places(
    texts: Texts, view: View, article: Article, query: Query, near: Neighbours, row: int, hubness: NDArray[np.float32]
) -> tuple[list[int], Candidates, Comparison]:
    """The articles that have this one among their candidates: their rows, it as a candidate of each, and the comparison."""
    rows = np.unique(np.concatenate([near.in_meaning, near.in_words]))
    found, compared = described(query, rows[rows != query.row] if query.row is not None else rows, near, texts.archive)
    live = texts.live_archive(view) if view else None
    if live is not None:
        more, with_more = texts.live_candidates(live, query, near, row)
        found, compared = np.concatenate([found, more]), compared.and_(with_more)
    naming = _naming(texts, article, found["article"].tolist())
    found["features"] = _seen_from_there(found["features"].astype(np.float32), compared, hubness, naming)
    scores = SHIPPED.scores(found["features"])
    keep = []
    for place, of in enumerate(found["article"].tolist()):
        theirs = texts.stored_candidates(of)
        if len(theirs) < N_CANDIDATES or scores[place] > SHIPPED.scores(theirs["features"][-1:])[0]:
            keep.append(place)
            for feature, rank in (("maxsim", "maxsim_rank"), ("words", "words_rank")):
                own = found["features"][place, column(feature)]
                found["features"][place, column(rank)] = 1 / (1 + np.count_nonzero(theirs["features"][:, column(feature)] > own))
    return found["article"][keep].tolist(), found[keep], compared.of(np.array(keep, dtype=np.int64))


def _naming(texts: Texts, article: Article, rows: Sequence[int]) -> NDArray[np.float32]:
    """How far some articles name the title of one, as `LexicalIndex.title_features` has it: float32 (n_rows,)."""
    rarity = texts.rarity_of_pairs(article.title)
    mass = max(sum(rarity.values()), 1.0)
    named = []
    for row in rows:
        other = texts.article(row)
        found = {pair for part in (other.title, other.text[:MAX_TEXT]) for pair in pairwise(words(part)) if pair in rarity}
        named.append(sum(rarity[pair] for pair in found) / mass)
    return np.array(named, dtype=np.float32) ** 2


def _seen_from_there(features: Features, compared: Comparison, hubness: NDArray[np.float32], naming: NDArray[np.float32]) -> Features:
    """Features of a query as a candidate of its candidates, from theirs as its own."""
    of = {name: features[:, column(name)] for name in FEATURES}
    older = np.where(of["days_older"] == 0, of["older"], -of["older"])  # of the same moment: each is older to the other
    seen = {
        **of,
        "maxsim_hubness": hubness[0],
        "words_hubness": hubness[1],
        "mention": naming,
        "maxsim_there": compared.back,
        "older": older,
        "days_older": -of["days_older"],
        "length": of["length"] - of["longer"],
        "longer": -of["longer"],
        "linked": 0.0,  # nobody has linked it yet
        "linked_nearby": 0.0,
    }
    return np.stack([np.broadcast_to(seen[name], len(features)) for name in FEATURES], axis=1).astype(np.float32)
