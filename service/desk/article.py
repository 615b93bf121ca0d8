"""Find an article and show its list as readers see it.

The page gives the reason for each line, the hand-made list, and the audit trail of the editors' overrides.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from index.updates import override_store
from index.updates.judgements import judged
from recommender import Recommender, RelatedList
from recommender.errors import ArticleNotFound
from recommender.features.feature_schema import FEATURES
from recommender.overrides import NOTHING, Override, Pin, is_over
from recommender.types import Card, Related
from service.desk.audit_trail import trail
from service.desk.page import page
from service.http.parameters import Whole
from service.routes.related_articles import serving_of

FOUND = 30
"""Articles listed for a search."""

SHOWN = 10
"""Default number of lines: those that most pages show, and some of the next."""

Done = Literal["pin", "unpin", "block", "unblock", "block_section", "unblock_section", "hide", "show", "undo", "accept", "reject", "forget"]

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Line:
    """A line of our list.

    Attributes:
        pin: The pin behind the line, if it was set through the service.
        by_hand: Rank in the hand-made list. None if the list lacks the article.
        verdict: True if an editor accepted the line. None if it is not judged.
    """

    item: Related
    pin: Pin | None
    by_hand: int | None
    verdict: bool | None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the hand-made list.

    Attributes:
        card: None if the entry names no existing article.
        rank: Rank in our list. None if it is not among the lines shown.
    """

    name: str
    card: Card | None
    rank: int | None


@router.head("/desk")
@router.get("/desk")
def search(request: Request, q: Annotated[str, Query(max_length=8192)] = "") -> Response:
    """Return the page of articles that match title words, an id or a URL."""
    return search_page(request, q)


@router.head("/desk/article")
@router.get("/desk/article")
def article(
    request: Request,
    id: Annotated[str, Query(min_length=1, max_length=512)],  # noqa: A002 - the parameter's public name
    limit: Annotated[Whole, Query(ge=1, le=50)] = SHOWN,
    done: Done | None = None,
) -> Response:
    """Return the page of an article and its list."""
    return article_page(request, id, limit, done=done)


def search_page(request: Request, q: str, missing: str | None = None) -> Response:
    """Return the page of search results.

    Args:
        missing: A requested id or URL that names no article.
    """
    words = " ".join(q.split())
    with serving_of(request).held() as recommender, recommender.moment():
        named = named_card(recommender, words) if words else None
        by_title = [card for card in recommender.find(words, FOUND) if named is None or card.row != named.row]
        shown = {"q": q, "found": [named, *by_title] if named else by_title, "named": named, "missing": missing}
    return page(request, "search", shown, 404 if missing else 200)


def article_page(
    request: Request, article_id: str, limit: int = SHOWN, *, done: Done | None = None, fault: str | None = None, status: int = 200
) -> Response:
    """Return the page of an article.

    Args:
        done: The change that was just made.
        fault: Why a change failed.
    """
    serving = serving_of(request)
    with serving.held() as recommender, recommender.moment():
        try:
            card = recommender.card_of(article_id)
        except ArticleNotFound:
            return search_page(request, "", missing=article_id)
        article, said = recommender.article(card.id), recommender.live.override(card.id)
        ours = recommender.related_to_row(card.row, limit, explain=True)
        verdicts = judged(serving.index_dir, card.id).get(card.id, {})
        by_hand = [named_card(recommender, name) for name in article.read_more]
        lines = _lines(ours, said, [of.id if of else None for of in by_hand], verdicts)
        entries = [Entry(name, of, _rank(ours, of)) for name, of in zip(article.read_more, by_hand, strict=True)]
        file, now = recommender.file_overrides, datetime.now(UTC)
        in_file = file.articles.get(card.id, NOTHING)
        shown = {
            "card": card,
            "article": article,
            "lines": lines,
            "reason": ours.reason,
            "entries": entries,
            "overlap": _overlap(lines, entries),
            "said": said,
            "waiting": [pin for pin in said.pins if pin.article_id not in ours.ids],
            "in_file": [block for block in (*in_file.blocks, *file.hidden) if not is_over(block.until, now)],
            "everywhere_in_file": in_file.everywhere and not is_over(in_file.everywhere_until, now),
            "rejected": [target for target, accepted in verdicts.items() if not accepted and target not in ours.ids],
            "trail": trail(override_store.history(serving.index_dir, card.id)),
            "limit": limit,
            "features": FEATURES,
            "done": done,
            "fault": fault,
            "now": now,
        }
    return page(request, "article", shown, status)


def named_card(recommender: Recommender, name: str) -> Card | None:
    """Return the article with an id or URL. None if there is none."""
    try:
        return recommender.card_of(name)
    except ArticleNotFound:
        with suppress(ArticleNotFound):
            return recommender.card(recommender.row_of_url(name))
    return None


def _lines(ours: RelatedList, said: Override, by_hand: list[str | None], verdicts: Mapping[str, bool]) -> list[Line]:
    pins = {pin.article_id: pin for pin in said.pins}
    places = {article_id: place for place, article_id in reversed(list(enumerate(by_hand, start=1)))}
    return [Line(item, pins.get(item.id), places.get(item.id), verdicts.get(item.id)) for item in ours]


def _rank(ours: RelatedList, card: Card | None) -> int | None:
    return next((item.rank for item in ours if card is not None and item.id == card.id), None)


def _overlap(lines: list[Line], entries: list[Entry]) -> dict[str, int]:
    in_both = sum(line.by_hand is not None for line in lines)
    return {"both": in_both, "ours": len(lines) - in_both, "hand": sum(entry.rank is None for entry in entries)}
