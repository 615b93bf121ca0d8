"""Limit connections: how long a client may take, how much it may send, and how many clients are served.

uvicorn limits none of these. Every wait for a client has a deadline. The deadlines cover headers and a body, the rest
of a request that is already answered, and a client that does not read. `service.middleware.request_context.BodyLimit`
adds a deadline for a body that a route reads, and answers 408.
"""

import asyncio
import errno
import os
import resource
import time
from dataclasses import dataclass, field
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.http.problems import before_request
from service.metrics import REJECTED
from service.middleware.access import MAX_HEADERS, MAX_URL
from service.middleware.request_context import MAX_BODY

KEEP_ALIVE_S = 5
"""Seconds after which an idle connection is closed."""

LINGER_S = 5.0
"""Seconds for which the rest of a request is read and dropped after its answer.

If the connection closed sooner, a client that still sends would see a reset instead of the answer.
"""

MOST_SENT = 4 * MAX_BODY
"""Bytes of one request that are read. After its answer the same number of bytes is dropped."""

SEND_S = 30.0
"""Seconds after which a client that does not read its answer is disconnected."""

STOP_S = 1.0
"""Seconds that an idle connection stays open when the service stops, because a request may be on its way."""

MOST_CONNECTIONS = 32_768
"""Connections of a process without a limit of open files. Each connection takes about 10 kB."""

LOGGED_EVERY_S = 10.0

CURE = "raise the limit of open files (LimitNOFILE, ulimit -n)"

log = structlog.get_logger()


def most_connections() -> int:
    """Return half of the descriptors that this process may open. Files and lingering answers need the rest."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST_CONNECTIONS if limit == resource.RLIM_INFINITY else max(min(limit // 2, MOST_CONNECTIONS), 1)


@dataclass(slots=True)
class Room:
    """The connections of one process.

    Attributes:
        most: Connections served at a time. Half as many more may linger.
        waiting: Connections that wait for their client, the longest wait first.
        lingering: Answered connections that are closing, the oldest first.
    """

    most: int = field(default_factory=most_connections)
    waiting: dict["BoundedProtocol", None] = field(default_factory=dict)
    lingering: dict["BoundedProtocol", None] = field(default_factory=dict)
    _logged: float = field(default=-LOGGED_EVERY_S)

    def admits(self, n_open: int) -> bool:
        """Return True if one more connection fits. At the limit, close the longest-waiting connection for it."""
        if n_open - len(self.lingering) <= self.most:
            return True
        if time.monotonic() - self._logged >= LOGGED_EVERY_S:
            self._logged = time.monotonic()
            log.warning("connections_full", most=self.most, waiting=len(self.waiting), detail=f"too many clients - {CURE}")
        REJECTED.labels("too_many_connections").inc()
        longest = next(iter(self.waiting), None)
        if longest is not None:
            longest.abort()
        return longest is not None

    def linger(self, connection: "BoundedProtocol") -> None:
        """Keep a connection open until its client has read the answer. If too many linger, close the oldest."""
        self.waiting.pop(connection, None)
        if len(self.lingering) >= max(self.most // 2, 1):
            next(iter(self.lingering)).abort()
        self.lingering[connection] = None

    def leave(self, connection: "BoundedProtocol") -> None:
        self.waiting.pop(connection, None)
        self.lingering.pop(connection, None)


class Descriptors:
    """Check for free file descriptors. Without one, libuv drops new connections and reports nothing."""

    def __init__(self) -> None:
        self._exhausted = False

    async def check(self) -> None:
        """Check once. uvicorn calls this method every second."""
        try:
            os.close(os.dup(0))
            exhausted = False
        except OSError as error:
            exhausted = error.errno in (errno.EMFILE, errno.ENFILE)
        if exhausted and not self._exhausted:
            log.error("accept_failed", detail=f"no file descriptor is free, so new connections are dropped - {CURE}")
        self._exhausted = exhausted


class LingeringTransport:
    """The transport that uvicorn sees. `close` leaves the client time to read the answer."""

    def __init__(self, transport: asyncio.Transport, connection: "BoundedProtocol") -> None:
        self.get_extra_info, self.write = transport.get_extra_info, transport.write
        self.pause_reading, self.resume_reading = transport.pause_reading, transport.resume_reading
        self.close, self.is_closing = connection.end, connection.is_ending


class Dropped(asyncio.Protocol):
    """Protocol that reads and drops whatever a client sends after its answer, so that the connection is not reset."""

    def __init__(self, connection: "BoundedProtocol") -> None:
        self._connection = connection
        self._size = 0

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MOST_SENT:
            self._connection.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)


class BoundedProtocol(HttpToolsProtocol):
    """HTTP protocol of one connection, with deadlines and limits.

    Args:
        room: Shared by all connections of the process.
        header_timeout_s: Seconds within which the headers of a request must be complete.
    """

    def __init__(self, *args: Any, room: Room, header_timeout_s: float, **named: Any) -> None:
        super().__init__(*args, **named)
        self._room = room
        self._header_timeout_s = header_timeout_s
        self._timer: asyncio.TimerHandle | None = None  # deadline for what the client sends
        self._unread: asyncio.TimerHandle | None = None  # deadline for what the client reads
        self._size = 0  # bytes since the end of the last headers or of the last request
        self._in_headers = True
        self._ending = self._deaf = self._stopping = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._socket = transport
        super().connection_made(LingeringTransport(transport, self))  # type: ignore[arg-type]
        admitted = self._room.admits(len(self.connections))
        self._room.waiting[self] = None
        if admitted:
            self._wait(self._header_timeout_s, self._headers_are_late)
        else:
            self._refuse(503, "too_many_connections", "too many clients are connected - try again in a second", 1)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ending = True
        self._stop_waiting()
        if self._unread is not None:
            self._unread.cancel()
        self._room.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._deaf:
            if self._size > MOST_SENT:
                self.abort()
            return
        super().data_received(data)
        if self._ending or self._deaf or not self._size:
            return
        if self._in_headers and self._size > 2 * MAX_HEADERS + MAX_URL:
            self._refuse(431, "request_header_fields_too_large", "the URL and the headers are too long - send less in them")
        elif self._size > MOST_SENT:
            self._refuse(413, "content_too_large", "the request is too large - send less")
        elif self._in_headers and self._timer is None:  # a later request of the connection
            self._wait(self._header_timeout_s, self._headers_are_late)

    def on_message_begin(self) -> None:
        self._size = self._size or 1
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_headers:  # bytes after a body are dropped: the headers were checked and are in use
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._in_headers, self._size = False, 0
        super().on_headers_complete()
        if self._stopping and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._in_headers, self._size = True, 0
        self._stop_waiting()
        self._room.waiting.pop(self, None)
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete and not self._ending:
            self._await_request()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._ending or not self.cycle.response_complete:
            return
        self._room.waiting[self] = None
        if not self._in_headers:  # answered before the body arrived
            self._unset_keepalive_if_required()
            self._wait(LINGER_S, self.end)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "bad_request", "this is not HTTP that can be read - check what sends it, and what stands between")

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(SEND_S, self.abort)

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
        super().resume_writing()

    def shutdown(self) -> None:
        """Answer the requests under way, and those sent before their client could know that the service stops."""
        self._stopping = True
        if self._ending:
            self._wait(STOP_S, self.abort)
        elif self._answering:
            self.cycle.keep_alive = False
        else:
            self._wait(STOP_S, self._end_if_idle)

    def end(self) -> None:
        """Close after the client has had time to read the answer."""
        if self.is_ending():
            return
        complete = self._in_headers and not self._size and not self._deaf
        self._ending = True
        self._unset_keepalive_if_required()
        self._room.linger(self)
        unsent = self._socket.get_write_buffer_size()
        self._wait(STOP_S if self._stopping else SEND_S if unsent else LINGER_S, self.abort)
        if complete:
            self._socket.close()
        else:
            self._socket.set_protocol(Dropped(self))
            self.flow.resume_reading()
            self._socket.write_eof()

    def is_ending(self) -> bool:
        return self._ending or self._socket.is_closing()

    def abort(self) -> None:
        """Close at once."""
        self._ending = True
        self._room.leave(self)
        self._socket.abort()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _headers_are_late(self) -> None:
        REJECTED.labels("request_timeout").inc()
        if self._size:
            self._refuse(408, "request_timeout", f"the headers were not there after {self._header_timeout_s:g} s - send them again")
        else:
            self.end()

    def _end_if_idle(self) -> None:
        if not self._answering:
            self.end()

    def _await_request(self) -> None:
        """Keep the connection open for the next request, unless the service stops."""
        if self._stopping:
            self.end()
            return
        self._room.waiting[self] = None
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _refuse(self, status: int, code: str, detail: str, retry_after_s: int | None = None) -> None:
        """Answer bytes that form no valid request with an error, and close."""
        if self._answering and (self._in_headers or self.cycle.response_started):  # the answer under way is the last one
            self._deaf = True
            self.cycle.keep_alive = False
            return
        if self._answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._deaf = True
        self.transport.write(before_request(status, code, detail, retry_after_s))
        self.end()

    def _wait(self, seconds: float, then: Any) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, then)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
