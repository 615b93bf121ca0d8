"""What readers yield: raw fields and their place in the source, or what was left out, and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of one article as they stand in the source, unchecked.

    A reader of a format that has names of its own uses ours: id, title, text, url, published, section, lang, read_more (ids,
    URLs or titles), `html` in place of text where it is HTML, and `withdrawn` where the source says that it no longer stands.

    Attributes:
        line: 1 for the first line of the file, or for the first article where there are no lines.
        publication: Fields that say who may read the article, under the source's names, where `fields` does not hold them.
        site: Addresses of the site that numbers its articles; empty where the id is unique by itself.
    """

    file: str
    line: int
    fields: Mapping[str, Any]
    publication: Mapping[str, Any] = field(default_factory=dict)
    site: Sequence[str] = ()

    def renamed(self, names: Mapping[str, str]) -> "Record":
        """The record under our field names: `names` maps ours to the source's."""
        given = {ours: self.fields[theirs] for ours, theirs in names.items() if theirs in self.fields}
        return self.changed(**given) if given else self

    def changed(self, **fields: Any) -> "Record":
        """Return the record with some fields replaced."""
        return replace(self, fields={**self.fields, **fields})


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


@dataclass(frozen=True, slots=True)
class PassedOver:
    """What is no public article: a draft, a page, a symbolic link. The report counts it by reason.

    Attributes:
        id: As it stands in the source; None where there is none.
        reason: Such as `draft`; with `--include-status draft` it is read.
        known: False where the source's status is a word that we do not know.
    """

    file: str
    line: int
    id: Any
    reason: str
    known: bool = True


@dataclass(frozen=True, slots=True)
class Mended:
    """Damage that a reader repaired; the report counts it.

    Attributes:
        fault: What it was, such as `control characters`.
        count: How often it was repaired.
    """

    file: str
    fault: str
    count: int


Entry = Record | Reject | PassedOver | Mended


Records = Iterator[Entry]
