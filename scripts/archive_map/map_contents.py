"""Collect the contents of the map: the newest articles of an archive, and the articles that their lists name."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from recommender import Recommender
from recommender.errors import InputError, OutOfRange
from recommender.live.overlay import LiveOverlay
from recommender.types import DEFAULT_LIMIT, Card, Rows

N_LINES = DEFAULT_LIMIT
"""Length of the lists."""

NO_LINE, ELSEWHERE = 0xFFFF, 0xFFFE
"""Placeholders for a place. NO_LINE: the list is shorter. ELSEWHERE: the listed article is not on the map."""

MOST = ELSEWHERE
"""The maximum number of articles whose places fit into 16 bits."""

UNDATED = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Contents:
    """Articles by place. Place 0 is the newest article.

    Attributes:
        release: Name of the release.
        cards: Cards of the articles, by place.
        rows: int64 (n,), the articles' rows in the index.
        lines: uint16 (n, N_LINES), the places of each list's articles, in list order; or NO_LINE, ELSEWHERE.
        scores: float32 (n, N_LINES), the scores of the lines; 0 without a line.
        n_left_out: Number of older articles that are not on the map.
    """

    release: str
    cards: tuple[Card, ...]
    rows: Rows
    lines: NDArray[np.uint16]
    scores: NDArray[np.float32]
    n_left_out: int


def read_contents(recommender: Recommender, limit: int) -> Contents:
    """Return the newest `limit` published articles in their current state, with those upserted since the build.

    Undated articles count as the oldest.

    Raises:
        InputError: No article is published.
        OutOfRange: `limit` is not in 1 to `MOST`.
    """
    if not 1 <= limit <= MOST:
        raise OutOfRange(f"a map of {limit} articles cannot be drawn - give 1 to {MOST:,}")
    with recommender.live.reading() as view:
        n_published = sum(1 for _ in _published(recommender, view))
        cards = heapq.nlargest(limit, _published(recommender, view), key=lambda card: card.published or UNDATED)
        if not cards:
            raise InputError(f"no article of {recommender.release.name} is published - there is nothing to draw")
        place_of = {card.id: place for place, card in enumerate(cards)}
        lines = np.full((len(cards), N_LINES), NO_LINE, dtype=np.uint16)
        scores = np.zeros(lines.shape, dtype=np.float32)
        for place, card in enumerate(cards):
            for number, line in enumerate(recommender.related_to_row(card.row, N_LINES)):
                lines[place, number] = place_of.get(line.id, ELSEWHERE)
                scores[place, number] = line.score
    rows = np.array([card.row for card in cards], dtype=np.int64)
    return Contents(recommender.release.name, tuple(cards), rows, lines, scores, n_published - len(cards))


def _published(recommender: Recommender, view: LiveOverlay) -> Iterator[Card]:
    stored = (row for row in range(recommender.release.manifest.n_articles) if row not in view.replaced)
    for rows in (stored, sorted(view.articles)):
        for row in rows:
            card = recommender.card(row)
            if not card.under_embargo:
                yield card
