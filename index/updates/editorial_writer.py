"""Write overrides and judgements to the tables of `live.db`, or to those of the shared journal."""

import sqlite3
from collections.abc import Mapping
from typing import Protocol

from index.live.database import JUDGEMENTS, next_sequence


class EditorialWriter(Protocol):
    """An exclusive write transaction for editorial data."""

    def said(self, article_id: str) -> str | None:
        """Return the current override of an article as JSON."""

    def last(self, article_id: str, n: int) -> list[str]:
        """Return the latest overrides of an article as JSON, newest first."""

    def say(self, article_id: str, action: str, body: str, key: str | None, at: str) -> None:
        """Replace the override of an article, and record its author permanently."""

    def take_back(self, article_id: str, action: str, body: str, key: str | None, at: str) -> None:
        """Remove the override of an article, and record the author permanently."""

    def judge(self, article_id: str, verdicts: Mapping[str, bool | None], at: str, owner: str, key: str | None) -> None:
        """Store the judgements of a list's lines."""


class LocalWriter:
    """The `EditorialWriter` of `live.db`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def said(self, article_id: str) -> str | None:
        found = self._connection.execute("SELECT body FROM override WHERE article_id = ?", (article_id,)).fetchone()
        return None if found is None else str(found[0])

    def last(self, article_id: str, n: int) -> list[str]:
        sql = "SELECT body FROM override_history WHERE article_id = ? ORDER BY number DESC LIMIT ?"
        return [body for (body,) in self._connection.execute(sql, (article_id, n))]

    def say(self, article_id: str, action: str, body: str, key: str | None, at: str) -> None:
        sql = "INSERT OR REPLACE INTO override VALUES (?, ?, ?)"
        self._connection.execute(sql, (article_id, body, next_sequence(self._connection)))
        self._remember(article_id, action, body, key, at)

    def take_back(self, article_id: str, action: str, body: str, key: str | None, at: str) -> None:
        self._connection.execute("DELETE FROM override WHERE article_id = ?", (article_id,))
        next_sequence(self._connection)
        self._remember(article_id, action, body, key, at)

    def judge(self, article_id: str, verdicts: Mapping[str, bool | None], at: str, owner: str, key: str | None) -> None:
        self._connection.execute(JUDGEMENTS)
        gone = [(article_id, target) for target in verdicts]
        rows = [(article_id, target, accepted, at, owner, key) for target, accepted in verdicts.items() if accepted is not None]
        self._connection.executemany("DELETE FROM judgement WHERE article_id = ? AND target_id = ?", gone)
        self._connection.executemany("INSERT INTO judgement VALUES (?, ?, ?, ?, ?, ?)", rows)

    def _remember(self, article_id: str, action: str, body: str, key: str | None, at: str) -> None:
        sql = "INSERT INTO override_history (at, article_id, action, key, body) VALUES (?, ?, ?, ?, ?)"
        self._connection.execute(sql, (at, article_id, action, key, body))
