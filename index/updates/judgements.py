"""Store editors' judgements of the lines of lists: to be linked, or not.

`index.ranker_training` fits the ranker to them.

They are stored beside the overrides, in a table of `live.db` or of the shared journal. They do not change lists. For
each pair of articles the latest judgement counts.
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
    """Store an editor's judgements of lines of a list.

    Args:
        verdicts: Id of the line -> whether it is accepted. None retracts the judgement.
        journal: The journal that machines share. None: this machine is alone.

    Raises:
        StorageError: The disk is full, or the folder cannot be written.
    """
    now = str(rfc3339(datetime.now(UTC).replace(microsecond=0)))
    with saying(index_dir, journal) as words:
        words.judge(article_id, verdicts, now, owner, key)


def judged(index_dir: Path, article_id: str | None = None) -> dict[str, dict[str, bool]]:
    """Return the judgements of one article's list, or of all: article id -> line id -> whether it is accepted.

    Raises:
        StorageError: The judgements cannot be read.
    """
    found: dict[str, dict[str, bool]] = {}
    sql = "SELECT article_id, target_id, accepted FROM judgement WHERE ? IN (article_id, '') ORDER BY article_id, at, target_id"
    with asking(index_dir) as connection:
        if connection is not None and connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'judgement'").fetchone():
            for source, target, accepted in connection.execute(sql, (article_id or "",)):
                found.setdefault(source, {})[target] = bool(accepted)
    return found


def with_judgements(lists: Qrels, verdicts: Mapping[str, Mapping[str, bool]]) -> dict[str, tuple[str, ...]]:
    """Return the hand-made lists with accepted lines added and rejected lines removed. Empty lists are left out.

    >>> with_judgements({"a": ("b", "c")}, {"a": {"c": False, "d": True}, "x": {"y": True}})
    {'a': ('b', 'd'), 'x': ('y',)}
    """
    found = {source: tuple(targets) for source, targets in lists.items()}
    for source, of in verdicts.items():
        kept = [target for target in found.get(source, ()) if of.get(target, True)]
        found[source] = tuple(dict.fromkeys([*kept, *(target for target, accepted in of.items() if accepted)]))
    return {source: targets for source, targets in found.items() if targets}
