"""`rejects.jsonl`: what a build left out, line by line, and why."""

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
    """The file, open for writing, and the counts of the report; a context."""

    def __init__(self, index_dir: Path, report: BuildReport) -> None:
        self.path = index_dir / REJECTS
        self._report = report
        self._file = self.path.open("w", encoding="utf-8")
        keep_private(self.path, index_dir)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def write(self, entry: Reject) -> None:
        counted = self._report.dropped_fields if entry.field else self._report.rejected
        counted[entry.code] += 1
        self._file.write(json.dumps(asdict(entry)) + "\n")


def refused(record: Record, error: InvalidArticle) -> Reject:
    """A record that is no article."""
    given = record.fields.get("id")
    return Reject(record.file, record.line, None if given is None else str(given)[:512], error.code, str(error))
