"""Translate stories of Arc XP's ANS: the text is in `content_elements`, with the editors' links between paragraphs."""

from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

TAGS = {"text": "p", "header": "h3", "quote": "blockquote"}


PATHS = {
    "title": "headlines.basic",
    "html": "content_elements[].content",
    "section": "taxonomy.primary_section",
    "published": "display_date",
    "read_more": "content_elements[].url",
}
"""Our field -> where a story has it, for the report."""


def is_story(fields: Json) -> bool:
    """Return whether a record is a story in ANS."""
    has_headlines = isinstance(fields.get("headlines"), Mapping)
    return isinstance(fields.get("content_elements"), list) and (has_headlines or fields.get("type") == "story")


def story_fields(fields: Json) -> dict[str, Any]:
    """Return the fields of a story under our names. Links between the paragraphs come before related content."""
    elements = [element for element in fields["content_elements"] if isinstance(element, Mapping)]
    related = _at(fields, "related_content", "basic")
    targets = [_target(other) for other in related if isinstance(other, Mapping)] if isinstance(related, list) else []
    section = _at(fields, "taxonomy", "primary_section")
    found = {
        "title": _at(fields, "headlines", "basic"),
        "html": "".join(map(_html, elements)),
        "section": _at(section, "name") or _at(section, "_id"),
        "published": fields.get("display_date") or fields.get("first_publish_date") or fields.get("publish_date"),
        "read_more": [name for name in dict.fromkeys([*_links(elements), *targets]) if name],
    }
    return {name: value for name, value in found.items() if value or name == "html"}


def _html(element: Json) -> str:
    kind = element.get("type")
    if kind == "raw_html":
        return str(element.get("content") or "")
    inner = element.get("items" if kind == "list" else "content_elements")
    html = "".join(_html(child) for child in inner if isinstance(child, Mapping)) if isinstance(inner, list) else ""
    if kind in ("list", "story"):
        return html
    if kind not in TAGS:
        return ""
    return f"<{TAGS[kind]}>{element.get('content') or html}</{TAGS[kind]}>"


def _links(elements: list[Json]) -> Iterator[str]:
    for element in elements:
        if element.get("type") == "interstitial_link":
            yield str(element.get("url") or element.get("content") or "")
        elif element.get("type") == "link_list":
            yield from _links([entry for entry in element.get("items") or () if isinstance(entry, Mapping)])


def _target(other: Json) -> str:
    """Return the id of a related story, or an empty string for a picture or a video."""
    kind = _at(other, "referent", "type") or other.get("type")
    return str(_at(other, "referent", "id") or other.get("_id") or "") if kind in ("story", "reference") else ""


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
