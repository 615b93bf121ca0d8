"""Which articles of an archive are near-duplicates, and which one of each group stands for it."""

from collections.abc import Iterator, Sequence

import numpy as np

from index.catalogue_writer import CatalogueWriter
from index.loops import FREE
from index.staged import BLOCK, Near
from recommender.candidate import UNDATED
from recommender.duplicates import Canonical, Fingerprint, groups, is_duplicate, without_boilerplate
from recommender.facts import Facts
from recommender.retrieval import DAY

LEAST_CLOSENESS = 0.5
"""MaxSim, or closeness in words, below which two articles are never one piece of writing."""


def collapse(fingerprints: Sequence[Fingerprint], near: Near, facts: Facts, writer: CatalogueWriter, rule: Canonical) -> int:
    """Find the near-duplicates and note in the catalogue what stands for them.

    Returns:
        How many articles another one stands for.
    """
    compared = without_boilerplate(fingerprints)

    def alike(a: int, b: int) -> bool:
        return is_duplicate(compared[a], compared[b], _days(int(facts.published[a]), int(facts.published[b])))

    found = groups([pair for pair in _close_pairs(near) if alike(*pair)], writer.rows_by(rule))
    for canonical, *others in found:
        writer.set_canonical(canonical, others)
    return sum(map(len, found)) - len(found)


def _close_pairs(near: Near) -> Iterator[tuple[int, int]]:
    """Pairs of articles near enough to be compared, each once, in order."""
    found = []
    for rows, closeness in ((near.in_meaning, near.maxsim), (near.in_words, near.words)):
        for first in range(0, len(rows), BLOCK):
            part = rows[first : first + BLOCK]
            places, columns = np.nonzero((closeness[first : first + BLOCK] >= LEAST_CLOSENESS) & (part != FREE))
            own, others = first + places, part[places, columns]
            found.append(np.minimum(own, others) << 32 | np.maximum(own, others))
    for pair in np.unique(np.concatenate(found)).tolist():
        yield pair >> 32, pair & 0xFFFFFFFF


def _days(a: int, b: int) -> float | None:
    return None if UNDATED in (a, b) else abs(a - b) / DAY
