"""The terms of a large archive in few bytes: what a release keeps of them once its lists are computed, for texts that come later.

An article's strongest terms do nearly all of the work; what was measured stands in docs/ranking.md.

    lexical/keys.npy  idf.npy                     the vocabulary, idf in steps: terms that some article keeps, words, and pairs
                                                  in titles
            offsets.npy  terms.npy  weights.npy   each article's `KEPT` best terms, strongest first; of length 1
            starts.npy  rows.npy  impacts.npy     each term's articles of which it is among the best `FOUND_BY`
            title_offsets.npy  title_names.npy  title_idf.npy  title_masses.npy   each title's terms
            mention_names.npy  mention_rows.npy   hashes of pairs of words, ascending, and a title that each stands in

Weights and impacts are one byte, the square root of what they stand for: so small ones keep two digits too. Places and rows are uint32.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.terms.inverted_index import LexicalIndex
from recommender.terms.term_dictionary import PAIRS, Keys
from recommender.terms.vocabulary import Weights
from recommender.types import Rows

KEPT = 40
FOUND_BY = 24

SQUARES: Weights = np.square(np.arange(256, dtype=np.float32) / np.float32(255))

MENTION_NAMES = "mention_names.npy"
"""A file that only a pruned index has."""


def open_terms(folder: Path, n_articles: int) -> LexicalIndex:
    """The lexical index of a release, whole or pruned; its files are read as they are needed."""
    kind = PrunedIndex if (folder / MENTION_NAMES).exists() else LexicalIndex
    return kind.open(folder, n_articles)


class PrunedIndex(LexicalIndex):
    """Answers as `LexicalIndex` does, nearly."""

    def decoded(self, weights: NDArray[Any]) -> Weights:
        """See `LexicalIndex`."""
        return np.asarray(SQUARES[weights])

    def titles(self, rows: Rows) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.bool_], Rows]:
        """See `LexicalIndex`."""
        begins, ends = self.arrays["title_offsets"][rows], self.arrays["title_offsets"][rows + 1]
        names, idf = (self.entries(name, begins, ends) for name in ("title_names", "title_idf"))
        each = np.concatenate([[0], np.cumsum(ends - begins, dtype=np.int64)])
        return names, self.vocabulary.decoded(idf).astype(np.float64), (names & 1).astype(np.bool_), each

    def in_titles(self, pairs: Keys) -> tuple[Rows, Rows, NDArray[np.bool_]]:
        """See `LexicalIndex`. Now and then a pair is taken for another: a title more is looked at, by names of another kind."""
        hashes, wanted = self.arrays["mention_names"], mention_names(pairs)
        begins, ends = (np.searchsorted(hashes, wanted, side=side) for side in ("left", "right"))
        known = begins < ends
        return begins[known], ends[known], known

    def names(self, keys: Keys) -> NDArray[Any]:
        """See `LexicalIndex`."""
        return np.sort(title_names(keys))


def title_names(keys: Keys) -> NDArray[np.uint32]:
    """What titles call their terms: 31 bits of a hash, then whether it is a pair. Two terms of one text are rarely called the same."""
    return _hashed(keys, 0x9E3779B97F4A7C15) & np.uint32(0xFFFFFFFE) | (keys >= PAIRS).astype(np.uint32)


def mention_names(pairs: Keys) -> NDArray[np.uint32]:
    """What mentions call their pairs: another hash, so that what one takes for the same the other tells apart."""
    return _hashed(pairs, 0xC2B2AE3D27D4EB4F)


def _hashed(keys: Keys, factor: int) -> NDArray[np.uint32]:
    mixed = (keys ^ keys >> np.uint64(29)) * np.uint64(factor)  # wraps; the odd factor loses nothing
    return (mixed >> np.uint64(32)).astype(np.uint32)


def one_byte(weights: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Weights from 0 to 1 as they are stored."""
    return np.asarray(np.rint(np.sqrt(weights, dtype=np.float32) * 255).astype(np.uint8))
