"""Pin, move, block and undo through `index.updates.override_store`, which holds all overrides from every source."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from index.ingest.validation import MAX_ID
from index.updates import override_edits, override_store
from recommender import Recommender
from recommender.errors import ArticleNotFound, InvalidOverride
from recommender.overrides import Override, end_of
from recommender.text.cleaning import clean_line
from recommender.types import Card
from service.desk.article import article_page, named_card
from service.desk.page import back_to, read_form
from service.http.parameters import Whole
from service.http.request_models import Section
from service.routes.related_articles import serving_of

Action = Literal["pin", "unpin", "block", "unblock", "block_section", "unblock_section", "hide", "show", "undo"]

Edit = Callable[[Override], Override]

router = APIRouter()


class OverrideForm(BaseModel):
    """The fields of a form on an article's page.

    Attributes:
        on: Id of the article that the page shows.
        target: Id or URL of the article that the override concerns.
        until: The last day on which the override counts.
    """

    model_config = ConfigDict(extra="forbid")

    on: Annotated[str, Field(min_length=1, max_length=512)]
    action: Action
    target: Annotated[str, Field(max_length=8192)] = ""
    section: Section = ""
    slot: Annotated[Whole | None, Field(ge=1, le=50)] = None
    until: date | None = None
    reason: Annotated[str, Field(max_length=1_000)] = ""


@router.post("/desk/change")
async def change(request: Request) -> Response:
    """Make the requested change, and redirect to the page."""
    sent = await read_form(request, OverrideForm)
    try:
        on = await asyncio.to_thread(_change, request, sent)
    except (InvalidOverride, ArticleNotFound) as error:
        status = 404 if isinstance(error, ArticleNotFound) else 422
        return await asyncio.to_thread(article_page, request, sent.on, fault=str(error), status=status)
    return back_to(on, sent.action)


def _change(request: Request, sent: OverrideForm) -> str:
    """Make the change, and return the stored id of the page's article.

    Raises:
        ArticleNotFound: The article does not exist.
        InvalidOverride: The change is not possible. Nothing was changed.
    """
    serving, editor, key = serving_of(request), request.scope["editor"], request.scope["key"]
    with serving.held() as recommender, recommender.moment():
        on = recommender.card_of(sent.on)
        of, edit = _edit(recommender, on, sent)
    with serving.to_write() as index_dir:
        if edit is not None:
            override_store.change(index_dir, of, edit, clean_line(sent.reason), editor, key, serving.journal)
        elif not override_store.undo(index_dir, of, editor, key, serving.journal):
            raise InvalidOverride("nothing was said of this article - there is nothing to undo")
    return on.id


def _edit(recommender: Recommender, on: Card, sent: OverrideForm) -> tuple[str, Edit | None]:
    """Return the id of the article to change, and the edit of its overrides. The edit is None for an undo."""
    target, section, until = clean_line(sent.target), clean_line(sent.section) or None, end_of(sent.until)
    if until is not None and until <= datetime.now(UTC):
        raise InvalidOverride(f"{sent.until} is over - give a day to come, or none")
    match sent.action:
        case "undo":
            return on.id, None
        case "show":  # an article that is shown again need not exist any more
            if len(target) > MAX_ID:
                raise recommender.not_found(target)
            return target or on.id, override_edits.show
        case "unpin":  # an article that is unpinned need not exist any more
            return on.id, lambda said: override_edits.unpin(said, target)
        case "unblock":
            return on.id, lambda said: override_edits.unblock(said, target)
        case "unblock_section":
            return on.id, lambda said: override_edits.unblock(said, section=section)
        case "block_section":
            if section is None:
                raise InvalidOverride("no section is named - give one")
            return on.id, lambda said: override_edits.block(said, section=section, until=until)
    card = named_card(recommender, target)
    if card is None:
        raise recommender.not_found(target)
    if sent.action == "hide":
        return card.id, lambda said: override_edits.hide(said, until)
    if card.id == on.id:
        raise InvalidOverride("an article is never in its own list - name another one")
    if sent.action == "block":
        return on.id, lambda said: override_edits.block(said, card.id, until=until)
    slot = sent.slot
    if slot is None:
        raise InvalidOverride("no slot is given - give 1 for the first line")
    return on.id, lambda said: override_edits.pin(said, card.id, slot, until)
