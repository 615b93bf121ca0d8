"""Read upserts and withdrawals since the build from `live.db`, beside CURRENT, and overlay them on a release.

A release never changes, but an editor does not wait for the next one. `index.live.upserts` writes an article here in
one transaction. It writes the article's vectors, terms and own list, and its places in the lists of older articles.
Readers overlay these changes on the release:

    own list of a live article      `own`, computed at the upsert
    list of any other article       its stored candidates and those of `place`, less the withdrawn ones

Rows from `LIVE` on are of live articles. Every change has a number, `sequence`. The manifest of a release names the
last change that the build included, and only later changes count. So a change in a release counts once, and a rollback
to an older release loses nothing. A withdrawal counts for all releases, older and newer, until the article is upserted
again.

Every file has a name. A release names the file whose changes it holds. All changes of another file count. If the file
is lost or damaged, lists are those of the release, less the withdrawn articles. Releases hold the withdrawn ids too
(`recommender.live.withdrawn`).

If several machines serve, the file is a local replica of a shared journal (`index.journal`). The numbers are then those
of the journal.
"""

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
from immutables import Map

from recommender.errors import IndexDamaged, InvalidOverride, StorageError
from recommender.features.feature_schema import CANDIDATE, Candidates
from recommender.live.overlay import LiveOverlay
from recommender.live.refresh import Folded, changed_rows, up_to_date
from recommender.live.withdrawn import WITHDRAWN, read_ids, read_withdrawn
from recommender.overrides import NOTHING, Override
from recommender.release.catalogue import Catalogue
from recommender.release.manifest import Release
from recommender.storage.sqlite_readers import Connections
from recommender.types import FIELDS, LISTED_COLUMNS, LIVE, Article, article_of

LIVE_DB = "live.db"

COLUMNS = ", ".join(f"{field.name} TEXT" for field in FIELDS if field.name != "text")

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS state (
    sequence INTEGER NOT NULL,            -- number of the last change
    prepared INTEGER NOT NULL DEFAULT 0,  -- how often lists were computed for a release since
    journal TEXT,                         -- name of the one that is followed; NULL: changes are numbered here
    missed INTEGER NOT NULL DEFAULT 0,    -- up to which change the journal had forgotten articles before they were copied
    name TEXT NOT NULL DEFAULT '',        -- of this file, given by chance; '': it is older than such names
    began INTEGER NOT NULL DEFAULT 0,     -- number of the last change when it was made
    lost TEXT,                            -- JSON [time, release]: it took the place of a file that was lost; NULL: no, or a build ran since
    unwiped INTEGER NOT NULL DEFAULT 0    -- the last change whose withdrawn text may still be in the file or its log
);
INSERT INTO state (sequence) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM state);
CREATE TABLE IF NOT EXISTS article (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- row - LIVE; an id keeps its number, and no other gets it
    id TEXT NOT NULL UNIQUE,
    sequence INTEGER NOT NULL,   -- of the last change
    withdrawn INTEGER NOT NULL,
    {COLUMNS},
    names TEXT,                  -- JSON: the hand-made list, as it was given
    model TEXT,                  -- sha256 of the one that made the vectors
    chunks BLOB,                 -- int32 (n, 2): first and last character of each
    vectors BLOB,                -- float32 (n, dim)
    text TEXT
);
CREATE INDEX IF NOT EXISTS article_sequence ON article (sequence);
CREATE TABLE IF NOT EXISTS mark (        -- by which the journal knows the changes again that were copied
    sequence INTEGER PRIMARY KEY,
    mark TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS own ( -- what a live article is to one release
    release TEXT NOT NULL,
    article INTEGER NOT NULL,
    canonical INTEGER,           -- row of the article that stands for it in lists, where it is a near-duplicate
    hubness BLOB NOT NULL,       -- float32 (2,)
    terms BLOB NOT NULL,         -- see recommender/retrieval/live_candidates.py
    candidates BLOB NOT NULL,    -- rows of CANDIDATE
    PRIMARY KEY (release, article)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS place (  -- a live article as a candidate of another
    release TEXT NOT NULL,
    query INTEGER NOT NULL,      -- row
    target INTEGER NOT NULL,     -- number
    candidate BLOB NOT NULL,
    score REAL,                  -- by the shipped weights
    PRIMARY KEY (release, query, target)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS place_target ON place (target);
CREATE TABLE IF NOT EXISTS computed (  -- each time that lists were computed for a release after an article was put
    prepared INTEGER PRIMARY KEY,      -- `state.prepared` then
    release TEXT NOT NULL,
    article INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS override (   -- what editors say of an article; see recommender/overrides.py
    article_id TEXT PRIMARY KEY,
    body TEXT NOT NULL,          -- JSON
    sequence INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS override_history (  -- who said what, for good
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,            -- RFC 3339, UTC
    article_id TEXT NOT NULL,
    action TEXT NOT NULL,
    key TEXT,                    -- first digits of the hash of the key it was said with
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS override_history_article ON override_history (article_id);
CREATE TRIGGER IF NOT EXISTS override_history_stays BEFORE DELETE ON override_history
BEGIN SELECT RAISE (ABORT, 'the audit trail is never changed'); END;
CREATE TRIGGER IF NOT EXISTS override_history_is_true BEFORE UPDATE ON override_history
BEGIN SELECT RAISE (ABORT, 'the audit trail is never changed'); END;
"""

ARTICLE = ", ".join(LISTED_COLUMNS)
LINE = "SELECT substr(text, ? + 1, ? - ?) FROM article WHERE number = ?"

RESTORE = (
    f"put its last backup in its place, or move {LIVE_DB}, {LIVE_DB}-wal and {LIVE_DB}-shm away and put again what was put and said since"
    " the last build; what was withdrawn stays withdrawn"
)

IMMUTABLE = "&immutable=1"

AGAIN_S = 1.0
"""Seconds between two attempts to read an unreadable file."""

UNREADABLE = (sqlite3.DatabaseError, OSError, InvalidOverride, ValueError, TypeError)
"""Exceptions that reading a damaged file raises."""

log = logging.getLogger(__name__)


class LiveArticles:
    """`live.db` as one release sees it. Read-only, safe to share between threads.

    Attributes:
        fault: Why the file cannot be read. None if it can, or if there never was one.
        n_errors: Errors of the file. After each one its connections may be opened again.
        damaged: Whether the file is damaged. This stays true until another file replaces it, because the pages that a
            thread holds in memory may still be sound.
        listed: The ids that the newest release lists as withdrawn.
    """

    def __init__(self, index_dir: Path, release: Release, catalogue: Catalogue) -> None:
        self._path = index_dir / LIVE_DB
        self._release = release
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._here = threading.local()
        self._read_list()
        self._view = self._none
        self._name = ""  # of the file that the view was read from
        self._without_file: LiveOverlay | None = None
        self.fault: str | None = None
        self.n_errors = 0
        self.damaged = False
        self._again = 0.0
        self._connections = Connections(read_only_uri(self._path))
        self._file: tuple[int, ...] | None = None
        self._frozen = False

    def close(self) -> None:
        self._connections.close()

    @contextmanager
    def reading(self) -> Iterator[LiveOverlay]:
        """Yield the current overlay. All reads of this thread inside the context see the same moment."""
        view: LiveOverlay | None = getattr(self._here, "view", None)
        if view is not None:  # inside an outer context
            yield view
            return
        found = self._begin()
        connection, view = found or (None, self._fall_back())
        self._here.view, self._here.connection = view, connection
        try:
            yield view
        finally:
            self._here.view, self._here.connection = None, None
            if connection is not None:
                _end(connection)

    def stored_list(self, row: int) -> tuple[str, Candidates]:
        """Return text and candidates of a live article. Candidates are empty until they are computed."""
        sql = "SELECT text, candidates FROM article LEFT JOIN own ON own.article = number AND own.release = ? WHERE number = ?"
        text, candidates = self._one(sql, self._release.name, row - LIVE)
        return text, np.frombuffer(candidates or b"", dtype=CANDIDATE).copy()  # the caller explains them in place

    def places(self, row: int) -> Candidates:
        """Return the live articles that are candidates of an article."""
        view: LiveOverlay | None = getattr(self._here, "view", None)
        if view is not None and not view.articles:
            return np.empty(0, dtype=CANDIDATE)
        sql = "SELECT candidate FROM place WHERE release = ? AND query = ?"
        found = self._all(sql, self._release.name, row)
        return np.frombuffer(b"".join([blob for (blob,) in found]), dtype=CANDIDATE)

    def passage(self, row: int, start: int, stop: int) -> str:
        """Return a range of characters of a live article's text."""
        return str(self._one(LINE, start, stop, start, row - LIVE)[0])

    def mean(self, row: int, dim: int) -> Any:
        """Return the mean chunk vector of a live article: float32 (dim,), unit norm."""
        vectors = np.frombuffer(self._one("SELECT vectors FROM article WHERE number = ?", row - LIVE)[0], dtype=np.float32)
        mean = vectors.reshape(-1, dim).mean(axis=0)
        return mean / np.linalg.norm(mean)

    def article(self, row: int) -> Article:
        """Return a live article. Its hand-made list holds names as the publisher gave them."""
        found = self._one(f"SELECT {ARTICLE} FROM article WHERE number = ?", row - LIVE)
        return read_article(found)

    def title_and_text(self, row: int) -> tuple[str, str]:
        """Return title and text of a live article."""
        title, text = self._one("SELECT title, text FROM article WHERE number = ?", row - LIVE)
        return title, text

    def compared(self, row: int) -> tuple[str, int, str | None, str | None, bytes, bytes, bytes, bytes, bytes]:
        """Return the stored data of a live article for comparison.

        It holds title, length of the text, date, section, and five arrays.
        """
        columns = "title, length(text), published, section, chunks, vectors, hubness, terms, candidates"
        sql = f"SELECT {columns} FROM article JOIN own ON own.article = number AND own.release = ? WHERE number = ?"
        found: tuple[str, int, str | None, str | None, bytes, bytes, bytes, bytes, bytes] = self._one(sql, self._release.name, row - LIVE)
        return found

    def changed_rows(self, before: LiveOverlay, view: LiveOverlay) -> set[int] | None:
        """Return the rows of live articles that changed between two overlays. None: all may have changed.

        This thread must be reading the second overlay.
        """
        return changed_rows(before, view, self._release.name, self._connections.here.connection)

    def override(self, article_id: str) -> Override:
        """Read the override of an article that editors made through the service."""
        with self.reading() as view:
            found = self._one("SELECT body FROM override WHERE article_id = ?", article_id) if view.overridden else None
            return NOTHING if found is None else Override.from_dict(json.loads(found[0]))

    def _one(self, sql: str, *values: object) -> Any:
        return next(iter(self._all(sql, *values)), None)

    def _all(self, sql: str, *values: object) -> list[Any]:
        try:
            connection: sqlite3.Connection | None = getattr(self._here, "connection", None)
            return (connection or self._connections.here.connection).execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.ProgrammingError):  # it was closed
                raise
            self._note(error)
            raise StorageError(str(self.fault)) from error

    def _begin(self) -> tuple[sqlite3.Connection, LiveOverlay] | None:
        """Begin a read transaction on one moment. Return None if there is nothing to read."""
        try:
            file = self._stamp()
        except OSError:
            if self._file is not None or (self._path.parent / WITHDRAWN).exists():
                self._report("is gone")
            return None
        if file != self._file:  # the first time, or another file has replaced it
            with self._lock:
                uri = read_only_uri(self._path)
                self._frozen = IMMUTABLE in uri
                self._read_list()
                self._connections, self._view, self._file, self.damaged = Connections(uri), self._none, self._stamp(), False
        if self.damaged or time.monotonic() < self._again:
            return None
        connection = None
        try:
            connection = self._connections.here.connection
            connection.execute("BEGIN")
            view = self._current(connection)
        except BaseException as error:
            if connection is not None:
                _end(connection)
            if not isinstance(error, UNREADABLE) or isinstance(error, sqlite3.ProgrammingError):
                raise
            self._note(error)  # lists of the release are better than none
            return None
        if self.fault is not None:
            log.warning("%s is read again", self._path)
        self._without_file, self.fault = None, None
        return connection, view

    def _stamp(self) -> tuple[int, ...]:
        """Return a stamp that identifies the file. A file that replaces it has another stamp.

        Where the file is opened immutable, an older state of it has another stamp too.

        Raises:
            OSError: There is no file.
        """
        found = self._path.stat()
        log_is_there = self._frozen and self._path.with_name(f"{self._path.name}-wal").exists()
        return (found.st_ino, found.st_mtime_ns, found.st_size, log_is_there) if self._frozen else (found.st_ino,)

    def _current(self, connection: sqlite3.Connection) -> LiveOverlay:
        view = self._view
        state = read_state(connection)
        if state.sequence == view.sequence and state.prepared == view.prepared and view.file is not None and state.name == self._name:
            return view
        with self._lock:
            if self._view.moment > (state.sequence, state.prepared):  # another thread has read a newer state: read again
                connection.execute("COMMIT")
                connection.execute("BEGIN")
                state = read_state(connection)
            before = self._view
            # The file was written over in place: by an older state of its own, or by another file with the same counts.
            if before.moment > (state.sequence, state.prepared) or state.name != self._name:
                self._read_list()
                before, self._name = self._none, state.name
            folded = Folded(
                self._release.manifest.folded(state.counter), self.listed.until(state.counter), self.listed.ids, self._release.name
            )
            file = self._file[0] if self._file is not None else None
            view = up_to_date(before, self._none, (state.sequence, state.prepared), folded, self._catalogue, connection)
            self._view = replace(view, file=file, counter=state.journal or f"{state.name} {file}")
            return self._view

    def _note(self, error: Exception) -> None:
        """Record an error that keeps the file from being read. Damage persists, other errors may pass."""
        self.n_errors += 1
        if isinstance(error, OSError | sqlite3.OperationalError):
            self._again = time.monotonic() + AGAIN_S
            self._connections = Connections(read_only_uri(self._path))
        else:
            self.damaged = True
        self._report(f"cannot be read ({error})")

    def _report(self, found: str) -> None:
        fault = f"{self._path} {found}; lists are those of the release, less what was withdrawn - {RESTORE}"
        if self.fault is None:
            log.error("%s", fault)
        self.fault = fault

    def _read_list(self) -> None:
        """Read the newest release's list of withdrawn ids. A new file may know fewer than the one it replaces."""
        self.listed = read_withdrawn(self._path.parent)
        self._none = self._of_release(self.listed.ids)

    def _of_release(self, withdrawn: Iterable[str]) -> LiveOverlay:
        """Return the view that knows only withdrawals."""
        ids = frozenset(withdrawn)
        rows = (self._catalogue.find_row(article_id) for article_id in ids)
        return LiveOverlay(withdrawn=Map(dict.fromkeys(ids, 0)), replaced=Map({row: None for row in rows if row is not None}))

    def _fall_back(self) -> LiveOverlay:
        """Return the view without the file.

        It knows the withdrawals named by releases, by this process, or by the list beside CURRENT. It also knows the
        articles that this process has seen hidden everywhere. All other overrides are in the file.
        """
        if self._without_file is None:
            beside = frozenset[str]()
            with suppress(OSError, IndexDamaged):
                beside = read_ids(self._path.parent / WITHDRAWN)
            left = self._of_release({*self._none.withdrawn, *self._view.withdrawn, *beside})
            known = self._view
            self._without_file = replace(left, hidden=known.hidden, ends=known.ends, moments=known.moments, counter=f"without {known.name}")
        return self._without_file


def _end(connection: sqlite3.Connection) -> None:
    """End a read-only transaction. If the file is damaged, SQLite may have ended it already, or cannot end it."""
    with suppress(sqlite3.DatabaseError):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


class LiveState(NamedTuple):
    """The state row of `live.db`. See the table `state`."""

    sequence: int = 0
    prepared: int = 0
    journal: str | None = None
    missed: int = 0
    name: str = ""
    began: int = 0
    lost: str | None = None
    unwiped: int = 0

    @property
    def counter(self) -> str:
        """Return the name of the counter of changes: the journal, or this file."""
        return self.journal or self.name


def read_state(connection: sqlite3.Connection) -> LiveState:
    """Read the state of a file. A file of an older version holds only the first of these fields."""
    return LiveState(*connection.execute("SELECT * FROM state").fetchone())


def read_article(found: Any) -> Article:
    """Build an article from the columns `ARTICLE`."""
    *columns, names = found
    return article_of(columns, json.loads(names))


def read_only_uri(path: Path) -> str:
    """Return the URI with which SQLite opens the file read-only.

    The write-ahead log needs a writable folder. Without a log, a file in a read-only folder is opened immutable.
    """
    frozen = not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()
    return f"file:{quote(str(path.resolve()))}?mode=ro{IMMUTABLE if frozen else ''}"
