"""Weigh the terms of a text by the vocabulary: the inverse document frequency (idf) of the archive's terms."""

import numpy as np
from numpy.typing import NDArray

from recommender.terms.term_dictionary import Keys, SortedKeys
from recommender.types import Rows

BEST = 512
"""Terms that a text keeps."""

STEPS = 255
"""Quantization steps of a one-byte idf, from 0 (terms of all articles) to the idf of terms of one article."""

Weights = NDArray[np.float32]


class Vocabulary:
    """Terms of at least two articles. In a large archive, only those that some article keeps.

    Args:
        idf: float32 (n_terms,), or uint8, in `STEPS`.
        n_articles: Number of articles of the archive.
    """

    def __init__(self, table: SortedKeys, idf: NDArray[np.float32] | NDArray[np.uint8], n_articles: int) -> None:
        self.table = table
        self._idf = idf
        self._highest = float(np.log((n_articles + 1) / 2))

    def __len__(self) -> int:
        return len(self.table)

    def idf_at(self, places: Rows | NDArray[np.uint32]) -> Weights:
        """Return the idf of the terms at some places."""
        return self.decoded(self._idf[places])

    def idf_of(self, keys: NDArray[np.uint64]) -> NDArray[np.float64]:
        """Return the idf of any keys. A key outside the vocabulary counts as a term of one article."""
        idf = np.full(len(keys), self._highest)
        places, known = self.table.find(keys)
        idf[known] = self.idf_at(places)
        return idf

    def decoded(self, idf: NDArray[np.float32] | NDArray[np.uint8]) -> Weights:
        """Decode quantized idf."""
        return np.multiply(idf, self._highest / STEPS, dtype=np.float32) if idf.dtype == np.uint8 else idf.astype(np.float32, copy=False)

    def in_steps(self, idf: NDArray[np.float64] | Weights) -> NDArray[np.uint8]:
        """Quantize idf to one byte."""
        return np.rint(idf * (STEPS / max(self._highest, 1e-9))).astype(np.uint8)

    def weigh(self, keys: Keys, counts: NDArray[np.number], begins: Rows) -> tuple[Rows, Weights, Rows]:
        """Weigh the terms of some texts, and keep the best of each.

        Args:
            keys: Keys of all texts, text by text.
            counts: Frequency of each key in its text.
            begins: int64 (n_texts + 1,): where each text begins among the keys.

        Returns:
            Places in the vocabulary, ascending in each text, weights of length 1 in each text, and where each text
            begins among these. Weights are rounded as in float16, so that a draft of a stored text is equal.
        """
        places, known = self.table.find(keys)
        terms = np.zeros(len(keys), dtype=np.int64)
        terms[known] = places
        return self.best(terms, counts, known, begins)

    def best(
        self, terms: Rows | NDArray[np.uint32], counts: NDArray[np.number], known: NDArray[np.bool_], begins: Rows
    ) -> tuple[Rows, Weights, Rows]:
        """Weigh terms as `weigh` does, given their places.

        Args:
            terms: Place of every key in the vocabulary.
            known: Mask of the keys that have a place.
        """
        terms, begins = terms[known], _begins(known, begins)
        weights = np.sqrt(counts[known], dtype=np.float32) * self.idf_at(terms)
        if (np.diff(begins) > BEST).any():
            best = np.ones(len(terms), dtype=np.bool_)
            for text in np.flatnonzero(np.diff(begins) > BEST):
                own = slice(begins[text], begins[text + 1])
                best[own][np.argsort(-weights[own], kind="stable")[BEST:]] = False
            terms, weights, begins = terms[best], weights[best], _begins(best, begins)
        lengths = np.diff(begins)
        norms = np.ones(len(lengths), dtype=np.float32)
        if len(terms):
            norms[lengths > 0] = np.sqrt(np.add.reduceat(weights * weights, begins[:-1][lengths > 0]))
        stored = (weights / np.repeat(np.maximum(norms, 1e-30), lengths)).astype(np.float16)
        heard = stored > 0  # terms of all articles carry no information
        if not heard.all():
            terms, stored, begins = terms[heard], stored[heard], _begins(heard, begins)
        return terms.astype(np.int64), stored.astype(np.float32), begins


def _begins(kept: NDArray[np.bool_], begins: Rows) -> Rows:
    """Return where each text begins, after some of its terms were dropped."""
    return np.concatenate([[0], np.cumsum(kept)])[begins]
