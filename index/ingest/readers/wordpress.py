"""Read WordPress's own export (WXR), one record per item. `publication` passes over pages, drafts and attachments."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from index.ingest.readers.feed import plain
from index.ingest.readers.xml_items import Item, in_head, items, local_name
from index.ingest.record import Mended, Record, Reject
from index.ingest.site_ids import address

CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
NO_DATE = "0000-00-00 00:00:00"
MARK = "<wp:post_id>"

LISTS = ("related_posts", "_related_posts", "related_post_ids", "_related_post_ids", "read_more", "_read_more")
"""Keys of post meta under which editors' plugins keep ids: separated by commas, or as a serialized PHP array."""

PHP_VALUE = re.compile(r"i:\d+;(?:i:(\d+)|s:\d+:\"(\d+)\");")


def read(path: Path) -> Iterator[Record | Reject | Mended]:
    """Yield a record for each item, counted from 1."""
    head: tuple[str, Sequence[str]] | None = None
    for item in items(path, MARK):
        if isinstance(item, Item):
            head = head or (in_head(item.head, "language"), _site(item))
            yield _record(path, item, *head)
        else:
            yield item


def _record(path: Path, item: Item, language: str, site: Sequence[str]) -> Record | Reject:
    values: dict[str, str] = {}
    for child in item.all("*"):
        if child.tag != CONTENT and child.text:
            values.setdefault(local_name(child), child.text)
    post_id = values.get("post_id", "").strip()
    if item.damage and "status" not in values:
        return Reject(str(path), item.number, post_id or None, "bad_xml", "the item is damaged, and its status is lost - export it again")
    moment = values.get("post_date_gmt", NO_DATE)
    section = next((child.text for child in item.all("category") if child.get("domain") == "category"), None)
    fields = {
        "id": post_id or values.get("guid"),
        "title": plain(values.get("title", "")),
        "html": item.text(CONTENT),
        "url": _absolute(values.get("link", ""), site),
        "published": None if moment == NO_DATE else f"{moment.replace(' ', 'T')}Z",
        "section": section,
        "lang": language,
        "read_more": _lists(item),
    }
    publication = {name: values.get(name, "") for name in ("post_type", "status", "post_password")}
    fields = {name: value for name, value in fields.items() if value or name == "html"}
    return Record(str(path), item.number, fields, publication, site if post_id else ())


def _absolute(link: str, site: Sequence[str]) -> str:
    """Return a link. A path gets the address of the site in front."""
    return f"{site[0].rstrip('/')}{link}" if site and link.startswith("/") else link


def _site(item: Item) -> Sequence[str]:
    """Return the addresses of the exported site, and the host of its first link if that differs."""
    urls = [url for url in (in_head(item.head, "wp:base_blog_url"), in_head(item.head, "link")) if url.startswith("http")]
    host = address(item.text("link") or item.text("guid")).partition("/")[0]
    return urls if not host or host in {address(url).partition("/")[0] for url in urls} else [*urls, f"https://{host}"]


def _lists(item: Item) -> list[str]:
    """Return the ids in the post's meta."""
    names: list[str] = []
    for meta in item.all("{*}postmeta"):
        if meta.findtext("{*}meta_key") in LISTS:
            value = meta.findtext("{*}meta_value") or ""
            if value.startswith("a:"):
                names += [number or text for number, text in PHP_VALUE.findall(value)]
            elif re.fullmatch(r"[\d,\s]+", value):
                names += value.replace(",", " ").split()
    return names
