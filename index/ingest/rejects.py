"""Write `rejects.jsonl`: every article and field that a build left out, with the reason."""

import json
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from index.build_report import BuildReport
from index.ingest.record import Record, Reject
from index.storage.permissions import keep_private
from recommender.errors import InvalidArticle

REJECTS = "rejects.jsonl"


class Rejects:
    """The file, open for writing, and the counts of the report. It is a context manager."""

    def __init__(self, index_dir: Path, report: BuildReport) -> None:
        self.path = index_dir / REJECTS
        self._report = report
        self.first = ""
        """Why the first article was rejected."""
        self._file = self.path.open("w", encoding="utf-8")
        keep_private(self.path, index_dir)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def write(self, entry: Reject) -> None:
        counted = self._report.dropped_fields if entry.field else self._report.rejected
        counted[entry.code] += 1
        if not entry.field:
            self.first = self.first or entry.reason
        self._file.write(json.dumps(asdict(entry)) + "\n")


def refused(record: Record, error: InvalidArticle) -> Reject:
    """Return the reject for a record that is not an article."""
    given = record.fields.get("id")
    return Reject(record.file, record.line, None if given is None else str(given)[:512], error.code, str(error))
