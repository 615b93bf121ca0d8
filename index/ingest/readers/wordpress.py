"""Read WordPress's own export (WXR), one record per item. `publication` passes over pages, drafts and attachments."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from index.ingest.readers.feed import plain
from index.ingest.readers.xml_items import Item, in_head, items, local_name
from index.ingest.record import Mended, Record, Reject
from index.ingest.site_ids import address

CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
NO_DATE = "0000-00-00 00:00:00"
MARK = "<wp:post_id>"

LISTS = frozenset(
    f"{mark}{name}"
    for mark in ("", "_")
    for name in ("related_posts", "related_post_ids", "related_articles", "related_stories", "related_content", "read_more")
)
"""Keys of post meta under which editors' plugins keep ids: separated by commas, or as a serialized PHP array."""

CRP, CRP_LIST = "crp_post_meta", re.compile(r'"manual_related";s:\d+:"([\d,\s]*)"')
"""The lists of Contextual Related Posts that an editor set."""

CHOSEN = re.compile(r"<!-- wp:newspack-blocks/homepage-articles (\{.*?\}) /-->", re.DOTALL)
"""A block of Newspack, in which an editor may have chosen the posts."""

EMBED = re.compile(r"<!-- wp:(?:core-)?embed\S* (\{.*?\}) -->.*?<!-- /wp:(?:core-)?embed\S* -->", re.DOTALL)
"""An embedded page. A page of the own site is an editor's link."""

NO_SECTION = "uncategorized"
"""The category of posts without one."""

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
    html, chosen = _without_blocks(item.text(CONTENT), site)
    categories = {domain: [child for child in item.all("category") if child.get("domain") == domain] for domain in ("category", "language")}
    sections = sorted(categories["category"], key=lambda child: child.get("nicename") == NO_SECTION)  # stable: else in their order
    fields = {
        "id": post_id or values.get("guid"),
        "title": plain(values.get("title", "")),
        "html": html,
        "url": _absolute(values.get("link", ""), site),
        "published": None if moment == NO_DATE else f"{moment.replace(' ', 'T')}Z",
        "section": next((child.text for child in sections), None),
        "lang": next((child.get("nicename") for child in categories["language"]), None) or language,  # Polylang's
        "read_more": [*_lists(item), *chosen],
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


def _without_blocks(html: str, site: Sequence[str]) -> tuple[str, list[str]]:
    """Return the HTML without embedded pages of the own site, and the posts that an editor embedded or chose in blocks."""
    hosts = {address(url).partition("/")[0] for url in site}
    names: list[str] = []

    def cut(block: re.Match[str]) -> str:
        url = _attributes(block[1]).get("url")
        if not isinstance(url, str) or address(url).partition("/")[0] not in hosts:
            return block[0]
        names.append(url)
        return ""

    html = EMBED.sub(cut, html)
    for block in CHOSEN.finditer(html):
        attributes = _attributes(block[1])
        posts = attributes.get("specificPosts")
        if attributes.get("specificMode") and isinstance(posts, list):
            names += map(str, posts)
    return html, names


def _attributes(block: str) -> Mapping[str, Any]:
    """Return the attributes of a block, or none if they are not JSON."""
    try:
        found = json.loads(block)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _lists(item: Item) -> list[str]:
    """Return the ids in the post's meta."""
    names: list[str] = []
    for meta in item.all("{*}postmeta"):
        key, value = meta.findtext("{*}meta_key"), meta.findtext("{*}meta_value") or ""
        if key == CRP and (manual := CRP_LIST.search(value)):
            names += manual[1].replace(",", " ").split()
        elif key in LISTS:
            if value.startswith("a:"):
                names += [number or text for number, text in PHP_VALUE.findall(value)]
            elif re.fullmatch(r"[\d,\s]+", value):
                names += value.replace(",", " ").split()
    return names
