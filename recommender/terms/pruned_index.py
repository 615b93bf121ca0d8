"""Read the pruned inverted index of a large archive.

A release keeps it for later texts, once its lists are computed. An article's strongest terms do nearly all of the work.
docs/ranking.md reports the measures.

    lexical/keys.npy  idf.npy                     the vocabulary, idf in steps: terms that some article keeps,
                                                  words, and pairs in titles
            offsets.npy  terms.npy  weights.npy   each article's `KEPT` best terms, strongest first
            starts.npy  rows.npy  impacts.npy     postings: articles that have the term among their best `FOUND_BY`
            title_offsets.npy  title_names.npy  title_idf.npy  title_masses.npy   each title's terms
            mention_names.npy  mention_rows.npy   hashes of pairs of words, ascending, and a title that contains each

Each article's weights have length 1. Weights and impacts are stored as one byte: their square root, so that small ones
keep two digits. Places and rows are uint32.
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
    """Map the inverted index of a release, whole or pruned. Pages are read on demand."""
    kind = PrunedIndex if (folder / MENTION_NAMES).exists() else LexicalIndex
    return kind.open(folder, n_articles)


class PrunedIndex(LexicalIndex):
    """An inverted index that answers nearly as `LexicalIndex` does."""

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
        """See `LexicalIndex`.

        Hashes of two pairs rarely collide. Then one more title is compared, by names of another hash.
        """
        hashes, wanted = self.arrays["mention_names"], mention_names(pairs)
        begins, ends = (np.searchsorted(hashes, wanted, side=side) for side in ("left", "right"))
        known = begins < ends
        return begins[known], ends[known], known

    def names(self, keys: Keys) -> NDArray[Any]:
        """See `LexicalIndex`."""
        return np.sort(title_names(keys))


def title_names(keys: Keys) -> NDArray[np.uint32]:
    """Return the names of terms in titles: 31 bits of a hash, then a bit for pairs.

    Two terms of one text rarely collide.
    """
    return _hashed(keys, 0x9E3779B97F4A7C15) & np.uint32(0xFFFFFFFE) | (keys >= PAIRS).astype(np.uint32)


def mention_names(pairs: Keys) -> NDArray[np.uint32]:
    """Return the names of pairs in mentions.

    They use another hash: pairs that collide in one hash differ in the other.
    """
    return _hashed(pairs, 0xC2B2AE3D27D4EB4F)


def _hashed(keys: Keys, factor: int) -> NDArray[np.uint32]:
    mixed = (keys ^ keys >> np.uint64(29)) * np.uint64(factor)  # wraps, and the odd factor loses nothing
    return (mixed >> np.uint64(32)).astype(np.uint32)


def one_byte(weights: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Encode weights from 0 to 1 in one byte each."""
    return np.asarray(np.rint(np.sqrt(weights, dtype=np.float32) * 255).astype(np.uint8))
