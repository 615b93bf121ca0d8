"""Feeds: RSS, Atom and JSON Feed; one article an entry. Nothing is fetched, and no other file is opened."""

import json
import logging
from calendar import timegm
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from time import struct_time
from typing import Any

from index.corpus.record import Record, Reject
from index.corpus.xml_safety import check_xml
from recommender.cleaning import TAG
from recommender.errors import InputError, InvalidArticle

log = logging.getLogger(__name__)

MAX_BYTES = 200 << 20
"""A feed is read as a whole."""


def read(path: Path) -> Iterator[Record | Reject]:
    """Yield a record an entry, counted from 1; what is not well-formed is read as far as it can be, and says so in the log.

    Raises:
        InputError: The file is too large to be a feed.
    """
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES >> 20} MiB - split the feed, or export the archive as JSON Lines")
    raw = path.read_bytes()
    try:
        entries = _json_feed(raw) if raw.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") else _xml_feed(raw, path)
    except InvalidArticle as error:
        yield Reject(str(path), 1, None, error.code, str(error), cut=True)
        return
    for number, fields in enumerate(entries, start=1):
        if isinstance(fields, dict):
            yield Record(str(path), number, {name: value for name, value in fields.items() if value})
        else:
            yield Reject(str(path), number, None, "bad_json", f"an item is a {type(fields).__name__} - an object is expected")


def _xml_feed(raw: bytes, path: Path) -> list[Any]:
    import feedparser

    check_xml(raw)
    feed = feedparser.parse(raw, resolve_relative_uris=False)
    if not feed.get("version") and not feed.entries:
        reason = " ".join(str(feed.get("bozo_exception", "no feed")).split())[:100]
        raise InvalidArticle("bad_xml", f"{reason} - no entry was found; is it RSS or Atom?")
    if feed.bozo:
        log.warning("%s is not well-formed (%s); what could be read of it was", path, feed.bozo_exception)
    return [_entry(entry, feed.feed.get("language")) for entry in feed.entries]


def _entry(entry: Mapping[str, Any], language: str | None) -> dict[str, Any]:
    content: Mapping[str, Any] = next((part for part in entry.get("content", ()) if part.get("value")), {})
    name = "published" if entry.get("published_parsed") else "updated"
    return {
        "id": entry.get("id") or entry.get("link"),
        "title": plain(entry.get("title", "")),
        "html": content.get("value") or entry.get("summary"),
        "url": entry.get("link") if ":" in entry.get("link", "") else None,  # some have no link, and an id in its place
        "published": _moment(entry.get(f"{name}_parsed"), entry.get(name)),
        "section": next((tag["term"] for tag in entry.get("tags", ()) if tag.get("term")), None),
        "lang": content.get("language") or language,
    }


def _moment(parsed: struct_time | None, written: str | None) -> str | None:
    """A date in UTC; one that is outside of years 1 to 9999 as it is written: validation tells of it."""
    try:
        return parsed and datetime.fromtimestamp(timegm(parsed), UTC).isoformat()
    except (ValueError, OverflowError):
        return written


def _json_feed(raw: bytes) -> list[Any]:
    try:
        feed = json.loads(raw.decode("utf-8-sig"))
        items = feed["items"]
    except (ValueError, KeyError, RecursionError) as error:
        raise InvalidArticle("bad_json", f"{type(error).__name__}: {str(error)[:100]} - a JSON Feed with items is expected") from error
    if not isinstance(items, list):
        raise InvalidArticle("bad_json", f"items is a {type(items).__name__} - a list is expected")
    return [_item(item, feed.get("language")) if isinstance(item, dict) else item for item in items]


def _item(item: Mapping[str, Any], language: object) -> dict[str, Any]:
    tags = item.get("tags")
    return {
        "id": item.get("id") or item.get("url"),
        "title": item.get("title"),
        "html": item.get("content_html"),
        "text": None if item.get("content_html") else item.get("content_text") or item.get("summary"),
        "url": item.get("url"),
        "published": item.get("date_published") or item.get("date_modified"),
        "section": tags[0] if isinstance(tags, list) and tags else None,
        "lang": item.get("language") or language,
    }


def plain(title: str) -> str:
    """A title that may hold HTML, without."""
    return " ".join(unescape(TAG.sub(" ", title)).split())
