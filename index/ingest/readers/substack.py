"""Read Substack's own export: `posts.csv` lists the posts and their status, and `posts/` holds the HTML of each.

The other tables of the export are about subscribers, and are not read.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from index.ingest.html.encoding import decoded_page
from index.ingest.readers import csv_tsv
from index.ingest.record import Entry, PassedOver, Record

TABLE = "posts.csv"
COLUMNS = (b"post_id", b"is_published")
SUBSCRIBE = re.compile(r"""href=["'](https://[^"'/?]+)/subscribe\b""")
"""The subscribe button that most posts contain. It is the only place of the publication's address in the export."""


def is_export(table: Path) -> bool:
    """Return True for the table of a Substack export."""
    if table.name != TABLE or not table.is_file():
        return False
    with table.open("rb") as file:
        header = file.readline(4096)
    return all(column in header for column in COLUMNS)


def table_of(folder: Path) -> Path | None:
    """Return the table of the export that a folder of posts belongs to."""
    table = folder.absolute().parent / TABLE
    return table if folder.name == "posts" and is_export(table) else None


def read(table: Path) -> Iterator[Entry]:
    """Yield a record for each row of the table, with the HTML of its post."""
    pages = {page.stem: page for page in sorted((table.parent / "posts").glob("*.html")) if page.is_file() and not page.is_symlink()}
    addresses = Counter(address for page in pages.values() if (address := _address(page)))
    site = next((address for address, _ in addresses.most_common(1)), "")
    for entry in csv_tsv.read(table):
        if isinstance(entry, Record):
            page = pages.pop(str(entry.fields.get("post_id")), None)
            yield _record(entry, page, site)
        else:
            yield entry
    yield from (PassedOver(str(page), 1, name, f"not in {TABLE}") for name, page in pages.items())


def _address(page: Path) -> str:
    found = SUBSCRIBE.search(decoded_page(page.read_bytes()))
    return found[1] if found else ""


def _record(row: Record, page: Path | None, site: str) -> Record:
    post_id = str(row.fields.get("post_id", ""))
    slug = post_id.partition(".")[2]
    fields = {
        "id": post_id,
        "title": row.fields.get("title"),
        "html": decoded_page(page.read_bytes()) if page else "",
        "url": f"{site}/p/{slug}" if site and slug else None,
        "published": row.fields.get("post_date"),
    }
    publication = {**row.fields, "post_type": "page" if row.fields.get("type") == "page" else "post"}
    return Record(row.file, row.line, {name: value for name, value in fields.items() if value or name == "html"}, publication)
