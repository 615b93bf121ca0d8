"""CSV and TSV: one article a row, under a header. How a file is written is found out, and said in the log."""

import codecs
import csv
import io
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from index.corpus.opened import opened
from index.corpus.record import Record, Reject
from recommender.errors import InputError, InvalidArticle

log = logging.getLogger(__name__)

DELIMITERS = ",;\t|"
SAMPLE = 1 << 16
"""Bytes at the beginning that tell how the file is written."""

LONGEST_FIELD = 10_000_000
"""Characters; a longer field means that a quotation mark is missing."""

LISTS = ("read_more",)
"""Columns that hold lists: a JSON array, or entries separated by `|` or line ends."""


def read(path: Path) -> Iterator[Record | Reject]:
    """Yield a record a row; rows of another length than the header are rejected, empty cells are absent.

    Raises:
        InputError: The file has no header of several columns.
    """
    csv.field_size_limit(LONGEST_FIELD)
    with opened(path) as file:
        sample = file.peek(SAMPLE)[:SAMPLE]
        encoding = _encoding(sample)
        text = io.TextIOWrapper(file, encoding, errors="surrogateescape", newline="")
        delimiter = _delimiter(sample.decode(encoding, errors="replace"))
        rows = csv.reader(text, delimiter=delimiter, strict=True)
        columns = _header(path, rows, delimiter)
        log.info("%s: read as %s, separated by %r, columns %s", path, encoding, delimiter, ", ".join(columns))
        while True:
            line = rows.line_num + 1
            try:
                row = next(rows, None)
            except InvalidArticle as error:
                yield Reject(str(path), line, None, error.code, str(error), cut=True)
                return
            except csv.Error as error:
                cut = "unexpected end of data" in str(error)
                rest = "; the rest of the file was not read" if cut else ""
                reason = f"{error}{rest} - is a quotation mark missing, or not doubled within a field?"
                yield Reject(str(path), line, None, "bad_row", reason, cut=cut)
                continue
            if row is None:
                return
            if row:
                yield _record(str(path), line, columns, row)


def _record(file: str, line: int, columns: Sequence[str], row: Sequence[str]) -> Record | Reject:
    if len(row) != len(columns):
        reason = f"{len(row)} fields, the header has {len(columns)}: {', '.join(columns)[:200]} - quote fields that hold the delimiter"
        return Reject(file, line, None, "bad_row", reason)
    if any("\udc80" <= character <= "\udcff" for cell in row for character in cell):
        return Reject(
            file, line, None, "bad_encoding", "the row is not in the encoding of the file's beginning - convert the file to UTF-8"
        )
    cells = {column: cell for column, cell in zip(columns, row, strict=True) if cell.strip()}
    return Record(file, line, {column: _entries(cell) if column in LISTS else cell for column, cell in cells.items()})


def _header(path: Path, rows: Iterator[list[str]], delimiter: str) -> list[str]:
    try:
        header = [name.strip() for name in next(rows, [])]
    except (csv.Error, InvalidArticle) as error:
        raise InputError(f"the header of {path} cannot be read ({error}) - export it again as CSV in UTF-8") from error
    if len(header) < 2 or len(set(header)) < len(header):
        raise InputError(
            f"{path} has the columns {', '.join(map(repr, header))[:200] or 'none'} when it is separated by {delimiter!r}"
            " - a first line with the names of at least two columns, each once, is expected, such as id,title,text"
        )
    return header


def _encoding(sample: bytes) -> str:
    for mark, name in ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if sample.startswith(mark):
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"


def _delimiter(sample: str) -> str:
    """The delimiter that gives the header the most columns, among those by which most of the first rows have as many."""

    def fit(delimiter: str) -> tuple[bool, int]:
        rows = list(_whole_rows(sample, delimiter))
        if not rows or len(rows[0]) < 2:
            return False, 0
        alike = sum(len(row) == len(rows[0]) for row in rows)
        return 2 * alike > len(rows), len(rows[0])

    return max(DELIMITERS, key=fit)


def _whole_rows(sample: str, delimiter: str) -> Iterator[list[str]]:
    try:
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, strict=True):
            if row:
                yield row
    except csv.Error:  # the sample ends within a row
        return


def _entries(cell: str) -> Any:
    if cell.lstrip().startswith("["):
        try:
            return json.loads(cell)
        except ValueError:
            pass
    return [entry.strip() for entry in cell.replace("\n", "|").split("|") if entry.strip()]
