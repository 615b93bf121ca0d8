"""Keep moments in order, each with its owner."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Entry = tuple[datetime, Any]
"""A moment and its owner. All owners of a timeline have one type."""

CHUNK = 256
"""Average number of entries of a chunk."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """An immutable sorted set of moments and their owners. A view may keep it.

    A change copies one chunk and the tuple of chunks. That takes some microseconds for 50,000 entries.

    Attributes:
        chunks: Entries in ascending order, in chunks that are not empty.
    """

    chunks: tuple[tuple[Entry, ...], ...] = ()

    def changed(self, gone: Iterable[Entry], new: Sequence[Entry]) -> "Timeline":
        """Return the timeline without some of its entries, and with others that it does not hold."""
        chunks = list(self.chunks)
        for entry in gone:
            at = bisect_left(chunks, entry, key=_last)
            place = bisect_left(chunks[at], entry)
            chunks[at : at + 1] = _cut(chunks[at][:place] + chunks[at][place + 1 :])
        if len(new) > CHUNK:
            chunks = _cut(tuple(sorted([*(entry for chunk in chunks for entry in chunk), *new])))
        else:
            for entry in new:
                at = min(bisect_left(chunks, entry, key=_last), max(len(chunks) - 1, 0))
                chunk = chunks[at] if chunks else ()
                place = bisect_left(chunk, entry)
                chunks[at : at + 1] = _cut((*chunk[:place], entry, *chunk[place:]))
        return Timeline(tuple(chunks))

    def last(self, now: datetime) -> datetime | None:
        """Return the last moment up to now, or None."""
        return next((moment for moment, _ in self.until(now)), None)

    def next(self, now: datetime) -> datetime | None:
        """Return the first moment after now, or None."""
        at = bisect_right(self.chunks, now, key=lambda chunk: chunk[-1][0])
        return self.chunks[at][bisect_right(self.chunks[at], now, key=_moment)][0] if at < len(self.chunks) else None

    def until(self, now: datetime) -> Iterator[Entry]:
        """Yield the entries up to now, the last first."""
        at = bisect_right(self.chunks, now, key=lambda chunk: chunk[0][0])
        if at:
            yield from reversed(self.chunks[at - 1][: bisect_right(self.chunks[at - 1], now, key=_moment)])
        for chunk in reversed(self.chunks[: max(at - 1, 0)]):
            yield from reversed(chunk)


def _last(chunk: tuple[Entry, ...]) -> Entry:
    return chunk[-1]


def _moment(entry: Entry) -> datetime:
    return entry[0]


def _cut(entries: tuple[Entry, ...]) -> list[tuple[Entry, ...]]:
    """Cut entries into chunks of average length."""
    if len(entries) <= 2 * CHUNK:
        return [entries] if entries else []
    return [entries[begin : begin + CHUNK] for begin in range(0, len(entries), CHUNK)]
