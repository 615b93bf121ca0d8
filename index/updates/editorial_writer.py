"""What overrides and judgements are written with: the tables of `live.db`, or those of the journal that machines share."""

import sqlite3
from collections.abc import Mapping
from typing import Protocol

from index.live.database import JUDGEMENTS, next_sequence


class EditorialWriter(Protocol):
    """A transaction in which something is said; the only one at a time."""

    def said(self, article_id: str) -> str | None:
        """What is said of an article now, as JSON."""

    def last(self, article_id: str, n: int) -> list[str]:
        """What was said of it, as JSON, the last first."""

    def say(self, article_id: str, action: str, body: str, key: str | None, at: str) -> None:
        """Say something in place of what was said before, and keep for good who did."""

    def take_back(self, article_id: str, action: str, body: str, key: str | None, at: str) -> None:
        """Say nothing any more, and keep for good who did."""

    def judge(self, article_id: str, verdicts: Mapping[str, bool | None], at: str, owner: str, key: str | None) -> None:
        """Keep what is thought of lines of a list."""


class LocalWriter:
    """See `EditorialWriter`; in `live.db`."""

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
