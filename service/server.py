"""The server under the app: one process, or several that share a socket; each is started anew, without torch."""

import asyncio
import os
import signal
import socket
import tempfile
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from recommender.errors import InputError
from service.gate import MAX_HEADERS, MAX_URL
from service.problems import before_request
from service.settings import PREFIX, Settings

HEADERS_S = 10.0
"""The headers of a connection's first request have to be there by then."""

LINGER_S = 1.0
"""So long an idle connection stays open when we stop: a request may be on its way."""

RECEIVED = 65_536
"""Bytes that the system takes for us before we read."""

SETTINGS = f"_{PREFIX}SETTINGS"
"""The settings on their way to a worker."""


class BoundedProtocol(HttpToolsProtocol):
    """Gives up a connection whose headers have no end, or do not come; and hangs up on none that has just asked.

    The parser under it would take any number of bytes before the app sees the first.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._before_headers = 0
        self._stopping = False
        self._slow = self.loop.call_later(HEADERS_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._slow.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._before_headers += len(data)
        super().data_received(data)
        if self._before_headers > 2 * MAX_HEADERS + MAX_URL and not self.transport.is_closing():
            self._refuse(431, "request_header_fields_too_large", "the URL and the headers are too long - send less in them")

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "bad_request", "this is not HTTP that can be read - check what sends it, and what stands between")

    def _refuse(self, status: int, code: str, detail: str) -> None:
        self.transport.write(before_request(status, code, detail))
        self.transport.close()

    def on_headers_complete(self) -> None:
        self._slow.cancel()
        self._before_headers = -(1 << 62)  # what follows is a body, which the app limits
        super().on_headers_complete()
        if self._stopping and self.cycle is not None:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Answer what is under way, and what was sent before its sender could know that we stop."""
        self._stopping = True
        if self.cycle is None or self.cycle.response_complete:
            self._slow.cancel()
            self._slow = self.loop.call_later(LINGER_S, self._close_if_idle)
        else:
            self.cycle.keep_alive = False

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def on_message_complete(self) -> None:
        self._before_headers = 0
        super().on_message_complete()


class Workers(Multiprocess):
    """Workers that are told of a new release, instead of being started anew."""

    def handle_hup(self) -> None:
        for process in self.processes:
            if process.pid is not None:
                os.kill(process.pid, signal.SIGHUP)


def worker() -> FastAPI:
    """The app of a worker, from the settings that its parent left in the environment."""
    from service import logs
    from service.app import create_app

    settings = Settings.model_validate_json(os.environ[SETTINGS])
    logs.configure(settings.log_level)
    return create_app(settings)


def config(settings: Settings, app: Any, **options: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        http=BoundedProtocol,
        timeout_graceful_shutdown=settings.stop_timeout_s,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        **options,
    )


def serve(settings: Settings, app: FastAPI, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        app: For one process; of several, each makes its own, and this one is closed.
    """
    if settings.workers == 1:
        uvicorn.Server(config(settings, app)).run(sockets=[listening])
        return
    app.state.serving.close()
    with tempfile.TemporaryDirectory(prefix="readmore-metrics-") as folder:
        os.environ |= {SETTINGS: settings.model_dump_json(), "PROMETHEUS_MULTIPROC_DIR": folder}
        of_all = config(settings, "service.server:worker", factory=True, workers=settings.workers)
        Workers(of_all, sockets=[listening]).run()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; nobody is answered yet.

    Raises:
        InputError: The address is not free, or not ours.
    """
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048)
    except OSError as error:
        raise InputError(f"cannot listen on {host}, port {port} ({error.strerror}) - choose another --host or --port") from error
    # What is read at once, before anybody knows whether it is wanted, is no more than this.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED // 2)  # Linux doubles it
    # asyncio does this only for sockets it has made itself; without it every answer but a connection's first waits 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
