"""What was put and withdrawn since a release was built, laid over it: `live.db`, beside CURRENT.

A release never changes; an editor does not wait for the next one. `index.live` writes an article here, with its vectors, terms, own list
and its places in older articles' lists, in one transaction; whoever answers lays that over what the release says:

    own list of a live article      `own`, computed when it was put
    list of any other article       its stored candidates, those of `place` among them, less what was withdrawn

Rows from `LIVE` on are of live articles. Every change has a number, `sequence`; a release's manifest says up to which one the build folded
in, and only what came later counts. So what is in a release counts once, and going back to an older release loses nothing.
A withdrawal counts for all releases, older and newer, until the article is put again.

Where several machines serve, the file is this one's copy of a journal that they share (`index.journal`), and the numbers are the
journal's.
"""

import json
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from recommender.candidate import CANDIDATE, Candidates
from recommender.catalogue import Catalogue, parse_time
from recommender.connections import Connections
from recommender.live_changes import changed_rows, up_to_date
from recommender.manifest import Release
from recommender.overrides import NOTHING, Override
from recommender.types import Article
from recommender.view import LIVE, View

LIVE_DB = "live.db"

SCHEMA = """
CREATE TABLE IF NOT EXISTS state (
    sequence INTEGER NOT NULL,            -- number of the last change
    prepared INTEGER NOT NULL DEFAULT 0,  -- how often lists were computed for a release since
    journal TEXT,                         -- name of the one that is followed; NULL: changes are numbered here
    missed INTEGER NOT NULL DEFAULT 0     -- up to which change the journal had forgotten articles before they were copied
);
INSERT INTO state (sequence) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM state);
CREATE TABLE IF NOT EXISTS article (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- row - LIVE; an id keeps its number, and no other gets it
    id TEXT NOT NULL UNIQUE,
    sequence INTEGER NOT NULL,   -- of the last change
    withdrawn INTEGER NOT NULL,
    title TEXT, url TEXT, published TEXT, section TEXT, lang TEXT,
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
    terms BLOB NOT NULL,         -- see recommender/live_archive.py
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

ARTICLE = "id, title, text, url, published, section, lang, names"
LINE = "SELECT substr(text, ? + 1, ? - ?) FROM article WHERE number = ?"

log = logging.getLogger(__name__)


class LiveArticles:
    """`live.db` as one release sees it; read-only, safe to share between threads.

    Attributes:
        fault: Why it could not be read, the last time that it could not; None if that never was.
    """

    def __init__(self, index_dir: Path, release: Release, catalogue: Catalogue) -> None:
        self._path = index_dir / LIVE_DB
        self._release = release
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._here = threading.local()
        self._view = View()
        self.fault: str | None = None
        self._uri = f"file:{quote(str(self._path.resolve()))}?mode=ro"
        self._connections = Connections(self._uri)
        self._file: int | None = None

    def close(self) -> None:
        self._connections.close()

    @contextmanager
    def reading(self) -> Iterator[View]:
        """The live articles of now; what this thread reads inside the context is of the same moment."""
        view: View | None = getattr(self._here, "view", None)
        if view is not None:  # inside another
            yield view
            return
        found = self._begin()
        connection, view = found or (None, View())
        self._here.view = view
        try:
            yield view
        finally:
            self._here.view = None
            if connection is not None:
                connection.execute("COMMIT")

    def stored_list(self, row: int) -> tuple[str, Candidates]:
        """Text and candidates of a live article; none, if they are not computed yet."""
        sql = "SELECT text, candidates FROM article LEFT JOIN own ON own.article = number AND own.release = ? WHERE number = ?"
        text, candidates = self._one(sql, self._release.name, row - LIVE)
        return text, np.frombuffer(candidates or b"", dtype=CANDIDATE).copy()  # it is written to when lines are explained

    def places(self, row: int) -> Candidates:
        """The live articles that are candidates of an article."""
        sql = "SELECT candidate FROM place WHERE release = ? AND query = ?"
        found = self._connections.here.execute(sql, (self._release.name, row)).fetchall()
        return np.frombuffer(b"".join([blob for (blob,) in found]), dtype=CANDIDATE)

    def passage(self, row: int, start: int, stop: int) -> str:
        """Some characters of a live article's text."""
        return str(self._one(LINE, start, stop, start, row - LIVE)[0])

    def mean(self, row: int, dim: int) -> Any:
        """Mean chunk vector of a live article: float32 (dim,), unit norm."""
        vectors = np.frombuffer(self._one("SELECT vectors FROM article WHERE number = ?", row - LIVE)[0], dtype=np.float32)
        mean = vectors.reshape(-1, dim).mean(axis=0)
        return mean / np.linalg.norm(mean)

    def article(self, row: int) -> Article:
        """The whole of a live article; its hand-made list holds names as they were given."""
        found = self._one(f"SELECT {ARTICLE} FROM article WHERE number = ?", row - LIVE)
        return read_article(found)

    def title_and_text(self, row: int) -> tuple[str, str]:
        """Title and text of a live article."""
        title, text = self._one("SELECT title, text FROM article WHERE number = ?", row - LIVE)
        return title, text

    def compared(self, row: int) -> tuple[str, int, str | None, str | None, bytes, bytes, bytes, bytes, bytes]:
        """What is compared of a live article, as it is stored: title, length of the text, date, section, and five arrays."""
        columns = "title, length(text), published, section, chunks, vectors, hubness, terms, candidates"
        sql = f"SELECT {columns} FROM article JOIN own ON own.article = number AND own.release = ? WHERE number = ?"
        found: tuple[str, int, str | None, str | None, bytes, bytes, bytes, bytes, bytes] = self._one(sql, self._release.name, row - LIVE)
        return found

    def changed_rows(self, before: View, view: View) -> set[int] | None:
        """Rows of live articles that changed between two views, of which this thread reads the second; None: all of them may have."""
        return changed_rows(before, view, self._release.name, self._connections.here)

    def override(self, article_id: str) -> Override:
        """Read what editors say of an article through the service."""
        with self.reading() as view:
            found = self._one("SELECT body FROM override WHERE article_id = ?", article_id) if view.overridden else None
            return NOTHING if found is None else Override.from_dict(json.loads(found[0]))

    def _one(self, sql: str, *values: object) -> Any:
        return self._connections.here.execute(sql, values).fetchone()

    def _begin(self) -> tuple[sqlite3.Connection, View] | None:
        """Begin to read, of one moment; None if there is nothing to read."""
        try:
            file = self._path.stat().st_ino
        except OSError:
            return None
        if file != self._file:  # the first time, or another file was put in its place
            with self._lock:
                self._connections, self._view, self._file = Connections(self._uri), View(file=file), file
        connection = self._connections.here
        try:
            connection.execute("BEGIN")
            return connection, self._current(connection)
        except sqlite3.DatabaseError as error:  # lists of the release are better than none
            if "no such table: state" not in str(error):  # it is being made
                self._report(error)
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return None

    def _current(self, connection: sqlite3.Connection) -> View:
        view = self._view
        state = read_state(connection)
        if (state.sequence, state.prepared) == view.moment:
            return view
        with self._lock:
            if self._view.moment > (state.sequence, state.prepared):  # another thread knows more by now: look again
                connection.execute("COMMIT")
                connection.execute("BEGIN")
                state = read_state(connection)
            before = self._view
            if before.moment > (state.sequence, state.prepared):  # an older state of the file was put in its place
                before = View(file=before.file)
            folded = self._release.manifest.folded(state.journal)
            self._view = up_to_date(before, (state.sequence, state.prepared), folded, self._release.name, self._catalogue, connection)
            return self._view

    def _report(self, error: sqlite3.DatabaseError) -> None:
        fault = f"{self._path} cannot be read ({error}); lists are those of the release - move it away, and put what it held again"
        if self.fault != fault:
            log.error("%s", fault)
        self.fault = fault


class LiveState(NamedTuple):
    """What `live.db` says of itself; see the table `state`."""

    sequence: int = 0
    prepared: int = 0
    journal: str | None = None
    missed: int = 0


def read_state(connection: sqlite3.Connection) -> LiveState:
    """Of a file from before there were journals, too: it knows the number of the last change alone."""
    return LiveState(*connection.execute("SELECT * FROM state").fetchone())


def read_article(found: Any) -> Article:
    """The article of the columns `ARTICLE`."""
    id_, title, text, url, published, section, lang, names = found
    return Article(id_, title, text, url, parse_time(published), section, lang, tuple(json.loads(names)))
