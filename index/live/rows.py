"""Rows of `live.db`: how an article, its withdrawal and its lists are stored, and what is stored of an article wherever it is."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np

from index.live.live_lists import LiveLists
from recommender import Article, Chunk
from recommender.features.ranker import SHIPPED
from recommender.retrieval.candidates import N_CANDIDATES
from recommender.types import LIVE, Vectors, rfc3339

COLUMNS = ("title", "url", "published", "section", "lang", "names", "model", "chunks", "vectors", "text")
"""What is stored of an article besides its id; see `columns_of`."""

PUT = """
INSERT INTO article VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
sequence = excluded.sequence, withdrawn = 0, title = excluded.title, url = excluded.url, published = excluded.published,
section = excluded.section, lang = excluded.lang, names = excluded.names, model = excluded.model, chunks = excluded.chunks,
vectors = excluded.vectors, text = excluded.text
"""
CROWDED_OUT = """
DELETE FROM place WHERE release = :release AND (query, target) IN (
    SELECT query, target FROM (
        SELECT query, target, row_number() OVER (PARTITION BY query ORDER BY score DESC, target DESC) AS rank
        FROM place WHERE release = :release AND query IN (SELECT value FROM json_each(:queries))
    ) WHERE rank > :most
)
"""
"""A list has so many live candidates as it has others: what it costs to read does not grow with live articles."""
RELEASES = """
WITH RECURSIVE releases (name) AS (
    SELECT min(release) FROM place
    UNION ALL SELECT (SELECT min(release) FROM place WHERE release > name) FROM releases WHERE name IS NOT NULL
) SELECT name FROM releases
"""
"""One step of the primary key for each of them, where DISTINCT would read the whole table."""
WITHDRAW = """
INSERT INTO article (number, id, sequence, withdrawn) VALUES (?, ?, ?, 1) ON CONFLICT (id) DO UPDATE SET
sequence = excluded.sequence, withdrawn = 1, title = NULL, url = NULL, published = NULL, section = NULL, lang = NULL,
names = NULL, model = NULL, chunks = NULL, vectors = NULL, text = NULL
"""


def columns_of(article: Article, chunks: Sequence[Chunk], vectors: Vectors, model: str) -> tuple[Any, ...]:
    """What is stored of an article, by `COLUMNS`.

    Args:
        model: Sha256 of the one that made the vectors.
    """
    card = (article.title, article.url, rfc3339(article.published), article.section, article.lang)
    names = json.dumps(article.read_more, ensure_ascii=False)
    return (*card, names, model, packed_spans(chunks), vectors.astype(np.float32).tobytes(), article.text)


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
    """Wipe what is stored of an article, and its lists; the log of the file is to be emptied then (`index.live.database.wipe`)."""
    connection.execute(WITHDRAW, (number, article_id, sequence))
    _forget_lists(connection, number)
    connection.execute("UPDATE state SET unwiped = max(unwiped, ?)", (sequence,))


def _forget_lists(connection: sqlite3.Connection, number: int) -> None:
    connection.execute("DELETE FROM own WHERE article = ?", (number,))
    connection.execute("DELETE FROM place WHERE target = ?", (number,))
    connection.execute(f"DELETE FROM place WHERE release IN ({RELEASES}) AND query = ?", (LIVE + number,))


def write_lists(connection: sqlite3.Connection, release: str, number: int, lists: LiveLists) -> None:
    own = (lists.canonical, lists.hubness.tobytes(), lists.terms, lists.candidates.tobytes())
    connection.execute("INSERT OR REPLACE INTO own VALUES (?, ?, ?, ?, ?, ?)", (release, number, *own))
    scores = SHIPPED.scores(lists.places["features"]).tolist()
    places = zip(lists.queries, lists.places, scores, strict=True)
    rows = ((release, query, number, candidate.tobytes(), score) for query, candidate, score in places)
    connection.executemany("INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?, ?)", rows)
    connection.execute(CROWDED_OUT, {"release": release, "queries": json.dumps(lists.queries), "most": N_CANDIDATES})


def packed_spans(chunks: Sequence[Chunk]) -> bytes:
    return np.array([(chunk.start, chunk.end) for chunk in chunks], dtype=np.int32).tobytes()
