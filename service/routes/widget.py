"""Route the widget `<related-articles>`, which shows a list on another site, and the HTML to embed it.

The widget is one script of a few kilobytes without dependencies.
"""

import base64
import hashlib
from functools import cache
from html import escape
from math import inf
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from service.http.answer_cache import not_modified
from service.http.parameters import known_parameters
from service.http.problems import problems

SCRIPT = Path(__file__).parents[1] / "static" / "related-articles.js"
ADDRESS = "/static/related-articles.js"

ANY_PAGE = {"Access-Control-Allow-Origin": "*"}
"""CORS header without which a browser would not check the script's hash."""


class Widget(BaseModel):
    """The HTML and script that a page needs to show lists."""

    src: str
    integrity: str
    html: Annotated[str, Field(description="what goes on the page, with the article's id in place of ID")]


router = APIRouter(dependencies=[Depends(known_parameters)])


@router.head(ADDRESS, include_in_schema=False)
@router.get(ADDRESS, include_in_schema=False)
def script(request: Request) -> Response:
    etag = f'"{integrity()}"'
    headers = {**ANY_PAGE, "ETag": etag}
    request.scope["public_until"] = inf  # pages name the hash of one version, so caches may keep it no longer than a list
    if not_modified(request.scope, etag):
        return Response(None, 304, headers)
    return Response(_content(), 200, headers, "text/javascript; charset=utf-8")


@router.head("/v1/widget", include_in_schema=False)
@router.get("/v1/widget", response_model=Widget, responses={200: {"content": {"application/json": {}, "text/html": {}}}, **problems(422)})
def widget(
    request: Request,
    format: Annotated[Literal["json", "html"], Query(description="the HTML alone, to be copied")] = "json",  # noqa: A002 - as for lists
) -> Response:
    """Return what a page needs to show lists. The hash changes with the version of the service."""
    address = str(request.url_for("script"))
    element = '<related-articles for="ID" limit="4"></related-articles>'
    tag = f'<script type="module" src="{escape(address)}" integrity="{integrity()}" crossorigin="anonymous"></script>'
    html = f"{tag}\n{element}\n"
    if format == "html":
        return Response(html, media_type="text/html; charset=utf-8")
    return Response(Widget(src=address, integrity=integrity(), html=html).model_dump_json(), media_type="application/json")


def integrity() -> str:
    """Return the hash of the script for a page's `integrity` attribute (W3C Subresource Integrity)."""
    return "sha384-" + base64.b64encode(hashlib.sha384(_content()).digest()).decode()


@cache
def _content() -> bytes:
    return SCRIPT.read_bytes()
