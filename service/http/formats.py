"""A list in other forms than JSON: JSON-LD for search engines, an HTML fragment for pages that are put together on the server."""

from html import escape
from typing import Any, Literal

import orjson

from recommender import RelatedList

Format = Literal["json", "jsonld", "html"]

CONTENT_TYPES: dict[Format, str] = {"json": "application/json", "jsonld": "application/ld+json", "html": "text/html; charset=utf-8"}


SECTION = """<nav class="readmore" aria-labelledby="readmore-heading">
<h2 id="readmore-heading">Read more</h2>
<ol>
{}</ol>
</nav>
"""


def as_json(found: RelatedList, fields: tuple[str, ...], request_id: str) -> bytes:
    """The answer as the contract has it; the request's id is its last field.

    Args:
        fields: Of the items; none names all.
    """
    answer = found.as_dict()
    if fields:
        answer["items"] = [{name: item[name] for name in item if name in fields or name == "id"} for item in answer["items"]]
    return orjson.dumps({**answer, "request_id": request_id})


def as_jsonld(found: RelatedList) -> bytes:
    """A schema.org ItemList."""
    entries: list[dict[str, Any]] = [
        {"@type": "ListItem", "position": item.rank, "name": item.title, **({"url": item.url} if item.url else {})} for item in found
    ]
    answer = {"@context": "https://schema.org", "@type": "ItemList", "numberOfItems": len(entries), "itemListElement": entries}
    return orjson.dumps(answer).replace(b"<", b"\\u003c")  # it stands inside a script element


def as_html(found: RelatedList) -> bytes:
    """A section with a heading and links; nothing at all, where nothing can be linked."""
    linked = [item for item in found if item.url]
    if not linked:
        return b""
    lines = "".join(f'<li><a href="{escape(str(item.url))}">{escape(item.title or item.id)}</a></li>\n' for item in linked)
    return SECTION.format(lines).encode()
