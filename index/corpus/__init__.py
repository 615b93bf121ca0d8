"""Readers of article files: one module a kind of source, all of them yielding the same records."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from index.corpus import pydoc_topics
from index.corpus.record import Record, Reject
from recommender.errors import InputError

Records = Iterator[Record | Reject]

FORMATS: Mapping[str, tuple[str, ...]] = {
    "jsonl": (".jsonl", ".ndjson"),
    "json": (".json",),
    "csv": (".csv", ".tsv"),
    "parquet": (".parquet",),
    "feed": (".rss", ".atom", ".rdf"),
    "wxr": (".wxr",),
    "ninjs": (".ninjs",),
    "html": (".html", ".htm", ".xhtml"),
    "text": (".md", ".markdown"),
    "page": (".txt",),
}
"""Name of a format -> the endings that stand for it; `.gz` and `.zst` may follow where a format is one of lines or fields."""

READERS: Mapping[str, tuple[str, str]] = {
    "jsonl": ("jsonl", "read"),
    "json": ("json_array", "read"),
    "csv": ("delimited", "read"),
    "parquet": ("parquet", "read"),
    "feed": ("feed", "read"),
    "wxr": ("wxr", "read"),
    "ninjs": ("ninjs", "read"),
    "html": ("html_page", "read_folder"),
    "text": ("text_folder", "read"),
    "page": ("pasted_page", "read"),
}
"""Name of a format -> module and function; imported when a source needs them, for some bring large libraries."""

PYDOC_TOPICS = "pydoc-topics"
"""The name, in place of a file, of the corpus that ships inside Python."""

COMPRESSED = (".gz", ".zst")
LOOKED_AT = 4096
"""Bytes at the beginning of a JSON or XML file that tell its format."""


def read(source: str, names: Mapping[str, str], source_format: str | None = None) -> Records:
    """Read one source, streaming.

    Args:
        source: A file, a folder, or `pydoc-topics`.
        names: Our field name -> the name it has in the source, where they differ.
        source_format: A name of `FORMATS`; None goes by the file's ending and first bytes.

    Raises:
        InputError: The file is not there, cannot be read, or is of no known kind.
    """
    if source == PYDOC_TOPICS:
        yield from pydoc_topics.read()
        return
    try:
        for entry in _records(Path(source), source_format):
            yield entry.renamed(names) if isinstance(entry, Record) else entry
    except OSError as error:
        raise InputError(f"{source} cannot be read ({error.strerror}) - check the path") from error


def read_all(sources: Sequence[str], names: Mapping[str, str], source_format: str | None = None) -> Records:
    """Read several sources, one after the other."""
    for source in sources:
        yield from read(source, names, source_format)


def _records(path: Path, source_format: str | None) -> Records:
    if source_format is None and path.is_dir():
        return _folder(path)
    name = source_format or format_of(path)
    if name is None:
        raise InputError(f"no reader for {path} - give --format, or a file ending in {', '.join(_endings())}, or a folder")
    return _reader(name)(path)


def _folder(folder: Path) -> Records:
    """All that a folder holds: its HTML pages, its texts, and the files of other formats, in order of names."""
    for name in ("html", "text"):
        yield from _reader(name)(folder)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            kind = format_of(path)
            if kind not in (None, "html", "text", "page"):
                yield from _reader(kind)(path)


def format_of(path: Path) -> str | None:
    """The format of a file, by its ending and, for JSON and XML, by how it begins; None if it is none of ours."""
    ending = Path(path.stem).suffix if path.suffix.lower() in COMPRESSED else path.suffix
    if ending.lower() in (".json", ".xml"):
        return _by_first_bytes(path)
    return next((name for name, endings in FORMATS.items() if ending.lower() in endings), None)


def _by_first_bytes(path: Path) -> str:
    if path.suffix.lower() in COMPRESSED:
        return "json"
    with path.open("rb") as file:
        begin = file.read(LOOKED_AT)
    if path.suffix.lower() == ".xml":
        return "wxr" if b"wordpress.org/export" in begin else "feed"
    if b"jsonfeed.org/version" in begin:
        return "feed"
    ninjs = b'"uri"' in begin and any(name in begin for name in (b'"headline', b'"body_', b'"bodies"', b'"pubstatus"', b'"pubStatus"'))
    return "ninjs" if ninjs else "json"


def _reader(name: str) -> Callable[[Path], Records]:
    module, function = READERS[name]
    reader: Callable[[Path], Records] = getattr(import_module(f"index.corpus.{module}"), function)
    return reader


def _endings() -> list[str]:
    return [ending for endings in FORMATS.values() for ending in endings] + [".xml"]
