"""Render the pages of the desk: their common frame and headers. Parse their forms."""

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
    """Return a page from a template of `templates/desk`.

    Args:
        shown: The variables of the template.
    """
    told = {"editor": request.scope["editor"], "degraded": serving_of(request).fault, **shown}
    return templates.TemplateResponse(request, f"desk/{name}.html", told, status, {**HEADERS, **(headers or {})})


def back_to(article_id: str, done: str) -> Response:
    """Redirect to the page of an article, which reports the change. Reloading that page does not repeat the change."""
    return RedirectResponse(f"/desk/article?{urlencode({'id': article_id, 'done': done})}", 303, HEADERS)


async def read_form(request: Request, model: type[Sent]) -> Sent:
    """Return the fields of a form. Empty fields are left out.

    Raises:
        HTTPException: 400 if the body cannot be decoded. 415 if it is not a form.
        RequestValidationError: The fields have another shape.
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
