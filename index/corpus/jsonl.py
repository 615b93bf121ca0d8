"""JSON Lines: one article a line."""

import json
from collections.abc import Iterator
from pathlib import Path

from index.corpus.record import Record, Reject

BOM = b"\xef\xbb\xbf"


def read(path: Path) -> Iterator[Record | Reject]:
    """Yield a record a line; blank lines are skipped, lines that are no JSON object are rejected."""
    with path.open("rb") as file:
        for line, raw in enumerate(file, start=1):
            raw = raw.removeprefix(BOM) if line == 1 else raw
            if not raw.strip():
                continue
            try:
                fields = json.loads(raw.decode("utf-8"))
            except UnicodeDecodeError as error:
                yield Reject(
                    str(path), line, None, "bad_encoding", f"byte {error.start} of the line is not UTF-8 - convert the file to UTF-8"
                )
            except (ValueError, RecursionError) as error:
                yield Reject(str(path), line, None, "bad_json", f"{str(error)[:100]} - one whole JSON object a line is expected")
            else:
                if isinstance(fields, dict):
                    yield Record(str(path), line, fields)
                else:
                    yield Reject(
                        str(path), line, None, "bad_json", f"a JSON {type(fields).__name__}, not an object - one object a line is expected"
                    )
