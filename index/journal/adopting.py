"""Move what was put and said on one machine alone into the journal that machines share; and what a journal lost, from a copy of it.

Of each article and each override only one word counts. What the journal says of it already stays, and is told; nothing is lost, for the
file of the machine is put aside, not removed. Done twice, it is done once.
"""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from index.journal.following import follow
from index.live import create
from index.live_file import wipe_log, writing
from index.live_rows import COLUMNS
from index.lock import build_lock
from recommender.errors import IndexUnusable, InputError
from recommender.live import LIVE_DB, read_state
from recommender.manifest import open_release

if TYPE_CHECKING:
    from index.journal.journal import Journal
    from index.journal.turn import Turn

MOVED = "moved"
"""What a file names as its journal when all of it was moved into one."""

ALL_OF_IT_S = 3600.0
"""Seconds in which all is moved; other machines write nothing meanwhile."""

ARTICLES = f"SELECT id, withdrawn, {', '.join(COLUMNS)} FROM article WHERE sequence > ? OR (withdrawn AND ?) ORDER BY sequence"
HISTORY = "SELECT article_id, at, action, key, body FROM override_history ORDER BY number"
JUDGED = "SELECT article_id, target_id, accepted, at, owner, key FROM judgement ORDER BY article_id, target_id"


@dataclass(slots=True)
class Adopted:
    """What was moved.

    Attributes:
        articles: Ids of articles that were put or withdrawn.
        overrides: Ids of articles of which something was said.
        judgements: How many lines were judged.
        kept: Ids of which the journal says something else, and goes on to.
        aside: Where the file of the machine lies now.
    """

    articles: list[str] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    judgements: int = 0
    kept: list[str] = field(default_factory=list)
    aside: Path = Path()


def adopt(index_dir: Path, journal: "Journal") -> Adopted:
    """Say in the journal what `live.db` says and the journal does not; from then on the file is a copy of it.

    Of a machine that was alone, what its release holds stays there. A copy whose last change the journal does not reach, since it was put
    back to an older state, knows better than the journal.

    Raises:
        InputError: The file is a copy of another journal.
        IndexBusy: A build is at work.
        JournalAway: It does not answer; nothing was moved, or all of it was, and this can be done again.
        StorageError: `live.db` cannot be written.
    """
    done = Adopted()
    with build_lock(index_dir), writing(index_dir) as connection:
        sequence, _, of = read_state(connection)
        if of != MOVED:
            with journal.turn(ALL_OF_IT_S) as turn:
                if of not in (None, turn.journal):
                    raise InputError(f"{index_dir / LIVE_DB} is a copy of another journal - give the address of that one")
                alone = of is None or sequence <= turn.sequence  # or others went on with a journal that lacks what this copy knows
                since = _folded(index_dir, of) if alone else turn.sequence
                if of is not None:
                    turn.raise_to(sequence, _numbered(connection))
                _move_articles(connection, turn, since, alone, done)
                _move_overrides(connection, turn, alone, done)
                _move_judgements(connection, turn, alone, done)
            connection.execute("UPDATE state SET journal = ?", (MOVED,))
    done.aside = _put_aside(index_dir)
    create(index_dir)
    follow(index_dir, journal)
    return done


def _numbered(connection: sqlite3.Connection) -> int:
    """The last number that an article got."""
    found: tuple[int] = connection.execute("SELECT coalesce(max(number), 0) FROM article").fetchone()
    return found[0]


def _folded(index_dir: Path, journal: str | None) -> int:
    """The last change that the release holds which serves."""
    try:
        return open_release(index_dir, quick=True).manifest.folded(journal)
    except IndexUnusable:
        return 0


def _move_articles(connection: sqlite3.Connection, turn: "Turn", since: int, alone: bool, done: Adopted) -> None:
    for article_id, withdrawn, *columns in connection.execute(ARTICLES, (since, alone)):
        said, there = None if withdrawn else tuple(columns), turn.find(article_id)
        if there is not None and there.columns == said:
            continue
        if there is not None and alone:
            done.kept.append(article_id)
            continue
        if said is None:
            turn.withdraw(article_id)
        else:
            turn.put(article_id, said)
        done.articles.append(article_id)


def _move_overrides(connection: sqlite3.Connection, turn: "Turn", alone: bool, done: Adopted) -> None:
    said: dict[str, list[tuple[str, str, str | None, str]]] = {}
    for article_id, *entry in connection.execute(HISTORY):
        said.setdefault(article_id, []).append(tuple(entry))
    for article_id, entries in said.items():
        there = turn.history(article_id)
        new = [entry for entry in entries if entry not in there]
        if new and there and alone:
            done.kept.append(article_id)
        elif new:
            for at, action, key, body in new:
                say = turn.take_back if action == "delete" else turn.say
                say(article_id, action, body, key, at)
            done.overrides.append(article_id)


def _move_judgements(connection: sqlite3.Connection, turn: "Turn", alone: bool, done: Adopted) -> None:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'judgement'").fetchone():
        return
    for article_id, target_id, accepted, at, owner, key in connection.execute(JUDGED):
        there = turn.judged(article_id, target_id)
        if there is None or (there < at and not alone):
            turn.judge(article_id, {target_id: bool(accepted)}, at, owner, key)
            done.judgements += 1


def _put_aside(index_dir: Path) -> Path:
    """Give the file another name."""
    wipe_log(index_dir)
    names = (f"{LIVE_DB}.alone{f'-{number}' if number > 1 else ''}" for number in range(1, 1000))
    aside = next(index_dir / name for name in names if not (index_dir / name).exists())
    (index_dir / LIVE_DB).rename(aside)
    for end in ("-wal", "-shm"):  # of a process that reads it still
        (index_dir / f"{LIVE_DB}{end}").unlink(missing_ok=True)
    return aside
