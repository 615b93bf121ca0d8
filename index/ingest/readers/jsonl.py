"""Read JSON Lines, one article per line."""

import json
from collections.abc import Iterator
from pathlib import Path

from index.ingest.compressed import MAX_RECORD, lines, opened
from index.ingest.record import Record, Reject
from recommender.errors import InvalidArticle

BOM = b"\xef\xbb\xbf"


def read(path: Path) -> Iterator[Record | Reject]:
    """Yield a record for each line. Blank lines are skipped, and lines without a JSON object are rejected."""
    line = 0
    try:
        with opened(path) as file:
            for line, raw in lines(file):
                entry = _entry(str(path), line, raw)
                if entry is not None:
                    yield entry
    except InvalidArticle as error:
        yield Reject(str(path), line + 1, None, error.code, str(error), cut=True)


def _entry(file: str, line: int, raw: bytes | None) -> Record | Reject | None:
    if raw is None:
        return Reject(file, line, None, "too_large", f"the line has more than {MAX_RECORD >> 20} MiB - one article a line is expected")
    raw = raw.removeprefix(BOM) if line == 1 else raw
    if not raw.strip():
        return None
    try:
        fields = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Reject(file, line, None, "bad_encoding", f"byte {error.start} of the line is not UTF-8 - convert the file to UTF-8")
    except (ValueError, RecursionError) as error:
        reason = f"{str(error)[:100]} - one whole JSON object a line is expected"
        return Reject(file, line, None, "bad_json", reason, cut=not raw.endswith(b"\n"))
    if not isinstance(fields, dict):
        return Reject(file, line, None, "bad_json", f"a JSON {type(fields).__name__}, not an object - one object a line is expected")
    return Record(file, line, fields)
