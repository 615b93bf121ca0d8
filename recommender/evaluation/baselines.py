"""Rank an archive with baseline methods, from the widget every site has to single signals of Readmore.

Each baseline ranks all articles of the `pool`, so no figure depends on the candidates that a build stored.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation.more_like_this import MoreLikeThis
from recommender.features.feature_schema import UNDATED, column
from recommender.features.ranker import SHIPPED, Ranker
from recommender.lists.selection import Selection, select
from recommender.recommender import Recommender
from recommender.retrieval.candidates import N_CANDIDATES, Neighbours, Query, features, is_itself
from recommender.types import Floats, Rows
from recommender.vectors import maxsim

NEWEST, MORE_LIKE_THIS, FIRST, MEAN, MAXSIM, TFIDF, FUSED, FITTED = (
    "newest in section",
    "more like this",
    "dense, first chunk",
    "dense, mean",
    "dense, MaxSim",
    "TF-IDF",
    "fused",
    "fitted",
)
"""`fused` is what a reader gets without hand-made lists. `fitted` uses the weights of `readmore fit`."""


def rank_all(
    recommender: Recommender, row: int, pool: Rows, depth: int, like_this: MoreLikeThis, ranker: Ranker | None = None
) -> dict[str, list[int]]:
    """Rank a pool of articles for one article, by every method.

    Args:
        pool: Rows of the articles to rank. The article itself is left out.
        like_this: The texts of all articles, in order of rows.
        ranker: The fitted ranker. None leaves `fitted` out.

    Returns:
        Method -> at most `depth` rows, closest first. Ties: newest first, then by id.
    """
    archive = recommender.archive
    query = recommender.texts.stored_query(row)
    rows = pool[pool != row]
    compared = maxsim.compare(query.vectors, rows, archive.index, archive.layout)
    near = _neighbours(query, rows, (compared.there + compared.back) / 2, recommender)
    found = features(query, rows, near, compared, archive)
    itself = is_itself(found, rows, archive)
    published = archive.facts.published[rows]
    older = (published != UNDATED) & (published <= query.published) if query.published != UNDATED else published != UNDATED
    in_section = (archive.facts.section[rows] == query.section) & (query.section >= 0)
    scores: dict[str, NDArray[np.floating[Any]]] = {
        NEWEST: np.where(older, published.astype(np.float64), -np.inf) + np.where(in_section, 1e12, 0.0),
        MORE_LIKE_THIS: like_this.scores(row)[rows],
        FIRST: archive.index.vectors(archive.layout.offsets[rows]) @ query.vectors[0],
        MEAN: found[:, column("mean_cosine")],
        MAXSIM: found[:, column("maxsim")],
        TFIDF: found[:, column("words")],
        FUSED: np.where(itself, -np.inf, SHIPPED.scores(found.astype(np.float16))),
    }
    if ranker is not None:
        scores[FITTED] = np.where(itself, -np.inf, ranker.scores(found.astype(np.float16)))
    ties = archive.layout.tie_order[rows]
    return {name: rows[np.lexsort((ties, -of))[:depth]].tolist() for name, of in scores.items()}


def stored_list(recommender: Recommender, row: int, ranker: Ranker, wanted: Selection, depth: int) -> list[int]:
    """Return the list that a reader gets with the weights of a ranker: rows, closest first."""
    found = recommender.catalogue.candidates(row)
    published = int(recommender.archive.facts.published[row])
    means = recommender.texts.mean_vectors(found["article"]) if wanted.diversity else None
    chosen = select(found, published, ranker, wanted, depth, means)
    return [int(article) for article in found["article"][chosen.places]]


def _neighbours(query: Query, rows: Rows, scores: Floats, recommender: Recommender) -> Neighbours:
    """Return the nearest articles of a pool. Rank features are computed from them."""
    words = np.sqrt(recommender.archive.lexical.cosines(query.terms, rows), dtype=np.float64)
    in_meaning, in_words = np.argsort(-scores, kind="stable")[:N_CANDIDATES], np.argsort(-words, kind="stable")[:N_CANDIDATES]
    return Neighbours(rows[in_meaning], scores[in_meaning], rows[in_words], words[in_words])
