"""Upsert and delete articles between two builds, in the file that `recommender.live.database` reads.

An article is durable when `put` returns. One SQLite transaction, flushed to the disk, holds its text, vectors, terms,
its own list and its places in other lists. The next build folds the article in (`changes_since`). Rows that no kept
release needs any more are removed (`purge`). Where several machines serve, `index.updates.article_updates` upserts and
deletes, and this file is a replica of their journal.
"""

import json
import logging
import sqlite3
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from index.ingest.language import language_of
from index.live.creation import known_withdrawn, note_withdrawn, was_needed
from index.live.database import next_sequence, wipe, writing
from index.live.live_lists import live_lists
from index.live.rows import columns_of, packed_spans, read_chunks, write_article, write_lists, write_withdrawal
from index.storage.permissions import keep_private
from recommender import Article, Recommender
from recommender.embedding.embedder import embed_articles
from recommender.errors import ReadmoreError
from recommender.interruption import checkpoint
from recommender.live.database import ARTICLE, LIVE_DB, read_article, read_state
from recommender.live.overlay import LiveOverlay
from recommender.live.withdrawn import WITHDRAWN, read_withdrawn
from recommender.release.manifest import Manifest, kept_manifests
from recommender.types import LIVE

log = logging.getLogger(__name__)


def create(index_dir: Path) -> None:
    """Create `live.db` if it is missing. If it is an older backup, repeat the deletes that it lacks.

    Raises:
        StorageError: The folder cannot be written, or the file is damaged.
    """
    with writing(index_dir) as connection:
        _repeat_deletes(index_dir, connection)
    for path in index_dir.glob(f"{LIVE_DB}*"):  # files of an older version
        keep_private(path, index_dir)
    _wipe(index_dir)


def put(index_dir: Path, recommender: Recommender, article: Article) -> bool:
    """Upsert an article. It is on the disk and in all lists when this returns.

    Args:
        article: A validated and cleaned article, as `index.ingest.validation.to_article` returns it.

    Returns:
        Whether its id was new.

    Raises:
        InvalidArticle: It has neither a title nor a word of text.
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
        write_article(connection, number, article.id, next_sequence(connection, _folded(connection, recommender)), columns)
        write_lists(connection, recommender.release.name, number, lists)
        if article.id in view.withdrawn or not (index_dir / WITHDRAWN).exists():
            note_withdrawn(index_dir, connection)
        stored = recommender.catalogue.find_row(article.id)
        return known is None and (stored is None or view.replaced.get(stored, stored) is None)


def withdraw(index_dir: Path, recommender: Recommender, article_id: str) -> None:
    """Delete an article from all lists permanently.

    Its data since the last build is wiped, and no build takes it in again.

    Raises:
        ArticleNotFound: No article has or had this id.
        StorageError: The disk is full, or the folder cannot be written.
    """
    with writing(index_dir) as connection, recommender.live.reading() as view:
        if article_id in view.withdrawn:
            return
        if article_id not in view.rows and recommender.catalogue.find_row(article_id) is None:
            raise recommender.not_found(article_id)
        sequence = next_sequence(connection, _folded(connection, recommender))
        write_withdrawal(connection, _number(connection, article_id), article_id, sequence)
    _wipe(index_dir)


def prepare(index_dir: Path, recommender: Recommender) -> int:
    """Compute the lists of live articles for a release that was built without them. Skip articles that fail.

    Returns:
        The number of articles.

    Raises:
        Interrupted: The caller stops. Finished lists stay.
    """
    done, failed = 0, set[int]()
    while True:
        checkpoint()
        with recommender.live.reading() as view:
            if _next(view, failed) is None:
                return done
        with writing(index_dir) as connection, recommender.live.reading() as view:  # one by one: other writers wait only briefly
            row = _next(view, failed)
            if row is None:
                continue
            try:
                _prepare(connection, recommender, view, row)
                done += 1
            except ReadmoreError:  # a missing model or missing vectors affect all articles
                raise
            except Exception:
                log.exception("article %d is in no list yet", row - LIVE)
                failed.add(row)


def _next(view: LiveOverlay, failed: Container[int]) -> int | None:
    return next((row for row in view.unprepared if row not in failed), None)


def _prepare(connection: sqlite3.Connection, recommender: Recommender, view: LiveOverlay, row: int) -> None:
    article, model = recommender.live.article(row), recommender.release.manifest.model
    sql = "SELECT model, chunks, vectors FROM article WHERE number = ?"
    made_by, spans, packed = connection.execute(sql, (row - LIVE,)).fetchone()
    if made_by == model.sha256:
        chunks, vectors = read_chunks(article, spans, packed, model.dim)
    else:
        chunks, vectors = embed_articles([article], recommender.embedder)[0]
        sql = "UPDATE article SET model = ?, chunks = ?, vectors = ? WHERE number = ?"
        connection.execute(sql, (model.sha256, packed_spans(chunks), vectors.tobytes(), row - LIVE))
    write_lists(connection, recommender.release.name, row - LIVE, live_lists(recommender.texts, view, article, chunks, vectors, row))
    (prepared,) = connection.execute("UPDATE state SET prepared = prepared + 1 RETURNING prepared").fetchone()
    connection.execute("INSERT INTO computed VALUES (?, ?, ?)", (prepared, recommender.release.name, row - LIVE))


def _wipe(index_dir: Path) -> None:
    left = wipe(index_dir)
    if left is not None:
        log.warning("%s", left)


def _folded(connection: sqlite3.Connection, recommender: Recommender) -> int:
    """Return the last change that a release of this file holds."""
    counter = read_state(connection).counter
    return max(recommender.release.manifest.folded(counter), recommender.live.listed.until(counter))


@dataclass(frozen=True, slots=True)
class LiveChanges:
    """The updates since a release was built.

    Attributes:
        sequence: The last change.
        journal: Name of the journal or file that numbered it.
        articles: The upserted articles.
        withdrawn: Ids of all deleted articles, including deletes before the release.
    """

    sequence: int = 0
    journal: str = ""
    articles: Sequence[tuple[int, Article]] = ()
    withdrawn: Sequence[str] = ()


def changes_since(index_dir: Path, serving: Manifest | None) -> LiveChanges:
    """Return the updates that a build folds in.

    Args:
        serving: Manifest of the release that serves. None if none does.
    """
    listed = read_withdrawn(index_dir)
    if not (index_dir / LIVE_DB).exists() and not was_needed(index_dir, kept_manifests(index_dir)):
        if serving is None:
            return LiveChanges(withdrawn=sorted(listed.ids))
        return LiveChanges(serving.live_sequence, serving.journal, (), sorted(listed.ids))
    with writing(index_dir) as connection:  # blocks other writers
        _repeat_deletes(index_dir, connection)
        state = read_state(connection)
        folded, until = serving.folded(state.counter) if serving is not None else 0, listed.until(state.counter)
        rows = connection.execute(f"SELECT number, sequence, withdrawn, {ARTICLE} FROM article WHERE withdrawn OR sequence > ?", (folded,))
        articles, withdrawn = list[tuple[int, Article]](), set(listed.ids)
        for number, changed, is_withdrawn, article_id, *more in rows:
            if changed > until:  # the release's list holds the outcome of older changes
                (withdrawn.add if is_withdrawn else withdrawn.discard)(article_id)
            if not is_withdrawn and article_id not in withdrawn:
                articles.append((number, _with_language(read_article([article_id, *more]))))
        return LiveChanges(max(state.sequence, folded, until), state.counter, articles, sorted(withdrawn))


def purge(index_dir: Path, kept: Sequence[Manifest]) -> None:
    """Remove the articles that all kept releases hold, and the lists of other releases."""
    if not (index_dir / LIVE_DB).exists():
        return
    names = json.dumps([manifest.release for manifest in kept])
    with writing(index_dir) as connection:
        counter = read_state(connection).counter
        folded = [manifest.folded(counter) for manifest in kept]
        connection.execute("DELETE FROM article WHERE NOT withdrawn AND sequence <= ?", (min(folded, default=0),))
        for table, number in (("own", "article"), ("place", "target"), ("computed", "article")):
            gone = f"{number} NOT IN (SELECT number FROM article WHERE NOT withdrawn)"
            connection.execute(f"DELETE FROM {table} WHERE release NOT IN (SELECT value FROM json_each(?)) OR {gone}", (names,))
        connection.execute("UPDATE state SET lost = NULL, sequence = max(sequence, ?)", (max(folded, default=0),))
    _wipe(index_dir)


def _repeat_deletes(index_dir: Path, connection: sqlite3.Connection) -> None:
    """Delete what the list beside CURRENT names and the file does not: an older backup has taken the file's place."""
    state = read_state(connection)
    if state.journal is not None:  # a journal knows the deletes
        return
    listed = read_withdrawn(index_dir)
    is_withdrawn = dict(connection.execute("SELECT id, withdrawn FROM article"))
    missing = [name for name in known_withdrawn(index_dir) if not is_withdrawn.get(name, name in listed.ids)]
    if missing:
        folded = max((manifest.folded(state.counter) for manifest in kept_manifests(index_dir)), default=0)
        sequence = next_sequence(connection, max(folded, listed.until(state.counter)))
        for article_id in sorted(missing):
            write_withdrawal(connection, _number(connection, article_id), article_id, sequence)
        note = (
            "%s is older than %s beside it - what was withdrawn since stays withdrawn (articles: %d); put and say again what else it lacks"
        )
        log.error(note, index_dir / LIVE_DB, WITHDRAWN, len(missing))


def _number(connection: sqlite3.Connection, article_id: str) -> int:
    found = connection.execute("SELECT number FROM article WHERE id = ?", (article_id,)).fetchone()
    if found is None:
        found = connection.execute("SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'article'").fetchone()
    return int(found[0])


def _with_language(article: Article) -> Article:
    return article if article.lang else replace(article, lang=language_of(article.text))
