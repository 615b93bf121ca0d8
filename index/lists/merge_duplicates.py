"""Find near-duplicates in an archive, and choose the canonical article of each group."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from index.kernels import FREE
from index.lists.inputs import BLOCK, Near
from index.release.catalogue_writer import CatalogueWriter
from index.terms.fingerprints import Fingerprints
from recommender.features.article_features import ArticleFeatures
from recommender.features.feature_assembly import DAY
from recommender.features.feature_schema import UNDATED
from recommender.retrieval.near_duplicates import Canonical, groups, is_duplicate

LEAST_CLOSENESS = 0.5
"""Minimum MaxSim or closeness in words of two near-duplicates."""


def collapse(fingerprints: Fingerprints, near: Near, facts: ArticleFeatures, writer: CatalogueWriter, rule: Canonical) -> int:
    """Find near-duplicates, and store their canonical articles in the catalogue.

    Returns:
        The number of articles that another article represents.
    """
    fingerprint = lru_cache(BLOCK)(fingerprints.__getitem__)  # pairs are sorted by their first article

    def alike(a: int, b: int) -> bool:
        return is_duplicate(fingerprint(a), fingerprint(b), _days(int(facts.published[a]), int(facts.published[b])))

    found = groups([pair for pair in _pairs(near, fingerprints) if alike(*pair)], writer.rows_by(rule))
    for canonical, *others in found:
        writer.set_canonical(canonical, others)
    return sum(map(len, found)) - len(found)


def _pairs(near: Near, fingerprints: Fingerprints) -> Iterator[tuple[int, int]]:
    """Yield pairs of articles that are near enough and share enough to be compared, each once, in order."""
    found = [pairs[fingerprints.may_be_duplicates(*_rows(pairs))] for pairs in _close_pairs(near)]
    yield from zip(*(rows.tolist() for rows in _rows(np.unique(np.concatenate(found)))), strict=True)


def _close_pairs(near: Near) -> Iterator[NDArray[np.int64]]:
    """Yield blocks of pairs that are near enough to be compared.

    The two rows of a pair are encoded in one number. Some pairs occur again in another block.
    """
    for rows, closeness in ((near.in_meaning, near.maxsim), (near.in_words, near.words)):
        for first in range(0, len(rows), BLOCK):
            part = rows[first : first + BLOCK]
            places, columns = np.nonzero((closeness[first : first + BLOCK] >= LEAST_CLOSENESS) & (part != FREE))
            own, others = first + places, part[places, columns]
            yield np.unique(np.minimum(own, others) << 32 | np.maximum(own, others))


def _rows(pairs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the lower row and the higher row of each pair."""
    return pairs >> 32, pairs & 0xFFFFFFFF


def _days(a: int, b: int) -> float | None:
    return None if UNDATED in (a, b) else abs(a - b) / DAY
