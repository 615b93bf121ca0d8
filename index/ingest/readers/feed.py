"""Read feeds in RSS, Atom and JSON Feed, one article per entry, without fetching or opening any other file."""

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

from lxml import etree

from index.ingest.compressed import opened
from index.ingest.html.xml_safety import check_xml
from index.ingest.readers.xml_items import STRICT, Item, decoded, items, local_name
from index.ingest.record import Entry, Mended, Record, Reject
from recommender.errors import InputError, InvalidArticle
from recommender.text.cleaning import TAG
from recommender.text.dates import parse_date

log = logging.getLogger(__name__)

MAX_BYTES = 200 << 20
"""Largest feed in bytes. A feed is read as a whole."""

NO_FEED = "no_feed"
"""Code of XML that is whole and no feed, such as a sitemap."""

PUBLICATION = ("status", "draft")
"""Fields that determine whether an entry is public."""

SITEMAP = re.compile(r"<(urlset|sitemapindex)[\s>]")
NEWS = re.compile(r"<\w+:publication_date>")
"""The part of a sitemap that is only in news sitemaps, which have titles."""

DECLARATION = re.compile(r"\A\s*<\?xml\s[^>]*\?>")
"""The XML declaration. It may name another encoding than the one in which the feed is passed on."""


def read(path: Path) -> Iterator[Entry]:
    """Yield a record for each entry, counted from 1. In a damaged feed each entry is repaired by itself.

    Raises:
        InputError: The file is too large to be a feed.
    """
    notes: list[Reject | Mended] = []
    try:
        with opened(path) as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise InputError(f"{path} is larger than {MAX_BYTES >> 20} MiB - split the feed, or export the archive as JSON Lines")
        entries = _json_feed(raw) if raw.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") else _xml_feed(raw, path, notes)
    except InvalidArticle as error:
        yield Reject(str(path), 1, None, error.code, str(error), cut=error.code != NO_FEED)
        return
    for number, fields in enumerate(entries, start=1):
        if isinstance(fields, dict):
            publication = {name: fields.pop(name) for name in PUBLICATION if fields.get(name)}
            kind = {} if fields.get("html") or fields.get("text") else {"text": "", "kind": "headline"}
            yield Record(str(path), number, {name: value for name, value in fields.items() if value} | kind, publication)
        else:
            yield Reject(str(path), number, None, "bad_json", f"an item is a {type(fields).__name__} - an object is expected")
    yield from notes


def _xml_feed(raw: bytes, path: Path, notes: list[Reject | Mended]) -> list[Any]:
    import feedparser

    check_xml(raw)
    xml = _well_formed(raw, path, notes)
    feed = feedparser.parse(xml.encode(), resolve_relative_uris=False)
    if not feed.get("version") and not feed.entries:
        if not feed.bozo and xml.strip():
            if sitemap := SITEMAP.search(xml):
                if NEWS.search(xml):
                    return list(_headlines(xml))
                reason = f"it is a sitemap ({sitemap[1]}), which has no texts - give the pages, or a feed"
                raise InvalidArticle(NO_FEED, reason)
            raise InvalidArticle(NO_FEED, "it is XML, and no feed - leave it out, or export the archive as RSS, Atom or JSON Lines")
        reason = " ".join(str(feed.get("bozo_exception", "the file is empty")).split())[:100]
        raise InvalidArticle("bad_xml", f"{reason} - no entry was found; is it RSS or Atom?")
    if feed.bozo:
        log.warning("%s is not well-formed (%s); what could be read of it was", path, feed.bozo_exception)
    return [_entry(entry, feed.feed.get("language")) for entry in feed.entries]


def _headlines(xml: str) -> Iterator[dict[str, Any]]:
    """Yield the entries of a news sitemap: titles without a text."""
    for url in etree.fromstring(xml, STRICT).iterfind("{*}url"):
        values = {local_name(element): (element.text or "").strip() for element in url.iterdescendants(etree.Element)}
        yield {
            "id": values.get("loc"),
            "title": values.get("title"),
            "url": values.get("loc"),
            "published": values.get("publication_date"),
            "lang": values.get("language"),
        }


def _well_formed(raw: bytes, path: Path, notes: list[Reject | Mended]) -> str:
    """Return the feed without characters that XML forbids. A feed that is not well-formed is rebuilt from its items."""
    faults: Counter[str] = Counter()
    xml = DECLARATION.sub("", decoded(raw, faults), count=1)
    try:
        etree.fromstring(xml, STRICT)
    except (etree.XMLSyntaxError, ValueError):
        found = list(items(path))
        notes += [entry for entry in found if not isinstance(entry, Item)]
        mended = [entry for entry in found if isinstance(entry, Item)]
        if mended:
            head = DECLARATION.sub("", mended[0].head, count=1)
            return "".join([head, *(item.xml for item in mended), *(f"</{name}>" for name in _unclosed(head))])
        return xml
    notes += [Mended(str(path), fault, count) for fault, count in faults.items() if count]
    return xml


def _unclosed(head: str) -> list[str]:
    """Return the names of the elements around the items, innermost first."""
    names = [name for name in ("rdf:RDF", "rss", "feed", "channel") if re.search(rf"<{name}[\s>]", head) and f"</{name}>" not in head]
    return names[::-1]


def _entry(entry: Mapping[str, Any], language: str | None) -> dict[str, Any]:
    content: Mapping[str, Any] = next((part for part in entry.get("content", ()) if part.get("value")), {})
    return {
        "id": entry.get("id") or entry.get("link") or _digest(entry),
        "title": plain(entry.get("title", "")),
        "html": content.get("value") or entry.get("summary"),
        "url": entry.get("link") if ":" in entry.get("link", "") else None,  # some have no link, and an id in its place
        "published": _moment(entry.get("published") or entry.get("updated")),
        "section": next((tag["term"] for tag in entry.get("tags", ()) if tag.get("term")), None),
        "lang": content.get("language") or language,
        "status": entry.get("wp_status"),
        "draft": entry.get("app_draft"),
    }


def _digest(entry: Mapping[str, Any]) -> str:
    """Return an id for an entry that has none: it depends on its title and text."""
    return sha256(json.dumps([entry.get("title"), entry.get("summary")]).encode()).hexdigest()[:16]


def _moment(written: str | None) -> str | None:
    """Return a date in UTC, or as written if validation has to report it.

    The dates that feedparser reads are not used, because it fills missing parts from today's date.
    """
    try:
        return written and parse_date(written).isoformat()
    except ValueError:
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
    """Return a title without any HTML."""
    return " ".join(unescape(TAG.sub(" ", title)).split())
