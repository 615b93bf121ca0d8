"""Read posts from Blogger's own export, and separate them from settings, template, pages and comments by their kind.

The export of the dashboard marks the kind by categories, the export of Google Takeout by its own elements.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from index.ingest.readers.feed import plain
from index.ingest.readers.xml_items import Item, items, local_name
from index.ingest.record import Mended, Record, Reject

ATOM = "{http://www.w3.org/2005/Atom}"
KIND = "http://schemas.google.com/g/2005#kind"
KIND_IN_ID = re.compile(r"blog-\d+\.([a-z]+)")


def read(path: Path) -> Iterator[Record | Reject | Mended]:
    """Yield a record for each entry, counted from 1."""
    for item in items(path):
        yield _record(path, item) if isinstance(item, Item) else item


def _record(path: Path, item: Item) -> Record:
    own = _own(item)
    entry_id = item.text(f"{ATOM}id").strip()
    categories = [(category.get("scheme", ""), category.get("term", "")) for category in item.all(f"{ATOM}category")]
    kind = next((term.rpartition("#")[2] for scheme, term in categories if scheme == KIND), "") or own.get("type", "")
    if not kind and (found := KIND_IN_ID.search(entry_id)):
        kind = found[1]
    links = [link.get("href", "") for link in item.all(f"{ATOM}link") if link.get("rel") == "alternate"]
    fields = {
        "id": entry_id,
        "title": plain(item.text(f"{ATOM}title")),
        "html": item.text(f"{ATOM}content"),
        "url": next(filter(None, links), ""),
        "published": item.text(f"{ATOM}published").strip(),
        "section": next((term for scheme, term in categories if scheme != KIND and term), ""),
    }
    publication = {
        "post_type": kind.lower(),
        "status": own.get("status", ""),
        "draft": next((draft.text for draft in item.element.iterdescendants("{*}draft")), ""),
        "trashed": own.get("trashed", ""),
    }
    return Record(str(path), item.number, {name: value for name, value in fields.items() if value or name == "html"}, publication)


def _own(item: Item) -> dict[str, str]:
    """Return Takeout's own elements: `type`, `status`, `trashed`."""
    return {local_name(child): child.text.strip() for child in item.all("*") if "google.com/blogger" in child.tag and child.text}
