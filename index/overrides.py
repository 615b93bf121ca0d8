"""Write the editors' word of the service; who said what, and when, is kept for good.

Tables of `live.db`, so that every process sees a change with its next answer; `recommender.overrides` says what it means.
"""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from index.live import asking, next_sequence, writing
from recommender.overrides import Override
from recommender.types import rfc3339

MOST_ENTRIES = 100
"""Entries of an audit trail that are told."""

UNDONE = "undo"
"""The reason of an entry that takes the one before it back."""


def put(index_dir: Path, article_id: str, said: Override, key: str | None) -> None:
    """Say something of an article, in place of what was said before.

    Args:
        key: Of whom: the first digits of the key's hash, if there is one.
    """
    with writing(index_dir) as connection:
        _put(connection, article_id, said, key)


def change(index_dir: Path, article_id: str, edit: Callable[[Override], Override], reason: str, owner: str, key: str | None) -> None:
    """Change what is said of an article; of two who change it at once, neither undoes what the other did.

    Args:
        edit: Makes what is said from what was said before.

    Raises:
        InvalidOverride: What is made contradicts itself, or has no more room; nothing was changed.
    """
    with writing(index_dir) as connection:
        found = connection.execute("SELECT body FROM override WHERE article_id = ?", (article_id,)).fetchone()
        before = Override() if found is None else Override.from_dict(json.loads(found[0]))
        _put(connection, article_id, replace(edit(before), reason=reason, owner=owner), key)


def undo(index_dir: Path, article_id: str, owner: str, key: str | None) -> bool:
    """Say again what was said before the last change; done twice, the change is there again.

    Returns:
        Whether anything was ever said.
    """
    sql = "SELECT body FROM override_history WHERE article_id = ? ORDER BY number DESC LIMIT 2"
    with writing(index_dir) as connection:
        bodies = connection.execute(sql, (article_id,)).fetchall()
        if bodies:
            before = Override.from_dict(json.loads(bodies[1][0])) if len(bodies) == 2 else Override()
            _put(connection, article_id, replace(before, reason=UNDONE, owner=owner), key)
        return bool(bodies)


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
    """What was said of an article, the last first.

    Raises:
        StorageError: It cannot be read.
    """
    with asking(index_dir) as connection:
        if connection is None:
            return []
        found = connection.execute(
            "SELECT at, action, key, body FROM override_history WHERE article_id = ? ORDER BY number DESC LIMIT ?",
            (article_id, MOST_ENTRIES),
        )
        return [{"at": at, "action": action, "key": key, **json.loads(body)} for at, action, key, body in found]


def _put(connection: sqlite3.Connection, article_id: str, said: Override, key: str | None) -> None:
    sql = "INSERT OR REPLACE INTO override VALUES (?, ?, ?)"
    connection.execute(sql, (article_id, _json(said), next_sequence(connection)))
    _remember(connection, article_id, "put", said, key)


def _remember(connection: sqlite3.Connection, article_id: str, action: str, said: Override, key: str | None) -> None:
    now = rfc3339(datetime.now(UTC).replace(microsecond=0))
    sql = "INSERT INTO override_history (at, article_id, action, key, body) VALUES (?, ?, ?, ?, ?)"
    connection.execute(sql, (now, article_id, action, key, _json(said)))


def _json(said: Override) -> str:
    return json.dumps(said.as_dict(), ensure_ascii=False)
