"""Define the overlay: the live articles at one moment, and how they change the lists of a release."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from immutables import Map
from numpy.typing import NDArray

from recommender.features.article_features import ArticleFeatures
from recommender.features.feature_schema import CANDIDATE, UNTOLD, Candidates, seconds
from recommender.release.catalogue import Catalogue
from recommender.storage.timeline import Timeline
from recommender.text.cleaning import clean_line
from recommender.types import LIVE, AnyRows, Card

EMPTY: Map[Any, Any] = Map()


@dataclass(frozen=True, slots=True)
class LiveCard:
    """Card and state of a live article, as lists need them.

    Attributes:
        sequence: Number of its last change.
        prepared: Whether its lists are computed for this release. Shortly after a swap they may not be yet.
        canonical: Row of the article that represents it in lists. None if it represents itself.
    """

    card: Card
    sequence: int
    lang: str | None
    prepared: bool
    canonical: int | None


@dataclass(frozen=True, slots=True)
class LiveOverlay:
    """The live articles at one moment.

    Its maps are persistent: the next view shares all unchanged parts with this one (`recommender.live.refresh`).

    Attributes:
        sequence: Number of the last change in the view.
        prepared: How often lists had been computed for a release. With `sequence` it identifies a moment.
        articles: Row -> live article, in no order.
        rows: Id -> row of the live article.
        urls: Key of a URL -> rows of the live articles that have it, the last upserted last.
        withdrawn: Id -> number of the change that withdrew it.
        replaced: Row of the release -> row of the live article with its id. None: it was withdrawn.
        copies: Row of any article -> rows of the live near-duplicates that it represents, ascending.
        unprepared: Rows of live articles whose lists are not computed for this release yet -> number of the change.
        dates: Publication times of live articles, past and future, and their rows.
        hidden: Row of each article that the service hides everywhere -> when that ends. None: never.
        ends: Id -> when parts of its override end. Only overrides with such a part have an entry.
        moments: All these ends.
        entries: Number of the last entry of the audit trail in the view.
        overridden: Whether any article has an override.
        lineage: The same object in all views that follow from one full read. None: nothing was read.
        file: Number of the file it was read from. None: the view without a file.
        counter: Name of the counter of the changes: the journal, or the name and number of the file.
    """

    sequence: int = 0
    prepared: int = 0
    articles: Map[int, LiveCard] = EMPTY
    rows: Map[str, int] = EMPTY
    urls: Map[str, tuple[int, ...]] = EMPTY
    withdrawn: Map[str, int] = EMPTY
    replaced: Map[int, int | None] = EMPTY
    copies: Map[int, tuple[int, ...]] = EMPTY
    unprepared: Map[int, int] = EMPTY
    dates: Timeline = field(default_factory=Timeline)
    hidden: Map[int, datetime | None] = EMPTY
    ends: Map[str, tuple[datetime, ...]] = EMPTY
    moments: Timeline = field(default_factory=Timeline)
    entries: int = 0
    overridden: bool = False
    lineage: object | None = None
    file: int | None = None
    counter: str = ""

    def __bool__(self) -> bool:
        return bool(self.articles or self.replaced)

    @property
    def moment(self) -> tuple[int, int]:
        """Return a pair that grows with every change, and whenever lists are computed."""
        return self.sequence, self.prepared

    @property
    def name(self) -> str:
        """Return the name of this state alone. A state of a lost file, or of a restored backup, has another name."""
        return f"{self.counter} {self.sequence} {self.prepared}"

    def apply(self, found: Candidates, places: Candidates, catalogue: Catalogue) -> Candidates:
        """Overlay live articles on the candidates of an article: keep those that still exist, and add live ones.

        If an upserted article is not near enough for a place of its own, it keeps the place of its older text. Its
        passages are then computed when it is shown. If the canonical article of a duplicate group was withdrawn, the
        first remaining one represents the others.

        Args:
            found: The stored candidates.
            places: The live candidates.
        """
        rows, articles, replaced = found["article"].tolist(), self.articles, self.replaced
        changed = (
            [place for place, row in enumerate(rows) if row >= LIVE or row in replaced] if replaced or max(rows, default=0) >= LIVE else ()
        )
        if not len(places) and not changed:
            return found
        stand = [row in articles and articles[row].canonical is None for row in places["article"].tolist()]
        live = places if all(stand) else places[stand]
        if changed:
            found = _as_they_are(found, changed, set(live["article"].tolist()), self, catalogue)
        now = np.empty(len(live) + len(found), dtype=CANDIDATE)  # np.concatenate is slow where arrays have fields
        now[: len(live)], now[len(live) :] = live, found
        return now

    def copies_of(self, row: int, stored: Sequence[Card]) -> list[Card]:
        """Return the near-duplicates that an article represents: those of the release, and live ones."""
        if not stored and row not in self.copies:
            return []
        now = [card if card.row not in self.replaced else self._card(self.replaced[card.row]) for card in stored]
        return [card for card in now if card is not None] + [self.articles[copy].card for copy in self.copies.get(row, ())]

    def _card(self, row: int | None) -> Card | None:
        return None if row is None else self.articles[row].card

    def foreign(self, language: int, rows: AnyRows, facts: ArticleFeatures) -> NDArray[np.bool_]:
        """Return which articles are known to be in another language than the reader's. See `ArticleFeatures.foreign`."""
        stored = rows < LIVE
        foreign = np.zeros(len(rows), dtype=np.bool_)
        foreign[stored] = facts.foreign(language, rows[stored])
        if language >= 0:
            for place in np.flatnonzero(~stored).tolist():
                theirs = self.articles[int(rows[place])].lang
                foreign[place] = theirs is not None and facts.number_of(theirs) != language
        return foreign

    def among(self, rows: Iterable[int], sections: Collection[str], langs: Collection[str], exclude: Collection[str]) -> set[int]:
        """Return the live articles among some rows that pass filters.

        Sections and languages keep only their articles, unless they are empty. `exclude` drops articles by id.
        """
        names = {clean_line(name) for name in sections}
        regions = [clean_line(lang).lower() for lang in langs]
        out = {clean_line(article_id) for article_id in exclude}
        return {
            row
            for row in rows
            if (live := self.articles.get(row)) is not None
            and (not names or live.card.section in names)
            and (not regions or any(f"{live.lang or ''}-".lower().startswith(f"{region}-") for region in regions))
            and live.card.id not in out
            and not any(self.articles[copy].card.id in out for copy in self.copies.get(row, ()))
        }


def _as_they_are(found: Candidates, changed: Sequence[int], taken: set[int], view: LiveOverlay, catalogue: Catalogue) -> Candidates:
    """Return candidates without withdrawn ones, and with the current article for each changed one.

    `changed` holds the places of the candidates that changed.
    """
    now, stays = found.copy(), np.ones(len(found), dtype=np.bool_)
    for place in changed:
        row = int(found["article"][place])
        card = _stands_for(row, view, catalogue)
        if card is None or card.row in taken:
            stays[place] = False
        elif card.row != row:
            now["article"][place], now["published"][place], now["query_passage"][place] = card.row, seconds(card.published), UNTOLD
    return now[stays]


def _stands_for(row: int, view: LiveOverlay, catalogue: Catalogue) -> Card | None:
    """Return the card that lists now show for a changed article. None: nothing."""
    after = row if row >= LIVE else view.replaced[row]
    if after is not None:
        live = view.articles.get(after)
        return live.card if live is not None and live.canonical is None else None
    copies = view.copies_of(row, catalogue.duplicates(row))
    return copies[0] if copies else None
