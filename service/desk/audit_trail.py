"""Describe the audit trail of an article in words: what each entry changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from recommender.overrides import NOTHING, Block, Override

FIRST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TrailEntry:
    """An entry of the audit trail.

    Attributes:
        key: First digits of the hash of the key that made the change.
    """

    at: datetime
    owner: str
    key: str | None
    reason: str
    changes: tuple[str, ...]


def trail(history: Sequence[Mapping[str, Any]]) -> list[TrailEntry]:
    """Return the entries of `index.updates.override_store.history`, newest first."""
    said = [Override.from_dict(entry) for entry in history]
    return [
        TrailEntry(
            datetime.fromisoformat(entry["at"]), now.owner, entry["key"], now.reason, tuple(_changes(before, now)) or ("nothing changed",)
        )
        for entry, now, before in zip(history, said, [*said[1:], NOTHING], strict=False)
    ]


def last_day(until: datetime | None) -> str:
    """Return the suffix of a sentence that names the last valid day. It is empty if the change has no end.

    >>> last_day(datetime.fromisoformat("2027-01-01T00:00:00Z"))
    ' until 31 December 2026'
    """
    if until is None:
        return ""
    last = until - timedelta(microseconds=1) if until > FIRST else until
    return f" until {last:%-d %B %Y}"


def _changes(before: Override, now: Override) -> Iterator[str]:
    pins, pins_now = ({pin.article_id: pin for pin in of.pins} for of in (before, now))
    for article_id, pin in pins_now.items():
        if pins.get(article_id) != pin:
            yield f"{article_id} pinned in slot {pin.slot}{last_day(pin.until)}"
    yield from (f"{article_id} pinned no more" for article_id in pins if article_id not in pins_now)
    yield from (f"{_name(block)} blocked{last_day(block.until)}" for block in now.blocks if block not in before.blocks)
    kept = {_name(block) for block in now.blocks}
    yield from (f"{_name(block)} blocked no more" for block in before.blocks if _name(block) not in kept)
    if (now.everywhere, now.everywhere_until) != (before.everywhere, before.everywhere_until):
        yield f"blocked everywhere{last_day(now.everywhere_until)}" if now.everywhere else "blocked everywhere no more"


def _name(block: Block) -> str:
    return f"section {block.section}" if block.section is not None else str(block.article_id)
