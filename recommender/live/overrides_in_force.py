"""Combine the overrides in force at one moment: those of the file, overlaid with those of the service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from recommender.live.database import LiveArticles
from recommender.live.overlay import LiveOverlay
from recommender.overrides import NOTHING, Block, Override, Overrides, Pin, is_over
from recommender.types import LIVE


@dataclass(frozen=True, slots=True)
class InForce:
    """The overrides in force. Each is read by article or by row, so that many overrides slow down no answer.

    Attributes:
        file: The overrides of the file.
        file_rows: Row of each article that the file hides everywhere -> when that ends. None: never.
        live: Holds the overrides that editors made through the service.
        now: The moment. Overrides that ended by then do not count.
    """

    file: Overrides
    file_rows: Mapping[int, datetime | None]
    live: LiveArticles
    view: LiveOverlay
    now: datetime

    def override(self, article_id: str) -> Override:
        """Return the override of an article, combined from the file and the service."""
        in_file = self.file.articles.get(article_id, NOTHING)
        of_service = self.live.override(article_id) if self.view.overridden else NOTHING
        return of_service if in_file is NOTHING else in_file if of_service is NOTHING else in_file | of_service

    def pins(self, override: Override) -> list[Pin]:
        """Return the pins that have not ended, by slot."""
        return sorted((pin for pin in override.pins if not is_over(pin.until, self.now)), key=lambda pin: pin.slot)

    def blocks(self, override: Override) -> list[Block]:
        """Return the blocks that have not ended, and those of the file that count on every list."""
        return [block for block in (*override.blocks, *self.file.hidden) if not is_over(block.until, self.now)]

    def hidden_among(self, rows: Sequence[int]) -> set[int]:
        """Return the rows of some articles that no list shows."""
        hidden = self.view.hidden
        found = {row for row in rows if row in hidden and not is_over(hidden[row], self.now)} if hidden else set[int]()
        return found.union(row for row in rows if self._file_hides(row)) if self.file.everywhere else found

    def hides(self, row: int) -> bool:
        """Return whether no list shows an article."""
        hidden = self.view.hidden
        return (row in hidden and not is_over(hidden[row], self.now)) or self._file_hides(row)

    def _file_hides(self, row: int) -> bool:
        if row < LIVE:
            return row in self.file_rows and not is_over(self.file_rows[row], self.now)
        live, ends = self.view.articles.get(row), self.file.everywhere
        return live is not None and live.card.id in ends and not is_over(ends[live.card.id], self.now)
