"""Limit how long a server may take to answer. A hung server neither answers nor closes the connection."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Connected(Protocol):
    """A connection to a server."""

    def fileno(self) -> int:
        """Return the file descriptor of the socket."""


@contextmanager
def time_limit(connection: Connected, seconds: float) -> Iterator[None]:
    """Shut a connection down if it is still in use after some seconds.

    A caller that waits for an answer then gets the error of a lost connection.
    """
    with socket.socket(fileno=os.dup(connection.fileno())) as line:  # a duplicate descriptor: the original may be closed and reused
        timer = threading.Timer(seconds, _shut, [line])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _shut(line: socket.socket) -> None:
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:  # it was closed at this moment
        return
