"""Read posts from Ghost's own export, one record each. The first public tag of a post is its section."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from index.ingest.compressed import opened
from index.ingest.readers.json_array import FAULTS, cut, objects
from index.ingest.readers.rich_text import document_html
from index.ingest.record import Record, Reject

Json = Mapping[str, Any]


def read(path: Path) -> Iterator[Record | Reject]:
    """Yield a record for each post, counted from 1. The file is read twice, because tags may follow posts."""
    with opened(path) as file:
        place = "db.item.data" if b'"db"' in file.peek(64)[:64] else "data"
    tags: dict[str, Json] = {}
    links: list[Json] = []
    emailed: set[str] = set()
    with suppress(*FAULTS):  # the posts meet the same fault and report it
        for where, found in objects(path, f"{place}.tags.item", f"{place}.posts_tags.item", f"{place}.posts_meta.item"):
            if where.endswith(".tags.item"):
                tags[str(found.get("id"))] = found
            elif where.endswith(".posts_tags.item"):
                links.append(found)
            elif found.get("email_only"):
                emailed.add(str(found.get("post_id")))
    links.sort(key=lambda link: -link["sort_order"] if isinstance(link.get("sort_order"), int) else 0)  # the last one stays
    named = ((str(link.get("post_id")), tags.get(str(link.get("tag_id")), {})) for link in links)
    sections = {post_id: tag["name"] for post_id, tag in named if _is_public(tag)}
    number = 0
    try:
        for number, (_, post) in enumerate(objects(path, f"{place}.posts.item"), start=1):
            post_id = str(post.get("id"))
            yield _record(path, number, post, sections.get(post_id), post_id in emailed)
    except FAULTS as error:
        yield cut(path, number, error)


def _is_public(tag: Json) -> bool:
    """Return True for a tag that readers see. Other tags are for the theme."""
    return isinstance(tag.get("name"), str) and not tag["name"].startswith("#") and tag.get("visibility", "public") == "public"


def _record(path: Path, number: int, post: Json, section: Any, email_only: bool) -> Record:
    fields = {
        "id": post.get("id"),
        "title": post.get("title"),
        "html": post.get("html") or _html_of(post),
        "url": post.get("canonical_url"),
        "published": post.get("published_at"),
        "section": section,
        "lang": post.get("locale"),
    }
    publication = {
        "post_type": post.get("type") or ("page" if post.get("page") not in (None, False, 0) else "post"),
        "status": post.get("status"),
        "visibility": post.get("visibility"),
        "email_only": email_only,
    }
    return Record(str(path), number, {name: value for name, value in fields.items() if value or name == "html"}, publication)


def _html_of(post: Json) -> str:
    """Return the HTML of a post that has only the editor's own format."""
    return document_html(str(post.get("lexical") or post.get("mobiledoc") or ""))
