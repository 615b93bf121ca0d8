"""The live articles at one moment, and how they change what a release says."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from immutables import Map

from recommender.features.feature_schema import CANDIDATE, UNTOLD, Candidates, seconds
from recommender.release.catalogue import Card, Catalogue
from recommender.storage.timeline import Timeline
from recommender.text.cleaning import clean_line
from recommender.types import LIVE

EMPTY: Map[Any, Any] = Map()


@dataclass(frozen=True, slots=True)
class LiveCard:
    """A live article as lists need it.

    Attributes:
        sequence: Of its last change.
        prepared: Whether its lists are computed for this release; shortly after a swap they may not be yet.
        canonical: Row of the article that stands for it in lists; None if it stands for itself.
    """

    card: Card
    sequence: int
    lang: str | None
    prepared: bool
    canonical: int | None


@dataclass(frozen=True, slots=True)
class LiveOverlay:
    """The live articles at one moment.

    Its maps are persistent: the next view shares all with this one but what changed (`recommender.live.refresh`).

    Attributes:
        sequence: The last change that it knows.
        prepared: How often lists had been computed for a release; with `sequence`, it tells one moment from another.
        articles: Row -> live article; in no order.
        rows: Id -> row of the live article.
        urls: Key of a URL -> rows of the live articles that have it, the last that was put last.
        withdrawn: Id -> number of the change that withdrew it.
        replaced: Row of the release -> row of the live article with its id; None: it was withdrawn.
        copies: Row of any article -> rows of the live near-duplicates that it stands for, ascending.
        unprepared: Rows of live articles whose lists are not computed for this release yet -> number of the change.
        dates: When live articles were, or will be, published, and their rows.
        hidden: Row of each article that the service hides everywhere -> when that ends; None: never.
        ends: Id -> when parts of its override end; only of overrides of which a part does.
        moments: All these ends.
        entries: Number of the last entry of the audit trail that it knows.
        overridden: Whether any article has an override.
        lineage: The same object in all views that follow from one that was read whole; None: nothing was read.
        file: Number of the file that it was read from; None: no file, the view without it.
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
        """What grows with every change, and whenever lists are computed."""
        return self.sequence, self.prepared

    @property
    def name(self) -> str:
        """The name of this state alone: a state of a file that was lost, or of a backup in its place, has another."""
        return f"{self.counter} {self.sequence} {self.prepared}"

    def copies_of(self, row: int, stored: Sequence[Card]) -> list[Card]:
        """The near-duplicates that an article stands for: those that the release knows, and live ones."""
        if not stored and row not in self.copies:
            return []
        now = [card if card.row not in self.replaced else self._card(self.replaced[card.row]) for card in stored]
        return [card for card in now if card is not None] + [self.articles[copy].card for copy in self.copies.get(row, ())]

    def _card(self, row: int | None) -> Card | None:
        return None if row is None else self.articles[row].card

    def among(self, rows: Iterable[int], sections: Collection[str], langs: Collection[str], exclude: Collection[str]) -> set[int]:
        """Return the live articles among some rows that are of some sections and languages, where any are named, and not of some ids."""
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


def laid_over(found: Candidates, places: Candidates, view: LiveOverlay, catalogue: Catalogue) -> Candidates:
    """The candidates of an article, as they are now: stored ones that are still there, and live ones.

    An article that was put anew keeps the place that its older text had, where its new one was not near enough to get a place of its own;
    its passages are told when it is shown.
    Of near-duplicates whose article was withdrawn, the first that is left stands for the others.

    Args:
        places: The live candidates.
    """
    rows, articles, replaced = found["article"].tolist(), view.articles, view.replaced
    changed = (
        [place for place, row in enumerate(rows) if row >= LIVE or row in replaced] if replaced or max(rows, default=0) >= LIVE else ()
    )
    if not len(places) and not changed:
        return found
    stand = [row in articles and articles[row].canonical is None for row in places["article"].tolist()]
    live = places if all(stand) else places[stand]
    if changed:
        found = _as_they_are(found, changed, set(live["article"].tolist()), view, catalogue)
    now = np.empty(len(live) + len(found), dtype=CANDIDATE)  # np.concatenate is slow where arrays have fields
    now[: len(live)], now[len(live) :] = live, found
    return now


def _as_they_are(found: Candidates, changed: Sequence[int], taken: set[int], view: LiveOverlay, catalogue: Catalogue) -> Candidates:
    """Return candidates less those that are gone, and with what now stands for those that changed, which are at some places."""
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
    """What is shown now where a list was to show an article that changed; None: nothing."""
    after = row if row >= LIVE else view.replaced[row]
    if after is not None:
        live = view.articles.get(after)
        return live.card if live is not None and live.canonical is None else None
    copies = view.copies_of(row, catalogue.duplicates(row))
    return copies[0] if copies else None
