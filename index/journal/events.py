"""Define the messages that a journal sends to its replicas."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Head:
    """The state of a journal.

    Attributes:
        name: Random name of the journal. Another journal has another name.
        sequence: Number of the last change.
        purged: The journal may have purged articles up to this change, because releases hold them.
        mark: Mark of the last change. None before the first change.
    """

    name: str
    sequence: int
    purged: int
    mark: str | None


@dataclass(frozen=True, slots=True)
class JournalEvent:
    """A row of the journal after its last change.

    Attributes:
        number: Number of that change.
        table: Name of its table, without `readmore_`.
        row: Column name -> value.
    """

    number: int
    table: str
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class JournalEvents:
    """A batch of changes, in order.

    Attributes:
        until: The batch is complete up to this number.
        rows: The changed rows, without rows that changed again later.
        marks: Number -> mark, from the requested number on.
    """

    until: int
    rows: list[JournalEvent]
    marks: dict[int, str]
