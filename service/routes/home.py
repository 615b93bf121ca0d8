"""Route the first page, which shows an article's list beside its hand-made list, and the page of the API."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from recommender import Recommender
from recommender.errors import ArticleNotFound
from recommender.types import Card
from service.http.parameters import known_parameters
from service.release_holder import ReleaseHolder
from service.routes.related_articles import card_to_read

DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the API page, which sets its own styles."""

FOUND = 30
"""Articles listed for a search."""

templates = Jinja2Templates(Path(__file__).parents[1] / "templates")
router = APIRouter(include_in_schema=False, dependencies=[Depends(known_parameters)])


@router.head("/")
@router.get("/")
def home(
    request: Request,
    q: Annotated[str, Query(max_length=200)] = "",
    id: Annotated[str, Query(max_length=512)] = "",  # noqa: A002 - the parameter's public name
) -> Response:
    """Return the first page. It runs no scripts, so that nothing in an archive can run in it."""
    serving: ReleaseHolder = request.app.state.serving
    with serving.held() as recommender:
        return _home(request, recommender, serving.fault, q, id)


@router.head("/docs")
@router.get("/docs")
def api(request: Request) -> Response:
    """Return the page on which every route can be read and tried. It loads nothing from other hosts."""
    return templates.TemplateResponse(request, "docs.html", {}, headers={"Content-Security-Policy": DOCS_POLICY})


def _home(request: Request, recommender: Recommender, degraded: str | None, q: str, id: str) -> Response:  # noqa: A002
    with recommender.moment():
        found = recommender.find(" ".join(q.split()), FOUND)
        card = _card(recommender, id) if id else (found[0] if found else None)
        article = None if card is None else recommender.article(card.id)
        shown = {
            "q": q,
            "found": found,
            "manifest": recommender.release.manifest,
            "degraded": degraded,
            "missing": id if id and card is None else None,
            "article": article,
            "ours": None if card is None else recommender.related_to_row(card.row, 10),
            "by_hand": [of for name in (article.read_more if article else ()) if (of := _card(recommender, name))],
        }
    return templates.TemplateResponse(request, "home.html", shown, status_code=404 if shown["missing"] else 200)


def _card(recommender: Recommender, article_id: str) -> Card | None:
    """Return the card of an article that may be shown. None if there is none."""
    try:
        return card_to_read(recommender, article_id)
    except ArticleNotFound:
        return None
