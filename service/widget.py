"""The list on a page of another site: `<related-articles>`, a script of a few kilobytes without any other, and what to write to use it."""

import base64
import hashlib
from functools import cache
from html import escape
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from service.requests import known_parameters

SCRIPT = Path(__file__).parent / "static" / "related-articles.js"
ADDRESS = "/static/related-articles.js"

HEADERS = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=3600"}
"""Any page may load it: without, a browser would not compare its hash."""


class Widget(BaseModel):
    """What a page needs to show lists."""

    src: str
    integrity: str
    html: Annotated[str, Field(description="what goes on the page, with the article's id in place of ID")]


router = APIRouter(dependencies=[Depends(known_parameters)])


@router.head(ADDRESS, include_in_schema=False)
@router.get(ADDRESS, include_in_schema=False)
def script() -> Response:
    return Response(_content(), 200, HEADERS, "text/javascript; charset=utf-8")


@router.head("/v1/widget", include_in_schema=False)
@router.get("/v1/widget")
def widget(request: Request) -> Widget:
    """What a page needs to show lists; the hash changes with the version of the service."""
    address = str(request.url_for("script"))
    element = '<related-articles for="ID" limit="4"></related-articles>'
    tag = f'<script type="module" src="{escape(address)}" integrity="{integrity()}" crossorigin="anonymous"></script>'
    return Widget(src=address, integrity=integrity(), html=f"{tag}\n{element}\n")


def integrity() -> str:
    """The script's hash, as pages name it (W3C, Subresource Integrity)."""
    return "sha384-" + base64.b64encode(hashlib.sha384(_content()).digest()).decode()


@cache
def _content() -> bytes:
    return SCRIPT.read_bytes()
