"""Translate the system's disk errors into errors of Readmore."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recommender.errors import StorageError

DISK_FAULTS = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


@contextmanager
def storage_errors(index_dir: Path) -> Iterator[None]:
    """Raise a disk error with its cause. The staged files are removed, and the old release stays."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in DISK_FAULTS:
            raise
        raise StorageError(
            f"{index_dir} cannot be written ({error}) - free space or give another folder; the index is as it was"
        ) from error
    except OSError as error:
        reason = "disk full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise StorageError(
            f"{index_dir} cannot be written ({reason}) - free space or give another folder; the index is as it was"
        ) from error
