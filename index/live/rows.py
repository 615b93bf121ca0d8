"""Read and write the rows of `live.db`: articles, deletes and lists.

The columns of an article are the same wherever it is stored.
"""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np

from index.live.live_lists import LiveLists
from recommender import Article, Chunk
from recommender.features.ranker import SHIPPED
from recommender.retrieval.candidates import N_CANDIDATES
from recommender.types import FIELD, LIVE, Vectors, stored_values

COLUMNS = (*FIELD, "names", "model", "chunks", "vectors")
"""Columns of an article besides its id. See `columns_of`."""

PUT = f"""
INSERT INTO article (withdrawn, number, id, sequence, {", ".join(COLUMNS)}) VALUES (0, ?, ?, ?{", ?" * len(COLUMNS)})
ON CONFLICT (id) DO UPDATE SET withdrawn = 0, {", ".join(f"{name} = excluded.{name}" for name in ("sequence", *COLUMNS))}
"""
CROWDED_OUT = """
DELETE FROM place WHERE release = :release AND (query, target) IN (
    SELECT query, target FROM (
        SELECT query, target, row_number() OVER (PARTITION BY query ORDER BY score DESC, target DESC) AS rank
        FROM place WHERE release = :release AND query IN (SELECT value FROM json_each(:queries))
    ) WHERE rank > :most
)
"""
"""Drops the lowest live candidates, so that they never outnumber the other candidates of a list.

So the cost of a read does not grow with live articles.
"""
RELEASES = """
WITH RECURSIVE releases (name) AS (
    SELECT min(release) FROM place
    UNION ALL SELECT (SELECT min(release) FROM place WHERE release > name) FROM releases WHERE name IS NOT NULL
) SELECT name FROM releases
"""
"""Finds the releases with one step of the primary key each. DISTINCT would scan the whole table."""
WITHDRAW = f"""
INSERT INTO article (number, id, sequence, withdrawn) VALUES (?, ?, ?, 1) ON CONFLICT (id) DO UPDATE SET
sequence = excluded.sequence, withdrawn = 1, {", ".join(f"{name} = NULL" for name in COLUMNS)}
"""


def columns_of(article: Article, chunks: Sequence[Chunk], vectors: Vectors, model: str) -> tuple[Any, ...]:
    """Return the values of an article's columns, in the order of `COLUMNS`.

    Args:
        model: The sha256 of the model that made the vectors.
    """
    names = json.dumps(article.read_more, ensure_ascii=False)
    return (*stored_values(article).values(), names, model, packed_spans(chunks), vectors.astype(np.float32).tobytes())


def read_chunks(article: Article, spans: bytes, packed: bytes, dim: int) -> tuple[list[Chunk], Vectors]:
    """Return the chunks and vectors of an article from their stored form."""
    ends = np.frombuffer(spans, dtype=np.int32).reshape(-1, 2).tolist()
    chunks = [Chunk(article.id, place, start, end, article.text[start:end]) for place, (start, end) in enumerate(ends)]
    return chunks, np.frombuffer(packed, dtype=np.float32).reshape(-1, dim)


def write_article(connection: sqlite3.Connection, number: int, article_id: str, sequence: int, columns: Sequence[Any]) -> None:
    """Upsert an article, and drop its lists."""
    connection.execute(PUT, (number, article_id, sequence, *columns))
    _forget_lists(connection, number)


def write_withdrawal(connection: sqlite3.Connection, number: int, article_id: str, sequence: int) -> None:
    """Wipe an article's fields and its lists.

    The file's log must be emptied afterwards (`index.live.database.wipe`).
    """
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
