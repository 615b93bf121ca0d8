"""Write the lexical index of a release; `recommender.lexical` reads it and says what the files hold."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.chunking import MAX_TEXT
from recommender.lexical import FOLDER, MENTIONS, PAIRS, POSTINGS, LexicalIndex, TermCounts, Terms, count_terms, words
from recommender.types import Article

STAGED_TERMS = "terms"
"""A folder that a release has only while it is built: all keys of every article."""


class LexicalWriter:
    """Counts the terms of articles in order of rows; when all are there, weighs them.

    Attributes:
        numbers: Word -> its number, in order of first use.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.counted: list[TermCounts] = []

    def add(self, article: Article) -> None:
        """Count the terms of the next article."""
        self.counted.append(count_terms(self.number(words(article.title)), self.number(words(article.text[:MAX_TEXT]))))

    def number(self, of: list[str]) -> list[int]:
        """The numbers of words; new words get the next ones."""
        numbers = self.numbers
        return [numbers.setdefault(word, len(numbers)) for word in of]

    def write(self, staged: Path) -> LexicalIndex:
        """Weigh all terms and write the files; also, until the release is published, what `StagedTerms` reads."""
        n_articles = len(self.counted)
        keys, df = np.unique(np.concatenate([article.keys for article in self.counted]), return_counts=True)
        vocabulary = {"keys": keys[df > 1], "idf": np.log((n_articles + 1) / (df[df > 1] + 1)).astype(np.float32)}
        weigher = LexicalIndex(vocabulary, n_articles)
        weighed = [weigher.weigh(article) for article in self.counted]
        masses = np.array([weigher.title_mass(article.title_keys) for article in weighed])
        arrays = {**vocabulary, **_forward(weighed), **_titles(weighed), "title_masses": masses}
        arrays |= _postings(arrays["offsets"], arrays["terms"], arrays["weights"], len(vocabulary["keys"]))
        folder = staged / FOLDER
        folder.mkdir()
        for name, array in arrays.items():
            np.save(folder / name, array, allow_pickle=False)
        folder = staged / STAGED_TERMS
        folder.mkdir()
        np.save(folder / "offsets", np.cumsum([0, *(len(article.keys) for article in self.counted)]), allow_pickle=False)
        np.save(folder / "keys", np.concatenate([article.keys for article in self.counted]), allow_pickle=False)
        return LexicalIndex(arrays, n_articles)


class StagedTerms:
    """The terms of every article of a release that is being built, by row.

    Args:
        staged: The folder of the release.
    """

    def __init__(self, staged: Path) -> None:
        self._of = {
            (folder, name): np.load(staged / folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for folder, names in (
                (FOLDER, ("offsets", "terms", "weights", "title_offsets", "title_keys")),
                (STAGED_TERMS, ("offsets", "keys")),
            )
            for name in names
        }

    def __getitem__(self, row: int) -> Terms:
        return Terms(
            terms=self._part(FOLDER, "offsets", "terms", row).astype(np.int64),
            weights=self._part(FOLDER, "offsets", "weights", row).astype(np.float32),
            keys=self._part(STAGED_TERMS, "offsets", "keys", row),
            title_keys=self._part(FOLDER, "title_offsets", "title_keys", row),
        )

    def _part(self, folder: str, offsets: str, name: str, row: int) -> NDArray[Any]:
        begin, end = self._of[folder, offsets][row : row + 2]
        return np.asarray(self._of[folder, name][begin:end])


Arrays = dict[str, NDArray[Any]]


def _forward(weighed: list[Terms]) -> Arrays:
    return {
        "offsets": np.cumsum([0, *(len(article.terms) for article in weighed)]),
        "terms": np.concatenate([article.terms for article in weighed]).astype(np.uint32),
        "weights": np.concatenate([article.weights for article in weighed]).astype(np.float16),
    }


def _postings(offsets: NDArray[Any], terms: NDArray[Any], weights: NDArray[Any], n_terms: int) -> Arrays:
    owners = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    strongest_first = np.lexsort((owners, -weights, terms))
    starts = np.searchsorted(terms[strongest_first], np.arange(n_terms + 1))
    kept = strongest_first[np.arange(len(terms)) - starts[terms[strongest_first]] < POSTINGS]
    return {
        "starts": np.searchsorted(terms[kept], np.arange(n_terms + 1)),
        "rows": owners[kept].astype(np.uint32),
        "impacts": weights[kept],
    }


def _titles(weighed: list[Terms]) -> Arrays:
    offsets = np.cumsum([0, *(len(article.title_keys) for article in weighed)])
    keys = np.concatenate([article.title_keys for article in weighed])
    owners = np.repeat(np.arange(len(weighed), dtype=np.uint32), np.diff(offsets))
    pairs = np.flatnonzero(keys >= PAIRS)
    pairs = pairs[np.argsort(keys[pairs], kind="stable")]
    distinct, n_titles = np.unique(keys[pairs], return_counts=True)
    pairs = pairs[np.repeat(n_titles <= MENTIONS, n_titles)]
    distinct, n_titles = distinct[n_titles <= MENTIONS], n_titles[n_titles <= MENTIONS]
    return {
        "title_offsets": offsets,
        "title_keys": keys,
        "mention_keys": distinct,
        "mention_starts": np.cumsum([0, *n_titles]),
        "mention_rows": owners[pairs],
    }
