"""Store editors' judgements of our lines. They change no list; `readmore fit` can fit the ranker to them."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import Response

from index.updates import judgements
from recommender.errors import ArticleNotFound
from recommender.text.cleaning import clean_line
from service.desk.article import article_page
from service.desk.page import back_to, read_form
from service.routes.related_articles import serving_of

router = APIRouter()


def _listed(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


Ids = Annotated[list[Annotated[str, Field(min_length=1, max_length=512)]], BeforeValidator(_listed), Field(max_length=50)]


class Judgement(BaseModel):
    """The fields of a list's form.

    Attributes:
        shown: Ids of all lines of the list as the editor saw it.
        line: Ids of the ticked lines.
    """

    model_config = ConfigDict(extra="forbid")

    on: Annotated[str, Field(min_length=1, max_length=512)]
    action: Literal["accept_all", "accept", "reject", "forget"]
    shown: Ids = []
    line: Ids = []


@router.post("/desk/judge")
async def judge(request: Request) -> Response:
    """Store an editor's judgement of a list or of some of its lines."""
    sent = await read_form(request, Judgement)
    try:
        on = await asyncio.to_thread(_judge, request, sent)
    except ArticleNotFound as error:
        return await asyncio.to_thread(article_page, request, sent.on, fault=str(error), status=404)
    if on is None:
        return await asyncio.to_thread(article_page, request, sent.on, fault="no line is ticked - tick those that you mean", status=422)
    return back_to(on, "accept" if sent.action == "accept_all" else sent.action)


def _judge(request: Request, sent: Judgement) -> str | None:
    """Store the judgement, and return the stored id of the article. None if no line was named."""
    serving, named = serving_of(request), sent.shown if sent.action == "accept_all" else sent.line
    with serving.held() as recommender, recommender.moment():
        on = recommender.card_of(sent.on).id
        ids = [clean_line(article_id) for article_id in named]
        if sent.action != "forget":
            ids = [recommender.card_of(article_id).id for article_id in ids]
    if not ids:
        return None
    accepted = None if sent.action == "forget" else sent.action != "reject"
    editor, key = request.scope["editor"], request.scope["key"]
    with serving.to_write() as index_dir:
        judgements.judge(index_dir, on, dict.fromkeys(ids, accepted), editor, key, serving.journal)
    return on
