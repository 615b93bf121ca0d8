"""Assemble the ranking features of article pairs.

Every list gets its features here: lists of drafts, lists of a build, and lists of older articles that a new one enters.
Only the figures come from different places: numpy compares one text, and `index.kernels` compare blocks of articles.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.features.article_features import ArticleFeatures, Layout
from recommender.features.feature_schema import FEATURES, UNDATED, Candidates, column, in_steps
from recommender.types import AnyRows, Floats, Matrix

DAY = 86_400


class Figures(NamedTuple):
    """How close the articles of each pair are: float (n_pairs,), from the query to the target where it matters.

    Attributes:
        there, back: MaxSim from the query's chunks to the target's, and from the target's to the query's.
        closest_pair: Cosine of the closest two chunks.
        mean_cosine: Cosine of the mean chunk embeddings.
        words: Square root of the TF-IDF cosine.
        mention: How far the query's text names the target's title.
        title_overlap: Cosine of the titles' terms.
    """

    there: Any
    back: Any
    closest_pair: Any
    mean_cosine: Any
    words: Any
    mention: Any
    title_overlap: Any


class Facts(NamedTuple):
    """Facts of one article, or of the articles of each pair: single values or (n_pairs,).

    Attributes:
        published: Seconds since 1970, UNDATED if unknown.
        section: Number of the section, -1 if it has none or the archive does not know it.
        length: Characters of title and text.
        hubness: Hubness in meaning and in words: (2,) or (n_pairs, 2). A query needs none.
    """

    published: Any
    section: Any
    length: Any
    hubness: Any = np.zeros(2, dtype=np.float16)


def facts_of(rows: AnyRows, facts: ArticleFeatures) -> Facts:
    """Return the facts of some articles of an archive."""
    return Facts(facts.published[rows], facts.section[rows], facts.length[rows], facts.hubness[rows])


def assemble(figures: Figures, query: Facts, target: Facts, **others: Floats) -> Matrix:
    """Return the features of pairs: float32 (n_pairs, len(FEATURES)).

    Args:
        others: The features that follow neither from the figures nor from the facts: `maxsim_rank`, `words_rank`,
            `linked` and `linked_nearby`.
    """
    named = {**from_figures(figures), **from_facts(query, target), **others}
    return np.stack([np.broadcast_to(named[name], len(figures.there)) for name in FEATURES], axis=1).astype(np.float32)


def from_figures(figures: Figures) -> dict[str, NDArray[np.float32]]:
    """Return the features that follow from the figures, rounded to their steps."""
    stepped = {
        "maxsim": (figures.there + figures.back) / 2,
        "words": figures.words,
        "mention": figures.mention,
        "maxsim_there": figures.there,
        "mean_cosine": figures.mean_cosine,
        "closest_pair": figures.closest_pair,
        "title_overlap": figures.title_overlap,
    }
    return {name: in_steps(name, values) for name, values in stepped.items()}


def from_facts(query: Facts, target: Facts) -> dict[str, Any]:
    """Return the features that follow from the facts of both articles. They are not stored in lists."""
    days, dated = _days_apart(query, target)
    far = np.abs(days)
    length = np.log1p(target.length / 1000)
    return {
        **_weighed_facts(far, dated, target),
        "older": np.copysign(0.5, days) * dated,
        "days_apart": np.log1p(far),
        "days_older": np.copysign(np.log1p(far), days),
        "same_section": (target.section == query.section) & (query.section >= 0),
        "length": length,
        "longer": length - np.log1p(query.length / 1000),
    }


def _days_apart(query: Facts, target: Facts) -> tuple[Any, Any]:
    """Return the days from the target to the query, 0 if a date is unknown, and whether both dates are known."""
    dated = (target.published != UNDATED) & (query.published != UNDATED)
    return np.where(dated, query.published - target.published, 0) / DAY, dated


def _weighed_facts(far: Any, dated: Any, target: Facts) -> dict[str, Any]:
    """Return those of the features that the shipped weights use.

    Args:
        far: Days between the articles.
        dated: Whether both dates are known.
    """
    return {
        "within_month": np.exp(far / -30) * dated,
        "within_year": np.exp(far / -365) * dated,
        "maxsim_hubness": target.hubness[..., 0],
        "words_hubness": target.hubness[..., 1],
    }


FROM_FACTS = tuple(from_facts(Facts(0, 0, 0.0), Facts(0, 0, 0.0)))


def fill_in(found: Candidates, row: int, layout: Layout, facts: ArticleFeatures, *, briefly: bool = False) -> Candidates:
    """Fill in the features of an article's candidates that are not stored because the facts determine them.

    Args:
        briefly: Fill in only the features that the shipped weights use.
    """
    rows = found["article"]
    found["tie"], found["published"], found["section"] = layout.tie_order[rows], facts.published[rows], facts.section[rows]
    query, target = Facts(int(facts.published[row]), int(facts.section[row]), float(facts.length[row])), facts_of(rows, facts)
    if briefly:
        days, dated = _days_apart(query, target)
        named = _weighed_facts(np.abs(days), dated, target)
    else:
        named = from_facts(query, target)
    for name, values in named.items():
        found["features"][:, column(name)] = np.asarray(values, dtype=np.float32)  # rounded as `assemble` rounds
    return found


def reciprocal_ranks(rows: AnyRows, near: AnyRows) -> Floats:
    """Return 1 / rank of each article among its nearest, closest first, or 0 if it is not among them: float64 (n_rows,).

    Args:
        near: Rows of the nearest: (n_near,) for all articles, or (n_rows, n_near).
    """
    hits = rows[:, None] == near
    return np.where(hits.any(axis=1), 1.0 / (1 + hits.argmax(axis=1)), 0.0) if near.shape[-1] else np.zeros(len(rows))
