"""What a journal tells those that follow it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Head:
    """How far a journal is.

    Attributes:
        name: Of the journal, given by chance: another one has another.
        sequence: Number of the last change.
        purged: Up to which change it may have forgotten articles, as releases hold them.
        mark: Of the last change; None before the first.
    """

    name: str
    sequence: int
    purged: int
    mark: str | None


@dataclass(frozen=True, slots=True)
class JournalEvent:
    """A row of the journal as its last change left it.

    Attributes:
        number: Of that change.
        table: Where it lies, without `readmore_`.
        row: By the names of the columns.
    """

    number: int
    table: str
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class JournalEvents:
    """Some changes, in order.

    Attributes:
        until: Up to which number these are all.
        rows: None of a row that changed again later.
        marks: Number -> mark, from the number on that was asked for.
    """

    until: int
    rows: list[JournalEvent]
    marks: dict[int, str]
