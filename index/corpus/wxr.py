"""WordPress's own export (WXR): published posts, one article each; pages, drafts, private and password-protected posts are passed over."""

import logging
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from index.corpus.feed import plain
from index.corpus.opened import opened
from index.corpus.record import Record, Reject
from recommender.errors import InvalidArticle

log = logging.getLogger(__name__)

CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
NO_DATE = "0000-00-00 00:00:00"

LISTS = ("related_posts", "_related_posts", "related_post_ids", "_related_post_ids", "read_more", "_read_more")
"""Keys of post meta under which editors' plugins keep ids: separated by commas, or as PHP writes an array."""

PHP_VALUE = re.compile(r"i:\d+;(?:i:(\d+)|s:\d+:\"(\d+)\");")


def read(path: Path) -> Iterator[Record | Reject]:
    """Yield a record a post, counted from 1 among all items; after a fault in the XML nothing more is read."""
    passed: Counter[str] = Counter()
    number, language = 0, None
    try:
        with opened(path) as file:
            # Entities are not resolved and nothing is loaded: a file that names others gets nothing of them.
            events = etree.iterparse(
                file, events=("end",), tag=("item", "language"), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True
            )
            for _, element in events:
                if element.tag == "language":
                    language = element.text
                    continue
                number += 1
                fields = _fields(element, language, passed)
                _forget(element)
                if fields:
                    yield Record(str(path), number, fields)
    except etree.XMLSyntaxError as error:
        yield Reject(str(path), number + 1, None, "bad_xml", f"{str(error)[:150]} - the rest was not read; export it again", cut=True)
    except InvalidArticle as error:
        yield Reject(str(path), number + 1, None, error.code, str(error), cut=True)
    if passed:
        log.info("%s: passed over %s", path, ", ".join(f"{count} {kind}" for kind, count in passed.most_common()))


def _fields(item: Any, language: str | None, passed: Counter[str]) -> dict[str, Any] | None:
    """The fields of a published post; None for anything else."""
    values = {etree.QName(child).localname: child.text or "" for child in item if child.tag != CONTENT and isinstance(child.tag, str)}
    kind, status = values.get("post_type", "post"), values.get("status", "publish")
    if kind != "post" or status != "publish" or values.get("post_password"):
        passed[kind if kind != "post" else "password-protected" if status == "publish" else status] += 1
        return None
    moment = values.get("post_date_gmt", NO_DATE)
    section = next((child.text for child in item.iter("category") if child.get("domain") == "category"), None)
    fields = {
        "id": values.get("post_id") or values.get("guid"),
        "title": plain(values.get("title", "")),
        "html": item.findtext(CONTENT) or "",
        "url": values.get("link"),
        "published": None if moment == NO_DATE else f"{moment.replace(' ', 'T')}Z",
        "section": section,
        "lang": language,
        "read_more": _lists(item),
    }
    return {name: value for name, value in fields.items() if value or name == "html"}


def _lists(item: Any) -> list[str]:
    """Ids in the post's meta."""
    names: list[str] = []
    for meta in item.iterfind("{*}postmeta"):
        if meta.findtext("{*}meta_key") in LISTS:
            value = meta.findtext("{*}meta_value") or ""
            if value.startswith("a:"):
                names += [number or text for number, text in PHP_VALUE.findall(value)]
            elif re.fullmatch(r"[\d,\s]+", value):
                names += value.replace(",", " ").split()
    return names


def _forget(element: Any) -> None:
    """Let go of what was read, so that memory does not grow with the file."""
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]
