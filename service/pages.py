"""The first page: pick an article, see its list, and beside it the list that was made by hand."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from recommender import Recommender
from service.requests import known_parameters
from service.serving import Serving

FOUND = 30
"""Articles listed for a search."""

templates = Jinja2Templates(Path(__file__).parent / "templates")
router = APIRouter(include_in_schema=False, dependencies=[Depends(known_parameters)])


@router.head("/")
@router.get("/")
def home(
    request: Request,
    q: Annotated[str, Query(max_length=200)] = "",
    id: Annotated[str, Query(max_length=512)] = "",  # noqa: A002 - the parameter's public name
) -> Response:
    """A page without scripts, so that nothing in an archive can run in it."""
    serving: Serving = request.app.state.serving
    with serving.held() as recommender:
        return _home(request, recommender, serving.fault, q, id)


def _home(request: Request, recommender: Recommender, degraded: str | None, q: str, id: str) -> Response:  # noqa: A002
    catalogue = recommender.catalogue
    found = catalogue.find(" ".join(q.split()), FOUND)
    row = catalogue.find_row(id) if id else (found[0].row if found else None)
    if row is not None and catalogue.card(row).under_embargo:
        row = None
    return templates.TemplateResponse(
        request,
        "home.html",
        {
            "q": q,
            "found": found,
            "manifest": recommender.release.manifest,
            "degraded": degraded,
            "missing": id if id and row is None else None,
            "article": None if row is None else catalogue.article(row),
            "ours": None if row is None else recommender.related_to_row(row, 10),
            "by_hand": [] if row is None else [card for card in catalogue.read_more(row) if not card.under_embargo],
        },
        status_code=404 if id and row is None else 200,
    )
