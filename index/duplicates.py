"""Which articles of an archive are near-duplicates, and which one of each group stands for it."""

import numpy as np
from numpy.typing import NDArray

from index.catalogue_writer import CatalogueWriter
from index.fingerprints import Fingerprints
from index.loops import FREE
from index.staged import Near
from recommender.candidate import UNDATED
from recommender.duplicates import Canonical, groups, is_duplicate
from recommender.facts import Facts
from recommender.retrieval import DAY

LEAST_CLOSENESS = 0.5
"""MaxSim, or closeness in words, below which two articles are never one piece of writing."""

BLOCK = 1024
"""Articles whose neighbours are paired together."""


def collapse(fingerprints: Fingerprints, near: Near, facts: Facts, writer: CatalogueWriter, rule: Canonical) -> int:
    """Find the near-duplicates and note in the catalogue what stands for them.

    Returns:
        How many articles another one stands for.
    """

    def alike(a: int, b: int) -> bool:
        return is_duplicate(fingerprints[a], fingerprints[b], _days(int(facts.published[a]), int(facts.published[b])))

    found = groups([pair for pair in _close_pairs(near, fingerprints) if alike(*pair)], writer.rows_by(rule))
    for canonical, *others in found:
        writer.set_canonical(canonical, others)
    return sum(map(len, found)) - len(found)


def _close_pairs(near: Near, fingerprints: Fingerprints) -> list[tuple[int, int]]:
    """Pairs of articles near enough to be compared, and with enough in common, each once."""
    found = [np.empty((0, 2), dtype=np.int64)]
    for first in range(0, len(near.in_meaning), BLOCK):
        pairs = _pairs(near, first)
        found.append(pairs[fingerprints.may_be_duplicates(*pairs.T)])
    return [(a, b) for a, b in np.unique(np.concatenate(found), axis=0).tolist()]


def _pairs(near: Near, first: int) -> NDArray[np.int64]:
    """Pairs of a block of articles with what is near them, lower row first: int64 (n_pairs, 2)."""
    block = slice(first, first + BLOCK)
    others = np.concatenate([near.in_meaning[block], near.in_words[block]], axis=1).astype(np.int64)
    closeness = np.concatenate([near.maxsim[block], near.words[block]], axis=1)
    places, columns = np.nonzero((closeness >= LEAST_CLOSENESS) & (others != FREE))
    pairs = np.sort(np.stack([first + places, others[places, columns]], axis=1), axis=1)
    packed = np.unique(pairs[:, 0] << 32 | pairs[:, 1])
    return np.stack([packed >> 32, packed & 0xFFFFFFFF], axis=1)


def _days(a: int, b: int) -> float | None:
    return None if UNDATED in (a, b) else abs(a - b) / DAY
