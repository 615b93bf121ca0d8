"""Open connections to a SQLite file, one for each reading thread."""

import sqlite3
import threading
import weakref


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

    Args:
        mapped: Bytes of the file to map into memory instead of copying. Such a file must never be written to.
    """

    def __init__(self, uri: str, mapped: int = 0) -> None:
        self._uri = uri
        self._mapped = mapped
        self._here = threading.local()
        self._readers: weakref.WeakSet[_Reader] = weakref.WeakSet()
        self._closed = False

    @property
    def here(self) -> sqlite3.Connection:
        """Return the connection of this thread."""
        try:
            reader: _Reader = self._here.reader
        except AttributeError:
            if self._closed:
                raise sqlite3.ProgrammingError("the file is closed") from None
            reader = self._here.reader = _Reader(self._uri, self._mapped)
            self._readers.add(reader)
        return reader.connection

    def close(self) -> None:
        """Close the connections of all threads. No thread may be reading."""
        self._closed = True
        for reader in list(self._readers):
            reader.connection.close()
