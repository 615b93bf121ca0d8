"""Store the editors' overrides of the service, with a permanent audit trail.

They are stored in tables of `live.db`, so that every process applies a change to its next answer. If machines share a
journal, they are stored there (`index.updates.editorial_writer`). `recommender.overrides` defines their meaning.
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
"""Maximum number of entries of an audit trail that are returned."""

UNDONE = "undo"
"""The reason of an entry that undoes the one before it."""


def put(index_dir: Path, article_id: str, said: Override, key: str | None, journal: "Journal | None" = None) -> None:
    """Replace the override of an article.

    Args:
        key: First digits of the hash of the author's key, if there is a key.
        journal: The journal that machines share. None: this machine is alone. The same holds for the functions below.
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
    """Edit the override of an article. Concurrent edits do not undo each other.

    Args:
        edit: Computes the new override from the current one.

    Raises:
        InvalidOverride: The new override contradicts itself or exceeds a limit. Nothing was changed.
    """
    with saying(index_dir, journal) as words:
        body = words.said(article_id)
        before = Override() if body is None else Override.from_dict(json.loads(body))
        _put(words, article_id, replace(edit(before), reason=reason, owner=owner), key)


def undo(index_dir: Path, article_id: str, owner: str, key: str | None, journal: "Journal | None" = None) -> bool:
    """Restore the override from before the last change. A second undo restores the change.

    Returns:
        Whether there ever was an override.
    """
    with saying(index_dir, journal) as words:
        bodies = words.last(article_id, 2)
        if bodies:
            before = Override.from_dict(json.loads(bodies[1])) if len(bodies) == 2 else Override()
            _put(words, article_id, replace(before, reason=UNDONE, owner=owner), key)
    return bool(bodies)


def delete(index_dir: Path, article_id: str, key: str | None, journal: "Journal | None" = None) -> bool:
    """Remove the override of an article.

    Returns:
        Whether there was an override.
    """
    with saying(index_dir, journal) as words:
        said = words.said(article_id) is not None
        if said:
            words.take_back(article_id, "delete", _json(Override()), key, _now())
    return said


def history(index_dir: Path, article_id: str) -> list[dict[str, Any]]:
    """Return the audit trail of an article, newest first.

    Raises:
        StorageError: The trail cannot be read.
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
