"""Write the editors' word of the service; who said what, and when, is kept for good.

Tables of `live.db`, so that every process sees a change with its next answer; `recommender.overrides` says what it means.
"""

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from index.live import next_sequence, writing
from recommender.live import LIVE_DB
from recommender.overrides import Override
from recommender.types import rfc3339

MOST_ENTRIES = 100
"""Entries of an audit trail that are told."""


def put(index_dir: Path, article_id: str, said: Override, key: str | None) -> None:
    """Say something of an article, in place of what was said before.

    Args:
        key: Of whom: the first digits of the key's hash, if there is one.
    """
    with writing(index_dir) as connection:
        sql = "INSERT OR REPLACE INTO override VALUES (?, ?, ?)"
        connection.execute(sql, (article_id, _json(said), next_sequence(connection)))
        _remember(connection, article_id, "put", said, key)


def delete(index_dir: Path, article_id: str, key: str | None) -> bool:
    """Take back what was said of an article.

    Returns:
        Whether anything was.
    """
    with writing(index_dir) as connection:
        if not connection.execute("DELETE FROM override WHERE article_id = ?", (article_id,)).rowcount:
            return False
        next_sequence(connection)
        _remember(connection, article_id, "delete", Override(), key)
        return True


def history(index_dir: Path, article_id: str) -> list[dict[str, Any]]:
    """What was said of an article, the last first."""
    if not (index_dir / LIVE_DB).exists():
        return []
    with writing(index_dir) as connection:
        found = connection.execute(
            "SELECT at, action, key, body FROM override_history WHERE article_id = ? ORDER BY number DESC LIMIT ?",
            (article_id, MOST_ENTRIES),
        )
        return [{"at": at, "action": action, "key": key, **json.loads(body)} for at, action, key, body in found]


def _remember(connection: sqlite3.Connection, article_id: str, action: str, said: Override, key: str | None) -> None:
    now = rfc3339(datetime.now(UTC).replace(microsecond=0))
    sql = "INSERT INTO override_history (at, article_id, action, key, body) VALUES (?, ?, ?, ?, ?)"
    connection.execute(sql, (now, article_id, action, key, _json(said)))


def _json(said: Override) -> str:
    return json.dumps(said.as_dict(), ensure_ascii=False)
