"""Which articles of an archive are near-duplicates, and which one of each group stands for it."""

from collections.abc import Iterator, Sequence

from index.catalogue_writer import CatalogueWriter
from recommender.candidate import UNDATED
from recommender.duplicates import Canonical, Fingerprint, groups, is_duplicate, without_boilerplate
from recommender.facts import DAY, Facts
from recommender.retrieval import Neighbours

LEAST_CLOSENESS = 0.5
"""MaxSim, or closeness in words, below which two articles are never one piece of writing."""


def collapse(
    fingerprints: Sequence[Fingerprint], near: Sequence[Neighbours], facts: Facts, writer: CatalogueWriter, rule: Canonical
) -> int:
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


def _close_pairs(near: Sequence[Neighbours]) -> Iterator[tuple[int, int]]:
    """Pairs of articles near enough to be compared, each once."""
    pairs = {
        (min(row, int(other)), max(row, int(other)))
        for row, found in enumerate(near)
        for others, closeness in ((found.in_meaning, found.maxsim), (found.in_words, found.words))
        for other in others[closeness >= LEAST_CLOSENESS]
    }
    return iter(sorted(pairs))


def _days(a: int, b: int) -> float | None:
    return None if UNDATED in (a, b) else abs(a - b) / DAY
