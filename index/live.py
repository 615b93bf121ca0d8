"""Put and withdraw articles between two builds: what `recommender.live` reads.

An article is durable when `put` returns: text, vectors, terms, its own list and its places in other lists are one transaction of SQLite,
flushed to the disk. The next build folds it in (`changes_since`), and what no kept release needs any more is removed (`purge`).
Where several machines serve, `index.sharing` puts and withdraws, and this file is a copy of what they share.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from index.corpus.language import language_of
from index.live_lists import LiveLists, live_lists
from recommender import Article, Chunk, Recommender
from recommender.embedding import embed_articles
from recommender.errors import ArticleNotFound, InputError, StorageError
from recommender.live import ARTICLE, LIVE_DB, SCHEMA, read_article, read_state
from recommender.manifest import Manifest
from recommender.types import Vectors, rfc3339
from recommender.view import LIVE, View

WAIT_S = 10.0
"""Seconds to wait for another process that writes."""

COLUMNS = ("title", "url", "published", "section", "lang", "names", "model", "chunks", "vectors", "text")
"""What is stored of an article besides its id; see `columns_of`."""

VERSION = 2
SECOND = "".join(
    f"ALTER TABLE state ADD COLUMN {column};\n" for column in ("prepared INTEGER NOT NULL DEFAULT 0", "journal TEXT", "mark TEXT")
)
"""What makes the first version of the file the second."""


PUT = """
INSERT INTO article VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
sequence = excluded.sequence, withdrawn = 0, title = excluded.title, url = excluded.url, published = excluded.published,
section = excluded.section, lang = excluded.lang, names = excluded.names, model = excluded.model, chunks = excluded.chunks,
vectors = excluded.vectors, text = excluded.text
"""
WITHDRAW = """
INSERT INTO article (number, id, sequence, withdrawn) VALUES (?, ?, ?, 1) ON CONFLICT (id) DO UPDATE SET
sequence = excluded.sequence, withdrawn = 1, title = NULL, url = NULL, published = NULL, section = NULL, lang = NULL,
names = NULL, model = NULL, chunks = NULL, vectors = NULL, text = NULL
"""


def create(index_dir: Path) -> None:
    """Make `live.db`, if it is not there.

    Raises:
        StorageError: The folder cannot be written, or the file is damaged.
    """
    with writing(index_dir):
        pass


def put(index_dir: Path, recommender: Recommender, article: Article) -> bool:
    """Add an article, or put it in place of the one with its id; on the disk, and in all lists, when this returns.

    Args:
        article: Checked and cleaned, as `index.corpus.validation.to_article` does.

    Returns:
        Whether its id was new.

    Raises:
        InvalidArticle: It has neither a word of text nor a title.
        StorageError: The disk is full, or the folder cannot be written.
    """
    chunks, vectors = embed_articles([article], recommender.embedder)[0]
    with writing(index_dir) as connection, recommender.live.reading() as view:
        known = view.rows.get(article.id)
        if known is not None and recommender.live.article(known) == article:
            return False
        number = _number(connection, article.id)
        lists = live_lists(recommender.texts, view, article, chunks, vectors, LIVE + number)
        columns = columns_of(article, chunks, vectors, recommender.release.manifest.model.sha256)
        write_article(connection, number, article.id, next_sequence(connection), columns)
        write_lists(connection, recommender.release.name, number, lists)
        stored = recommender.catalogue.find_row(article.id)
        return known is None and (stored is None or view.replaced.get(stored, stored) is None)


def withdraw(index_dir: Path, recommender: Recommender, article_id: str) -> None:
    """Take an article out of all lists, for good: what is stored of it since the last build is wiped, and no build takes it in again.

    Raises:
        ArticleNotFound: No article has this id, and none had.
        StorageError: The disk is full, or the folder cannot be written.
    """
    with writing(index_dir) as connection, recommender.live.reading() as view:
        if article_id in view.withdrawn:
            return
        if article_id not in view.rows and recommender.catalogue.find_row(article_id) is None:
            raise ArticleNotFound(f"no article {article_id[:100]!r} in index {recommender.release.name} - check the id")
        write_withdrawal(connection, _number(connection, article_id), article_id, next_sequence(connection))
    wipe_log(index_dir)


def prepare(index_dir: Path, recommender: Recommender) -> int:
    """Compute the lists of live articles for a release that was built without them.

    Returns:
        How many there were.
    """
    done = 0
    while True:
        with recommender.live.reading() as view:
            if not view.unprepared:
                return done
        with writing(index_dir) as connection, recommender.live.reading() as view:  # one by one: nobody waits for long
            if view.unprepared:
                _prepare(connection, recommender, view, view.unprepared[0])
                done += 1


def _prepare(connection: sqlite3.Connection, recommender: Recommender, view: View, row: int) -> None:
    article, model = recommender.live.article(row), recommender.release.manifest.model
    sql = "SELECT model, chunks, vectors FROM article WHERE number = ?"
    made_by, spans, packed = connection.execute(sql, (row - LIVE,)).fetchone()
    if made_by == model.sha256:
        chunks, vectors = read_chunks(article, spans, packed, model.dim)
    else:
        chunks, vectors = embed_articles([article], recommender.embedder)[0]
        sql = "UPDATE article SET model = ?, chunks = ?, vectors = ? WHERE number = ?"
        connection.execute(sql, (model.sha256, _spans(chunks), vectors.tobytes(), row - LIVE))
    write_lists(connection, recommender.release.name, row - LIVE, live_lists(recommender.texts, view, article, chunks, vectors, row))
    connection.execute("UPDATE state SET prepared = prepared + 1")


@dataclass(frozen=True, slots=True)
class LiveChanges:
    """What was said since a release was built.

    Attributes:
        sequence: The last change.
        journal: Name of the journal that numbered it; empty: this machine did.
        articles: Those that were put.
        withdrawn: Ids of all that are withdrawn, before the release too.
    """

    sequence: int = 0
    journal: str = ""
    articles: Sequence[tuple[int, Article]] = ()
    withdrawn: Sequence[str] = ()


def changes_since(index_dir: Path, serving: Manifest | None) -> LiveChanges:
    """What a build folds in.

    Args:
        serving: Of the release that serves; None if none does.
    """
    if not (index_dir / LIVE_DB).exists():
        return LiveChanges()
    with writing(index_dir) as connection:  # nobody writes meanwhile
        last, _, journal = read_state(connection)
        folded = serving.folded(journal) if serving is not None else 0
        put = connection.execute(f"SELECT number, {ARTICLE} FROM article WHERE NOT withdrawn AND sequence > ?", (folded,))
        articles = [(number, _with_language(read_article(found))) for number, *found in put]
        withdrawn = [article_id for (article_id,) in connection.execute("SELECT id FROM article WHERE withdrawn")]
        return LiveChanges(last, journal or "", articles, withdrawn)


def purge(index_dir: Path, kept: Sequence[Manifest]) -> None:
    """Remove what no kept release needs: articles that all of them hold, and lists for others."""
    if not (index_dir / LIVE_DB).exists():
        return
    names = json.dumps([manifest.release for manifest in kept])
    with writing(index_dir) as connection:
        _, _, journal = read_state(connection)
        folded = min((manifest.folded(journal) for manifest in kept), default=0)
        connection.execute("DELETE FROM article WHERE NOT withdrawn AND sequence <= ?", (folded,))
        for table, number in (("own", "article"), ("place", "target")):
            gone = f"{number} NOT IN (SELECT number FROM article WHERE NOT withdrawn)"
            connection.execute(f"DELETE FROM {table} WHERE release NOT IN (SELECT value FROM json_each(?)) OR {gone}", (names,))


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


def _number(connection: sqlite3.Connection, article_id: str) -> int:
    found = connection.execute("SELECT number FROM article WHERE id = ?", (article_id,)).fetchone()
    if found is None:
        found = connection.execute("SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'article'").fetchone()
    return int(found[0])


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
    if read_state(connection)[2] is not None:
        raise InputError(f"{LIVE_DB} is a copy of what machines share - give the address of that: READMORE_LIVE; nothing was changed")


def columns_of(article: Article, chunks: Sequence[Chunk], vectors: Vectors, model: str) -> tuple[Any, ...]:
    """What is stored of an article, by `COLUMNS`.

    Args:
        model: Sha256 of the one that made the vectors.
    """
    card = (article.title, article.url, rfc3339(article.published), article.section, article.lang)
    names = json.dumps(article.read_more, ensure_ascii=False)
    return (*card, names, model, _spans(chunks), vectors.astype(np.float32).tobytes(), article.text)


def read_chunks(article: Article, spans: bytes, packed: bytes, dim: int) -> tuple[list[Chunk], Vectors]:
    """Chunks and vectors of an article, as they are stored."""
    ends = np.frombuffer(spans, dtype=np.int32).reshape(-1, 2).tolist()
    chunks = [Chunk(article.id, place, start, end, article.text[start:end]) for place, (start, end) in enumerate(ends)]
    return chunks, np.frombuffer(packed, dtype=np.float32).reshape(-1, dim)


def write_article(connection: sqlite3.Connection, number: int, article_id: str, sequence: int, columns: Sequence[Any]) -> None:
    """Store an article in place of what was stored of it, and forget its lists."""
    connection.execute(PUT, (number, article_id, sequence, *columns))
    _forget_lists(connection, number)


def write_withdrawal(connection: sqlite3.Connection, number: int, article_id: str, sequence: int) -> None:
    """Wipe what is stored of an article, and its lists."""
    connection.execute(WITHDRAW, (number, article_id, sequence))
    _forget_lists(connection, number)


def wipe_log(index_dir: Path) -> None:
    """Empty the log of the file, which holds what was wiped still."""
    with closing(sqlite3.connect(index_dir / LIVE_DB, timeout=WAIT_S)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _make(connection: sqlite3.Connection) -> None:
    """Make the tables, or bring them up to date."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version < VERSION:
        for statement in _statements(SECOND if version else SCHEMA):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _forget_lists(connection: sqlite3.Connection, number: int) -> None:
    connection.execute("DELETE FROM own WHERE article = ?", (number,))
    connection.execute("DELETE FROM place WHERE target = ? OR query = ?", (number, LIVE + number))


def write_lists(connection: sqlite3.Connection, release: str, number: int, lists: LiveLists) -> None:
    own = (lists.canonical, lists.hubness.tobytes(), lists.terms, lists.candidates.tobytes())
    connection.execute("INSERT OR REPLACE INTO own VALUES (?, ?, ?, ?, ?, ?)", (release, number, *own))
    places = ((release, query, number, candidate.tobytes()) for query, candidate in zip(lists.queries, lists.places, strict=True))
    connection.executemany("INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?)", places)


def _spans(chunks: Sequence[Chunk]) -> bytes:
    return np.array([(chunk.start, chunk.end) for chunk in chunks], dtype=np.int32).tobytes()


def _with_language(article: Article) -> Article:
    return article if article.lang else replace(article, lang=language_of(article.text))
