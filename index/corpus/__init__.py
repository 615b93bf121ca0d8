"""Readers of article files: one module a kind of source, all of them yielding the same records."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from index.corpus import jsonl, pasted_page, pydoc_topics
from index.corpus.record import Record, Reject
from recommender.errors import InputError

READERS = {".jsonl": jsonl.read, ".ndjson": jsonl.read, ".txt": pasted_page.read}
"""By file ending."""

PYDOC_TOPICS = "pydoc-topics"
"""The name, in place of a file, of the corpus that ships inside Python."""


def read(source: str, names: Mapping[str, str], source_format: str | None = None) -> Iterator[Record | Reject]:
    """Read one source, streaming.

    Args:
        source: A file, or `pydoc-topics`.
        names: Our field name -> the name it has in the source, where they differ.

    Raises:
        InputError: The file is not there, cannot be read, or is of no known kind.
    """
    if source == PYDOC_TOPICS:
        yield from pydoc_topics.read()
        return
    path = Path(source)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"no reader for {source} - give a file ending in {', '.join(READERS)}, or {PYDOC_TOPICS}")
    try:
        for entry in reader(path):
            yield entry.renamed(names) if isinstance(entry, Record) else entry
    except OSError as error:
        raise InputError(f"{source} cannot be read ({error.strerror}) - check the path") from error
