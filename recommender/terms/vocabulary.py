"""How rare the terms of an archive are, and so what they weigh in a text."""

import numpy as np
from numpy.typing import NDArray

from recommender.terms.term_dictionary import Keys, SortedKeys
from recommender.types import Rows

BEST = 512
"""Terms that a text keeps."""

STEPS = 255
"""Idf in one byte counts in so many steps from 0, that of terms of all articles, to that of terms of one."""

Weights = NDArray[np.float32]


class Vocabulary:
    """Terms of at least two articles; in a large archive, those that some article keeps.

    Args:
        idf: float32 (n_terms,), or uint8, in `STEPS`.
        n_articles: Of the archive.
    """

    def __init__(self, table: SortedKeys, idf: NDArray[np.float32] | NDArray[np.uint8], n_articles: int) -> None:
        self.table = table
        self._idf = idf
        self._highest = float(np.log((n_articles + 1) / 2))

    def __len__(self) -> int:
        return len(self.table)

    def idf_at(self, places: Rows | NDArray[np.uint32]) -> Weights:
        """Idf of the terms at some places."""
        return self.decoded(self._idf[places])

    def idf_of(self, keys: NDArray[np.uint64]) -> NDArray[np.float64]:
        """Idf of any keys; what is not in the vocabulary stands in one article."""
        idf = np.full(len(keys), self._highest)
        places, known = self.table.find(keys)
        idf[known] = self.idf_at(places)
        return idf

    def decoded(self, idf: NDArray[np.float32] | NDArray[np.uint8]) -> Weights:
        """Idf as it was before it was counted in steps."""
        return np.multiply(idf, self._highest / STEPS, dtype=np.float32) if idf.dtype == np.uint8 else idf.astype(np.float32, copy=False)

    def in_steps(self, idf: NDArray[np.float64] | Weights) -> NDArray[np.uint8]:
        """Idf in one byte."""
        return np.rint(idf * (STEPS / max(self._highest, 1e-9))).astype(np.uint8)

    def weigh(self, keys: Keys, counts: NDArray[np.number], begins: Rows) -> tuple[Rows, Weights, Rows]:
        """Weigh the terms of some texts, and keep the best of each.

        Args:
            keys: Of all texts, one after the other.
            counts: How often each stands in its text.
            begins: int64 (n_texts + 1,): where each text begins among the keys.

        Returns:
            Places in the vocabulary, ascending in each text; weights, of length 1 in each text, as float16 would hold them, so that a
            draft of a stored text is equal; and where each text begins among these.
        """
        places, known = self.table.find(keys)
        terms = np.zeros(len(keys), dtype=np.int64)
        terms[known] = places
        return self.best(terms, counts, known, begins)

    def best(
        self, terms: Rows | NDArray[np.uint32], counts: NDArray[np.number], known: NDArray[np.bool_], begins: Rows
    ) -> tuple[Rows, Weights, Rows]:
        """As `weigh`, for terms whose places were found.

        Args:
            terms: Place of every key in the vocabulary.
            known: Which keys have one.
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
        heard = stored > 0  # terms of all articles say nothing
        if not heard.all():
            terms, stored, begins = terms[heard], stored[heard], _begins(heard, begins)
        return terms.astype(np.int64), stored.astype(np.float32), begins


def _begins(kept: NDArray[np.bool_], begins: Rows) -> Rows:
    """Where each text begins, once only some of its terms are kept."""
    return np.concatenate([[0], np.cumsum(kept)])[begins]
