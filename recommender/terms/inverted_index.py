"""Read the inverted index: postings and sparse TF-IDF vectors over words and pairs of neighbouring words.

    weight(term) = sqrt(n) ln((N + 1) / (df + 1))        similarity = cosine of the weights

Vectors have unit length, so the similarity is symmetric. n counts the title twice and the first `LEAD` words of the
text once more. The square root, the pairs and the lead each beat their simpler alternatives on hand-made lists
(docs/ranking.md). An article keeps its `BEST` terms of highest weight.

    lexical/keys.npy  idf.npy                     the vocabulary: terms of at least two articles
            offsets.npy  terms.npy  weights.npy   each article's sparse vector: its best terms, for cosines
            starts.npy  rows.npy  impacts.npy     postings: each term's articles, strongest first, at most `POSTINGS`
            title_offsets.npy  title_keys.npy  title_masses.npy   each title's terms, and the idf of all its pairs
            mention_keys.npy  mention_starts.npy  mention_rows.npy   pairs of words -> the titles that contain them

A search adds up the postings of the query's best `QUERY_TERMS` terms. It takes the `DEPTH` articles with the largest
sums, and computes their cosines exactly. Terms and postings are capped, so a search costs at most
QUERY_TERMS x POSTINGS additions, however large the archive. Only the look-up of terms in the sorted vocabulary grows,
with its logarithm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recommender.storage.mapped import MappedArrays
from recommender.storage.ragged import between, sums
from recommender.terms.term_dictionary import PAIRS, Keys, SortedKeys
from recommender.terms.vocabulary import Vocabulary, Weights
from recommender.terms.word_dictionary import words_of_key
from recommender.types import Rows

LEAD = 60
POSTINGS = 1024
QUERY_TERMS = 96
DEPTH = 192
MENTIONS = 1024
"""Maximum number of titles with a pair of words. A pair in more titles brings no candidate."""

NAMED = 0.5 - 1e-6  # a half, less rounding
"""Share of a title's pairs, by idf, that the text must contain to make the title's article a candidate."""

FILTER = 1 << 16
"""Size of a table that excludes terms a text cannot have. It stays in the processor's nearest cache."""

FOLDER = "lexical"


def pair_keys(numbers: NDArray[np.uint64]) -> Keys:
    """Return the keys of the pairs of neighbouring words of a text, given the words' numbers."""
    return (numbers[:-1] + np.uint64(1) << np.uint64(32)) | numbers[1:]


@dataclass(frozen=True, slots=True)
class TermCounts:
    """The terms of one article, before their idf is known.

    Attributes:
        keys: All terms of title and text.
        counts: float32 (n_keys,), frequency of each, with title and lead counted again.
        title_keys: Terms of the title.
    """

    keys: Keys
    counts: Weights
    title_keys: Keys


def count_terms(title: Sequence[int], text: Sequence[int]) -> TermCounts:
    """Count the terms of an article, given the numbers of its words."""
    parts: list[Keys] = []
    for numbers in (title, title, text, text[:LEAD]):
        array = np.array(numbers, dtype=np.uint64)
        parts += [array, pair_keys(array)]
    keys, counts = np.unique(np.concatenate(parts), return_counts=True)
    return TermCounts(keys, counts.astype(np.float32), np.unique(np.concatenate(parts[:2])))


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of an article as the inverted index stores them.

    Attributes:
        terms: int64 (n,): places of its best terms in the vocabulary.
        weights: float32 (n,), a vector of length 1.
        keys: All its keys, including those outside the vocabulary.
        title_keys: Keys of its title.
    """

    terms: Rows
    weights: Weights
    keys: Keys
    title_keys: Keys


class LexicalIndex:
    """The inverted index. Read-only, safe to share between threads. The module describes the arrays.

    Attributes:
        arrays: Arrays by the names of their files, or other sequences that support the same reads.
        vocabulary: The vocabulary whose places the terms are.
    """

    def __init__(self, arrays: Mapping[str, Any], n_articles: int, vocabulary: Vocabulary | None = None) -> None:
        self.arrays = arrays
        self.n_articles = n_articles
        self.vocabulary = vocabulary or Vocabulary(SortedKeys(arrays["keys"]), arrays["idf"], n_articles)

    @classmethod
    def open(cls, folder: Path, n_articles: int) -> Self:
        """Map the files of a release into memory. Pages are read on demand."""
        return cls(MappedArrays(folder), n_articles)

    def sharing_vocabulary(self, arrays: Mapping[str, NDArray[Any]]) -> "LexicalIndex":
        """Return the terms of other articles, by this vocabulary. Without postings, so `search` does not work on it."""
        return LexicalIndex(arrays, self.n_articles, self.vocabulary)

    def weigh(self, counted: TermCounts) -> Terms:
        """Weigh the terms of a text, and keep the best."""
        terms, weights, _ = self.vocabulary.weigh(counted.keys, counted.counts, np.array([0, len(counted.keys)]))
        return Terms(terms, weights, counted.keys, counted.title_keys)

    def search(self, query: Terms, limit: int, own_row: int | None, among: NDArray[np.bool_] | None = None) -> tuple[Rows, Weights]:
        """Return the articles whose terms are closest to a text's.

        Args:
            own_row: Row to leave out of the answer. None leaves nothing out.
            among: bool (n_articles,): only these articles. None: any.

        Returns:
            Rows and cosines of at most `limit` articles, closest first.
        """
        if among is not None and np.count_nonzero(among) <= DEPTH:  # few enough to bypass the capped postings
            seen = np.flatnonzero(among)
            seen = seen if own_row is None else seen[seen != own_row]
        else:
            seen = self._sharing(query, max(DEPTH, limit), own_row, among)
        cosines = self.cosines(query, seen)
        closest = np.argsort(-cosines, kind="stable")[:limit]
        closest = closest[cosines[closest] > 0]
        return seen[closest], cosines[closest]

    def _sharing(self, query: Terms, most: int, own_row: int | None, among: NDArray[np.bool_] | None) -> Rows:
        """Return at most `most` rows of the articles that share most with a text, by the postings, ascending."""
        strongest = np.argsort(-query.weights, kind="stable")[:QUERY_TERMS]
        begins, ends = self.arrays["starts"][query.terms[strongest]], self.arrays["starts"][query.terms[strongest] + 1]
        found, impacts = (self.entries(name, begins, ends) for name in ("rows", "impacts"))
        gathered = np.zeros(self.n_articles, dtype=np.float32)
        np.add.at(gathered, found, np.repeat(query.weights[strongest], ends - begins) * self.decoded(impacts))
        if own_row is not None:
            gathered[own_row] = 0
        if among is not None:
            gathered[~among] = 0
        seen = np.flatnonzero(gathered > 0)  # on booleans, four times as fast as on numbers
        if len(seen) > most:
            seen = np.sort(seen[np.argpartition(-gathered[seen], most - 1)[:most]])
        return seen

    def products(self, query: Terms, rows: Rows) -> tuple[Weights, Rows, Rows]:
        """Return the weight products of the terms that a text shares with some articles. Sums are cosines.

        Returns:
            The products of all articles one after the other, the places of their terms in the vocabulary, and where each
            article begins (n_rows + 1,).
        """
        offsets = self.arrays["offsets"]
        theirs, weights = (self.entries(name, offsets[rows], offsets[rows + 1]) for name in ("terms", "weights"))
        maybe = np.zeros(FILTER, dtype=np.bool_)
        maybe[query.terms % FILTER] = True
        places = np.flatnonzero(maybe[theirs % FILTER])
        own, shared = SortedKeys(query.terms).find(theirs[places])
        places = places[shared]
        begins = np.concatenate([[0], np.cumsum(offsets[rows + 1] - offsets[rows], dtype=np.int64)])
        return query.weights[own] * self.decoded(weights[places]), theirs[places].astype(np.int64), np.searchsorted(places, begins)

    def cosines(self, query: Terms, rows: Rows) -> Weights:
        """Return exact cosines of a text with some articles: float32 (n_rows,), in [0, 1]."""
        products, _, begins = self.products(query, rows)
        return np.clip(sums(products.astype(np.float64), begins), 0.0, 1.0).astype(np.float32)

    def entries(self, name: str, begins: Rows, ends: Rows) -> NDArray[Any]:
        """Return the entries of some stretches of an array, one after the other."""
        return between(self.arrays[name], begins, ends)

    def decoded(self, weights: NDArray[Any]) -> Weights:
        """Return weights as they were before they were stored."""
        return weights.astype(np.float32)

    def shared_terms(self, query: Terms, rows: Rows, limit: int) -> Keys:
        """Return the rarest terms that a text shares with each of some articles.

        No word occurs twice. The result is uint64 (n_rows, limit), 0-padded, with keys + 1.
        """
        products, terms, begins = self.products(query, rows)
        keys = self.vocabulary.table.at(terms).tolist()
        shared = np.zeros((len(rows), limit), dtype=np.uint64)
        for place, (begin, end) in enumerate(pairwise(begins.tolist())):
            chosen: list[int] = []
            used: set[int] = set()
            for term in np.argsort(-products[begin:end], kind="stable").tolist():
                key = keys[begin + term]
                if used.isdisjoint(words_of_key(key)):
                    used.update(words_of_key(key))
                    chosen.append(key + 1)
                    if len(chosen) == limit:
                        break
            shared[place, : len(chosen)] = chosen
        return shared

    def title_mass(self, title_keys: Keys) -> float:
        """Return the idf of a title's pairs, at least 1. So a title of one pair that is everywhere names nothing."""
        return max(float(self.idf_of(title_keys[title_keys >= PAIRS]).sum()), 1.0)

    def title_features(self, query: Terms, rows: Rows) -> tuple[Weights, Weights]:
        """Return how far a text names the titles of some articles, and how close its own title is to theirs.

        Returns:
            mention: float32 (n_rows,), the square of the share of the title's pairs, by idf, that the text contains.
            It is 1 if the text contains the whole title, and 0 for titles of one word.
            overlap: float32 (n_rows,), cosine of the titles.
        """
        names, idf, pairs, begins = self.titles(rows)
        share = sums(np.where(pairs, idf, 0.0) * _among(names, self.names(query.keys)), begins) / self.arrays["title_masses"][rows]
        norms = np.sqrt(sums(idf**2, begins) * (self.idf_of(query.title_keys) ** 2).sum())
        overlap = sums(idf**2 * _among(names, self.names(query.title_keys)), begins) / np.where(norms > 0, norms, 1.0)
        return np.clip(share, 0.0, 1.0).astype(np.float32) ** 2, np.clip(overlap, 0.0, 1.0).astype(np.float32)

    def titles(self, rows: Rows) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.bool_], Rows]:
        """Return the terms of some titles.

        The result holds their names (see `names`), idf, a mask of pairs, and where each title begins (n_rows + 1,).
        """
        offsets = self.arrays["title_offsets"]
        keys = self.entries("title_keys", offsets[rows], offsets[rows + 1])
        begins = np.concatenate([[0], np.cumsum(offsets[rows + 1] - offsets[rows], dtype=np.int64)])
        return keys, self.idf_of(keys), keys >= PAIRS, begins

    def names(self, keys: Keys) -> NDArray[Any]:
        """Return the names that titles use for some terms, in ascending order. Here these are their keys."""
        return keys

    def mentioned(self, query: Terms, limit: int, own_row: int | None) -> Rows:
        """Return the articles whose titles the text names at least by half.

        The result has at most `limit` rows, the most fully named first.
        """
        pairs = query.keys[np.searchsorted(query.keys, PAIRS) :]
        begins, ends, known = self.in_titles(pairs)
        if not len(begins):
            return np.empty(0, dtype=np.int64)
        named = np.repeat(self.idf_of(pairs[known]), ends - begins)
        rows, back = np.unique(self.entries("mention_rows", begins, ends).astype(np.int64), return_inverse=True)
        shares = np.bincount(back, weights=named) / self.arrays["title_masses"][rows]
        enough = np.flatnonzero((shares >= NAMED) & (rows != (-1 if own_row is None else own_row)))
        return rows[enough[np.argsort(-shares[enough], kind="stable")[:limit]]]

    def in_titles(self, pairs: Keys) -> tuple[Rows, Rows, NDArray[np.bool_]]:
        """Return the ranges in `mention_rows` of the pairs that occur in any title, and a mask of these pairs."""
        places, known = SortedKeys(self.arrays["mention_keys"]).find(pairs)
        return self.arrays["mention_starts"][places], self.arrays["mention_starts"][places + 1], known

    def idf_of(self, keys: Keys) -> NDArray[np.float64]:
        """Return the idf of any keys. A key outside the vocabulary counts as a term of one article."""
        return self.vocabulary.idf_of(keys)


def _among(some: NDArray[Any], others: NDArray[Any]) -> NDArray[np.bool_]:
    return SortedKeys(others).find(some)[1]
