"""Store the fingerprints that near-duplicate detection compares, on disk while a release is built."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.storage.external_sort import Runs
from index.storage.npy_append import Growing, GrowingStretches, close_all
from index.storage.ragged_unique import Stretches, distinct
from recommender.retrieval.near_duplicates import (
    COMMON,
    HIGHEST,
    LEAST_CONTAINED,
    SKETCH,
    Fingerprint,
    Hashes,
    among,
    hashes_of,
    shingles_of,
)
from recommender.storage.mapped import mapped
from recommender.text.words import words_and_figures

STAGED_FINGERPRINTS = "fingerprints"
"""A folder that exists only in a staged release."""

SETS = ("shingles", "words", "figures", "title")

BITS = 4096
"""Bits of an article's sketch. Each shingle sets one bit, so articles that share many shingles share many bits."""

BLOCK = 4096
"""Number of articles whose sketches are computed together, and of pairs compared together."""


class Fingerprinted(NamedTuple):
    """The fingerprints of some articles (see `Fingerprint`), with one range per article for each set.

    Attributes:
        reach: uint32 (n_articles,).
    """

    shingles: Stretches
    words: Stretches
    figures: Stretches
    title: Stretches
    reach: NDArray[np.uint32]


def fingerprinted(titles: Sequence[str], texts: Sequence[str]) -> Fingerprinted:
    """Return the fingerprints of some articles, each equal to the result of `fingerprint`."""
    n = len(texts)
    found = [words_and_figures(of) for of in (*texts, *titles)]
    lengths = np.array([len(of) for of in found])
    owners = np.repeat(np.arange(2 * n) % n, lengths)
    hashes = hashes_of(list(chain.from_iterable(found)))
    text, title = slice(lengths[:n].sum()), slice(lengths[:n].sum(), None)
    runs = [shingles_of(words) for words in np.split(hashes[text], np.cumsum(lengths[: n - 1]))]
    shingles = distinct(np.repeat(np.arange(n), [len(of) for of in runs]), np.concatenate(runs), n)
    reach = np.full(n, HIGHEST, dtype=np.uint32)
    long = shingles.lengths > SKETCH
    reach[long] = shingles.values[(np.cumsum(shingles.lengths) - shingles.lengths)[long] + SKETCH - 1]
    is_figure = np.array([word[0].isdigit() for words in found[:n] for word in words], dtype=np.bool_)
    return Fingerprinted(
        shingles=_smallest(shingles),
        words=_smallest(distinct(owners, hashes, n)),
        figures=_smallest(distinct(owners[text][is_figure], hashes[text][is_figure], n)),
        title=distinct(owners[title], hashes[title], n),
        reach=reach,
    )


def _smallest(of: Stretches) -> Stretches:
    """Return the first `SKETCH` values of every range."""
    if of.lengths.max(initial=0) <= SKETCH:
        return of
    places = np.arange(len(of.values)) - np.repeat(np.cumsum(of.lengths) - of.lengths, of.lengths)
    return Stretches(of.values[places < SKETCH], np.minimum(of.lengths, SKETCH))


class FingerprintWriter:
    """A writer of fingerprints in order of rows. It counts the articles that contain each shingle.

    Args:
        staged: The folder of the release.
        memory: Bytes that its arrays may take.
    """

    def __init__(self, staged: Path, memory: int) -> None:
        self._folder = staged / STAGED_FINGERPRINTS
        self._runs = Runs(self._folder / "runs", memory, np.uint32)
        self._sets = {
            name: GrowingStretches(self._folder / f"{name}.npy", self._folder / f"{name}-offsets.npy", np.uint32) for name in SETS
        }
        self._reach = Growing(self._folder / "reach.npy", np.uint32)

    def extend(self, of: Fingerprinted) -> None:
        """Append the fingerprints of the next articles."""
        for name, growing in self._sets.items():
            growing.extend(*getattr(of, name))
        self._reach.add(of.reach)
        self._runs.add(of.shingles.values)

    def read(self) -> "Fingerprints":
        """Return all fingerprints once they are complete."""
        self._close_files()
        common = [shingles[counts > COMMON] for shingles, counts in self._runs.counted()]
        return Fingerprints(self._folder, np.concatenate([np.empty(0, dtype=np.uint32), *common]))

    def close(self) -> None:
        self._close_files()
        self._runs.close()

    def _close_files(self) -> None:
        close_all(*self._sets.values(), self._reach)


class Fingerprints:
    """The fingerprints of all articles, without the shingles that more than `COMMON` of them share.

    Forms, option lists, notes on newsletters and set phrases make different articles look alike.
    """

    def __init__(self, folder: Path, common: Hashes) -> None:
        self._sets = [(mapped(folder / f"{name}.npy"), mapped(folder / f"{name}-offsets.npy")) for name in SETS]
        self._reach = mapped(folder / "reach.npy")
        self._common = common
        self._n_shingles = np.empty(len(self), dtype=np.int64)
        with Growing(folder / "sketches.npy", np.uint64) as sketches:
            for first in range(0, len(self), BLOCK):
                sketches.add(self._draw(first, min(first + BLOCK, len(self))).ravel())
        self._sketches = mapped(folder / "sketches.npy").reshape(len(self), BITS // 64)

    def __len__(self) -> int:
        return len(self._reach)

    def __getitem__(self, row: int) -> Fingerprint:
        shingles, words, figures, title = (values[offsets[row] : offsets[row + 1]] for values, offsets in self._sets)
        return Fingerprint(shingles[~among(shingles, self._common)], int(self._reach[row]), words, figures, title)

    def may_be_duplicates(self, some: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which pairs of rows need a check by `is_duplicate`.

        The sketches of the other pairs prove that they share too few shingles.
        """
        either = [self._may_be(some[first : first + BLOCK], others[first : first + BLOCK]) for first in range(0, len(some), BLOCK)]
        return np.concatenate([np.empty(0, dtype=np.bool_), *either])

    def _may_be(self, some: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
        mine, theirs = self._sketches[some], self._sketches[others]
        # Among shared shingles, all except the first of each bit are hidden by another shingle of the same article.
        hidden = np.minimum(self._n_shingles[some] - _n_bits(mine), self._n_shingles[others] - _n_bits(theirs))
        fewest = np.minimum(self._n_shingles[some], self._n_shingles[others])
        sampled = (self._reach[some] < HIGHEST) | (self._reach[others] < HIGHEST)  # then only some of the shingles are compared
        enough = _n_bits(mine & theirs) + hidden >= LEAST_CONTAINED * fewest
        return np.asarray((fewest > 0) & (enough | sampled))

    def _draw(self, first: int, end: int) -> NDArray[np.uint64]:
        """Return the sketches of a block of articles: uint64 (n_articles, BITS / 64)."""
        values, offsets = self._sets[SETS.index("shingles")]
        shingles = values[offsets[first] : offsets[end]]
        owners = np.repeat(np.arange(end - first), np.diff(offsets[first : end + 1]))
        kept = ~among(shingles, self._common)
        self._n_shingles[first:end] = np.bincount(owners[kept], minlength=end - first)
        bits = np.zeros((end - first, BITS), dtype=np.bool_)
        bits[owners[kept], shingles[kept] % BITS] = True
        return np.packbits(bits, axis=1).view(np.uint64)


def _n_bits(sketches: NDArray[np.uint64]) -> NDArray[np.int64]:
    return np.asarray(np.bitwise_count(sketches).sum(axis=1, dtype=np.int64))
