"""Which articles of an archive are near-duplicates, and which one of each group stands for it."""

from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from index.catalogue_writer import CatalogueWriter
from index.fingerprints import Fingerprints
from recommender.candidate import UNDATED
from recommender.duplicates import Canonical, groups, is_duplicate
from recommender.facts import Facts
from recommender.retrieval import DAY, Neighbours

LEAST_CLOSENESS = 0.5
"""MaxSim, or closeness in words, below which two articles are never one piece of writing."""

BLOCK = 1024
"""Articles whose neighbours are paired together."""


def collapse(fingerprints: Fingerprints, near: Iterable[Neighbours], facts: Facts, writer: CatalogueWriter, rule: Canonical) -> int:
    """Find the near-duplicates and note in the catalogue what stands for them.

    Args:
        near: The nearest of every article, in order of rows; read once.

    Returns:
        How many articles another one stands for.
    """

    def alike(a: int, b: int) -> bool:
        return is_duplicate(fingerprints[a], fingerprints[b], _days(int(facts.published[a]), int(facts.published[b])))

    found = groups([pair for pair in _close_pairs(near, fingerprints) if alike(*pair)], writer.rows_by(rule))
    for canonical, *others in found:
        writer.set_canonical(canonical, others)
    return sum(map(len, found)) - len(found)


def _close_pairs(near: Iterable[Neighbours], fingerprints: Fingerprints) -> list[tuple[int, int]]:
    """Pairs of articles near enough to be compared, and with enough in common, each once."""
    found = [np.empty((0, 2), dtype=np.int64)]
    rest, first = iter(near), 0
    while block := list(islice(rest, BLOCK)):
        pairs = _pairs(block, first)
        found.append(pairs[fingerprints.may_be_duplicates(*pairs.T)])
        first += len(block)
    return [(a, b) for a, b in np.unique(np.concatenate(found), axis=0).tolist()]


def _pairs(near: list[Neighbours], first: int) -> NDArray[np.int64]:
    """Pairs of the articles from row `first` on with what is near them, lower row first: int64 (n_pairs, 2)."""
    both = [found.both for found in near]
    rows = np.repeat(np.arange(first, first + len(near)), [len(others) for others, _ in both])
    others, closeness = (np.concatenate(parts) for parts in zip(*both, strict=True))
    close = closeness >= LEAST_CLOSENESS
    pairs = np.sort(np.stack([rows[close], others[close]], axis=1), axis=1)
    packed = np.unique(pairs[:, 0] << 32 | pairs[:, 1])
    return np.stack([packed >> 32, packed & 0xFFFFFFFF], axis=1)


def _days(a: int, b: int) -> float | None:
    return None if UNDATED in (a, b) else abs(a - b) / DAY
