"""Create `live.db`: complete when it appears, numbered on from the releases, with all known deletes.

If the file is lost, the deletes that it knew are in the releases (`recommender.live.withdrawn`) and in the list beside
CURRENT, which every delete rewrites. The list also proves that updates were made here. Without the list, a missing
`live.db` was never needed.
"""

import fcntl
import json
import logging
import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from index.storage.atomic import replace_file, sync
from index.storage.permissions import keep_private
from recommender.errors import IndexDamaged
from recommender.live.database import LIVE_DB, SCHEMA, LiveState
from recommender.live.withdrawn import WITHDRAWN, list_of_ids, read_ids, read_withdrawn
from recommender.release.manifest import Manifest, current_folder, kept_manifests
from recommender.types import FIELD, rfc3339

VERSION = 3
UPGRADES = {
    1: """
    ALTER TABLE state ADD COLUMN prepared INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE state ADD COLUMN journal TEXT;
    ALTER TABLE state ADD COLUMN missed INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE IF NOT EXISTS mark (sequence INTEGER PRIMARY KEY, mark TEXT NOT NULL);
    """,
    2: """
    ALTER TABLE state ADD COLUMN name TEXT NOT NULL DEFAULT '';
    ALTER TABLE state ADD COLUMN began INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE state ADD COLUMN lost TEXT;
    ALTER TABLE state ADD COLUMN unwiped INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE place ADD COLUMN score REAL;
    CREATE TABLE IF NOT EXISTS computed (prepared INTEGER PRIMARY KEY, release TEXT NOT NULL, article INTEGER NOT NULL);
    """,
}
"""Version of the file -> statements that migrate it to the next version."""

BEGIN = "UPDATE state SET sequence = :sequence, began = :sequence, lost = :lost"
SEED = "INSERT INTO article (id, sequence, withdrawn) VALUES (?, ?, 1)"

log = logging.getLogger(__name__)


def begin(index_dir: Path) -> None:
    """Create `live.db` if it is missing.

    Raises:
        OSError: The folder cannot be written.
        sqlite3.OperationalError: The disk is full.
    """
    path = index_dir / LIVE_DB
    if is_there(path):
        return
    with _alone(index_dir):
        if is_there(path):
            return
        lost = was_needed(index_dir, kept := kept_manifests(index_dir))
        _put_log_aside(path)
        draft = path.with_name(f".{path.name}")
        for leftover in index_dir.glob(f"{draft.name}*"):
            leftover.unlink()
        draft.touch(mode=0o600)
        keep_private(draft, index_dir)
        try:
            _write(draft, index_dir, kept, lost)
            sync(draft)
            draft.rename(path)
        finally:
            draft.unlink(missing_ok=True)
        sync(index_dir)
        if lost:
            log.error("%s was lost, and a new one was made - %s", path, AGAIN)


AGAIN = "put and say again what it held since the last build; what was withdrawn stays withdrawn"


def is_there(path: Path) -> bool:
    """Return whether a file exists and is not empty. An empty file holds no data to recover."""
    with suppress(FileNotFoundError):
        return path.stat().st_size > 0
    return False


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def was_needed(index_dir: Path, kept: list[Manifest]) -> bool:
    """Return whether updates were made on this machine, so that a missing file is a lost one.

    Releases from before files had names count as well: machines that fetched one had a file.
    """
    return (index_dir / WITHDRAWN).exists() or any(manifest.live_sequence and not manifest.journal for manifest in kept)


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Migrate a file of an older version, or one that lacks a field of articles."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:  # the process that created it was killed
        _make(connection)
    for older in range(version or VERSION, VERSION):
        for statement in _statements(UPGRADES[older]):
            connection.execute(statement)
    if version < VERSION:
        connection.execute(f"PRAGMA user_version = {VERSION}")
    known = {name for _, name, *_ in connection.execute("PRAGMA table_info(article)")}
    for name in FIELD.keys() - known:
        connection.execute(f"ALTER TABLE article ADD COLUMN {name} TEXT")


def note_withdrawn(index_dir: Path, connection: sqlite3.Connection) -> None:
    """Write the ids of deleted articles in `live.db` to the list beside CURRENT.

    Raises:
        OSError: The folder cannot be written.
    """
    found = connection.execute("SELECT id FROM article WHERE withdrawn").fetchall()
    replace_file(index_dir / WITHDRAWN, list_of_ids(article_id for (article_id,) in found))


def loss(state: LiveState) -> str | None:
    """Return the warning for a file that replaced a lost one, until the next build.

    Return None if no file was lost, or if a journal filled the new one again.
    """
    if state.lost is None or state.journal is not None:
        return None
    at, release = json.loads(state.lost)
    return f"was lost before {at} and made again: it lacks what was put and said after release {release}"


def _write(draft: Path, index_dir: Path, kept: list[Manifest], lost: bool) -> None:
    sequence = max((manifest.live_sequence for manifest in kept), default=0)
    known = known_withdrawn(index_dir) - read_withdrawn(index_dir).ids
    note = json.dumps([rfc3339(datetime.now(UTC).replace(microsecond=0)), _current(index_dir)]) if lost else None
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN")
        _make(connection)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        sequence += bool(known)  # the deletes are a change
        connection.execute(BEGIN, {"sequence": sequence, "lost": note})
        connection.executemany(SEED, [(article_id, sequence) for article_id in sorted(known)])
        connection.execute("COMMIT")


def _make(connection: sqlite3.Connection) -> None:
    for statement in _statements(SCHEMA):
        connection.execute(statement)
    connection.execute("UPDATE state SET name = ?", (uuid.uuid4().hex,))


def _current(index_dir: Path) -> str:
    try:
        return current_folder(index_dir).name
    except IndexDamaged:
        return "none"


def known_withdrawn(index_dir: Path) -> frozenset[str]:
    """Return the ids of the list beside CURRENT. A damaged list is logged, and gives none."""
    try:
        return read_ids(index_dir / WITHDRAWN)
    except FileNotFoundError:
        return frozenset()
    except (OSError, IndexDamaged) as error:
        log.error("%s; what was withdrawn since the last build may come back - withdraw it again", error)
        return frozenset()


def _put_log_aside(path: Path) -> None:
    """Rename the log of a lost file, so that SQLite does not apply it to the new file. It may hold the last updates."""
    if log_of(path).exists() and log_of(path).stat().st_size:
        log_of(path).rename(path.with_name(f"{path.name}.lost-wal"))
    for end in ("-wal", "-shm"):
        path.with_name(f"{path.name}{end}").unlink(missing_ok=True)


@contextmanager
def _alone(index_dir: Path) -> Iterator[None]:
    """Prevent other processes from creating the file at the same time."""
    folder = os.open(index_dir, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
