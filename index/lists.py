"""The related list of every article, computed once, in the build, so that a reader never waits for it.

Two passes over the archive: the first finds every article's nearest, from which hubness and near-duplicates follow; the
second describes and explains its candidates. Each goes through the archive in blocks that know nothing of each other, in a process
for every processor if there are enough articles to repay that; what they need they read from the staged files.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from index.lexical_writer import StagedTerms
from recommender.candidate import N_TERMS, Candidates
from recommender.catalogue import Catalogue
from recommender.facts import Facts, Layout
from recommender.lexical import FOLDER, LexicalIndex
from recommender.manifest import CATALOGUE, MEANS
from recommender.passages import Sentences, best_pairs, read_sentences
from recommender.retrieval import Archive, Neighbours, Query, candidates, neighbours
from recommender.tiered_index import open_vectors
from recommender.types import Matrix
from recommender.vector_index import VectorIndex

BLOCK = 256
"""Articles searched together: enough to keep the processor busy, few enough to keep memory small."""

CHUNKS_KEPT = 100_000
"""Chunks whose sentences are kept: neighbours are candidates of each other, so a chunk is asked for again and again."""

ENOUGH = 4_000
"""Articles from which on several processes are worth their start."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Found = TypeVar("Found")
Rows = range


@dataclass
class Staged:
    """What lists are computed from: the files of a release that is being built, up to its terms.

    Attributes:
        folder: Of the release.
        n_articles: Of the archive.
    """

    folder: Path
    n_articles: int

    @cached_property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.folder / CATALOGUE)

    @cached_property
    def index(self) -> VectorIndex:
        return open_vectors(self.folder)

    @cached_property
    def layout(self) -> Layout:
        return self.catalogue.layout()

    @cached_property
    def facts(self) -> Facts:
        return self.catalogue.facts()

    @cached_property
    def lexical(self) -> LexicalIndex:
        return LexicalIndex.open(self.folder / FOLDER, self.n_articles)

    @cached_property
    def terms(self) -> StagedTerms:
        return StagedTerms(self.folder)

    @cached_property
    def archive(self) -> Archive:
        means = np.load(self.folder / MEANS, mmap_mode="r", allow_pickle=False)
        return Archive(self.index, self.layout, self.lexical, self.facts, self.catalogue.precedents(self.facts), means)

    def queries(self, rows: Iterable[int]) -> list[Query]:
        """Some articles of the archive as queries."""
        return [
            Query(
                vectors=self.index.vectors(np.arange(self.layout.offsets[row], self.layout.offsets[row + 1])),
                terms=self.terms[row],
                published=int(self.facts.published[row]),
                section=int(self.facts.section[row]),
                length=float(self.facts.length[row]),
                row=row,
            )
            for row in rows
        ]

    @cached_property
    def sentences(self) -> Callable[[int], Sentences]:
        """Row of a chunk -> its sentences."""

        @lru_cache(CHUNKS_KEPT)
        def read(chunk_row: int) -> Sentences:
            start, text = self.catalogue.chunk(chunk_row)
            return read_sentences(text, start, self.catalogue.numbers, self.lexical.idf_of)

        return read


def all_neighbours(staged: Staged) -> Iterator[Neighbours]:
    """The nearest of every article, in order of rows."""
    for found in _everywhere(_neighbours, staged, ((rows,) for rows in _blocks(staged))):
        yield from found


def related_lists(staged: Staged, near: Sequence[Neighbours]) -> Iterator[tuple[int, Candidates]]:
    """Row and candidates of every article, in order of rows; means and hubness are written."""
    blocks = ((rows, near[rows.start : rows.stop]) for rows in _blocks(staged))
    for found in _everywhere(_lists, staged, blocks):
        yield from found


def hubness(near: Iterable[Neighbours]) -> Matrix:
    """Hubness of every article: float32 (n_articles, 2)."""
    return np.array([found.hubness for found in near], dtype=np.float32).reshape(-1, 2)


def _neighbours(staged: Staged, rows: Rows) -> list[Neighbours]:
    return neighbours(staged.queries(rows), staged.index, staged.layout, staged.lexical)


def _lists(staged: Staged, rows: Rows, near: Sequence[Neighbours]) -> list[tuple[int, Candidates]]:
    return [(row, _list(staged, row, found)) for row, found in zip(rows, near, strict=True)]


def _list(staged: Staged, row: int, near: Neighbours) -> Candidates:
    query = staged.queries([row])[0]
    best, compared = candidates(query, near, staged.archive)
    own_chunks = compared.query_chunk + staged.layout.offsets[row]
    for chunk in np.unique(own_chunks):
        places = np.flatnonzero(own_chunks == chunk)
        own, theirs = staged.sentences(int(chunk)), [staged.sentences(int(compared.target_chunk[place])) for place in places]
        for place, target, (mine, its) in zip(places, theirs, best_pairs(own, theirs), strict=True):
            best["query_passage"][place], best["target_passage"][place] = own.spans[mine], target.spans[its]
    best["terms"] = staged.lexical.shared_terms(query.terms, best["article"].astype(np.int64), N_TERMS)
    return best


def _blocks(staged: Staged) -> Iterator[Rows]:
    return (range(first, min(first + BLOCK, staged.n_articles)) for first in range(0, staged.n_articles, BLOCK))


def _everywhere(work: Callable[..., Found], staged: Staged, blocks: Iterator[tuple[object, ...]]) -> Iterator[Found]:
    """What some work makes of every block, in order."""
    n_processes = int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))
    if staged.n_articles < ENOUGH or n_processes < 2:
        fresh = Staged(staged.folder, staged.n_articles)  # the files may have changed since the last pass
        yield from (work(fresh, *block) for block in blocks)
        return
    context = multiprocessing.get_context("spawn")
    with _one_thread_each(), ProcessPoolExecutor(n_processes, context, _open, (staged.folder, staged.n_articles)) as processes:
        waiting = [processes.submit(_at_work, work, *block) for block in islice(blocks, 2 * n_processes)]
        while waiting:  # some blocks ahead, not all: they hold what the first pass found
            yield waiting.pop(0).result()
            waiting += [processes.submit(_at_work, work, *block) for block in islice(blocks, 1)]


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """For processes that are started inside: as many threads as there are processors, in each of them, would stand in each other's way."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_here: Staged


def _open(folder: Path, n_articles: int) -> None:
    """Begin a process of its own, which ends when its parent ends, however that comes."""
    global _here
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _here = Staged(folder, n_articles)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _at_work(work: Callable[..., Found], *block: object) -> Found:
    return work(_here, *block)
