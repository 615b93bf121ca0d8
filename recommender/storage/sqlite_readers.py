"""Open connections to a SQLite file, one for each reading thread."""

import sqlite3
import threading
import weakref
from functools import cached_property


class _Reader:
    """A connection that closes when its reading thread ends, without waiting for the garbage collector."""

    def __init__(self, uri: str, mapped: int) -> None:
        # check_same_thread: other threads may close the connection. Only its own thread reads over it.
        self.connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
        self.connection.execute(f"PRAGMA mmap_size = {mapped}")

    def __del__(self) -> None:
        if "connection" in self.__dict__:  # else the file could not be opened
            self.connection.close()


class Connections:
    """A pool of connections, one per thread. Safe to share between threads.

    Attributes:
        here: `here.connection` is the connection of this thread, opened on first use.

    Args:
        mapped: Bytes of the file to map into memory instead of copying. Such a file must never be written to.
    """

    def __init__(self, uri: str, mapped: int = 0) -> None:
        self._readers = _Readers()
        self.here = _Here(uri, mapped, self._readers)

    def close(self) -> None:
        """Close the connections of all threads. No thread may be reading."""
        self._readers.closed = True
        for reader in list(self._readers):
            reader.connection.close()


class _Readers(weakref.WeakSet[_Reader]):
    """The connections of all threads."""

    closed = False


class _Here(threading.local):
    """The connection of one thread. Each thread that uses the object has attributes of its own."""

    def __init__(self, uri: str, mapped: int, readers: _Readers) -> None:
        self._uri, self._mapped, self._readers = uri, mapped, readers

    @cached_property
    def connection(self) -> sqlite3.Connection:
        if self._readers.closed:
            raise sqlite3.ProgrammingError("the file is closed")
        self._reader = _Reader(self._uri, self._mapped)
        self._readers.add(self._reader)
        return self._reader.connection
