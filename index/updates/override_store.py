"""Write the editors' word of the service; who said what, and when, is kept for good.

Tables of `live.db`, so that every process sees a change with its next answer, or of the journal that machines share
(`index.updates.editorial_writer`);
`recommender.overrides` says what it means.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from index.live.database import asking
from index.updates.editorial_writer import EditorialWriter
from index.updates.session import saying
from recommender.overrides import Override
from recommender.types import rfc3339

if TYPE_CHECKING:
    from index.journal.journal import Journal

MOST_ENTRIES = 100
"""Entries of an audit trail that are told."""

UNDONE = "undo"
"""The reason of an entry that takes the one before it back."""


def put(index_dir: Path, article_id: str, said: Override, key: str | None, journal: "Journal | None" = None) -> None:
    """Say something of an article, in place of what was said before.

    Args:
        key: Of whom: the first digits of the key's hash, if there is one.
        journal: What machines share; None: this one is alone. As in all that follows.
    """
    with saying(index_dir, journal) as words:
        _put(words, article_id, said, key)


def change(
    index_dir: Path,
    article_id: str,
    edit: Callable[[Override], Override],
    reason: str,
    owner: str,
    key: str | None,
    journal: "Journal | None" = None,
) -> None:
    """Change what is said of an article; of two who change it at once, neither undoes what the other did.

    Args:
        edit: Makes what is said from what was said before.

    Raises:
        InvalidOverride: What is made contradicts itself, or has no more room; nothing was changed.
    """
    with saying(index_dir, journal) as words:
        body = words.said(article_id)
        before = Override() if body is None else Override.from_dict(json.loads(body))
        _put(words, article_id, replace(edit(before), reason=reason, owner=owner), key)


def undo(index_dir: Path, article_id: str, owner: str, key: str | None, journal: "Journal | None" = None) -> bool:
    """Say again what was said before the last change; done twice, the change is there again.

    Returns:
        Whether anything was ever said.
    """
    with saying(index_dir, journal) as words:
        bodies = words.last(article_id, 2)
        if bodies:
            before = Override.from_dict(json.loads(bodies[1])) if len(bodies) == 2 else Override()
            _put(words, article_id, replace(before, reason=UNDONE, owner=owner), key)
    return bool(bodies)


def delete(index_dir: Path, article_id: str, key: str | None, journal: "Journal | None" = None) -> bool:
    """Take back what was said of an article.

    Returns:
        Whether anything was.
    """
    with saying(index_dir, journal) as words:
        said = words.said(article_id) is not None
        if said:
            words.take_back(article_id, "delete", _json(Override()), key, _now())
    return said


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


def _put(words: EditorialWriter, article_id: str, said: Override, key: str | None) -> None:
    words.say(article_id, "put", _json(said), key, _now())


def _now() -> str:
    return str(rfc3339(datetime.now(UTC).replace(microsecond=0)))


def _json(said: Override) -> str:
    return json.dumps(said.as_dict(), ensure_ascii=False)
