"""A limit for how long a server may take to answer over a connection: one that stands still says nothing, and ends nothing."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Connected(Protocol):
    """A connection to a server."""

    def fileno(self) -> int:
        """Of its socket."""


@contextmanager
def time_limit(connection: Connected, seconds: float) -> Iterator[None]:
    """Shut a connection down that is in use after some seconds: whoever waits for an answer then gets the error of a lost one."""
    with socket.socket(fileno=os.dup(connection.fileno())) as line:  # our own number of it: the other may be closed, and be another's
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
    except OSError:  # it was closed in this moment
        return
