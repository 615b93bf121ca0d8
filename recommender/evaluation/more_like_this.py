"""Rank a baseline: the "more like this" query of a search engine, as sites have it today.

It follows Lucene with its defaults. The query is the article's 25 terms of highest tf x idf. A term must occur twice in
the article and in five articles. The answer is ranked by BM25 (Robertson and Zaragoza, 2009), k1 = 1.2, b = 0.75:

    score(target) = sum over terms of idf x tf / (tf + k1 (1 - b + b length / mean length))
    idf = ln(1 + (N - df + 1/2) / (df + 1/2))
"""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from recommender.text.words import words

K1, B = 1.2, 0.75
QUERY_TERMS, LEAST_TF, LEAST_DF = 25, 2, 5


class MoreLikeThis:
    """An in-memory index of texts that finds texts similar to one of them."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._counts = [Counter(words(text)) for text in texts]
        lengths = np.array([counts.total() for counts in self._counts], dtype=np.float64)
        self._norms = K1 * (1 - B + B * lengths / max(lengths.mean(), 1.0))
        postings: dict[str, list[tuple[int, int]]] = {}
        for row, counts in enumerate(self._counts):
            for word, times in counts.items():
                postings.setdefault(word, []).append((row, times))
        self._postings = {word: np.array(of) for word, of in postings.items()}

    def scores(self, row: int) -> NDArray[np.float64]:
        """Return the BM25 scores of all texts for the query made of one text: float64 (n_texts,)."""
        counts = self._counts[row]
        worth = {
            word: times * self._idf(word) for word, times in counts.items() if times >= LEAST_TF and len(self._postings[word]) >= LEAST_DF
        }
        total = np.zeros(len(self._counts))
        for word in sorted(worth, key=lambda word: (-worth[word], word))[:QUERY_TERMS]:
            rows, times = self._postings[word].T
            total[rows] += self._idf(word) * times / (times + self._norms[rows])
        return total

    def _idf(self, word: str) -> float:
        df = len(self._postings[word])
        return float(np.log1p((len(self._counts) - df + 0.5) / (df + 0.5)))
