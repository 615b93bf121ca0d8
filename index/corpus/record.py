"""What readers yield: raw fields and where they stood, or a line that could not be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of one article as they stand in the source, unchecked.

    A reader of a format that has names of its own uses ours: id, title, text, url, published, section, lang, read_more (ids,
    URLs or titles), `html` in place of text where it is HTML, and `withdrawn` where the source says that it no longer stands.

    Attributes:
        line: 1 for the first line of the file, or for the first article where there are no lines.
    """

    file: str
    line: int
    fields: Mapping[str, Any]

    def renamed(self, names: Mapping[str, str]) -> "Record":
        """The record under our field names: `names` maps ours to the source's."""
        if not names:
            return self
        given = {ours: self.fields[theirs] for ours, theirs in names.items() if theirs in self.fields}
        return Record(self.file, self.line, {**self.fields, **given})


@dataclass(frozen=True, slots=True)
class Reject:
    """An article, or one field of it, that was left out: a line of `rejects.jsonl`.

    Attributes:
        code: Stable name of the fault.
        field: Set when the article was kept without this field.
        cut: Set when what follows in the file was not read.
    """

    file: str
    line: int
    id: str | None
    code: str
    reason: str
    field: str | None = None
    cut: bool = False
