"""Move the updates of one machine into the shared journal, and restore lost changes of a journal from a replica.

Each article and each override has one current value. If the journal already has a value, that value wins and is
reported. Nothing is lost, because the machine's file is renamed, not removed. The operation is idempotent.
"""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from index.journal.replication import follow
from index.live.database import empty_log, writing
from index.live.rows import COLUMNS
from index.live.upserts import create
from index.storage.build_lock import build_lock
from recommender.errors import InputError
from recommender.live.database import LIVE_DB, read_state
from recommender.live.withdrawn import WITHDRAWN
from recommender.release.manifest import kept_manifests

if TYPE_CHECKING:
    from index.journal.journal import Journal
    from index.journal.transaction import JournalTransaction

MOVED = "moved"
"""Journal name in a file whose updates were all moved into a journal."""

ALL_OF_IT_S = 3600.0
"""Seconds allowed for the whole move. Other machines cannot write meanwhile."""

ARTICLES = f"SELECT id, withdrawn, {', '.join(COLUMNS)} FROM article WHERE sequence > ? OR (withdrawn AND ?) ORDER BY sequence"
HISTORY = "SELECT article_id, at, action, key, body FROM override_history ORDER BY number"
JUDGED = "SELECT article_id, target_id, accepted, at, owner, key FROM judgement ORDER BY article_id, target_id"


@dataclass(slots=True)
class Adopted:
    """The result of a move.

    Attributes:
        articles: Ids of articles that were upserted or deleted.
        overrides: Ids of articles whose overrides were moved.
        judgements: Number of judged lines.
        kept: Ids for which the journal has another value and keeps it.
        aside: New path of the machine's file.
    """

    articles: list[str] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    judgements: int = 0
    kept: list[str] = field(default_factory=list)
    aside: Path = Path()


def adopt(index_dir: Path, journal: "Journal") -> Adopted:
    """Move every change of `live.db` that the journal lacks into the journal. Afterwards the file is a replica.

    Changes that all kept releases of an independent machine hold are not moved. A replica restores what the journal
    lost: all changes after the last common change, which their marks identify. Newer values of other machines stay.

    Raises:
        InputError: The file is a replica of another journal.
        IndexBusy: A build is running.
        JournalUnavailable: The journal does not answer. Nothing was moved, or everything was. The move can be repeated.
        StorageError: `live.db` cannot be written.
    """
    done = Adopted()
    with build_lock(index_dir), writing(index_dir) as connection:
        state = read_state(connection)
        of = state.journal
        if of != MOVED:
            with journal.turn(ALL_OF_IT_S) as turn:
                if of not in (None, turn.journal):
                    raise InputError(f"{index_dir / LIVE_DB} is a copy of another journal - give the address of that one")
                common = 0 if of is None else _common(connection, turn)
                since = max(common, _folded(index_dir, state.counter))
                if of is not None:
                    turn.raise_to(state.sequence, _numbered(connection))
                _move_articles(connection, turn, since, common, done)
                _move_overrides(connection, turn, common, done)
                _move_judgements(connection, turn, done)
            connection.execute("UPDATE state SET journal = ?", (MOVED,))
    done.aside = _put_aside(index_dir)
    (index_dir / WITHDRAWN).unlink(missing_ok=True)  # the journal holds the deletes
    create(index_dir)
    follow(index_dir, journal)
    return done


def _numbered(connection: sqlite3.Connection) -> int:
    """Return the highest article number."""
    found: tuple[int] = connection.execute("SELECT coalesce(max(number), 0) FROM article").fetchone()
    return found[0]


def _common(connection: sqlite3.Connection, turn: "JournalTransaction") -> int:
    """Return the number of the last common change of the journal and its replica, or 0 if there is none or it is
    unknown.
    """
    here = dict(connection.execute("SELECT sequence, mark FROM mark").fetchall())
    there = turn.marks(min(here, default=0))
    return max((sequence for sequence, mark in there.items() if here.get(sequence) == mark), default=0)


def _folded(index_dir: Path, counter: str) -> int:
    """Return the last change that all kept releases hold. Each of them may serve."""
    return min((manifest.folded(counter) for manifest in kept_manifests(index_dir)), default=0)


def _move_articles(connection: sqlite3.Connection, turn: "JournalTransaction", since: int, common: int, done: Adopted) -> None:
    for article_id, withdrawn, *columns in connection.execute(ARTICLES, (since, not common)):
        said, there = None if withdrawn else tuple(columns), turn.find(article_id)
        if there is not None and there.columns == said:
            continue
        if there is not None and there.sequence > common:
            done.kept.append(article_id)
            continue
        if said is None:
            turn.withdraw(article_id)
        else:
            turn.put(article_id, said)
        done.articles.append(article_id)


def _move_overrides(connection: sqlite3.Connection, turn: "JournalTransaction", common: int, done: Adopted) -> None:
    said: dict[str, list[tuple[str, str, str | None, str]]] = {}
    for article_id, *entry in connection.execute(HISTORY):
        said.setdefault(article_id, []).append(tuple(entry))
    for article_id, entries in said.items():
        there = turn.history(article_id)
        new = [entry for entry in entries if entry not in there]
        if new and (turn.said_at(article_id) or 0) > common:
            done.kept.append(article_id)
        elif new:
            for at, action, key, body in new:
                say = turn.take_back if action == "delete" else turn.say
                say(article_id, action, body, key, at)
            done.overrides.append(article_id)


def _move_judgements(connection: sqlite3.Connection, turn: "JournalTransaction", done: Adopted) -> None:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'judgement'").fetchone():
        return
    for article_id, target_id, accepted, at, owner, key in connection.execute(JUDGED):
        there = turn.judged(article_id, target_id)
        if there is None or there < at:
            turn.judge(article_id, {target_id: bool(accepted)}, at, owner, key)
            done.judgements += 1


def _put_aside(index_dir: Path) -> Path:
    """Rename the file."""
    empty_log(index_dir)
    names = (f"{LIVE_DB}.alone{f'-{number}' if number > 1 else ''}" for number in range(1, 1000))
    aside = next(index_dir / name for name in names if not (index_dir / name).exists())
    (index_dir / LIVE_DB).rename(aside)
    for end in ("-wal", "-shm"):  # files of a process that still reads it
        (index_dir / f"{LIVE_DB}{end}").unlink(missing_ok=True)
    return aside
