"""The words of the archive: TF-IDF over words and pairs of neighbouring words, symmetric and of unit length.

    weight(term) = sqrt(n) ln((N + 1) / (df + 1))        similarity = cosine of the weights

n counts the title twice and the first `LEAD` words of the text once more. The square root, the pairs and the lead each
beat what they replace on hand-made lists (docs/ranking.md). An article keeps its best `BEST` terms.

    lexical/keys.npy  idf.npy                     the vocabulary: terms of at least two articles
            offsets.npy  terms.npy  weights.npy   each article's best terms: what cosines are computed from
            starts.npy  rows.npy  impacts.npy     each term's articles, strongest first, `POSTINGS` at most
            title_offsets.npy  title_keys.npy  title_masses.npy   each title's terms, and the idf of all its pairs
            mention_keys.npy  mention_starts.npy  mention_rows.npy   pairs of words -> the titles they stand in

A search adds up the postings of the query's best `QUERY_TERMS` terms, takes the `DEPTH` articles that gathered most,
and computes their cosines exactly. Terms and postings are capped, so a search costs at most QUERY_TERMS x POSTINGS
additions, however large the archive; only finding the terms in the sorted vocabulary grows, with its logarithm.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.stretches import stretches, sums
from recommender.vector_index import Rows

LEAD = 60
BEST = 512
POSTINGS = 1024
QUERY_TERMS = 96
DEPTH = 192
MENTIONS = 1024
"""A pair of words in more titles than this brings no candidate."""

NAMED = 0.5 - 1e-6  # a half, whatever the last bits are
"""A title of which the text holds so much of its pairs, by idf, is a candidate."""

FOLDER = "lexical"
LONGEST_WORD = 64

# Chinese and Japanese have no spaces: there a character counts as a word, and pairs of neighbours do the work.
CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{CJK}]|[^\W_{CJK}]+(?:['’][^\W_{CJK}]+)?")

Keys = NDArray[np.uint64]
"""uint64 (n,), sorted, distinct: a word's key is its number, a pair's is (first + 1) << 32 | second."""

PAIRS = np.uint64(1 << 32)
"""The keys of pairs begin here."""

Weights = NDArray[np.float32]


def words(text: str) -> list[str]:
    """The words of a text, in lower case.

    >>> words("The city's 2 ferries, 渡船")
    ['the', "city's", '2', 'ferries', '渡', '船']
    """
    return [word[:LONGEST_WORD].replace("’", "'") for word in WORD.findall(text.lower())]


def pair_keys(numbers: NDArray[np.uint64]) -> Keys:
    """Keys of the pairs of neighbouring words of a text, given the words' numbers."""
    return (numbers[:-1] + np.uint64(1) << np.uint64(32)) | numbers[1:]


def words_of_key(key: int) -> tuple[int, ...]:
    """The numbers of the one or two words of a term.

    >>> words_of_key(7), words_of_key((3 + 1) << 32 | 7)
    ((7,), (3, 7))
    """
    return (key,) if key < 1 << 32 else ((key >> 32) - 1, key & 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class TermCounts:
    """The terms of one article, before it is known how rare they are.

    Attributes:
        keys: All terms of title and text.
        counts: float32 (n_keys,), how often, with title and lead counted again.
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
    """An article as the lexical index sees it.

    Attributes:
        terms: int64 (n,): places in the vocabulary of its best terms.
        weights: float32 (n,), of length 1.
        keys: All its keys, those outside the vocabulary included.
        title_keys: Keys of its title.
    """

    terms: Rows
    weights: Weights
    keys: Keys
    title_keys: Keys


class LexicalIndex:
    """Read-only; safe to share between threads. See the module for what the arrays hold."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], n_articles: int) -> None:
        self._arrays = arrays
        self.n_articles = n_articles
        self.keys: Keys = arrays["keys"]
        self._idf: Weights = arrays["idf"]

    @classmethod
    def open(cls, folder: Path, n_articles: int) -> "LexicalIndex":
        """Map the files of a release into memory; they are read as they are needed."""
        arrays = {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in folder.glob("*.npy")}
        return cls(arrays, n_articles)

    def sharing_vocabulary(self, arrays: Mapping[str, NDArray[Any]]) -> "LexicalIndex":
        """The terms of other articles, by the vocabulary of these; without postings, so not for `search`."""
        return LexicalIndex({"keys": self.keys, "idf": self._idf, **arrays}, self.n_articles)

    def weigh(self, counted: TermCounts) -> Terms:
        """Weigh the terms of a text, and keep the best."""
        terms, known = _find(self.keys, counted.keys)
        weights = np.sqrt(counted.counts[known]) * self._idf[terms]
        if len(terms) > BEST:
            best = np.sort(np.argsort(-weights, kind="stable")[:BEST])
            terms, weights = terms[best], weights[best]
        norm = float(np.sqrt(weights @ weights))
        weights = (weights / norm if norm else weights).astype(np.float16)  # as they are stored, so that a draft of a stored text is equal
        heard = weights > 0  # terms of all articles say nothing
        return Terms(terms[heard], weights[heard].astype(np.float32), counted.keys, counted.title_keys)

    def search(self, query: Terms, limit: int, own_row: int | None) -> tuple[Rows, Weights]:
        """The articles whose terms are closest to a text's.

        Args:
            own_row: Left out of the answer; None leaves nothing out.

        Returns:
            Rows and cosines of at most `limit` articles, closest first.
        """
        starts, rows, impacts = self._arrays["starts"], self._arrays["rows"], self._arrays["impacts"]
        gathered = np.zeros(self.n_articles, dtype=np.float32)  # fresh pages cost nothing until they are touched
        touched: list[Rows] = []
        for place in np.argsort(-query.weights, kind="stable")[:QUERY_TERMS]:
            begin, end = starts[query.terms[place]], starts[query.terms[place] + 1]
            found = rows[begin:end]
            before = gathered[found]
            touched.append(found[before == 0])
            gathered[found] = before + query.weights[place] * impacts[begin:end]
        seen: Rows = np.concatenate(touched).astype(np.int64) if touched else np.empty(0, dtype=np.int64)
        seen = seen[seen != own_row] if own_row is not None else seen
        if len(seen) > max(DEPTH, limit):
            seen = seen[np.argpartition(-gathered[seen], max(DEPTH, limit) - 1)[: max(DEPTH, limit)]]
        seen = np.sort(seen)
        cosines = self.cosines(query, seen)
        closest = np.argsort(-cosines, kind="stable")[:limit]
        return seen[closest], cosines[closest]

    def products(self, query: Terms, rows: Rows) -> tuple[Weights, Rows, Rows]:
        """What each term of some articles adds to their cosine with a text.

        Returns:
            The products of all articles in a row, the places of their terms in the vocabulary, and where each article begins
            (n_rows + 1,).
        """
        places, begins = stretches(self._arrays["offsets"], rows)
        theirs = self._arrays["terms"][places]
        mine = np.zeros(len(self.keys), dtype=np.float32)
        mine[query.terms] = query.weights
        return mine[theirs] * self._arrays["weights"][places], theirs, begins

    def cosines(self, query: Terms, rows: Rows) -> Weights:
        """Exact cosines of a text with some articles: float32 (n_rows,), in [0, 1]."""
        products, _, begins = self.products(query, rows)
        return np.clip(sums(products.astype(np.float64), begins), 0.0, 1.0).astype(np.float32)

    def shared_terms(self, query: Terms, rows: Rows, limit: int) -> Keys:
        """The rarest terms that a text shares with each of some articles, no word twice: uint64 (n_rows, limit), 0-padded, keys + 1."""
        products, theirs, begins = self.products(query, rows)
        shared = np.zeros((len(rows), limit), dtype=np.uint64)
        for place, (begin, end) in enumerate(pairwise(begins)):
            own = products[begin:end]
            both = np.flatnonzero(own)
            chosen: list[int] = []
            used: set[int] = set()
            for term in both[np.argsort(-own[both], kind="stable")]:
                key = int(self.keys[theirs[begin + term]])
                if used.isdisjoint(words_of_key(key)):
                    used.update(words_of_key(key))
                    chosen.append(key + 1)
                    if len(chosen) == limit:
                        break
            shared[place, : len(chosen)] = chosen
        return shared

    def title_mass(self, title_keys: Keys) -> float:
        """The idf of a title's pairs; at least 1, so that a title of one pair that is everywhere names nothing."""
        return max(float(self.idf_of(title_keys[title_keys >= PAIRS]).sum()), 1.0)

    def title_features(self, query: Terms, rows: Rows) -> tuple[Weights, Weights]:
        """How far a text names the titles of some articles, and how close its own title is to theirs.

        Returns:
            mention: float32 (n_rows,), the share of the title's pairs of words, by idf, that stand in the text, squared:
            1 where the text holds the whole title, 0 for titles of one word. overlap: float32 (n_rows,), cosine of the titles.
        """
        places, begins = stretches(self._arrays["title_offsets"], rows)
        keys: Keys = self._arrays["title_keys"][places]
        idf = self.idf_of(keys)
        of_pairs = np.where(keys >= PAIRS, idf, 0.0)
        share = sums(of_pairs * _among(keys, query.keys), begins) / self._arrays["title_masses"][rows]
        norms = np.sqrt(sums(idf**2, begins) * (self.idf_of(query.title_keys) ** 2).sum())
        overlap = sums(idf**2 * _among(keys, query.title_keys), begins) / np.where(norms > 0, norms, 1.0)
        return np.clip(share, 0.0, 1.0).astype(np.float32) ** 2, np.clip(overlap, 0.0, 1.0).astype(np.float32)

    def mentioned(self, query: Terms, limit: int, own_row: int | None) -> Rows:
        """Articles whose titles the text names, at least by half: at most `limit` rows, the most fully named first."""
        keys, starts = self._arrays["mention_keys"], self._arrays["mention_starts"]
        pairs = query.keys[np.searchsorted(query.keys, PAIRS) :]
        places, known = _find(keys, pairs)
        found = [self._arrays["mention_rows"][starts[place] : starts[place + 1]] for place in places]
        if not found:
            return np.empty(0, dtype=np.int64)
        named = np.repeat(self.idf_of(pairs[known]), [len(of) for of in found])
        rows, back = np.unique(np.concatenate(found).astype(np.int64), return_inverse=True)
        shares = np.bincount(back, weights=named) / self._arrays["title_masses"][rows]
        enough = np.flatnonzero((shares >= NAMED) & (rows != (-1 if own_row is None else own_row)))
        return rows[enough[np.argsort(-shares[enough], kind="stable")[:limit]]]

    def idf_of(self, keys: Keys) -> NDArray[np.float64]:
        """Idf of any keys; what is not in the vocabulary stands in one article."""
        idf = np.full(len(keys), np.log((self.n_articles + 1) / 2))
        places, known = _find(self.keys, keys)
        idf[known] = self._idf[places]
        return idf


def _find(vocabulary: Keys, keys: Keys) -> tuple[Rows, NDArray[np.bool_]]:
    """Places in the vocabulary of those keys that it has, and which these are."""
    places = np.searchsorted(vocabulary, keys)
    known = np.zeros(len(keys), dtype=np.bool_)
    inside = places < len(vocabulary)
    known[inside] = vocabulary[places[inside]] == keys[inside]
    return places[known], known


def _among(keys: Keys, some: Keys) -> NDArray[np.bool_]:
    return _find(some, keys)[1]
