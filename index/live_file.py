"""The file `live.db`: who writes it is the only one, who reads it waits for nobody."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from recommender.errors import InputError, StorageError
from recommender.live import LIVE_DB, SCHEMA, read_state

WAIT_S = 10.0
"""Seconds to wait for another process that writes."""

VERSION = 3
SECOND = """
ALTER TABLE state ADD COLUMN prepared INTEGER NOT NULL DEFAULT 0;
ALTER TABLE state ADD COLUMN journal TEXT;
ALTER TABLE state ADD COLUMN missed INTEGER NOT NULL DEFAULT 0;
CREATE TABLE IF NOT EXISTS mark (sequence INTEGER PRIMARY KEY, mark TEXT NOT NULL);
"""
"""What makes the first version of the file the second."""
THIRD = """
ALTER TABLE place ADD COLUMN score REAL;
CREATE TABLE IF NOT EXISTS computed (prepared INTEGER PRIMARY KEY, release TEXT NOT NULL, article INTEGER NOT NULL);
"""
"""What makes the second version the third."""


@contextmanager
def writing(index_dir: Path) -> Iterator[sqlite3.Connection]:
    """A transaction, the only one at a time; on the disk at its end."""
    try:
        with closing(sqlite3.connect(index_dir / LIVE_DB, timeout=WAIT_S, isolation_level=None)) as connection:
            connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;")
            connection.execute("BEGIN IMMEDIATE")
            try:
                _make(connection)
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        raise StorageError(
            f"{index_dir / LIVE_DB} cannot be written ({error}) - free space, or have the service's user own it; nothing was changed"
        ) from error
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # a constraint: a bug of ours
            raise
        raise StorageError(
            f"{index_dir / LIVE_DB} is damaged ({error}) - move it away, and put what it held since the last build again"
        ) from error


@contextmanager
def asking(index_dir: Path) -> Iterator[sqlite3.Connection | None]:
    """To read what was written; None: nothing ever was. Waits for nobody, and needs no permission to write."""
    path = index_dir / LIVE_DB
    if not path.exists():
        yield None
        return
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            yield connection
    except sqlite3.DatabaseError as error:
        raise StorageError(f"{path} cannot be read ({error}) - move it away, or have this user own it") from error


def next_sequence(connection: sqlite3.Connection) -> int:
    """The number of this change.

    Raises:
        InputError: Changes are numbered by a journal that this file is a copy of.
    """
    alone(connection)
    found: tuple[int] = connection.execute("UPDATE state SET sequence = sequence + 1 RETURNING sequence").fetchone()
    return found[0]


def alone(connection: sqlite3.Connection) -> None:
    """Go on only if changes are said here, and not in a journal that machines share.

    Raises:
        InputError: This file is a copy of one.
    """
    if read_state(connection).journal is not None:
        raise InputError(f"{LIVE_DB} is a copy of what machines share - give the address of that: READMORE_LIVE; nothing was changed")


def wipe_log(index_dir: Path) -> None:
    """Empty the log of the file, which holds what was wiped still."""
    with closing(sqlite3.connect(index_dir / LIVE_DB, timeout=WAIT_S)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _make(connection: sqlite3.Connection) -> None:
    """Make the tables, or bring them up to date."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version < VERSION:
        for statement in _statements((SCHEMA, SECOND + THIRD, THIRD)[version]):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
