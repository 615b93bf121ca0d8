"""How an archive is linked: who stands in nobody's list, who in most, which lists are old or empty, which articles are nearly the same.

Of the lists as a release stores them, cut to what a page shows; overrides and what was put since the build are not looked at. Reading a
million lists takes minutes, so `measured_apart` does it in a process of its own, of the lowest priority: whoever answers meanwhile does
not notice.
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
from recommender.types import Rows

LENGTH = 5
"""Lines of a list that a page shows."""

NICE = 19

BROKEN = """
SELECT article, count(*) AS named, (SELECT count(*) FROM read_more WHERE read_more.article = named.article) AS found
FROM named GROUP BY article HAVING named > found
"""


@dataclass(frozen=True, slots=True)
class ArchiveHealth:
    """What is counted of a release, an entry for every article; rows come out those first that need care most.

    Attributes:
        n_lines: uint8 (n_articles,), length of its list.
        n_lists: int32 (n_articles,), lists that show it.
        newest: int64 (n_articles,), when the newest line of its list was published, in seconds since 1970; UNDATED if none has a date.
        published: int64 (n_articles,), when it was itself.
        canonical: int32 (n_articles,), row of the article that stands for it in lists; its own, unless it is a near-duplicate.
        broken: int64 (n, 3), of hand-made lists that name what is not in the archive: row, entries, and entries that were found.
    """

    n_lines: NDArray[np.uint8]
    n_lists: NDArray[np.int32]
    newest: NDArray[np.int64]
    published: NDArray[np.int64]
    canonical: NDArray[np.int32]
    broken: Rows

    @property
    def orphans(self) -> Rows:
        """Rows of articles that are in nobody's list, though they may be; newest first."""
        return self._newest_first((self.n_lists == 0) & (self.canonical == np.arange(len(self.canonical))))

    @property
    def hubs(self) -> Rows:
        """Rows of articles that are in lists, those in most lists first."""
        order = np.argsort(-self.n_lists.astype(np.int64), kind="stable")
        return order[: int(np.count_nonzero(self.n_lists))]

    @property
    def empty(self) -> Rows:
        """Rows of articles without a line; newest first."""
        return self._newest_first(self.n_lines == 0)

    def stale(self, before: datetime) -> Rows:
        """Rows of articles of whose lines none was published after some moment; newest first."""
        return self._newest_first((self.n_lines > 0) & (self.newest != UNDATED) & (self.newest < before.timestamp()))

    @property
    def doubled(self) -> tuple[Rows, Rows]:
        """Rows of articles that stand for near-duplicates, and for how many: those for most first."""
        copies = np.bincount(self.canonical[self.canonical != np.arange(len(self.canonical))], minlength=len(self.canonical))
        order = np.argsort(-copies, kind="stable")[: int(np.count_nonzero(copies))]
        return order, copies[order]

    def _newest_first(self, chosen: NDArray[np.bool_]) -> Rows:
        rows = np.flatnonzero(chosen)
        return rows[np.argsort(-self.published[rows].astype(np.float64), kind="stable")]


def measured(folder: Path, ranker: Ranker) -> ArchiveHealth:
    """Read all lists of a release.

    Args:
        folder: Of the release.
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
        published, canonical = facts.published.copy(), facts.canonical.copy()  # they outlive the release's files
    with closing(sqlite3.connect(immutable_uri(folder / CATALOGUE), uri=True)) as connection:
        broken = np.array(connection.execute(BROKEN).fetchall(), dtype=np.int64).reshape(-1, 3)
    return ArchiveHealth(n_lines, n_lists, newest, published, canonical, broken)


def measured_apart(folder: Path, ranker: Ranker) -> ArchiveHealth:
    """`measured`, in a process of its own, which ends when this one does.

    Raises:
        IndexDamaged: It did not come to its end.
    """
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sending, folder, ranker), daemon=True)
    process.start()
    sending.close()
    try:
        found: ArchiveHealth = receiving.recv()
    except EOFError:
        raise IndexDamaged(f"the lists of {folder} could not be counted - see the log, and scripts/verify_index.py") from None
    finally:
        receiving.close()
        process.join()
    return found


def _measure(sending: Connection, folder: Path, ranker: Ranker) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service is stopped, and stops this
    os.nice(NICE)
    with sending:
        sending.send(measured(folder, ranker))
