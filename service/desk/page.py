"""What all pages of the desk share: their frame, their headers, and how a form is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

from service.desk.audit_trail import last_day
from service.routes.related_articles import serving_of

FORM = "application/x-www-form-urlencoded"

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
HEADERS = {"Content-Security-Policy": POLICY, "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store"}

MOST_FIELDS = 300

templates = Jinja2Templates(Path(__file__).parents[1] / "templates")
templates.env.filters["last_day"] = last_day

Sent = TypeVar("Sent", bound=BaseModel)


def page(request: Request, name: str, shown: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A page of `templates/desk`.

    Args:
        shown: What its template needs.
    """
    told = {"editor": request.scope["editor"], "degraded": serving_of(request).fault, **shown}
    return templates.TemplateResponse(request, f"desk/{name}.html", told, status, {**HEADERS, **(headers or {})})


def back_to(article_id: str, done: str) -> Response:
    """To the page of an article, which says what was done: so that to load it anew does not do it again."""
    return RedirectResponse(f"/desk/article?{urlencode({'id': article_id, 'done': done})}", 303, HEADERS)


async def read_form(request: Request, model: type[Sent]) -> Sent:
    """What a form sent; of fields that were left empty, nothing.

    Raises:
        HTTPException: 400, it cannot be decoded; 415, it is no form.
        RequestValidationError: Fields of another shape.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise HTTPException(415, f"a form is expected here - send {FORM}")
    try:
        fields = parse_qs((await request.body()).decode("ascii"), errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise HTTPException(400, "the form cannot be decoded - send it as UTF-8, with the fields of the page") from None
    try:
        return model.model_validate({name: values if len(values) > 1 else values[0] for name, values in fields.items()})
    except ValidationError as error:
        faults: list[Any] = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from None
