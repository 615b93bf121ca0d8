"""Detect near-duplicates: re-sends, updates, corrections and syndicated copies of one piece of writing.

Two outlets' own reports of an event are the same story, not the same writing, and stay apart. So do template articles
(results, dividends, rates), which share every word except names and figures. So a pair passes three tests. Is enough of
the shorter text contained in the longer one, word for word? Do their figures agree? Does each title name only somebody
whom the other article knows? docs/duplicates.md reports the methods tried and their measures.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recommender.text.words import words_and_figures
from recommender.types import Article

Hashes = NDArray[np.uint32]
"""uint32 (n,), distinct and ascending: a set of hashes, or its `SKETCH` smallest (bottom-k sketch)."""

Canonical = Literal["earliest", "newest", "longest"]
"""Which article represents a duplicate group. Undated articles come last, ties are ordered by id."""

SHINGLE = 3
"""Number of neighbouring words that are hashed as one shingle."""

SKETCH = 1024
"""Hashes stored per set: all of an article of up to a thousand words, a sample of a longer one."""

HIGHEST = 2**32 - 1

COMMON = 10
"""Articles that may contain a shingle before it counts as boilerplate."""

LEAST_CONTAINED = 0.4
"""Minimum share of the shorter text's shingles in the longer text. Below it, a pair is never one piece of writing."""

NEAR = 2
"""Days within which an article is updated or sent again. Later, equal words are more likely next week's form."""

PART, WHOLE = 0.5, 0.9
"""Minimum lengths of the shorter text, as shares of the longer one.

A shorter text from other days, or without a date, is a section of the longer one rather than a copy.
"""

LONG = 60
"""Shared shingles, some four sentences, that no template produces by chance."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The hashes of an article that are compared: at most 13 KB, some 1 KB for a news item. The same in every process.

    Attributes:
        shingles: Shingles of the text. All hashes up to `reach` are kept.
        words: Words of title and text.
        figures: Words of the text that begin with a digit.
        title: All words of the title.
    """

    shingles: Hashes
    reach: int
    words: Hashes
    figures: Hashes
    title: Hashes


def fingerprint(article: Article) -> Fingerprint:
    """Compute the fingerprint of an article. Case, white space, quotes and punctuation do not change it."""
    words, title = words_and_figures(article.text), words_and_figures(article.title)
    hashes = hashes_of(words)
    figures = np.unique(hashes[[word[0].isdigit() for word in words]] if words else hashes)
    shingles = np.unique(shingles_of(hashes))
    return Fingerprint(
        shingles=shingles[:SKETCH].copy(),
        reach=int(shingles[SKETCH - 1]) if len(shingles) > SKETCH else HIGHEST,
        words=np.unique(np.concatenate((hashes, hashes_of(title))))[:SKETCH].copy(),
        figures=figures[:SKETCH].copy(),
        title=np.unique(hashes_of(title)),
    )


def is_duplicate(a: Fingerprint, b: Fingerprint, days: float | None = None) -> bool:
    """Return whether two articles are one piece of writing. Symmetric.

    Args:
        days: Days between their dates. None if a date is unknown. The test is then as strict as for distant dates.
    """
    reach = min(a.reach, b.reach)
    in_common, of = _overlap(a.shingles, b.shingles, reach)
    contained = in_common / of if of else 0.0
    if contained < LEAST_CONTAINED:
        return False
    shorter, longer = sorted((_length(a), _length(b)))
    if (days is None and shorter < WHOLE * longer) or (days is not None and days > NEAR and shorter < PART * longer):
        return False
    shared = in_common * (HIGHEST / reach)
    figures, of_figures = _overlap(a.figures, b.figures, min(_reach(a.figures), _reach(b.figures)))
    changed = of_figures - figures
    if changed > max(of_figures / 5, shared >= LONG and contained >= 0.8):  # a long text may correct a figure
        return False
    strange = sorted((_unknown(a.title, b.words), _unknown(b.title, a.words)))
    if days is None and contained >= 0.97 and not changed and not strange[1] and shared >= 20:  # the same text, and nothing contradicts
        return True
    if days is None or days > NEAR:
        if shared < 100 and (changed or figures < 5):
            return False
        return contained >= (0.85 if strange[0] == 0 and days is not None else 0.9)
    if strange[0] > 1 or (strange[1] > 2 and shared < LONG):  # another name in the same form, or one item of a digest
        return contained >= (0.85 if shared >= LONG else 1.0) and shared >= 20
    return contained >= (0.5 if shared >= LONG and strange[1] <= 2 else 0.6) or (figures >= 5 and changed <= of_figures / 8)


def groups(pairs: Iterable[tuple[int, int]], order: Sequence[int]) -> list[list[int]]:
    """Group duplicates, each group with its canonical article first.

    Every member is a duplicate of the canonical article itself. Chains of updates, each similar to the one before,
    would drift from one piece of writing to another.

    Args:
        pairs: Places of duplicates, in any order.
        order: All places, the preferred canonical articles first.

    >>> groups([(0, 1), (1, 2)], order=[0, 1, 2])
    [[0, 1]]
    >>> groups([(0, 1), (1, 2)], order=[1, 0, 2])
    [[1, 0, 2]]
    """
    like: dict[int, set[int]] = {}
    for a, b in pairs:
        if a != b:
            like.setdefault(a, set()).add(b)
            like.setdefault(b, set()).add(a)
    rank = {place: position for position, place in enumerate(order) if place in like}
    found: dict[int, list[int]] = {}
    for place in rank:
        heads = like[place] & found.keys()
        if heads:
            found[min(heads, key=rank.__getitem__)].append(place)
        else:
            found[place] = [place]
    return [group for group in found.values() if len(group) > 1]


def hashes_of(words: Sequence[str]) -> Hashes:
    """Return a hash of each word: uint32 (n_words,)."""
    return np.fromiter(map(zlib.crc32, map(str.encode, words)), dtype=np.uint32, count=len(words))


def shingles_of(words: Hashes) -> Hashes:
    """Return a hash of each run of `SHINGLE` words, or of all words where there are fewer."""
    size = min(SHINGLE, len(words))
    if not size:
        return words
    runs = np.zeros(len(words) - size + 1, dtype=np.uint64)
    for start in range(size):
        runs = (runs ^ words[start : start + len(runs)]) * np.uint64(0x9E3779B97F4A7C15)  # wraps, and the odd factor loses nothing
        runs ^= runs >> np.uint64(29)
    mixed: Hashes = (runs >> np.uint64(32)).astype(np.uint32)
    return mixed


def among(some: Hashes, others: Hashes) -> NDArray[np.bool_]:
    """Return for each of some hashes whether it is among the others."""
    if not len(others):
        return np.zeros(len(some), dtype=np.bool_)
    found: NDArray[np.bool_] = others[np.searchsorted(others, some).clip(max=len(others) - 1)] == some
    return found


def _overlap(a: Hashes, b: Hashes, reach: int = HIGHEST) -> tuple[int, int]:
    """Return how many hashes up to `reach` two sets share, and how many of them the smaller set has."""
    if reach < HIGHEST:
        a, b = a[: np.searchsorted(a, reach, "right")], b[: np.searchsorted(b, reach, "right")]
    both = np.concatenate((a, b))
    both.sort()
    return int(np.count_nonzero(both[1:] == both[:-1])), min(len(a), len(b))


def _reach(hashes: Hashes) -> int:
    return int(hashes[-1]) if len(hashes) == SKETCH else HIGHEST


def _length(fingerprint: Fingerprint) -> float:
    """Return the number of distinct shingles of a text, estimated if only the smallest hashes are kept."""
    return len(fingerprint.shingles) * (HIGHEST / fingerprint.reach)


def _unknown(title: Hashes, words: Hashes) -> int:
    """Return the number of title words that an article lacks. Words beyond the article's sketch do not count."""
    if len(words) == SKETCH:
        title = title[: np.searchsorted(title, words[-1], "right")]
    return len(title) - _overlap(title, words)[0]
