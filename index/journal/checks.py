"""Verify that the journal and this machine's replica belong together and agree."""

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from index.journal.address import VARIABLE
from index.journal.events import Head
from index.live.database import asking
from recommender.errors import InputError, JournalUnavailable
from recommender.live.database import LIVE_DB, LiveState, read_state
from recommender.release.manifest import Manifest

if TYPE_CHECKING:
    from index.journal.journal import Journal
    from index.journal.transaction import JournalTransaction


def known(index_dir: Path) -> tuple[LiveState, str | None]:
    """Return the state of this machine's replica and the mark of the last change that it copied, if there is one."""
    with asking(index_dir) as connection:
        if connection is None:
            return LiveState(), None
        state = read_state(connection)
        if state.journal is None:
            return state, None
        found = connection.execute("SELECT mark FROM mark WHERE sequence = ?", (state.sequence,)).fetchone()
        return state, found and found[0]


def check_followed(index_dir: Path, journal: "Journal | None") -> None:
    """Verify that `live.db` matches the configuration: the replica of a journal, or independent.

    The check needs no answer of the journal. The journal learns whether its tables must already exist.

    Raises:
        InputError: A journal is given, but the file holds updates of this machine alone. Or none is given, but the file
            is a replica.
    """
    state, _ = known(index_dir)
    if journal is not None:
        journal.is_there = state.journal is not None
    if journal is not None and state.journal is None and _said_alone(index_dir):
        raise InputError(
            f"{index_dir / LIVE_DB} holds what was put and said on this machine alone - move it into what machines share: "
            f"readmore share --index {index_dir}"
        )
    if journal is None and state.journal is not None:
        raise InputError(
            f"{index_dir / LIVE_DB} is a copy of what machines share - give the address of that, {VARIABLE}; "
            "or, if this machine is to be alone from now on, move the file away"
        )


def check_same(index_dir: Path, head: Head, state: LiveState, mark: str | None) -> None:
    """Verify that a journal is the one that was replicated, and that it still holds the last replicated change.

    Raises:
        InputError: It is another journal, or it was restored to an older state.
    """
    if state.journal != head.name:
        raise InputError(f"{index_dir / LIVE_DB} is a copy of another journal - give the address of that one, or move the file away")
    if state.sequence > head.sequence or (state.sequence and state.sequence == head.sequence and mark != head.mark):
        raise put_back(index_dir, state.sequence)


def check_turn(index_dir: Path, turn: "JournalTransaction") -> None:
    """Verify before a write that the journal is the one that this machine replicates.

    Raises:
        JournalUnavailable: It is another journal, or it was restored to an older state.
    """
    state, mark = known(index_dir)
    if state.journal is not None and (state.journal != turn.journal or (state.sequence and turn.mark(state.sequence) != mark)):
        raise JournalUnavailable(f"the journal is not the one that {index_dir / LIVE_DB} is a copy of, or was put back - see /readyz")


def check_missed(index_dir: Path, serving: Manifest | None) -> None:
    """Verify that this machine holds all articles of the journal, in its replica or in its release.

    Args:
        serving: The manifest of the local release. None: there is no release.

    Raises:
        InputError: The journal purged articles that newer releases hold before this machine copied them.
    """
    state, _ = known(index_dir)
    folded = 0 if serving is None else serving.folded(state.counter)
    if state.missed > folded:
        raise InputError(
            f"articles up to change {state.missed} of the journal are in newer releases alone, and the release here holds them up to "
            f"{folded} - fetch the newest release with readmore pull, or copy it here"
        )


def put_back(index_dir: Path, sequence: int) -> InputError:
    """Return the error for a journal that lacks changes of its replica."""
    return InputError(
        f"{index_dir / LIVE_DB} knows change {sequence} of the journal, and the journal does not: it was put back to an older state - "
        "what it lacks comes back from that file: readmore share, see docs/shared.md"
    )


def _said_alone(index_dir: Path) -> bool:
    with asking(index_dir) as connection:
        if connection is None:
            return False
        began = read_state(connection).began  # changes from the creation of the file are not updates
        put = connection.execute("SELECT 1 FROM article WHERE sequence > ?", (began,)).fetchone() is not None
        return put or any(_holds(connection, table) for table in ("override_history", "judgement"))


def _holds(connection: sqlite3.Connection, table: str) -> bool:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
        return False
    return connection.execute(f"SELECT 1 FROM {table}").fetchone() is not None
