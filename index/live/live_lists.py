"""Compute the lists that a new article changes: its own, and the lists of older articles that it enters.

Its own candidates are found as for any text. Its places in other lists are found from the other side: among the `REACH`
nearest articles, those that would have it as a candidate. The closeness of two articles is symmetric, so one comparison
gives the features of both directions.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recommender.features.feature_assembly import Facts, Figures, assemble
from recommender.features.feature_schema import UNTOLD, Candidates, Features, column, in_steps
from recommender.features.ranker import SHIPPED
from recommender.live.overlay import LiveOverlay
from recommender.release.list_codec import EXPLAINED
from recommender.retrieval.candidates import N_CANDIDATES, Neighbours, Query, described
from recommender.retrieval.live_candidates import pack_terms
from recommender.retrieval.near_duplicates import fingerprint, is_duplicate
from recommender.retrieval.text_queries import TextSearcher
from recommender.terms.inverted_index import Terms
from recommender.text.chunking import MAX_TEXT
from recommender.text.words import folded, lowered, words
from recommender.types import LIVE, Article, Chunk, Matrix, Vectors
from recommender.vectors.maxsim import Comparison

REACH = 256
"""Number of articles, near in meaning and near in words, whose lists may change.

It covers most changes that a build would make.
"""

DAY = 86_400

Pair = tuple[str, str]

ALIKE = 0.6
LOOKED_AT = 16
"""Number of closest candidates searched for a near-duplicate. `ALIKE` is the least MaxSim of one."""


@dataclass(frozen=True, slots=True)
class LiveLists:
    """A live article in the lists of one release.

    Attributes:
        canonical: Row of the article that represents it in lists. None if it represents itself.
        hubness: float32 (2,).
        terms: Its packed terms.
        queries: int64 (n_places,): rows of the articles whose lists it enters.
        places: The article as a candidate of each query.
    """

    canonical: int | None
    hubness: NDArray[np.float32]
    terms: bytes
    candidates: Candidates
    queries: Sequence[int]
    places: Candidates


def live_lists(texts: TextSearcher, view: LiveOverlay, article: Article, chunks: Sequence[Chunk], vectors: Vectors, row: int) -> LiveLists:
    """Compute the lists that an article changes.

    Args:
        row: Row of the article, as a live article.
    """
    terms = texts.terms(article)
    query = texts.query(article, vectors, texts.stored_row(article.id), terms)
    wide = texts.neighbours(query, view, REACH)
    near = wide.first(N_CANDIDATES)
    found, compared = texts.candidates(query, near, view, row)
    canonical = _canonical(texts, article, query, found)
    others = np.flatnonzero(found["article"] != canonical) if canonical is not None else np.arange(len(found))
    found, compared = found[others], compared.of(others)
    _explain(texts, article, chunks, terms, found, compared, np.arange(len(found)) < EXPLAINED, view)
    hubness = np.array(near.hubness, dtype=np.float32)
    if canonical is None:
        queries, places, compared, is_told = _places(texts, view, article, query, wide, row, hubness)
        _explain(texts, article, chunks, terms, places, compared, is_told, view)
        told = places[is_told]
        told["query_passage"], told["target_passage"] = told["target_passage"].copy(), told["query_passage"].copy()
        places[is_told] = told
        places["article"], places["tie"] = row, LIVE - row
        places["published"], places["section"] = query.published, query.section
    else:
        queries, places = [], found[:0]
    return LiveLists(canonical, hubness, pack_terms(terms), found, queries, places)


def _explain(
    texts: TextSearcher,
    article: Article,
    chunks: Sequence[Chunk],
    terms: Terms,
    found: Candidates,
    compared: Comparison,
    is_told: NDArray[np.bool_],
    view: LiveOverlay,
) -> None:
    """Fill in the passages and terms of some candidates.

    The others are explained when they are displayed, as in lists of a build.
    """
    told = found[is_told]
    texts.explain(article, chunks, terms, told, compared.of(np.flatnonzero(is_told)), view)
    found[is_told] = told
    found["query_passage"][~is_told] = UNTOLD


def _canonical(texts: TextSearcher, article: Article, query: Query, found: Candidates) -> int | None:
    """Return the row of the article of which this one is a near-duplicate, if any."""
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
    texts: TextSearcher, view: LiveOverlay, article: Article, query: Query, near: Neighbours, row: int, hubness: NDArray[np.float32]
) -> tuple[list[int], Candidates, Comparison, NDArray[np.bool_]]:
    """Return the articles that have this one among their candidates.

    Return their rows, the article as a candidate of each, the comparison, and which of their lists rank it among the
    first.
    """
    rows = np.unique(np.concatenate([near.in_meaning, near.in_words]))
    found, compared = described(query, rows[rows != query.row] if query.row is not None else rows, near, texts.archive)
    live = texts.live_archive(view) if view else None
    least = texts.least_scores(found["article"].tolist())
    lengths = texts.archive.facts.length[found["article"]]
    if live is not None:
        more, with_more = texts.live_candidates(live, query, near, row, REACH)
        found, compared = np.concatenate([found, more]), compared.and_(with_more)
        slots = live.slots_of(more["article"])
        least, lengths = np.concatenate([least, live.least[slots]]), np.concatenate([lengths, live.archive.facts.length[slots]])
    readers = Facts(found["published"], found["section"], lengths)
    found["features"] = _seen_from_there(found["features"], compared, readers, Facts(*query.facts[:3], hubness))
    likely = np.flatnonzero(SHIPPED.scores(found["features"]) > least)  # scored as if each named the title in full
    found, compared, least = found[likely], compared.of(likely), least[likely]
    found["features"][:, column("mention")] = in_steps("mention", _naming(texts, article, found["article"].tolist()))
    scores = SHIPPED.scores(found["features"])
    keep = np.flatnonzero(scores > least)
    is_told = np.zeros(len(keep), dtype=np.bool_)
    for number, place in enumerate(keep.tolist()):
        theirs = texts.stored_candidates(int(found["article"][place]), briefly=True)["features"]
        is_told[number] = np.count_nonzero(SHIPPED.scores(theirs) > scores[place]) < EXPLAINED
        for feature, rank in (("maxsim", "maxsim_rank"), ("words", "words_rank")):
            own = found["features"][place, column(feature)]
            found["features"][place, column(rank)] = 1 / (1 + np.count_nonzero(theirs[:, column(feature)] > own))
    return found["article"][keep].tolist(), found[keep], compared.of(keep), is_told


def _naming(texts: TextSearcher, article: Article, rows: Sequence[int]) -> NDArray[np.float32]:
    """Return how far articles name the title of another, as `LexicalIndex.title_features` does: float32 (n_rows,)."""
    rarity = texts.rarity_of_pairs(article.title)
    mass = max(sum(rarity.values()), 1.0)
    pairs = pairs_of(rarity)
    found = (named_pairs(parts, pairs) for parts in texts.titles_and_texts(rows))
    return np.array([sum(rarity[pair] for pair in named) / mass for named in found], dtype=np.float32) ** 2


def pairs_of(pairs: Iterable[Pair]) -> dict[Pair, re.Pattern[str]]:
    """Return a pattern for each pair of words.

    It matches every occurrence of the pair as neighbours, and sometimes more.
    """
    return {pair: re.compile(rf"{re.escape(pair[0])}\w*[\W_]*{re.escape(pair[1])}") for pair in pairs}


def named_pairs(parts: Iterable[str], pairs: Mapping[Pair, re.Pattern[str]]) -> set[Pair]:
    """Return the pairs of words that are neighbours in a title or a text.

    Word splitting is slow, and few texts contain a pair.

    Args:
        pairs: See `pairs_of`.
    """
    found = set[Pair]()
    for part in parts:
        letters = folded(lowered(part[:MAX_TEXT]))
        if any(one in letters and other in letters and pattern.search(letters) for (one, other), pattern in pairs.items()):
            found.update(pair for pair in pairwise(words(part[:MAX_TEXT])) if pair in pairs)
    return found


def _seen_from_there(features: Features, compared: Comparison, theirs: Facts, own: Facts) -> Matrix:
    """Return the features of an article as a candidate of its own candidates, as if each named its title in full.

    No editor has linked it yet, and its ranks are not known.

    Args:
        features: Features of its candidates.
        theirs, own: Facts of its candidates, and its own.
    """
    words, overlap = (features[:, column(name)].astype(np.float32) for name in ("words", "title_overlap"))
    nothing = np.zeros(len(features))
    return assemble(
        Figures(compared.back, compared.there, compared.closest, compared.mean_cosine, words, np.ones(len(features)), overlap),
        theirs,
        own,
        maxsim_rank=nothing,
        words_rank=nothing,
        linked=nothing,
        linked_nearby=nothing,
    )
