"""Define the output of readers: raw fields with their place in the source, and entries that were left out, with the
reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """The unchecked fields of one article, as in the source.

    The reader of a format with its own field names translates them: id, title, text, url, published, section, lang,
    read_more (ids, URLs or titles). HTML is stored as `html` in place of text. `withdrawn` marks an article that the
    source has retracted.

    Attributes:
        line: 1 for the first line of the file, or for the first article if the format has no lines.
        publication: Fields that determine whether the article is public, under the source's names, if `fields` lacks
            them.
        site: Addresses of the site that numbers its articles. Empty if the id is unique by itself.
        origins: Our field -> the path to it in the source, for fields that were named or found by a well-known name.
    """

    file: str
    line: int
    fields: Mapping[str, Any]
    publication: Mapping[str, Any] = field(default_factory=dict)
    site: Sequence[str] = ()
    origins: Mapping[str, str] = field(default_factory=dict)

    def translated(self, fields: Mapping[str, Any], origins: Mapping[str, str], publication: Mapping[str, Any]) -> "Record":
        """Return the record with some fields under our names. A field that becomes None is dropped."""
        merged = {name: value for name, value in {**self.fields, **fields}.items() if value is not None or name not in fields}
        return replace(self, fields=merged, origins=origins, publication=publication)

    def changed(self, **fields: Any) -> "Record":
        """Return the record with some fields replaced."""
        return replace(self, fields={**self.fields, **fields})


@dataclass(frozen=True, slots=True)
class Reject:
    """An article, or one field of it, that was left out: a line of `rejects.jsonl`.

    Attributes:
        code: Stable name of the fault.
        field: Set if the article was kept without this field.
        cut: Set if the rest of the file was not read.
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
    """An entry that is not a public article: a draft, a page, a symbolic link. The report counts it by reason.

    Attributes:
        id: The id in the source. None if there is none.
        reason: A reason such as `draft`. With `--include-status draft` the article is read.
        known: False if the source's status is an unknown word.
    """

    file: str
    line: int
    id: Any
    reason: str
    known: bool = True


@dataclass(frozen=True, slots=True)
class Mended:
    """Damage that a reader repaired. The report counts it.

    Attributes:
        fault: The kind of damage, such as `control characters`.
        count: Number of repairs.
    """

    file: str
    fault: str
    count: int


Entry = Record | Reject | PassedOver | Mended


Records = Iterator[Entry]
