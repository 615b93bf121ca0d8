"""Apache Parquet: one article a row."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from index.corpus.record import Record, Reject
from recommender.errors import InputError

ROWS = 256
"""Rows in memory at a time."""


def read(path: Path) -> Iterator[Record | Reject]:
    """Yield a record a row, counted from 1.

    Raises:
        InputError: The file is no Parquet, or pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(f"{path} needs pyarrow - pip install 'readmore[parquet]'") from error
    row = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=ROWS):
                for fields in batch.to_pylist():
                    row += 1
                    yield Record(str(path), row, _plain(fields))
    except pyarrow.ArrowException as error:
        where = f"row {row + 1} of {path}" if row else str(path)
        raise InputError(f"{where} cannot be read as Parquet ({' '.join(str(error).split())[:100]}) - export it again") from error


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as JSON would have them; what is null is absent."""
    return {name: _value(value) for name, value in fields.items() if value is not None}


def _value(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_value(of) for of in value]
    return value
