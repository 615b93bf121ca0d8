"""Read article files with one module per kind of source, all of which yield the same records."""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from index.ingest.compressed import opened as decompressed
from index.ingest.publication import passed_over
from index.ingest.readers import pydoc_topics, substack
from index.ingest.readers.date_order import DateColumn
from index.ingest.readers.field_names import translated
from index.ingest.readers.site_folder import File, files_of
from index.ingest.record import PassedOver, Record, Records
from index.ingest.site_ids import Sites
from recommender.errors import InputError, InvalidArticle
from recommender.text.dates import DateOrder

FORMATS: Mapping[str, tuple[str, ...]] = {
    "jsonl": (".jsonl", ".ndjson"),
    "json": (".json",),
    "csv": (".csv", ".tsv"),
    "parquet": (".parquet",),
    "feed": (".rss", ".atom", ".rdf", ".xml"),
    "wxr": (".wxr",),
    "blogger": (),
    "ghost": (),
    "substack": (),
    "ninjs": (".ninjs",),
    "nitf": (".nitf",),
    "newsml": (),
    "html": (".html", ".htm", ".xhtml"),
    "text": (".md", ".markdown"),
    "page": (".txt",),
}
"""Name of a format -> its file extensions. `.gz` and `.zst` may follow for formats of lines, fields or items."""

READERS: Mapping[str, str] = {
    "jsonl": "jsonl",
    "json": "json_array",
    "csv": "csv_tsv",
    "parquet": "parquet",
    "feed": "feed",
    "wxr": "wordpress",
    "blogger": "blogger",
    "ghost": "ghost",
    "substack": "substack",
    "ninjs": "ninjs",
    "nitf": "nitf",
    "newsml": "newsml_g2",
    "html": "html_folder",
    "text": "text_folder",
    "page": "pasted_page_file",
}
"""Name of a format -> the module that reads it. It is imported on demand, because some need large libraries."""

Options = Mapping[str, tuple[Any, ...]]
"""Name of a format -> further arguments of its reader."""

OF_FILES = ("html", "text")
"""Formats with one article per file, which are read from many files at once."""

PYDOC_TOPICS = "pydoc-topics"
"""The source name of the corpus that ships inside Python."""

COMPRESSED = (".gz", ".zst")
LOOKED_AT = 1 << 16
"""Bytes at the beginning of a file used for detecting its format."""

NINJS_ID = re.compile(rb"\"(?:uri|guid)\"\s*:")
NINJS = re.compile(rb"\"(?:headlines?|body_(?:text|html|xhtml)|bodies|pub[sS]tatus|version[cC]reated)\"\s*:")
"""Fields of ninjs."""

NEWS_ROOT = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE[^>]*>\s*)*<(nitf|newsItem|newsMessage)[\s>]", re.DOTALL
)
"""The first element of NITF and of NewsML-G2."""

GHOST = re.compile(rb"\s*\{\s*\"(?:db\"\s*:\s*\[|meta\"\s*:\s*\{[^{}]*\"exported_on\")")


def read(
    source: str,
    names: Mapping[str, str],
    source_format: str | None = None,
    *,
    include: Collection[str] = (),
    sites: Sites | None = None,
    date_order: DateOrder | None = None,
    encoding: str | None = None,
    columns: Sequence[str] = (),
) -> Records:
    """Read one source as a stream.

    Args:
        source: A file, a folder, or `pydoc-topics`.
        names: Our field name -> the path to the field in the source, where its name is not well known (`field_names`).
        source_format: A name of `FORMATS`. None detects the format by the file's extension and first bytes.
        include: Statuses to read although they are not public. See `publication.passed_over`.
        sites: The sites that were read before. See `site_ids`.
        date_order: The order of day and month in `3/1/2020`. None lets the other dates of the source decide.
        encoding: The encoding of CSV files. None detects it.
        columns: The names of the columns of CSV files without a header.

    Raises:
        InputError: The file does not exist, cannot be read, or has no known format. Or its dates have no known order.
    """
    if source == PYDOC_TOPICS:
        yield from pydoc_topics.read()
        return
    sites = sites or Sites()

    def entries() -> Records:
        for entry in _entries(Path(source), source_format, include, {"csv": (encoding, columns)}):
            yield translated(entry, names) if isinstance(entry, Record) else entry

    dates = DateColumn(entries if can_be_read_twice(source) else lambda: iter(()), date_order)
    try:
        for entry in entries():
            if isinstance(entry, Record):
                record = sites.unique(entry)
                yield passed_over(record, include) or dates.ordered(record)
            else:
                yield entry
    except OSError as error:
        raise InputError(f"{source} cannot be read ({error.strerror}) - check the path") from error


def can_be_read_twice(source: str) -> bool:
    """Return whether a source is a file or a folder, and no pipe."""
    return Path(source).is_file() or Path(source).is_dir()


def read_all(
    sources: Sequence[str],
    names: Mapping[str, str],
    source_format: str | None = None,
    *,
    include: Collection[str] = (),
    sites: Sites | None = None,
    date_order: DateOrder | None = None,
    encoding: str | None = None,
    columns: Sequence[str] = (),
) -> Records:
    """Read several sources, one after the other. See `read`."""
    sites = sites or Sites()
    for source in sources:
        yield from read(
            source, names, source_format, include=include, sites=sites, date_order=date_order, encoding=encoding, columns=columns
        )


def _entries(path: Path, source_format: str | None, include: Collection[str], options: Options) -> Records:
    if path.is_dir():
        path = substack.table_of(path) or path
    elif path.suffix == ".html" and substack.table_of(path.parent):
        raise InputError(f"{path} is a post of Substack, and {substack.TABLE} says whether it is public - give the folder of the export")
    if path.is_dir() and (source_format is None or source_format in OF_FILES):
        return _of_files(path, source_format, include, options)
    name = format_of(path, source_format)
    if name is None:
        raise InputError(f"no reader for {path} - {_cure(path)}")
    return _reader(name)(list(files_of(path)) if name in OF_FILES else path, *options.get(name, ()))


def _cure(path: Path) -> str:
    if path.suffix.lower() in (".zip", ".tar", ".tgz", ".7z", ".rar"):
        return "unpack it, and give the folder"
    endings = [ending for endings in FORMATS.values() for ending in endings]
    return f"give --format, or a file ending in {', '.join(endings)}, or a folder"


def _of_files(folder: Path, source_format: str | None, include: Collection[str], options: Options) -> Records:
    """Read all files of a folder: HTML pages, texts, then other formats, in order of paths."""
    files: dict[str, list[File]] = {}
    for file in files_of(folder):
        if isinstance(file, PassedOver):
            yield file
            continue
        name = _format_in_folder(file.path)
        status = passed_over(Record(str(file.path), 1, {"id": file.id}, file.publication), include)
        if source_format not in (None, name):
            continue
        if name is None:
            yield PassedOver(str(file.path), 1, None, "file of another format")
        elif status is not None:
            yield status
        else:
            files.setdefault(name if name in OF_FILES else "", []).append(file)
    for name in OF_FILES:
        if name in files:
            yield from _reader(name)(files[name])
    for file in files.get("", ()):
        name = format_of(file.path) or ""
        yield from _reader(name)(file.path, *options.get(name, ()))


def _format_in_folder(path: Path) -> str | None:
    name = format_of(path)
    if name == "html":
        from index.ingest.readers.text_folder import has_front_matter

        return "text" if has_front_matter(path) else "html"
    return "text" if name == "page" else name


def format_of(path: Path, named: str | None = None) -> str | None:
    """Return the format of a file: by its ending, and for JSON, XML and CSV by its beginning.

    Return None if it is unknown.

    Args:
        named: The declared format. Some systems have JSON and XML formats of their own.
    """
    ending = Path(path.stem).suffix if path.suffix.lower() in COMPRESSED else path.suffix
    name = named or next((name for name, endings in FORMATS.items() if ending.lower() in endings), None)
    if name in ("json", "feed"):
        try:
            with decompressed(path) as file:
                begin = file.peek(LOOKED_AT)[:LOOKED_AT].replace(b"\0", b"")
        except InvalidArticle:
            begin = b""
        return _xml(begin) if name == "feed" else _json(begin, is_named=named is not None)
    return "substack" if name == "csv" and named is None and substack.is_export(path) else name


def _xml(begin: bytes) -> str:
    if b"wordpress.org/export" in begin:
        return "wxr"
    if root := NEWS_ROOT.search(begin):
        return "nitf" if root[1] == b"nitf" else "newsml"
    return "blogger" if b"schemas.google.com/blogger" in begin or b"tag:blogger.com,1999:blog" in begin else "feed"


def _json(begin: bytes, is_named: bool) -> str:
    begin = begin.removeprefix(b"\xef\xbb\xbf")
    if GHOST.match(begin):
        return "ghost"
    if is_named:
        return "json"
    if b"jsonfeed.org/version" in begin:
        return "feed"
    if NINJS_ID.search(begin) and NINJS.search(begin):
        return "ninjs"
    return "jsonl" if _is_one_a_line(begin) else "json"


def _is_one_a_line(begin: bytes) -> bool:
    """Return whether the first line is a whole JSON object, and another object follows."""
    first, _, rest = begin.lstrip().partition(b"\n")
    try:
        return isinstance(json.loads(first), dict) and rest.lstrip().startswith(b"{")
    except (ValueError, RecursionError):
        return False


def _reader(name: str) -> Callable[..., Records]:
    """Return the function that reads a format: from a path, or from files (`OF_FILES`)."""
    reader: Callable[..., Records] = import_module(f"index.ingest.readers.{READERS[name]}").read
    return reader
