"""Read CSV and TSV files with a header and one article per row. The dialect is detected and logged."""

import codecs
import csv
import io
import json
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from index.ingest.compressed import opened
from index.ingest.readers.field_names import is_known
from index.ingest.record import Record, Reject
from recommender.errors import InputError, InvalidArticle

log = logging.getLogger(__name__)

DELIMITERS = ",;\t|"
SAMPLE = 1 << 16
"""Bytes at the beginning used for detecting the dialect."""

LONGEST_FIELD = 10_000_000
"""Longest field in characters. A longer field means that a quotation mark is missing."""

LONGEST_LINE = 2 * LONGEST_FIELD
"""Longest line in characters that is held in memory."""

LONGEST_NAME = 4
"""Maximum words of a column's name. A first line with a longer cell and without a known name is an article."""

NOT_MEANT = ("ascii", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_7")
MULTIBYTE = ("cp932", "shift_jis", "shift_jis_2004", "shift_jisx0213", "euc_jp", "euc_kr", "cp949", "gb18030", "gbk", "gb2312", "big5")
FEW = 0.15
"""Share of bytes beyond ASCII in texts of Latin letters. Other scripts have more."""

LISTS = ("read_more",)
"""Columns that hold lists: a JSON array, or entries separated by `|` or line ends."""

UNDECODABLE = "readmore-undecodable"
"""Name of the error handler that replaces undecodable bytes with MARK, in UTF-16 too."""

TOLD = re.compile(r"\ufeff?sep=([,;\t|])\r?\n")
"""The line that declares the delimiter to Excel."""

MARK = "\udc80"
codecs.register_error(UNDECODABLE, lambda error: (MARK, getattr(error, "end", 0)))


def read(path: Path, encoding: str | None = None, columns: Sequence[str] = ()) -> Iterator[Record | Reject]:
    """Yield a record for each row. Rows whose length differs from the header are rejected, and empty cells are absent.

    Args:
        encoding: The encoding of the file. None detects it.
        columns: The names of the columns of a file without a header.

    Raises:
        InputError: The file has no header of several columns. Or it is not in a known encoding.
    """
    csv.field_size_limit(LONGEST_FIELD)
    with opened(path) as file:
        sample = file.peek(SAMPLE)[:SAMPLE]
        encoding = encoding or _encoding(sample, path)
        lines = _Lines(io.TextIOWrapper(file, encoding, errors=UNDECODABLE, newline=""))
        beginning = sample.decode(encoding, errors="replace")
        told = TOLD.match(beginning)
        delimiter = told[1] if told else _delimiter(beginning)
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        if told:
            next(lines)
        columns = columns or _header(path, rows, delimiter)
        log.info("%s: read as %s, separated by %r, columns %s", path, encoding, delimiter, ", ".join(filter(None, columns)))
        while True:
            line = lines.number + 1
            try:
                row = next(rows, None)
            except InvalidArticle as error:
                yield Reject(str(path), line, None, error.code, str(error), cut=True)
                return
            except csv.Error as error:
                yield _reject(str(path), line, error)
                continue
            if row is None:
                return
            if row:
                yield _record(str(path), line, columns, row, lines.is_cut)


class _Lines:
    """The lines of a text with their ends. A line that is too long is skipped, and raises csv.Error once.

    Attributes:
        is_cut: Whether the last line has no line end, as in a truncated file.
    """

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.number = 0
        self.is_cut = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        self.is_cut = not line.endswith(("\r", "\n"))
        if len(line) < LONGEST_LINE or line.endswith(("\r", "\n")):
            return line
        while line and not line.endswith(("\r", "\n")):
            line = self._text.readline(SAMPLE)
        raise csv.Error(f"line larger than {LONGEST_LINE} characters")


def _reject(file: str, line: int, error: csv.Error) -> Reject:
    cut = "unexpected end of data" in str(error)
    rest = "; the rest of the file was not read" if cut else ""
    code = "field_too_long" if "larger than" in str(error) else "bad_row"
    return Reject(file, line, None, code, f"{error}{rest} - is a quotation mark missing, or not doubled within a field?", cut=cut)


def _record(file: str, line: int, columns: Sequence[str], row: Sequence[str], is_cut: bool) -> Record | Reject:
    if is_cut and len(row) < len(columns):
        reason = f"the file ends within the row, after {len(row)} of {len(columns)} fields - export it again"
        return Reject(file, line, None, "bad_row", reason, cut=True)
    if len(row) != len(columns):
        reason = f"{len(row)} fields, the header has {len(columns)}: {', '.join(columns)[:200]} - quote fields that hold the delimiter"
        return Reject(file, line, None, "bad_row", reason)
    if any(MARK in cell for cell in row):
        return Reject(
            file, line, None, "bad_encoding", "the row is not in the encoding of the file's beginning - convert the file to UTF-8"
        )
    cells = {column: cell for column, cell in zip(columns, row, strict=True) if column and cell.strip()}
    return Record(file, line, {column: _entries(cell) if column in LISTS else cell for column, cell in cells.items()})


def _header(path: Path, rows: Iterator[list[str]], delimiter: str) -> list[str]:
    try:
        header = [name.strip() for name in next(rows, [])]
    except (csv.Error, InvalidArticle) as error:
        raise InputError(f"the header of {path} cannot be read ({error}) - export it again as CSV in UTF-8") from error
    names = [name for name in header if name]  # columns without a name are left out: row numbers, and empty columns of a spreadsheet
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError(
            f"{path} has the columns {', '.join(map(repr, header))[:200] or 'none'} when it is separated by {delimiter!r}"
            " - a first line with the names of at least two columns, each once, is expected, such as id,title,text;"
            " name the columns of a file without one: --columns id,title,text"
        )
    if not any(is_known(name) for name in names) and any(len(name.split()) > LONGEST_NAME for name in names):
        raise InputError(
            f"{path} has no header: its first line is {', '.join(map(repr, header))[:200]} - name the columns: --columns id,title,text"
        )
    return header


def _encoding(sample: bytes, path: Path) -> str:
    for mark, name in ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if sample.startswith(mark):
            return name
    if b"\0" in sample:  # UTF-16 without a byte order mark: every second byte of Latin letters is zero
        for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
            if 2 * sample[first::2].count(0) > len(sample[first::2]):
                return name
    text = codecs.getincrementaldecoder("utf-8")(UNDECODABLE).decode(sample)
    beyond_ascii = sum(character > "\x7f" for character in text)
    return _guessed(sample, path) if 2 * text.count(MARK) > beyond_ascii else "utf-8"  # a single bad byte does not decide


def _guessed(sample: bytes, path: Path) -> str:
    """Return the encoding that makes the most likely text of bytes that are not UTF-8.

    Raises:
        InputError: None does.
    """
    from charset_normalizer import from_bytes

    sample = sample[: sample.rfind(b"\n") + 1] or sample  # whole lines, so that no character is cut
    named = [match.encoding for match in from_bytes(sample, cp_exclusion=["utf_8"]) if match.encoding not in NOT_MEANT]
    western = sum(byte > 0x7F for byte in sample) <= FEW * len(sample)
    if western and not any(name in MULTIBYTE for name in named[:1]) and _is_western(sample):
        return "windows-1252"
    if not named:
        raise InputError(f"{path} is not UTF-8, and its encoding is not clear - name it: --encoding windows-1251")
    return codecs.lookup(named[0]).name.replace("cp125", "windows-125")


def _is_western(sample: bytes) -> bool:
    """Return whether a text has its accents singly, as Western languages do, and no symbols within words."""
    try:
        text = sample.decode("windows-1252")
    except UnicodeDecodeError:
        return False
    return not re.search(r"[À-ÿ]{4}|[A-Za-z][¹²³¼½¾¿¡£¥§¶][a-z]", text)


def _delimiter(sample: str) -> str:
    """Return the delimiter with the most columns in the header, if most of the first rows have the same number."""

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
        except (ValueError, RecursionError):
            pass
    return [entry.strip() for entry in re.split(r"[|\r\n]", cell) if entry.strip()]
