"""Serialize a list in formats other than JSON: JSON-LD for search engines, and an HTML fragment for assembled pages."""

from collections.abc import Callable
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


def as_jsonld(found: RelatedList) -> bytes:
    """Return a schema.org ItemList as JSON-LD."""
    entries: list[dict[str, Any]] = [
        {"@type": "ListItem", "position": item.rank, "name": item.title, **({"url": item.url} if item.url else {})} for item in found
    ]
    answer = {"@context": "https://schema.org", "@type": "ItemList", "numberOfItems": len(entries), "itemListElement": entries}
    return orjson.dumps(answer).replace(b"<", b"\\u003c")  # the answer is embedded in a script element


def as_html(found: RelatedList) -> bytes:
    """Return a section with a heading and links. Return nothing if no item has a link."""
    linked = [item for item in found if item.url]
    if not linked:
        return b""
    lines = "".join(f'<li><a href="{escape(str(item.url))}">{escape(item.title or item.id)}</a></li>\n' for item in linked)
    return SECTION.format(lines).encode()


OTHERS: dict[Format, Callable[[RelatedList], bytes]] = {"jsonld": as_jsonld, "html": as_html}
