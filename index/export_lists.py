"""Export every list of an index to files for a database, a spreadsheet, a CDN or a static site.

The exported lists need no service. Articles under embargo have no list and appear in none. Export again when the
embargo ends.

A spreadsheet evaluates every cell that begins like a formula. In CSV such a cell gets an apostrophe in front, in
addition to any that it had. JSON and Parquet hold the texts unchanged.
"""

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from recommender import Recommender, RelatedList
from recommender.errors import ArticleNotFound, InputError, StorageError
from recommender.installation import not_installed
from recommender.lists.selection import Selection
from recommender.types import CARD_FIELDS, DEFAULT_LIMIT

MANIFEST = "manifest.json"

LONGEST_NAME = 200
"""Longest file name in bytes. A longer id is named by its sha256."""

COLUMNS = ("article_id", "rank", "id", "score", *(field.name for field in CARD_FIELDS), "relation")
"""Columns of the tables, which have one row for each line of a list."""

FORMULA = re.compile("'*[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]")
"""Beginnings of cells that some spreadsheet evaluates as a formula, full-width signs of East Asian text included.

It also matches such a beginning behind apostrophes.
"""


def lists(recommender: Recommender, limit: int, wanted: Selection) -> Iterator[RelatedList]:
    """Yield the lists of all publishable articles.

    Articles of the release come first, in order of ids. Live upserts follow in the order of their upserts.
    """
    with recommender.live.reading() as view:
        put = [live.card for _, live in sorted(view.articles.items())]
    for row in range(recommender.release.manifest.n_articles):
        if row not in view.replaced and not recommender.catalogue.card(row).under_embargo:
            yield recommender.related_to_row(row, limit, wanted)
    for card in put:
        if not card.under_embargo:
            with suppress(ArticleNotFound):  # deleted meanwhile
                yield recommender.related(card.id, limit, wanted)


def export(recommender: Recommender, path: Path, file_format: str, limit: int = DEFAULT_LIMIT, wanted: Selection | None = None) -> int:
    """Write all lists. Afterwards the file or folder is complete, or unchanged.

    Args:
        path: The file. For `pages` the folder, which is replaced if an export made it.
        file_format: A name of `WRITERS`.

    Returns:
        The number of lists written.

    Raises:
        InputError: The folder holds other files.
        StorageError: The file or folder cannot be written.
    """
    draft = path.with_name(f".{path.name}.draft")
    found = lists(recommender, limit, wanted or Selection())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and any(path.iterdir()) and not (path / MANIFEST).exists():
            raise InputError(f"{path} holds files that no export made - give another folder, or empty it")
        _remove(draft)
        n_lists = WRITERS[file_format](found, draft, recommender)
        if path.is_dir():
            _remove(path)
        draft.replace(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written ({error.strerror or error}) - free space, or give another place") from error
    finally:
        _remove(draft)
    return n_lists


def _jsonl(found: Iterator[RelatedList], path: Path, recommender: Recommender) -> int:
    n_lists = 0
    with path.open("w", encoding="utf-8") as file:
        for n_lists, one in enumerate(found, start=1):  # noqa: B007 - the count of the last
            file.write(json.dumps(one.as_dict(), ensure_ascii=False) + "\n")
    return n_lists


def _csv(found: Iterator[RelatedList], path: Path, recommender: Recommender) -> int:
    n_lists = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for n_lists, one in enumerate(found, start=1):  # noqa: B007
            writer.writerows({name: as_text(cell) for name, cell in row.items()} for row in _rows(one))
    return n_lists


def _parquet(found: Iterator[RelatedList], path: Path, recommender: Recommender) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise InputError(not_installed("pyarrow", "parquet")) from error
    text = {name: pa.string() for name in COLUMNS}
    schema = pa.schema({**text, "rank": pa.int32(), "score": pa.float64()})
    n_lists = 0
    with pq.ParquetWriter(path, schema) as writer:
        for n_lists, one in enumerate(found, start=1):  # noqa: B007
            if rows := list(_rows(one)):
                writer.write_table(pa.Table.from_pylist(rows, schema))
    return n_lists


def _pages(found: Iterator[RelatedList], folder: Path, recommender: Recommender) -> int:
    """Write one JSON file for each article, and a manifest that maps ids to files."""
    folder.mkdir()
    files: dict[str, str] = {}
    for one in found:
        name = page_name(str(one.article_id))
        files[str(one.article_id)] = name
        (folder / name).write_text(json.dumps(one.as_dict(), ensure_ascii=False), encoding="utf-8")
    manifest = recommender.release.manifest
    about = {"index_version": manifest.release, "created": manifest.created, "model": manifest.model.label, "files": files}
    (folder / MANIFEST).write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return len(files)


WRITERS: Mapping[str, Callable[[Iterator[RelatedList], Path, Recommender], int]] = {
    "jsonl": _jsonl,
    "csv": _csv,
    "parquet": _parquet,
    "pages": _pages,
}


def page_name(article_id: str) -> str:
    """Return the file name of an article's list.

    A site's own script can derive the name from the id: `encodeURIComponent`, with a leading dot percent-encoded.

    >>> page_name("2018/09/summit"), page_name("..")
    ('2018%2F09%2Fsummit.json', '%2E..json')
    """
    name = quote(article_id, safe="!'()*")
    name = f"%2E{name[1:]}" if name.startswith(".") else name
    if len(name) > LONGEST_NAME or f"{name}.json" == MANIFEST:
        name = hashlib.sha256(article_id.encode()).hexdigest()
    return f"{name}.json"


def as_text(cell: object) -> object:
    """Return a CSV cell that no spreadsheet evaluates as a formula.

    To restore the original, remove one apostrophe from each cell that `FORMULA` matches.

    >>> as_text("=1+1"), as_text("'=1+1"), as_text("'Tis"), as_text(-1)
    ("'=1+1", "''=1+1", "'Tis", -1)
    """
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell


def _rows(one: RelatedList) -> Iterator[dict[str, Any]]:
    for item in one.items:
        fields = item.as_dict()
        yield {"article_id": one.article_id, **{name: fields[name] for name in COLUMNS[1:]}}


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
