"""Build the items of a list from its candidates: apply overrides and selection, fill a short list, render.

`ListBuilder.choose` selects candidates, and `ListBuilder.items` renders them. Between the two steps, the caller adds
passages and terms to the chosen candidates that have none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from recommender.features.feature_schema import FEATURES, Candidates, column, seconds
from recommender.features.ranker import DECIMALS, Ranker
from recommender.lists import selection
from recommender.lists.selection import ANY_LANGUAGE, Selection, relation
from recommender.live.database import LiveArticles
from recommender.live.overlay import LiveOverlay
from recommender.live.overrides_in_force import InForce
from recommender.overrides import place_pins
from recommender.release.catalogue import Catalogue
from recommender.types import (
    CARD_NAMES,
    LIVE,
    Card,
    Duplicate,
    Feature,
    Floats,
    PassagePair,
    Related,
    Relation,
    Rows,
    Source,
    Vectors,
    card_values,
)

FALLBACK_REACH = 64
"""Extra newest articles to read. Some of the newest may be hidden or on the list already."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The article being read, or a text outside the index, and its candidates.

    Attributes:
        card: Card of the article. Its row is -1 for a text outside the index.
        published: Its publication time in seconds since 1970. UNDATED if unknown.
        candidates: Best first.
        confidence: Confidence of each candidate, given for several seed articles at once. Items then have neither
            passages nor terms.
        language: Number of its language, -1 if it is unknown or the archive has only one.
    """

    card: Card
    text: str
    published: int
    candidates: Candidates
    confidence: Floats | None = None
    language: int = -1


@dataclass(frozen=True, slots=True)
class Chosen:
    """An item of a list before it is rendered.

    Attributes:
        candidate: The candidate. None if editors or the date chose the item.
    """

    row: int
    score: float
    source: Source = "model"
    candidate: np.void | None = None


Pinned = tuple[int, Chosen]
"""Slot and item."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """The articles that a list hides.

    Attributes:
        blocked, sections: Rows and names of sections blocked on this list.
        overrides: Overrides that hide articles on every list.
    """

    blocked: frozenset[int]
    sections: frozenset[str]
    overrides: InForce

    def hides(self, card: Card) -> bool:
        """Return whether the list hides an article."""
        return card.section in self.sections or card.row in self.blocked or self.overrides.hides(card.row)

    def among(self, rows: Sequence[int]) -> set[int]:
        """Return the hidden rows among some rows, without those that only a section hides."""
        return self.overrides.hidden_among(rows).union(self.blocked.intersection(rows))


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen candidates of a list.

    Attributes:
        places: Their places among the candidates, in the order of the list.
        scores: float64 (n,), in [0, 1], rounded.
        reason: Reason if there are none.
        pinned: Items that editors pin to the list.
        hidden: Articles that the list hides. None: no override hides any.
    """

    places: Rows
    scores: Floats
    reason: str | None
    pinned: Sequence[Pinned] = ()
    hidden: Hidden | None = None


@dataclass(frozen=True, slots=True)
class ListBuilder:
    """Builds one list at one moment.

    Attributes:
        overrides: Overrides of the file and of the service. None: there are none.
        explain: Return what each feature of an item adds to its score.
        floor: See `selection.select`.
    """

    catalogue: Catalogue
    live: LiveArticles
    view: LiveOverlay
    overrides: InForce | None
    ranker: Ranker
    query: ListQuery
    wanted: Selection
    limit: int
    explain: bool = False
    floor: float = 0.0

    def choose(self, means: Vectors | None = None) -> Choice:
        """Return the candidates that pass selection and overrides.

        Args:
            means: Mean vectors of the candidates, float32 (n_candidates, dim). Only diversity needs them.
        """
        hidden, pinned = self._overridden(self.overrides) if self.overrides is not None else (None, ())
        query, wanted, n = self.query, self.wanted, self.wanted.offset + self.limit + len(pinned)
        filtered = hidden is not None or wanted.sections or wanted.langs or wanted.exclude or query.language >= 0
        among = self._among(hidden) if filtered else None
        selected = selection.select(query.candidates, query.published, self.ranker, wanted, n, means, among, query.confidence, self.floor)
        return Choice(selected.places, selected.scores, selected.reason, pinned, hidden)

    def items(self, choice: Choice) -> tuple[tuple[Related, ...], str | None]:
        """Return the list, and the reason if it is empty: pins in their slots, ranked items around them, and fallbacks."""
        found, last = self.query.candidates, self.wanted.offset + self.limit
        candidates = found[choice.places] if self.query.confidence is None else [None] * len(choice.places)
        rows = zip(found["article"][choice.places].tolist(), choice.scores.tolist(), candidates, strict=True)
        arranged = [Chosen(row, score, "model", candidate) for row, score, candidate in rows]
        if choice.pinned:
            taken = {item.row for _, item in choice.pinned}
            arranged = place_pins([item for item in arranged if item.row not in taken], choice.pinned, last)
        if self.wanted.fallback and len(arranged) < last:
            arranged += self._newest({item.row for item in arranged}, last - len(arranged), choice.hidden)
        items = self._rendered(arranged[self.wanted.offset : last], choice.hidden)
        return items, None if items else choice.reason or "no_more"

    def _overridden(self, overrides: InForce) -> tuple[Hidden, list[Pinned]]:
        """Return what overrides do to the list: the hidden articles, and the pinned items.

        Pinned articles that are hidden, on the page already, under embargo, or missing are left out.
        """
        override = overrides.override(self.query.card.id)
        blocks = overrides.blocks(override)
        blocked = (self._find(block.article_id) for block in blocks if block.article_id is not None)
        sections = frozenset(block.section for block in blocks if block.section is not None)
        hidden = Hidden(frozenset(row for row in blocked if row is not None), sections, overrides)
        pinned = []
        for pin in overrides.pins(override) if override.pins else ():
            row = self._find(pin.article_id)
            if row is None or row == self.query.card.row or pin.article_id in self.wanted.exclude:
                continue
            target = self.view.articles[row].card if row >= LIVE else self.catalogue.card(row)
            if not target.under_embargo and not hidden.hides(target):
                pinned.append((pin.slot, Chosen(row, 1.0, "pinned")))
        return hidden, pinned

    def _find(self, article_id: str) -> int | None:
        """Return the row of an article, or None if it does not exist or was withdrawn."""
        row = self.view.rows.get(article_id)
        if row is None:
            row = self.catalogue.find_row(article_id)
            row = None if row is None else self.view.replaced.get(row, row)
        return row

    def _among(self, hidden: Hidden | None) -> NDArray[np.bool_]:
        """Return which candidates pass the filters that a candidate does not store, and are not hidden."""
        rows = self.query.candidates["article"]
        among = self._fitting(rows)
        if hidden is not None:
            among &= ~np.isin(rows, list(hidden.among(rows.tolist())))
            if hidden.sections:
                among &= ~np.isin(rows, self._rows_among(rows, list(hidden.sections), (), ()))
        return among

    def _fitting(self, rows: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which articles are of the wanted sections and languages, and not excluded.

        Without a wanted language, articles in another language than the reader's are left out.
        """
        wanted = self.wanted
        langs = () if ANY_LANGUAGE in wanted.langs else wanted.langs
        among = np.ones(len(rows), dtype=np.bool_)
        if not wanted.langs and self.query.language >= 0:
            among = ~self.view.foreign(self.query.language, rows, self.catalogue.facts())
        if wanted.sections or langs or wanted.exclude:
            among &= np.isin(rows, self._rows_among(rows, wanted.sections, langs, wanted.exclude))
        return among

    def _rows_among(self, rows: NDArray[np.int32], sections: Sequence[str], langs: Sequence[str], exclude: Sequence[str]) -> list[int]:
        found = self.catalogue.rows_among(rows.tolist(), sections, langs, exclude)
        return [*found, *self.view.among(rows.tolist(), sections, langs, exclude)] if self.view else [*found]

    def _newest(self, taken: set[int], n: int, hidden: Hidden | None) -> list[Chosen]:
        """Return the newest visible articles not on the list yet: first of the same section, then of any section."""
        found: list[Chosen] = []
        read = self.query.card
        for section in dict.fromkeys((read.section, None)):
            newest = [card for card in self._dated(section, n + FALLBACK_REACH, hidden) if card.row not in taken and card.id != read.id]
            found += [Chosen(card.row, 0.0, "fallback") for card in newest[: n - len(found)]]
            taken = taken | {item.row for item in found}
        return found

    def _dated(self, section: str | None, n: int, hidden: Hidden | None) -> list[Card]:
        """Return the newest visible articles of a section, or of any section."""
        wanted = self.wanted
        as_of = wanted.as_of or datetime.now(UTC)
        put = (self.view.articles[row] for _, row in self.view.dates.until(as_of))
        live = islice((live.card for live in put if live.canonical is None and section in (None, live.card.section)), n)
        stored = self.catalogue.newest(section, n, as_of, self.view.replaced)
        newest = sorted([*live, *stored], key=lambda card: (-seconds(card.published), card.id))
        visible = [card for card in newest if self._may_show(card, hidden)]
        fits = self._fitting(np.array([card.row for card in visible], dtype=np.int32))
        return [card for card, fit in zip(visible, fits.tolist(), strict=True) if fit]

    def _may_show(self, card: Card, hidden: Hidden | None) -> bool:
        """Return whether an article may be shown: not hidden, published, and within the selection's dates."""
        return (hidden is None or not hidden.hides(card)) and selection.may_show(card.published, self.wanted)

    def _rendered(self, arranged: Sequence[Chosen], hidden: Hidden | None) -> tuple[Related, ...]:
        """Render the items of a list, in order."""
        passages = [(0, 0) if item.candidate is None else item.candidate["target_passage"].tolist() for item in arranged]
        stored = self.catalogue.lines([(item.row, *passage) for item, passage in zip(arranged, passages, strict=True) if item.row < LIVE])
        items = []
        for rank, (item, passage) in enumerate(zip(arranged, passages, strict=True), self.wanted.offset + 1):
            card, shown_passage, copies = stored.get(item.row) or self._live(item.row, *passage)
            if self.view.articles or self.view.replaced:
                copies = self.view.copies_of(item.row, copies)
            shown = [copy for copy in copies if self._may_show(copy, hidden)] if copies else ()
            items.append(self._item(rank, item, card, shown_passage, shown))
        return tuple(items)

    def _live(self, row: int, start: int, stop: int) -> tuple[Card, str, list[Card]]:
        return self.view.articles[row].card, self.live.passage(row, start, stop), []

    def _item(self, rank: int, chosen: Chosen, card: Card, passage: str, copies: Sequence[Card]) -> Related:
        candidate, passages, terms = chosen.candidate, None, tuple[str, ...]()
        if candidate is not None:
            start, stop = candidate["query_passage"].tolist()
            passages = PassagePair(self.query.text[start:stop], passage or card.title)
            for key in candidate["terms"].tolist():
                if key:
                    terms += (self.catalogue.words.phrase(key - 1),)
        return Related(
            id=card.id,
            rank=rank,
            score=chosen.score,
            **dict(zip(CARD_NAMES, card_values(card), strict=True)),
            relation=self._relation(card) if candidate is None else relation(candidate, self.query.published),
            passages=passages,
            terms=terms,
            also=tuple([Duplicate(copy.id, copy.title, copy.url, copy.published) for copy in copies]) if copies else (),
            source=chosen.source,
            features=_features(candidate, self.ranker) if self.explain and candidate is not None else (),
        )

    def _relation(self, card: Card) -> Relation:
        read = self.query.card.published
        newer = card.published is not None and read is not None and card.published > read
        return "follow_up" if newer else "background"


def _features(candidate: np.void, ranker: Ranker) -> tuple[Feature, ...]:
    """Return all features, the largest contribution first."""
    values = {name: float(candidate["features"][column(name)]) for name in FEATURES}
    told = [Feature(name, round(value, DECIMALS), round(ranker.weights.get(name, 0.0) * value, DECIMALS)) for name, value in values.items()]
    return tuple(sorted(told, key=lambda feature: -abs(feature.adds)))
