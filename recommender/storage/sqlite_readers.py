"""Connections to a SQLite file, one for each thread that reads."""

import sqlite3
import threading
import weakref


class _Reader:
    """A connection that closes when the thread that reads over it ends; by itself it would wait for the garbage collector."""

    def __init__(self, uri: str, mapped: int) -> None:
        # check_same_thread: closing is done by other threads. None but its own reads over a connection.
        self.connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
        self.connection.execute(f"PRAGMA mmap_size = {mapped}")

    def __del__(self) -> None:
        if "connection" in self.__dict__:  # else the file could not be opened
            self.connection.close()


class Connections:
    """Safe to share between threads, each of which gets a connection of its own.

    Args:
        mapped: Bytes of the file that are read where they lie in memory, not copied; it must never be written to then.
    """

    def __init__(self, uri: str, mapped: int = 0) -> None:
        self._uri = uri
        self._mapped = mapped
        self._here = threading.local()
        self._readers: weakref.WeakSet[_Reader] = weakref.WeakSet()
        self._closed = False

    @property
    def here(self) -> sqlite3.Connection:
        """The connection of this thread."""
        try:
            reader: _Reader = self._here.reader
        except AttributeError:
            if self._closed:
                raise sqlite3.ProgrammingError("the file is closed") from None
            reader = self._here.reader = _Reader(self._uri, self._mapped)
            self._readers.add(reader)
        return reader.connection

    def close(self) -> None:
        """Close the connections of all threads; none may be reading."""
        self._closed = True
        for reader in list(self._readers):
            reader.connection.close()
