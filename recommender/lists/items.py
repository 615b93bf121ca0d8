"""Render the items of a list: cards, passages, shared terms, near-duplicates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from recommender.features.feature_schema import FEATURES, column, seconds
from recommender.features.ranker import DECIMALS, Ranker
from recommender.lists.selection import Selection, may_show, relation
from recommender.live.database import LiveArticles
from recommender.live.overlay import LiveOverlay
from recommender.live.overrides_in_force import InForce
from recommender.release.catalogue import Catalogue
from recommender.terms.inverted_index import words_of_key
from recommender.types import CARD_NAMES, LIVE, Card, Duplicate, Feature, PassagePair, Related, Relation, Source, card_values


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


@dataclass(frozen=True, slots=True)
class Hidden:
    """Rows that a list hides.

    Attributes:
        blocked: Rows blocked on this list.
        overrides: Overrides that hide articles on every list.
    """

    blocked: frozenset[int]
    overrides: InForce

    def __contains__(self, row: int) -> bool:
        return row in self.blocked or self.overrides.hides(row)

    def among(self, rows: Sequence[int]) -> set[int]:
        """Return the hidden rows among some rows."""
        return self.overrides.hidden_among(rows).union(self.blocked.intersection(rows))


@dataclass(frozen=True, slots=True)
class ItemRenderer:
    """Renders the items of one list.

    Attributes:
        text: Text of the article being read.
        published: Publication time of the article being read.
        hidden, hidden_sections: Rows and names of sections that the list hides.
        explained_by: Weights used to compute what each feature adds. None leaves features out.
    """

    catalogue: Catalogue
    live: LiveArticles
    view: LiveOverlay
    wanted: Selection
    text: str
    published: datetime | None
    hidden: Hidden
    hidden_sections: frozenset[str] = frozenset()
    explained_by: Ranker | None = None

    def read(self, ranked: Sequence[tuple[int, Chosen]]) -> tuple[Related, ...]:
        """Return the items of a list, given the chosen items and their ranks."""
        passages = {of.row: of.candidate["target_passage"].tolist() if of.candidate is not None else (0, 0) for _, of in ranked}
        stored = self.catalogue.lines([(row, *passage) for row, passage in passages.items() if row < LIVE])
        return tuple([self._line(rank, of, *(stored.get(of.row) or self._live(of.row, *passages[of.row]))) for rank, of in ranked])

    def _live(self, row: int, start: int, stop: int) -> tuple[Card, str, list[Card]]:
        return self.view.articles[row].card, self.live.passage(row, start, stop), []

    def _line(self, rank: int, chosen: Chosen, card: Card, passage: str, copies: list[Card]) -> Related:
        candidate = chosen.candidate
        copies = self.view.copies_of(chosen.row, copies) if self.view else copies
        return Related(
            id=card.id,
            rank=rank,
            score=chosen.score,
            **dict(zip(CARD_NAMES, card_values(card), strict=True)),
            relation=self._relation(card) if candidate is None else relation(candidate, seconds(self.published)),
            passages=None if candidate is None else self._pair(candidate, passage or card.title),
            terms=() if candidate is None else tuple([self._term(key - 1) for key in candidate["terms"].tolist() if key]),
            also=tuple([Duplicate(copy.id, copy.title, copy.url, copy.published) for copy in copies if self.may_show(copy)]),
            source=chosen.source,
            features=() if candidate is None or self.explained_by is None else _features(candidate, self.explained_by),
        )

    def may_show(self, card: Card) -> bool:
        """Return whether an article may be shown: not hidden, published, and within the selection's dates."""
        return card.row not in self.hidden and card.section not in self.hidden_sections and may_show(card.published, self.wanted)

    def _pair(self, candidate: np.void, passage: str) -> PassagePair:
        start, stop = candidate["query_passage"].tolist()
        return PassagePair(self.text[start:stop], passage)

    def _relation(self, card: Card) -> Relation:
        newer = card.published is not None and self.published is not None and card.published > self.published
        return "follow_up" if newer else "background"

    def _term(self, key: int) -> str:
        return self.catalogue.words.phrase(words_of_key(key))


def _features(candidate: np.void, ranker: Ranker) -> tuple[Feature, ...]:
    """Return all features, the largest contribution first."""
    values = {name: float(candidate["features"][column(name)]) for name in FEATURES}
    told = [Feature(name, round(value, DECIMALS), round(ranker.weights.get(name, 0.0) * value, DECIMALS)) for name, value in values.items()]
    return tuple(sorted(told, key=lambda feature: -abs(feature.adds)))
