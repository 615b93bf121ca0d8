"""What editors think of lines of our lists: to be linked, or not. `index.ranker_training` fits the ranker to it.

A table of `live.db`, or of the journal that machines share, beside the overrides; lists are not changed by it. Of each pair of articles the
last word counts.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from index.live.database import asking
from index.updates.session import saying
from recommender.types import rfc3339

if TYPE_CHECKING:
    from index.journal.journal import Journal

Qrels = Mapping[str, Sequence[str]]


def judge(
    index_dir: Path,
    article_id: str,
    verdicts: Mapping[str, bool | None],
    owner: str,
    key: str | None,
    journal: "Journal | None" = None,
) -> None:
    """Keep what an editor thinks of lines of a list.

    Args:
        verdicts: Id of the line -> whether it is accepted; None takes back what was thought of it.
        journal: What machines share; None: this one is alone.

    Raises:
        StorageError: The disk is full, or the folder cannot be written.
    """
    now = str(rfc3339(datetime.now(UTC).replace(microsecond=0)))
    with saying(index_dir, journal) as words:
        words.judge(article_id, verdicts, now, owner, key)


def judged(index_dir: Path, article_id: str | None = None) -> dict[str, dict[str, bool]]:
    """What editors think, of one article's list or of all: id of the article -> id of the line -> whether it is accepted.

    Raises:
        StorageError: It cannot be read.
    """
    found: dict[str, dict[str, bool]] = {}
    sql = "SELECT article_id, target_id, accepted FROM judgement WHERE ? IN (article_id, '') ORDER BY article_id, at, target_id"
    with asking(index_dir) as connection:
        if connection is not None and connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'judgement'").fetchone():
            for source, target, accepted in connection.execute(sql, (article_id or "",)):
                found.setdefault(source, {})[target] = bool(accepted)
    return found


def with_judgements(lists: Qrels, verdicts: Mapping[str, Mapping[str, bool]]) -> dict[str, tuple[str, ...]]:
    """Hand-made lists with what was accepted added, and what was rejected taken out; lists of nothing are left out.

    >>> with_judgements({"a": ("b", "c")}, {"a": {"c": False, "d": True}, "x": {"y": True}})
    {'a': ('b', 'd'), 'x': ('y',)}
    """
    found = {source: tuple(targets) for source, targets in lists.items()}
    for source, of in verdicts.items():
        kept = [target for target in found.get(source, ()) if of.get(target, True)]
        found[source] = tuple(dict.fromkeys([*kept, *(target for target, accepted in of.items() if accepted)]))
    return {source: targets for source, targets in found.items() if targets}
