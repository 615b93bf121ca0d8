"""Write the inverted index of a release and its words.

`recommender.terms.inverted_index` and `recommender.terms.word_dictionary` describe the files. Only the word dictionary
and the terms of titles grow with the archive in memory. Terms are written to plain files as articles arrive, counted
and numbered in sorted runs (`index.storage.external_sort`), and weighed run by run. Then they are turned into postings
in ranges of terms (`index.terms.postings_writer`).
"""

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.storage.external_sort import NONE, Runs
from index.storage.npy_append import Growing, GrowingStretches, close_all
from index.storage.ragged_unique import counted
from index.terms.analysis import TokenStream, numbering
from index.terms.postings_writer import PostingsWriter
from index.terms.word_dictionary_writer import write_words
from recommender.storage.mapped import mapped
from recommender.terms.inverted_index import FOLDER, LEAD, MENTIONS, pair_keys
from recommender.terms.term_dictionary import PAIRS, Keys, SortedKeys
from recommender.terms.vocabulary import Vocabulary
from recommender.terms.word_dictionary import WORDS

STAGED_TERMS = "terms"
"""A folder that exists only in a staged release: all keys of every article and their counts."""

MEMORY = 1 << 27


class LexicalWriter:
    """A writer of the inverted index.

    It counts the terms of articles in order of rows, and weighs them when all are complete.

    Args:
        staged: The folder of the release.
        memory: Bytes that its arrays may take. The word dictionary takes about 150 bytes more for each word, and 70
            more while `write` runs.

    Attributes:
        numbers: Word -> its number, in order of first use.
        n_articles: Number of articles added.
    """

    def __init__(self, staged: Path, memory: int = MEMORY) -> None:
        self.numbers = numbering()
        self.n_articles = 0
        self._memory = memory
        self._lexical, self._terms, self._words = staged / FOLDER, staged / STAGED_TERMS, staged / WORDS
        self._lexical.mkdir()
        self._runs = Runs(self._terms / "runs", memory, np.uint64)
        self._keys = GrowingStretches(self._terms / "keys.npy", self._terms / "offsets.npy", np.uint64)
        self._counts = Growing(self._terms / "counts.npy", np.uint32)
        self._titles = GrowingStretches(self._lexical / "title_keys.npy", self._lexical / "title_offsets.npy", np.uint64)

    def extend(self, words: TokenStream) -> NDArray[np.uint32]:
        """Count the terms of the next articles.

        Returns:
            The numbers of their words, in the order of `words.numbers`. New words get the next numbers.
        """
        table = np.fromiter(map(self.numbers.__getitem__, words.distinct), dtype=np.uint32, count=len(words.distinct))
        numbers = table[words.numbers]
        terms = _terms(numbers, words.lengths.ravel())
        titles, texts = terms[::2], terms[1::2]
        lead = 2 * LEAD - 1
        keys, counts = counted([np.concatenate((title, title, text, text[:lead])) for title, text in zip(titles, texts, strict=True)])
        self._runs.add(keys.values)
        self._keys.extend(*keys)
        self._counts.add(counts)
        self._titles.extend(*counted(titles)[0])
        self.n_articles += len(titles)
        return numbers

    def write(self) -> None:
        """Weigh all terms, and write the files of terms and words, and the keys of all articles. Call it once.

        The keys exist only until the release is published.
        """
        self.numbers.default_factory = None
        self._close_files()
        write_words(self.numbers, self._words)
        df = self._write_vocabulary()
        arrays = {name: mapped(self._lexical / f"{name}.npy") for name in ("keys", "idf", "title_offsets", "title_keys")}
        vocabulary = Vocabulary(SortedKeys(arrays["keys"]), arrays["idf"], self.n_articles)
        self._write_weights(vocabulary, df)
        for name, array in _titles(arrays["title_offsets"], arrays["title_keys"], vocabulary).items():
            np.save(self._lexical / name, array, allow_pickle=False)

    def close(self) -> None:
        self._close_files()
        self._runs.close()

    def _close_files(self) -> None:
        close_all(self._keys, self._counts, self._titles)

    def _write_vocabulary(self) -> NDArray[np.uint32]:
        """Write the terms of at least two articles, and their idf.

        Returns:
            The number of articles that contain each term.
        """
        found = [np.empty(0, dtype=np.uint32)]
        with Growing(self._lexical / "keys.npy", np.uint64) as keys, Growing(self._lexical / "idf.npy", np.float32) as idf:
            for distinct, df in self._runs.numbered():
                keys.add(distinct)
                idf.add(np.log((self.n_articles + 1) / (df + 1)))
                found.append(df.astype(np.uint32))
        return np.concatenate(found)

    def _write_weights(self, vocabulary: Vocabulary, df: NDArray[np.uint32]) -> None:
        """Write the best terms of every article, and the postings of every term."""
        offsets, counts = (mapped(self._terms / f"{name}.npy") for name in ("offsets", "counts"))
        writer = PostingsWriter(self._terms / "postings", df, self._memory)
        terms = GrowingStretches(self._lexical / "terms.npy", self._lexical / "offsets.npy", np.uint32)
        with closing(writer) as postings, closing(terms), Growing(self._lexical / "weights.npy", np.float16) as weights:
            first = 0
            for places in self._runs.numbers():
                last = int(np.searchsorted(offsets, offsets[first] + len(places), side="right")) - 1
                their_counts, begins = counts[offsets[first] : offsets[last]], offsets[first : last + 1] - offsets[first]
                kept, their_weights, begins = vocabulary.best(places, their_counts, places != NONE, begins)
                n_kept = np.diff(begins)
                terms.extend(kept, n_kept)
                weights.add(their_weights)
                postings.add(kept, np.repeat(np.arange(first, last), n_kept), their_weights)
                first = last
            postings.write(self._lexical)


def _terms(numbers: NDArray[np.uint32], lengths: NDArray[np.int64]) -> list[Keys]:
    """Return the keys of some titles and texts, one after the other: each word, and each pair of a word and its
    predecessor.

    Args:
        numbers: Numbers of the words of all texts.
        lengths: Number of words in each text.
    """
    words = numbers.astype(np.uint64)
    keys = np.empty((len(words), 2), dtype=np.uint64)
    keys[1:, 0] = pair_keys(words)
    keys[:, 1] = words
    there = np.ones(keys.shape, dtype=np.bool_)
    there[(np.cumsum(lengths) - lengths)[lengths > 0], 0] = False
    return np.split(keys[there], np.cumsum(np.maximum(2 * lengths - 1, 0))[:-1])


def _titles(offsets: NDArray[np.int64], keys: NDArray[np.uint64], vocabulary: Vocabulary) -> dict[str, NDArray[Any]]:
    """Return the idf of every title's pairs, and the titles that contain every pair."""
    of_pair = np.flatnonzero(keys >= PAIRS)
    owners = np.repeat(np.arange(len(offsets) - 1, dtype=np.uint32), np.diff(offsets))[of_pair]
    pairs = keys[of_pair]
    masses = np.bincount(owners, weights=vocabulary.idf_of(pairs), minlength=len(offsets) - 1)
    by_pair = np.argsort(pairs, kind="stable")
    distinct, n_titles = np.unique(pairs, return_counts=True)
    few = n_titles <= MENTIONS
    return {
        "title_masses": np.maximum(masses, 1.0),
        "mention_keys": distinct[few],
        "mention_starts": np.concatenate([[0], np.cumsum(n_titles[few])]),
        "mention_rows": owners[by_pair[np.repeat(few, n_titles)]],
    }
