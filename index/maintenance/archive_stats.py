"""Measure the links of an archive: orphans, hubs, stale and empty lists, and near-duplicates.

The statistics cover the lists as a release stores them, cut to the length that a page shows. They ignore overrides and
live updates. Reading a million lists takes minutes. So `measured_apart` reads them in a separate process of the lowest
priority, which does not slow down the service.
"""

import multiprocessing
import os
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender.errors import IndexDamaged
from recommender.features.feature_schema import UNDATED
from recommender.features.ranker import DECIMALS, Ranker
from recommender.release.catalogue import Catalogue, immutable_uri
from recommender.release.manifest import CATALOGUE, holding
from recommender.types import DEFAULT_LIMIT, Rows

LENGTH = DEFAULT_LIMIT
"""Lines of a list that a page shows."""

NICE = 19

BROKEN = """
SELECT article, count(*) AS named, (SELECT count(*) FROM read_more WHERE read_more.article = named.article) AS found
FROM named GROUP BY article HAVING named > found
"""


@dataclass(frozen=True, slots=True)
class ArchiveHealth:
    """Statistics of a release, with one entry per article. Methods return the rows that need most care first.

    Attributes:
        n_lines: uint8 (n_articles,), length of the article's list.
        n_lists: int32 (n_articles,), number of lists that show the article.
        newest: int64 (n_articles,), publication time of the newest line of its list, in seconds since 1970. UNDATED if
            no line has a date.
        published: int64 (n_articles,), publication time of the article.
        canonical: int32 (n_articles,), row of the article that represents it in lists. It is its own row, unless it is
            a near-duplicate.
        broken: int64 (n, 3), hand-made lists with unresolved entries: row, number of entries, and number of resolved
            entries.
    """

    n_lines: NDArray[np.uint8]
    n_lists: NDArray[np.int32]
    newest: NDArray[np.int64]
    published: NDArray[np.int64]
    canonical: NDArray[np.int32]
    broken: Rows

    @property
    def orphans(self) -> Rows:
        """Return the rows of articles that are in no list although they may be, newest first."""
        return self._newest_first((self.n_lists == 0) & (self.canonical == np.arange(len(self.canonical))))

    @property
    def hubs(self) -> Rows:
        """Return the rows of articles that are in lists, those in most lists first."""
        order = np.argsort(-self.n_lists.astype(np.int64), kind="stable")
        return order[: int(np.count_nonzero(self.n_lists))]

    @property
    def empty(self) -> Rows:
        """Return the rows of articles with empty lists, newest first."""
        return self._newest_first(self.n_lines == 0)

    def stale(self, before: datetime) -> Rows:
        """Return the rows of articles whose lines were all published up to some moment, newest first."""
        return self._newest_first((self.n_lines > 0) & (self.newest != UNDATED) & (self.newest < before.timestamp()))

    @property
    def doubled(self) -> tuple[Rows, Rows]:
        """Return the rows of articles that represent near-duplicates, and the number of these, highest number first."""
        copies = np.bincount(self.canonical[self.canonical != np.arange(len(self.canonical))], minlength=len(self.canonical))
        order = np.argsort(-copies, kind="stable")[: int(np.count_nonzero(copies))]
        return order, copies[order]

    def _newest_first(self, chosen: NDArray[np.bool_]) -> Rows:
        rows = np.flatnonzero(chosen)
        return rows[np.argsort(-self.published[rows].astype(np.float64), kind="stable")]


def measured(folder: Path, ranker: Ranker) -> ArchiveHealth:
    """Read all lists of a release, and compute its statistics.

    Args:
        folder: Folder of the release.
        ranker: The weights in force.

    Raises:
        IndexDamaged: A list cannot be read.
    """
    with holding(folder), closing(Catalogue(folder / CATALOGUE)) as catalogue:
        facts = catalogue.facts()
        n = len(facts.published)
        n_lines, n_lists, newest = np.zeros(n, np.uint8), np.zeros(n, np.int32), np.full(n, UNDATED)
        now = int(time.time())
        for row in range(n):
            found = catalogue.candidates(row)
            found = found[found["published"] <= now]
            confidence = ranker.confidence(ranker.scores(found["features"])).round(DECIMALS)
            best = np.lexsort((found["tie"], -confidence))[:LENGTH]
            n_lines[row] = len(best)
            n_lists[found["article"][best]] += 1
            newest[row] = found["published"][best].max(initial=UNDATED)
        published, canonical = facts.published.copy(), facts.canonical.copy()  # copies outlive the release's files
    with closing(sqlite3.connect(immutable_uri(folder / CATALOGUE), uri=True)) as connection:
        broken = np.array(connection.execute(BROKEN).fetchall(), dtype=np.int64).reshape(-1, 3)
    return ArchiveHealth(n_lines, n_lists, newest, published, canonical, broken)


def measured_apart(folder: Path, ranker: Ranker) -> ArchiveHealth:
    """Run `measured` in a separate process, which ends with this one.

    Raises:
        IndexDamaged: The process did not finish.
    """
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sending, folder, ranker), daemon=True)
    process.start()
    sending.close()
    try:
        found: ArchiveHealth = receiving.recv()
    except EOFError:
        raise IndexDamaged(f"the lists of {folder} could not be counted - see the log, and readmore verify") from None
    finally:
        receiving.close()
        process.join()
    return found


def _measure(sending: Connection, folder: Path, ranker: Ranker) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service stops this process itself
    os.nice(NICE)
    with sending:
        sending.send(measured(folder, ranker))
