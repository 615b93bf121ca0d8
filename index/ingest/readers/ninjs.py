"""Read ninjs, the IPTC's JSON for news, versions 1 to 3: one story per file, an array of stories, or one per line."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from index.ingest.readers import json_array, jsonl
from index.ingest.readers.nitf import body_html, xml_root
from index.ingest.record import Record, Reject
from recommender.errors import InvalidArticle

MOMENTS = ("firstcreated", "firstCreated", "contentcreated", "contentCreated", "versioncreated", "versionCreated")

NITF = re.compile(r"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!DOCTYPE[^>]*>\s*)?<nitf[\s>]")
"""The beginning of a body in NITF."""

GONE = ("withheld", "canceled", "cancelled")
"""Publishing status of retracted stories."""


def read(path: Path) -> Iterator[Record | Reject]:
    """Yield a record for each story. Pictures, videos and other kinds are rejected as `not_text`."""
    for entry in jsonl.read(path) if _of_lines(path) else json_array.read(path):
        yield _story(entry) if isinstance(entry, Record) else entry


def _of_lines(path: Path) -> bool:
    """Return whether the first line is a complete story, and not the beginning of one."""
    with path.open("rb") as file:
        first, second = file.readline(), file.readline()
    try:
        return isinstance(json.loads(first.decode("utf-8-sig")), dict) and bool(second.strip())
    except (ValueError, RecursionError):
        return False


def _story(entry: Record) -> Record | Reject:
    item = entry.fields
    story_id = item.get("uri") or item.get("guid") or _first(item.get("altids") or item.get("altIds"), "value")
    kind = item.get("type", "text")
    status = item.get("pubstatus", item.get("pubStatus"))
    if status in GONE:
        return Record(entry.file, entry.line, {"id": story_id, "withdrawn": True})
    if kind not in ("text", "composite"):
        return Reject(entry.file, entry.line, story_id and str(story_id), "not_text", f"the type is {kind!r:.50} - only stories have lists")
    published = next((item[name] for name in MOMENTS if item.get(name)), None)
    embargo = item.get("embargoed") or item.get("embargoedUntil")
    fields = {
        "id": story_id,
        "title": item.get("headline") or _first(item.get("headlines"), "value") or item.get("name") or item.get("title"),
        **_body(item),
        "url": item.get("url") or _http(story_id),
        "published": max(published, embargo) if isinstance(published, str) and isinstance(embargo, str) else embargo or published,
        "section": _first(item.get("service"), "name") or _first(item.get("subject") or item.get("subjects"), "name"),
        "lang": item.get("language"),
        "read_more": _associations(item.get("associations")),
    }
    fields = {name: value for name, value in fields.items() if value}
    return Record(entry.file, entry.line, fields, {"pubstatus": status})


def _body(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the story, preferably as HTML, which has paragraphs and links."""
    bodies = [body for body in item.get("bodies") or () if isinstance(body, dict) and body.get("value")]
    html = item.get("body_xhtml") or item.get("body_html")
    html = html or next((body["value"] for body in bodies if "html" in str(body.get("contentType", body.get("contenttype", "")))), None)
    text = item.get("body_text") or next((body["value"] for body in bodies), None)
    if isinstance(text, str) and NITF.match(text):
        try:
            return {"html": body_html(xml_root(text.encode()))}
        except InvalidArticle:
            return {"text": text}
    return {"html": html} if html else {"text": text}


def _associations(associations: Any) -> list[str]:
    """Return the ids of the linked stories, which are an object of names in version 1, and a list since."""
    linked = associations.values() if isinstance(associations, dict) else associations if isinstance(associations, list) else ()
    stories = [other for other in linked if isinstance(other, dict) and other.get("type", "text") in ("text", "composite")]
    return [str(other.get("uri") or other["guid"]) for other in stories if other.get("guid") or other.get("uri")]


def _first(objects: Any, name: str) -> Any:
    """Return a field of the first object that has it. For a list of strings, return the first string."""
    for of in objects if isinstance(objects, list) else ():
        if isinstance(of, str):
            return of
        if isinstance(of, dict) and of.get(name):
            return of[name]
    return None


def _http(uri: Any) -> str | None:
    return uri if isinstance(uri, str) and uri.startswith(("http://", "https://")) else None
