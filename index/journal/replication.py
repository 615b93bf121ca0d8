"""Copy what was said in a journal to this machine's `live.db`, and compute the lists that it changes here.

The journal holds no lists: they follow from the release, which may not be the same on all machines. Each change is one transaction, as if
it had been put here; so machines of one release come to the same lists, bit by bit. Of many at once (a machine that was away) the rows are
copied first, so that withdrawals count at once, and the lists are left to `index.live.upserts.prepare`.
"""

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from index.journal.checks import check_followed, check_same, known, put_back
from index.journal.events import Head, JournalEvent
from index.live.database import JUDGEMENTS, wipe, writing
from index.live.live_lists import live_lists
from index.live.rows import COLUMNS, read_chunks, write_article, write_lists, write_withdrawal
from recommender import Recommender
from recommender.errors import JournalUnavailable, ModelError, ReadmoreError, VectorsUnavailable
from recommender.live.database import read_article, read_state
from recommender.release.manifest import Manifest
from recommender.types import LIVE

if TYPE_CHECKING:
    from index.journal.journal import Journal

ONE_BY_ONE = 32
"""Changes up to which each is a transaction of its own, with its lists."""

REMEMBERED = 100_000
"""Changes whose marks are kept, to find out up to where a journal that was put back is the same."""

log = logging.getLogger(__name__)


def follow(index_dir: Path, journal: "Journal", recommender: Recommender | None = None) -> int:
    """Copy what this machine does not know yet.

    Args:
        recommender: Of the release that serves here; None: lists are left to `index.live.upserts.prepare`.

    Returns:
        How many changes were copied.

    Raises:
        JournalUnavailable: It does not answer.
        InputError: `live.db` is of another journal, or of none.
        StorageError: `live.db` cannot be written.
    """
    check_followed(index_dir, journal)
    if known(index_dir)[0].journal is None:
        _begin(index_dir, journal.head())
    state, mark = known(index_dir)  # before the journal is asked, or another process might have copied more meanwhile than it told us
    head, copied = journal.head(), 0
    check_same(index_dir, head, state, mark)
    since = state.sequence
    if since < head.purged:
        _forget_withdrawals(index_dir, journal, head.purged)
    while since < head.sequence:
        found = journal.changes(since)
        if since and found.marks.get(since) != mark:
            raise put_back(index_dir, since)
        by_number = [list(of) for _, of in groupby(found.rows, key=lambda change: change.number)]
        one_by_one = len(by_number) <= ONE_BY_ONE
        for group in by_number if one_by_one else [found.rows]:
            copied += _copy(index_dir, group, found.marks, group[-1].number, recommender if one_by_one else None)
        since, mark = found.until, found.marks[found.until]
        _copy(index_dir, [], found.marks, since, None)
    return copied


def follow_at_once(index_dir: Path, journal: "Journal", recommender: Recommender | None = None) -> None:
    """Follow after something was said, so that this machine shows it; if it cannot, nothing is lost, and it follows later."""
    try:
        follow(index_dir, journal, recommender)
    except ReadmoreError as error:
        log.warning("said, and not shown here yet: %s", error)


def purge_journal(journal: "Journal", kept: Sequence[Manifest]) -> None:
    """Remove what all releases hold that a build keeps; if the journal is away, the next build does."""
    try:
        name = journal.head().name
        journal.purge(min((manifest.folded(name) for manifest in kept), default=0))
    except JournalUnavailable as error:
        log.warning("what is in the release was not removed from the journal, the next build will: %s", error)


def _forget_withdrawals(index_dir: Path, journal: "Journal", purged: int) -> None:
    """Forget that articles were withdrawn which were put again, and are in a release by now: of these the journal has no row any more."""
    withdrawn = journal.withdrawn()
    with writing(index_dir) as connection:
        for number, article_id in connection.execute("SELECT number, id FROM article WHERE withdrawn").fetchall():
            if article_id not in withdrawn:
                connection.execute("DELETE FROM article WHERE number = ?", (number,))
        connection.execute("UPDATE state SET missed = ?, prepared = prepared + 1", (purged,))


def _begin(index_dir: Path, head: Head) -> None:
    """Be a copy of a journal from now on, of which nothing is known yet."""
    with writing(index_dir) as connection:
        # The number may be that of a release which was pulled before there was a journal here; nothing was said.
        connection.execute("UPDATE state SET journal = ?, sequence = 0 WHERE journal IS NULL", (head.name,))


def _copy(index_dir: Path, changes: list[JournalEvent], marks: Mapping[int, str], until: int, recommender: Recommender | None) -> int:
    """Copy some changes, in one transaction; those that another process of this machine copied meanwhile are passed over."""
    with writing(index_dir) as connection:
        so_far = read_state(connection).sequence
        new = [change for change in changes if change.number > so_far]
        for change in new:
            WRITERS[change.table](connection, change, recommender)
        copied = [(number, mark) for number, mark in marks.items() if so_far < number <= until]
        connection.executemany("INSERT OR REPLACE INTO mark VALUES (?, ?)", copied)
        connection.execute("DELETE FROM mark WHERE sequence < ?", (until - REMEMBERED,))
        connection.execute("UPDATE state SET sequence = max(sequence, ?)", (until,))
    if any(change.row.get("withdrawn") for change in new):
        left = wipe(index_dir)
        if left is not None:
            log.warning("%s", left)
    return len(new)


def _write_article(connection: sqlite3.Connection, change: JournalEvent, recommender: Recommender | None) -> None:
    row = change.row
    stored = connection.execute("SELECT number FROM article WHERE id = ?", (row["id"],)).fetchone()
    number = stored[0] if stored else row["number"]  # the journal may have forgotten the article, and given it another since
    if row["withdrawn"]:
        write_withdrawal(connection, number, row["id"], change.number)
        return
    write_article(connection, number, row["id"], change.number, [row[name] for name in COLUMNS])
    if recommender is None or change.number <= recommender.release.manifest.folded(read_state(connection).counter):
        return
    model = recommender.release.manifest.model
    if row["model"] == model.sha256:  # else `index.live.upserts.prepare` embeds it
        article = read_article([row[name] for name in ("id", "title", "text", "url", "published", "section", "lang", "names")])
        chunks, vectors = read_chunks(article, row["chunks"], row["vectors"], model.dim)
        try:
            with recommender.live.reading() as view:  # of the moment before this change
                lists = live_lists(recommender.texts, view, article, chunks, vectors, LIVE + number)
        except (ModelError, VectorsUnavailable) as error:
            log.error("article %d of the journal is in no list yet: %s", number, error)
        except Exception:  # nothing that is said of one article may keep this machine from what is said of others
            log.exception("article %d of the journal is in no list yet", number)
        else:
            write_lists(connection, recommender.release.name, number, lists)


def _write_override(connection: sqlite3.Connection, change: JournalEvent, recommender: Recommender | None) -> None:
    row = change.row
    if row["body"] is None:
        connection.execute("DELETE FROM override WHERE article_id = ?", (row["article_id"],))
    else:
        connection.execute("INSERT OR REPLACE INTO override VALUES (?, ?, ?)", (row["article_id"], row["body"], change.number))


def _write_history(connection: sqlite3.Connection, change: JournalEvent, recommender: Recommender | None) -> None:
    columns = ("at", "article_id", "action", "key", "body")
    sql = f"INSERT INTO override_history ({', '.join(columns)}) VALUES (?, ?, ?, ?, ?)"
    connection.execute(sql, [change.row[name] for name in columns])


def _write_judgement(connection: sqlite3.Connection, change: JournalEvent, recommender: Recommender | None) -> None:
    columns = ("article_id", "target_id", "accepted", "at", "owner", "key")
    values = [change.row[name] for name in columns]
    connection.execute(JUDGEMENTS)
    connection.execute("DELETE FROM judgement WHERE article_id = ? AND target_id = ?", values[:2])
    if change.row["accepted"] is not None:
        connection.execute("INSERT INTO judgement VALUES (?, ?, ?, ?, ?, ?)", values)


WRITERS = {"article": _write_article, "override": _write_override, "override_history": _write_history, "judgement": _write_judgement}
"""Table of the journal -> what copies a row of it."""
