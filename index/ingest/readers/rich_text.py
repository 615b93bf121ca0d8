"""Turn the documents of editors into HTML: Lexical, mobiledoc, ProseMirror, Slate, Portable Text, Contentful, Editor.js.

All but mobiledoc are trees of nodes with a type, and children or a text. The names of types and children differ.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from html import escape
from typing import Any

Json = Mapping[str, Any]

CHILDREN = ("root", "children", "content", "content_elements", "nodes", "blocks", "document", "items")
"""Names under which a node holds its children."""

LEAVES = ("html", "content", "value", "text", "innerHTML", "markdown")
"""Names under which a block holds a text, or HTML."""

TAGS = {
    "p": re.compile(r"para|^(?:block|normal|unstyled|richtext)$"),
    "h2": re.compile(r"^(?:head|sub-?head|h\d$)"),
    "li": re.compile(r"^list-?_?item$"),
    "blockquote": re.compile(r"quote|aside"),
}
"""Element of HTML -> types of nodes that become it."""

INLINE = re.compile(r"^(?:text|extended-text|span|link|autolink|hyperlink|mark|bold|italic|)$")
LINKS = frozenset(["link", "autolink", "hyperlink"])
UNREAD = re.compile(r"image|picture|photo|video|audio|gallery|embed|iframe|code|button|divider|separator|signup|email|bookmark|file|ad$")
"""Types of nodes that do not belong to the story."""

HTML = re.compile(
    r"</(?:p|div|h[1-6]|ul|ol|li|blockquote|article|section|figure|table|a|strong|em|b|i|span)\s*>|<br\s*/?>|<p(?:\s[^<>]*)?>",
    re.IGNORECASE,
)


def is_html(text: str) -> bool:
    """Return whether a text has elements of HTML: a block's or a phrase's end, a paragraph, or a line break."""
    return HTML.search(text) is not None


def document_html(value: str) -> str:
    """Return the HTML of a document that is stored as JSON in a text, or an empty string.

    >>> document_html('{"root": {"children": [{"type": "paragraph", "children": [{"type": "text", "text": "A & B"}]}]}}')
    '<p>A &amp; B</p>'
    """
    with suppress(ValueError, TypeError, LookupError, AttributeError, RecursionError):
        document = json.loads(value)
        if isinstance(document, dict):
            return _mobiledoc(document) if "sections" in document else node_html(document)
    return ""


def node_html(node: Any) -> str:
    """Return the HTML of a node and its children."""
    if isinstance(node, list):
        return "".join(map(node_html, node))
    if isinstance(node, str):
        return node if is_html(node) else f"<p>{escape(node)}</p>"
    if not isinstance(node, Mapping):
        return ""
    kind = str(node.get("type") or node.get("_type") or node.get("nodeType") or node.get("blockName") or "").lower()
    if UNREAD.search(kind):
        return ""
    if kind == "linebreak":
        return "<br>"
    inner = next((node[name] for name in CHILDREN if isinstance(node.get(name), list | dict)), None)
    if inner is None:
        return _leaf(node, kind)
    html = node_html(inner)
    if kind in LINKS:
        data = node.get("data")
        url = node.get("url") or (data.get("uri") if isinstance(data, Mapping) else "") or ""
        return f'<a href="{escape(str(url))}">{html}</a>'
    if kind in ("list", "heading", "extended-heading") and isinstance(node.get("tag"), str):
        tag = node["tag"]
    else:
        tag = next((tag for tag, types in TAGS.items() if types.search(kind)), "")
    return f"<{tag}>{html}</{tag}>" if tag else html


def _leaf(node: Json, kind: str) -> str:
    """Return the HTML of a node without children: a run of text, or a block with a text of its own."""
    data = node["data"] if isinstance(node.get("data"), Mapping) else {}
    text = next((of[name] for of in (node, data) for name in LEAVES if isinstance(of.get(name), str)), "")
    if INLINE.match(kind) and "content" not in node:
        return escape(text)
    if not text:
        return ""
    return (
        text
        if kind == "html" or (is_html(text) and text.lstrip().startswith("<p"))
        else f"<p>{text if is_html(text) else escape(text)}</p>"
    )


def _mobiledoc(document: Json) -> str:
    """Return the HTML of a mobiledoc document: sections of markers, lists of them, and cards."""
    parts: list[str] = []
    for section in document["sections"]:
        if section[0] == 1:
            parts.append(f"<{section[1]}>{_markers(section[2])}</{section[1]}>")
        elif section[0] == 3:
            parts.append("".join(f"<li>{_markers(entry)}</li>" for entry in section[2]))
        elif section[0] == 10:
            name, card = document["cards"][section[1]]
            parts.append(str(card.get("html") or "") if name == "html" else f"<p>{escape(str(card.get('markdown') or ''))}</p>")
    return "".join(parts)


def _markers(markers: list[Any]) -> str:
    return "".join(escape(str(marker[3])) for marker in markers if marker[0] == 0)
