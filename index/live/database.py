"""Open the file `live.db`: a single writer at a time, and readers that never wait."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from index.live.creation import begin, bring_up_to_date, log_of, note_withdrawn
from recommender.errors import InputError, StorageError
from recommender.live.database import LIVE_DB, RESTORE, read_only_uri, read_state

JUDGEMENTS = """
CREATE TABLE IF NOT EXISTS judgement (
    article_id TEXT NOT NULL,    -- whose list it is
    target_id TEXT NOT NULL,     -- the line
    accepted INTEGER NOT NULL,
    at TEXT NOT NULL,            -- RFC 3339, UTC
    owner TEXT NOT NULL,
    key TEXT,                    -- first digits of the hash of the key it was said with
    PRIMARY KEY (article_id, target_id)
) WITHOUT ROWID
"""

WAIT_S = 10.0
"""Seconds to wait for another process that writes."""

WIPE_S = 2.0
"""Seconds to wait for readers before the log is emptied."""

HEADER, MAGIC = 100, b"SQLite format 3\0"
LOG_HEADER, FRAME_HEADER = 32, 24
"""Header sizes of the log and of its frames, in bytes: https://www.sqlite.org/fileformat2.html."""

LOOKS, BETWEEN_LOOKS_S = 2, 0.1
"""Number of times the length is checked, and seconds between: a checkpoint may end between the reads of the file and
the log.
"""


@contextmanager
def writing(index_dir: Path) -> Iterator[sqlite3.Connection]:
    """Open an exclusive write transaction, which is on the disk at its end."""
    path = index_dir / LIVE_DB
    try:
        begin(index_dir)
        damage = damage_of(path)
        if damage is not None:
            raise StorageError(f"{path} {damage} - {RESTORE}")
        with closing(sqlite3.connect(_uri(path), uri=True, timeout=WAIT_S, isolation_level=None)) as connection:
            connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;")
            connection.execute("BEGIN IMMEDIATE")
            try:
                bring_up_to_date(connection)
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        raise StorageError(f"{path} cannot be written ({error}) - {ROOM}; nothing was changed") from error
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # a violated constraint is a bug in Readmore
            raise
        raise StorageError(f"{path} is damaged ({error}) - {RESTORE}") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be written ({error.strerror or error}) - {ROOM}; nothing was changed") from error


ROOM = "free space, or have the service's user own it"


@contextmanager
def asking(index_dir: Path) -> Iterator[sqlite3.Connection | None]:
    """Open `live.db` for reading, or yield None if it was never written.

    It does not wait, and needs no write permission.
    """
    path = index_dir / LIVE_DB
    if not path.exists():
        yield None
        return
    try:
        with closing(sqlite3.connect(read_only_uri(path), uri=True)) as connection:
            yield connection
    except sqlite3.DatabaseError as error:
        raise StorageError(f"{path} cannot be read ({error}) - have this user own it, or, if it is damaged, {RESTORE}") from error


def damage_of(path: Path) -> str | None:
    """Return the damage that the first page and the length show, or None. A missing file counts as undamaged.

    The file may be shorter than its first page says if the log holds the rest. This happens during a checkpoint, or
    after the disk was full.

    Raises:
        OSError: The file cannot be read.
    """
    for look in range(LOOKS):
        if look:
            time.sleep(BETWEEN_LOOKS_S)
        try:
            header, length = _header_and_length(path)
        except FileNotFoundError:
            return None
        if not header:
            return "is empty: it was cut"
        if not header.startswith(MAGIC):
            return "is not a SQLite file"
        size, n_pages = int.from_bytes(header[16:18]), int.from_bytes(header[28:32])
        size = 65_536 if size == 1 else size
        missing = set(range(length // size + 1, n_pages + 1))
        if not missing or missing <= _pages_in_log(path, size):
            return None
    return f"has {length} bytes, and {size * n_pages} by its first page: it was cut"


def _pages_in_log(path: Path, size: int) -> set[int]:
    """Return the numbers of the pages in the log, including pages that the file holds too."""
    pages = set[int]()
    with suppress(FileNotFoundError), log_of(path).open("rb") as log:
        salt = log.read(LOG_HEADER)[16:24]
        while len(frame := log.read(FRAME_HEADER)) == FRAME_HEADER and frame[8:16] == salt:
            pages.add(int.from_bytes(frame[:4]))
            log.seek(size, os.SEEK_CUR)
    return pages


_opened: dict[Path, tuple[int, int]] = {}
"""Path of a file -> its inode, and a descriptor that stays open."""
_opening = threading.Lock()


def _header_and_length(path: Path) -> tuple[bytes, int]:
    """Return the first bytes of a file and its length.

    The descriptor stays open until another file has replaced this one. To close it would drop the locks that SQLite's connections of
    this process hold on the file (POSIX, `fcntl`), and their readers and writers would no longer see each other.

    Raises:
        OSError: The file cannot be read.
    """
    with _opening:
        inode, descriptor = _opened.get(path, (0, -1))
        now = path.stat().st_ino
        if inode != now:
            _opened[path] = now, os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            if descriptor >= 0:
                os.close(descriptor)
        descriptor = _opened[path][1]
        return os.pread(descriptor, HEADER, 0), os.fstat(descriptor).st_size


def next_sequence(connection: sqlite3.Connection, folded: int = 0) -> int:
    """Return the number of the next change.

    Args:
        folded: The last change that a release of this file holds. After an older backup was restored, it exceeds the
            number in the file, and a change below it would not count.

    Raises:
        InputError: This file is a replica: the journal numbers its changes.
    """
    alone(connection)
    sql = "UPDATE state SET sequence = max(sequence, ?) + 1 RETURNING sequence"
    found: tuple[int] = connection.execute(sql, (folded,)).fetchone()
    return found[0]


def alone(connection: sqlite3.Connection) -> None:
    """Verify that updates are written to this file, and not to a shared journal.

    Raises:
        InputError: This file is a replica of a journal.
    """
    if read_state(connection).journal is not None:
        raise InputError(f"{LIVE_DB} is a copy of what machines share - give the address of that: READMORE_LIVE; nothing was changed")


def wipe(index_dir: Path) -> str | None:
    """Empty the file's log, which still holds deleted text, and update the list of deleted ids if necessary.

    Returns:
        Why it failed, or None if it succeeded. The next delete, build or start tries again, and a service once a
            second.
    """
    path, unwiped = index_dir / LIVE_DB, 0
    with suppress(StorageError), asking(index_dir) as connection:
        unwiped = 0 if connection is None else read_state(connection).unwiped
    if not unwiped:
        return None
    try:
        with writing(index_dir) as connection:
            if read_state(connection).journal is None:  # a journal knows the deletes
                note_withdrawn(index_dir, connection)
        empty_log(index_dir)
        with writing(index_dir) as connection:
            connection.execute("UPDATE state SET unwiped = 0 WHERE unwiped = ?", (unwiped,))
    except StorageError as error:
        return f"the text of articles that were withdrawn is still in {path} or its log, though in no list: {error}"
    return None


def empty_log(index_dir: Path) -> None:
    """Checkpoint: move the log's content into the file.

    Raises:
        StorageError: The disk is full, or a process is reading an older state.
    """
    path = index_dir / LIVE_DB
    try:
        with closing(sqlite3.connect(_uri(path), uri=True, timeout=WIPE_S)) as connection:
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.DatabaseError as error:
        raise StorageError(f"{path} cannot be written ({error}) - {ROOM}") from error
    if busy:
        raise StorageError(f"{path} is being read - wait for the reader to end")


def _uri(path: Path) -> str:
    return f"file:{quote(str(path.resolve()))}?mode=rw"
