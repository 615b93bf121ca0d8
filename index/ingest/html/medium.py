"""Parse a post of Medium's own export: a page with microformats, in which drafts have no date and no address."""

from collections.abc import Sequence
from typing import Any

from lxml.etree import tostring
from lxml.html import HtmlElement

from index.ingest.html.text import fragment_text

BODY = './/section[@data-field="body"]'


def medium_post(root: HtmlElement) -> dict[str, Any] | None:
    """Return the fields of a post, or None if the page is not from Medium's export."""
    body = root.find(BODY)
    if body is None or "e-content" not in body.get("class", ""):
        return None
    title = _text(_with_class(root, "p-name"))
    for element in [
        element for element in body.iter("h1", "h2", "h3", "h4", "footer") if element.tag == "footer" or _text([element]) == title
    ]:
        element.drop_tree()
    text, read_more = fragment_text(tostring(body, encoding="unicode", method="html"))
    address = next((link.get("href", "") for link in _with_class(root, "p-canonical")), "")
    moment = next((time.get("datetime", "") for time in _with_class(root, "dt-published")), "")
    fields = {"title": title, "url": address, "published": moment, "draft": not address and not moment}
    return {"text": text, "read_more": read_more, **{name: value for name, value in fields.items() if value}}


def _with_class(root: HtmlElement, name: str) -> Sequence[HtmlElement]:
    return [element for element in root.iter() if name in element.get("class", "").split()]


def _text(elements: Sequence[HtmlElement]) -> str:
    return next((" ".join(element.text_content().split()) for element in elements), "")
