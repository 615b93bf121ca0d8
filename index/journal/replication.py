"""Replicate the journal's changes to this machine's `live.db`, and compute the lists that change.

The journal holds no lists. Lists depend on the release, and machines may serve different releases. Each change is one
transaction, as if the update had been made here. So machines of one release compute identical lists, bit by bit. After
an absence, a machine copies the rows of many changes first, so that deletes count at once. `index.live.upserts.prepare`
computes the lists later.
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
from recommender.types import LISTED_COLUMNS, LIVE

if TYPE_CHECKING:
    from index.journal.journal import Journal

ONE_BY_ONE = 32
"""Maximum number of changes that are each applied in one transaction with their lists."""

REMEMBERED = 100_000
"""Number of changes whose marks are kept, to find the last common change with a restored journal."""

log = logging.getLogger(__name__)


def follow(index_dir: Path, journal: "Journal", recommender: Recommender | None = None) -> int:
    """Copy the changes that this machine lacks.

    Args:
        recommender: The recommender of the local release. None: `index.live.upserts.prepare` computes the lists later.

    Returns:
        The number of copied changes.

    Raises:
        JournalUnavailable: The journal does not answer.
        InputError: `live.db` follows another journal, or none.
        StorageError: `live.db` cannot be written.
    """
    check_followed(index_dir, journal)
    if known(index_dir)[0].journal is None:
        _begin(index_dir, journal.head())
    state, mark = known(index_dir)  # read before the journal is asked: another process might copy more in between
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
    """Follow the journal after a write, so that this machine shows it. After a failure the machine follows later."""
    try:
        follow(index_dir, journal, recommender)
    except ReadmoreError as error:
        log.warning("said, and not shown here yet: %s", error)


def purge_journal(journal: "Journal", kept: Sequence[Manifest]) -> None:
    """Remove the articles that all kept releases hold. If the journal is unavailable, the next build removes them."""
    try:
        name = journal.head().name
        journal.purge(min((manifest.folded(name) for manifest in kept), default=0))
    except JournalUnavailable as error:
        log.warning("what is in the release was not removed from the journal, the next build will: %s", error)


def _forget_withdrawals(index_dir: Path, journal: "Journal", purged: int) -> None:
    """Remove the tombstones of articles that were upserted again and are in a release by now.

    The journal has purged the rows of these articles.
    """
    withdrawn = journal.withdrawn()
    with writing(index_dir) as connection:
        for number, article_id in connection.execute("SELECT number, id FROM article WHERE withdrawn").fetchall():
            if article_id not in withdrawn:
                connection.execute("DELETE FROM article WHERE number = ?", (number,))
        connection.execute("UPDATE state SET missed = ?, prepared = prepared + 1", (purged,))


def _begin(index_dir: Path, head: Head) -> None:
    """Become the replica of a journal, with no changes copied yet."""
    with writing(index_dir) as connection:
        # The number may come from a release that was pulled before the journal existed here. There were no updates.
        connection.execute("UPDATE state SET journal = ?, sequence = 0 WHERE journal IS NULL", (head.name,))


def _copy(index_dir: Path, changes: list[JournalEvent], marks: Mapping[int, str], until: int, recommender: Recommender | None) -> int:
    """Copy some changes in one transaction. Skip changes that another process of this machine has copied meanwhile."""
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
    number = stored[0] if stored else row["number"]  # the journal may have purged the article and numbered it again since
    if row["withdrawn"]:
        write_withdrawal(connection, number, row["id"], change.number)
        return
    write_article(connection, number, row["id"], change.number, [row[name] for name in COLUMNS])
    if recommender is None or change.number <= recommender.release.manifest.folded(read_state(connection).counter):
        return
    model = recommender.release.manifest.model
    if row["model"] == model.sha256:  # otherwise `index.live.upserts.prepare` embeds it
        article = read_article([row[name] for name in LISTED_COLUMNS])
        chunks, vectors = read_chunks(article, row["chunks"], row["vectors"], model.dim)
        try:
            with recommender.live.reading() as view:  # the view before this change
                lists = live_lists(recommender.texts, view, article, chunks, vectors, LIVE + number)
        except (ModelError, VectorsUnavailable) as error:
            log.error("article %d of the journal is in no list yet: %s", number, error)
        except Exception:  # one broken article must not block the updates of others
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
"""Table of the journal -> function that copies one of its rows."""
