"""Open the inputs of the lists: the files of a staged release, in the form that the inner loops need.

Values that follow from these files and are the same for all articles are computed once (`prepare`) and written beside
them:

    lists/word_idf.npy title_idf.npy mention_idf.npy   float64, of every word, title term, and pair in titles
          sums.npy                                     float32 (n_articles,), norm of the sum of chunk vectors
          order.npy cells.npy                          rows of articles, by cluster, and the start of each cluster
          near_cells.npy                               the clusters searched for the articles of each cluster
          meaning.npy maxsim.npy words.npy closeness.npy   the nearest of every article (`Near`)
          near-done.npy                                the articles whose nearest are known
          lists.bin lists.npy                          the lists that are computed so far
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import kernels
from index.terms.inverted_index_writer import STAGED_TERMS
from index.terms.sentences import staged_sentences
from index.vectors.vector_writer import CELLS, MEANS
from recommender.features.article_features import ArticleFeatures, Layout
from recommender.features.link_history import LinkHistory
from recommender.release.catalogue import Catalogue
from recommender.release.manifest import CATALOGUE, VECTORS
from recommender.retrieval.candidates import HUB_NEIGHBOURS
from recommender.storage.mapped import mapped
from recommender.terms.inverted_index import FOLDER, LexicalIndex
from recommender.terms.term_dictionary import PAIRS
from recommender.types import Matrix, Rows
from recommender.vectors.two_tier import ARTICLES, SCALES, looked_into, open_faiss

LISTS = "lists"
"""A folder that exists only in a staged release."""

BLOCK = 256
"""Articles per block: enough to keep the processor busy, few enough to keep memory small."""

HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Near:
    """The nearest neighbours of every article, closest first, padded with FREE.

    Attributes:
        in_meaning, in_words: int32 (n_articles, N_CANDIDATES), rows.
        maxsim, words: float32, closeness of each: MaxSim, and the square root of the TF-IDF cosine.
    """

    in_meaning: NDArray[np.int32]
    maxsim: Matrix
    in_words: NDArray[np.int32]
    words: Matrix

    def hubness(self) -> Matrix:
        """Return the hubness of every article, in meaning and in words: float32 (n_articles, 2)."""
        pairs = ((self.in_meaning, self.maxsim), (self.in_words, self.words))
        return np.stack([_hubness(rows[:, :HUB_NEIGHBOURS], closeness[:, :HUB_NEIGHBOURS]) for rows, closeness in pairs], axis=1)


def _hubness(rows: NDArray[np.int32], closeness: Matrix) -> Matrix:
    n_near = np.maximum((rows != kernels.FREE).sum(axis=1), 1)
    return np.asarray(closeness.sum(axis=1, dtype=np.float64) / n_near, dtype=np.float32)


@dataclass
class BuildInputs:
    """The files of a staged release, up to its terms. Open it again when they have changed.

    Attributes:
        folder: Folder of the release.
        n_articles: Number of articles in the archive.
    """

    folder: Path
    n_articles: int

    @cached_property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.folder / CATALOGUE)

    @cached_property
    def layout(self) -> Layout:
        return self.catalogue.layout()

    @cached_property
    def facts(self) -> ArticleFeatures:
        return self.catalogue.facts()

    @cached_property
    def precedents(self) -> LinkHistory:
        return self.catalogue.precedents(self.facts)

    @cached_property
    def lexical(self) -> LexicalIndex:
        return LexicalIndex.open(self.folder / FOLDER, self.n_articles)

    @property
    def two_tiers(self) -> bool:
        """Return whether the archive has too many chunks for an exact search, so that lists are found by the articles'
        means.
        """
        return (self.folder / SCALES).exists()

    @cached_property
    def vectors(self) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Return the vectors of all chunks, int8 or float32 (n_chunks, dim), and the factors that scale them to unit
        norm.
        """
        stored = mapped(self.folder / VECTORS)
        return stored, mapped(self.folder / SCALES) if self.two_tiers else np.ones(len(stored), dtype=np.float32)

    @cached_property
    def means(self) -> NDArray[np.float16]:
        return mapped(self.folder / MEANS)

    @cached_property
    def chunks(self) -> kernels.Chunks:
        layout = self.layout
        return kernels.Chunks(*self.vectors, layout.offsets, self.prepared("sums"), layout.tie_order, np.argsort(layout.tie_order))

    @cached_property
    def words(self) -> kernels.TermArrays:
        of = self.lexical.arrays
        weights, impacts = of["weights"].view(np.uint16), of["impacts"].view(np.uint16)
        return kernels.TermArrays(of["offsets"], of["terms"], weights, of["starts"], of["rows"], impacts, HALVES)

    @cached_property
    def titles(self) -> kernels.Titles:
        of = self.lexical.arrays
        offsets, keys = (mapped(self.folder / STAGED_TERMS / f"{name}.npy") for name in ("offsets", "keys"))
        idf = self.prepared("title_idf")
        return kernels.Titles(of["title_offsets"], of["title_keys"], idf, of["title_masses"], offsets, keys, PAIRS)

    @cached_property
    def mentions(self) -> kernels.Mentions:
        of = self.lexical.arrays
        return kernels.Mentions(of["mention_keys"], self.prepared("mention_idf"), of["mention_starts"], of["mention_rows"])

    @cached_property
    def sentences(self) -> kernels.SentenceArrays:
        return staged_sentences(self.folder, self.prepared("word_idf"))

    @cached_property
    def near(self) -> Near:
        return Near(*(self.prepared(name) for name in NEAR))

    def prepared(self, name: str) -> NDArray[Any]:
        """Return an array that `prepare` or the first pass wrote."""
        return mapped(self.folder / LISTS / f"{name}.npy")

    @cached_property
    def order(self) -> Rows:
        return self.prepared("order")

    @cached_property
    def cells(self) -> Rows:
        return self.prepared("cells")

    @cached_property
    def near_cells(self) -> Rows:
        return self.prepared("near_cells")

    def blocks(self, done: NDArray[np.bool_]) -> Iterator[Rows]:
        """Yield blocks of articles' rows, each row once. If there are clusters, a block belongs to one cluster.

        Args:
            done: bool (n_articles,). Blocks whose articles are all done are left out.
        """
        for begin, end in pairwise(self.cells.tolist()):
            for first in range(begin, end, BLOCK):
                rows = np.array(self.order[first : min(first + BLOCK, end)])
                if not done[rows].all():
                    yield rows


NEAR, NEAR_DONE = ("meaning", "maxsim", "words", "closeness"), "near-done"


def prepare(staged: BuildInputs, n_words: int) -> None:
    """Write the files of the folder `lists` that `BuildInputs` reads, except the nearest neighbours.

    Args:
        n_words: Number of words in the archive.
    """
    (staged.folder / LISTS).mkdir()
    arrays, vocabulary = staged.lexical.arrays, staged.lexical.vocabulary
    _save(staged, "word_idf", vocabulary.idf_of(np.arange(n_words, dtype=np.uint64)))
    _save(staged, "title_idf", vocabulary.idf_of(arrays["title_keys"]))
    _save(staged, "mention_idf", vocabulary.idf_of(arrays["mention_keys"]))
    _save(staged, "sums", np.concatenate(list(_sums(staged))))
    order, cells = _cells(staged) if staged.two_tiers else (np.arange(staged.n_articles), np.array([0, staged.n_articles]))
    _save(staged, "order", order)
    _save(staged, "cells", cells)


def _sums(staged: BuildInputs) -> Iterator[NDArray[np.float32]]:
    """Yield the norms of the sums of every article's chunk vectors."""
    stored, scales = staged.vectors
    for first in range(0, staged.n_articles, BLOCK):
        offsets = staged.layout.offsets[first : first + BLOCK + 1]
        rows = slice(offsets[0], offsets[-1])
        yield np.linalg.norm(np.add.reduceat(stored[rows] * scales[rows, None], offsets[:-1] - offsets[0], axis=0), axis=1)


def _cells(staged: BuildInputs) -> tuple[Rows, Rows]:
    """Return the rows of articles by cluster and the start of each cluster, and write which clusters are near each
    other.
    """
    index: Any = open_faiss(staged.folder / ARTICLES)
    centres = index.quantizer.reconstruct_n(0, index.nlist)
    _, near = index.quantizer.search(centres, looked_into(index.nlist))
    _save(staged, "near_cells", near)
    cell = mapped(staged.folder / CELLS)
    return np.argsort(cell, kind="stable"), np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=len(centres)))])


def _save(staged: BuildInputs, name: str, array: NDArray[Any]) -> None:
    np.save(staged.folder / LISTS / name, array, allow_pickle=False)
