"""Read Apache Parquet, one article per row."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from index.ingest.record import Record, Reject
from recommender.errors import InputError
from recommender.installation import not_installed

ROWS = 256
"""Rows in memory at a time."""

BUFFER = 1 << 20
"""Bytes of a column read at a time. Without it a whole row group, often the whole file, would be in memory."""


def read(path: Path) -> Iterator[Record | Reject]:
    """Yield a record for each row, counted from 1, with values as in JSON: times in UTC, and nulls absent.

    Raises:
        InputError: The file is not Parquet, or pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(f"{path} cannot be read: {not_installed('pyarrow', 'parquet')}") from error
    row = 0
    try:
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER, page_checksum_verification=True) as table:
            for batch in table.iter_batches(batch_size=ROWS):
                columns = [_in_utc(column) for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    row += 1
                    yield _record(str(path), row, batch.schema.names, cells)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: names in a damaged schema
        if getattr(error, "errno", None):  # the file is missing or not readable; damage has no errno
            raise
        where = f"row {row + 1} of {path}" if row else str(path)
        raise InputError(f"{where} cannot be read as Parquet ({' '.join(str(error).split())[:100]}) - export it again") from error


def _in_utc(column: Any) -> Any:
    """Return times in microseconds of UTC.

    Python has no finer resolution, and lacks some zones that a file may name.
    """
    import pyarrow

    if not pyarrow.types.is_timestamp(column.type):
        return column
    return column.cast(pyarrow.timestamp("us", column.type.tz and "UTC"), safe=False)


def _record(file: str, row: int, names: Sequence[str], cells: Sequence[Any]) -> Record | Reject:
    fields: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=True):
        try:
            value = _value(cell.as_py())
        except UnicodeDecodeError:
            return Reject(file, row, None, "bad_encoding", f"{name} is not UTF-8 - write the file again, with text in UTF-8")
        except (ArithmeticError, ValueError, LookupError):  # Python cannot hold the date: validation reports it
            value = f"a {cell.type} outside of years 1 to 9999"
        if value is not None:
            fields[name] = value
    return Record(file, row, fields)


def _value(value: Any) -> Any:
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, dict):
        return {name: _value(of) for name, of in value.items()}
    if isinstance(value, list | tuple):
        return [_value(of) for of in value]
    return value


def _text(raw: bytes) -> str | bytes:
    """Return text, which many programs write as plain bytes. A picture stays bytes."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw
