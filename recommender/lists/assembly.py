"""Assemble the list of an article from its candidates: apply overrides and selection, and fill a short list."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from recommender.features.feature_schema import Candidates, seconds
from recommender.features.ranker import Ranker
from recommender.lists import selection
from recommender.lists.items import Chosen, Hidden, ItemRenderer
from recommender.lists.selection import Selection, may_show
from recommender.live.database import LiveArticles
from recommender.live.overlay import LiveOverlay
from recommender.live.overrides_in_force import InForce
from recommender.overrides import NOTHING, Override, place_pins
from recommender.release.catalogue import Catalogue
from recommender.types import LIVE, Card, Related, Rows, Vectors

FALLBACK_REACH = 64
"""Extra newest articles to read. Some of the newest may be hidden or on the list already."""

Pinned = tuple[int, Chosen]
"""Slot and item."""


@dataclass(frozen=True, slots=True)
class ListBuilder:
    """Builds the lists of one moment.

    Attributes:
        overrides: Overrides of the file and of the service.
        mean_vectors: Maps rows of articles to their mean vectors.
    """

    catalogue: Catalogue
    live: LiveArticles
    view: LiveOverlay
    overrides: InForce
    ranker: Ranker
    mean_vectors: Callable[[Rows], Vectors]

    def read(
        self,
        card: Card,
        text: str,
        found: Candidates,
        wanted: Selection,
        limit: int,
        *,
        explain: bool = False,
        fill_in: Callable[[Rows], None] | None = None,
        confidence: NDArray[np.float64] | None = None,
    ) -> tuple[tuple[Related, ...], str | None]:
        """Return the list of an article, and the reason if it is empty.

        Args:
            card: Card of the article. Its row is -1 for a text outside the index.
            found: Its candidates, best first.
            fill_in: Called with the places of the chosen candidates if `found` has no passages and terms yet.
            confidence: Confidence of each candidate, given for several seed articles at once. Items then have neither
                passages nor terms.
        """
        override = self.overrides.override(card.id) if self.overrides else NOTHING
        lines = self._lines(override, text, card.published, wanted, explain)
        pinned = self._pinned(card, override, lines)
        chosen = self._select(found, seconds(card.published), lines, wanted.offset + limit + len(pinned), confidence)
        if fill_in is not None:
            fill_in(chosen.places)
        return self._arranged(card, found, chosen, pinned, limit, lines, plain=confidence is not None)

    def _lines(self, override: Override, text: str, published: datetime | None, wanted: Selection, explain: bool) -> ItemRenderer:
        blocks = self.overrides.blocks(override) if self.overrides else []
        blocked = (self._find(block.article_id) for block in blocks if block.article_id is not None)
        hidden = Hidden(frozenset(row for row in blocked if row is not None), self.overrides)
        sections = frozenset(block.section for block in blocks if block.section is not None)
        weights = self.ranker if explain else None
        return ItemRenderer(self.catalogue, self.live, self.view, wanted, text, published, hidden, sections, weights)

    def _pinned(self, card: Card, override: Override, lines: ItemRenderer) -> list[Pinned]:
        """Return the items that editors pin to the list, except those hidden, on the page already, or missing."""
        pinned = []
        for pin in self.overrides.pins(override) if override.pins else ():
            row = self._find(pin.article_id)
            if row is None or row == card.row or row in lines.hidden or pin.article_id in lines.wanted.exclude:
                continue
            target = self.view.articles[row].card if row >= LIVE else self.catalogue.card(row)
            if not target.under_embargo and target.section not in lines.hidden_sections:
                pinned.append((pin.slot, Chosen(row, 1.0, "pinned")))
        return pinned

    def _find(self, article_id: str) -> int | None:
        """Return the row of an article, or None if it does not exist or was withdrawn."""
        row = self.view.rows.get(article_id)
        if row is None:
            row = self.catalogue.find_row(article_id)
            row = None if row is None else self.view.replaced.get(row, row)
        return row

    def _select(
        self, found: Candidates, published: int, lines: ItemRenderer, limit: int, confidence: NDArray[np.float64] | None
    ) -> selection.Selected:
        """Return the candidates that pass the selection and are not hidden, in the order of the list."""
        among, wanted, rows = None, lines.wanted, found["article"]
        if wanted.sections or wanted.langs or wanted.exclude:
            among = np.isin(rows, self._rows_among(rows, wanted.sections, wanted.langs, wanted.exclude))
        hidden = lines.hidden.among(rows.tolist()) if self.overrides else ()
        if hidden:
            among = np.array([row not in hidden for row in rows.tolist()], dtype=np.bool_) & (True if among is None else among)
        if lines.hidden_sections:
            of_sections = self._rows_among(rows, list(lines.hidden_sections), (), ())
            among = ~np.isin(rows, of_sections) & (True if among is None else among)
        return selection.select(found, published, self.ranker, wanted, limit, self.mean_vectors, among, confidence)

    def _rows_among(self, rows: NDArray[np.int32], sections: Sequence[str], langs: Sequence[str], exclude: Sequence[str]) -> list[int]:
        found = self.catalogue.rows_among(rows.tolist(), sections, langs, exclude)
        return [*found, *self.view.among(rows.tolist(), sections, langs, exclude)] if self.view else [*found]

    def _arranged(
        self,
        card: Card,
        found: Candidates,
        chosen: selection.Selected,
        pinned: list[Pinned],
        limit: int,
        lines: ItemRenderer,
        *,
        plain: bool,
    ) -> tuple[tuple[Related, ...], str | None]:
        """Return pins in their slots, ranked items around them, and fallback items at the end."""
        last = lines.wanted.offset + limit
        taken = {line.row for _, line in pinned}
        ranked = [
            Chosen(row, score, "model", None if plain else found[place])
            for place, row, score in zip(chosen.places, found["article"][chosen.places].tolist(), chosen.scores.tolist(), strict=True)
            if row not in taken
        ]
        arranged = place_pins(ranked, pinned, last) if pinned else ranked[:last]
        if lines.wanted.fallback and len(arranged) < last:
            arranged += self._newest(card, {line.row for line in arranged}, last - len(arranged), lines)
        items = lines.read([(rank, line) for rank, line in enumerate(arranged, 1) if rank > lines.wanted.offset])
        return items, None if items else chosen.reason or "no_more"

    def _newest(self, card: Card, taken: set[int], n: int, lines: ItemRenderer) -> list[Chosen]:
        """Return the newest visible articles not on the list yet: first of the same section, then of any section."""
        found: list[Chosen] = []
        for section in dict.fromkeys((card.section, None)):
            newest = [of for of in self._dated(section, n + FALLBACK_REACH, lines) if of.row not in taken and of.id != card.id]
            found += [Chosen(of.row, 0.0, "fallback") for of in newest[: n - len(found)]]
            taken = taken | {line.row for line in found}
        return found

    def _dated(self, section: str | None, n: int, lines: ItemRenderer) -> list[Card]:
        """Return the newest visible articles of a section, or of any section."""
        wanted = lines.wanted
        as_of = wanted.as_of or datetime.now(UTC)
        put = (self.view.articles[row] for _, row in self.view.dates.until(as_of))
        live = islice((of.card for of in put if of.canonical is None and section in (None, of.card.section)), n)
        stored = self.catalogue.newest(section, n, as_of, self.view.replaced)
        newest = sorted([*live, *stored], key=lambda of: (-seconds(of.published), of.id))
        may = [
            of for of in newest if may_show(of.published, wanted) and of.row not in lines.hidden and of.section not in lines.hidden_sections
        ]
        if wanted.sections or wanted.langs or wanted.exclude:
            among = self._rows_among(np.array([of.row for of in may], dtype=np.int32), wanted.sections, wanted.langs, wanted.exclude)
            may = [of for of in may if of.row in among]
        return may
