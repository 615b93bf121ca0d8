"""Run the server under the app: one process, or several workers that share a socket.

Each worker starts as a fresh process, without torch.
"""

import os
import signal
import socket
import sys
import tempfile
import threading
import time
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from recommender.errors import InputError
from service.connections import KEEP_ALIVE_S, BoundedProtocol, Descriptors, Room
from service.settings import PREFIX, Settings

RECEIVED = 65_536
"""Bytes that the kernel receives before the process reads."""

STOP_S: Any = 0.5  # uvicorn declares whole seconds, and passes them to asyncio
"""The part of the stop timeout that is left for threads to end and for workers to be signalled."""

SETTINGS = f"_{PREFIX}SETTINGS"
"""Environment variable that passes the settings to a worker."""


class Workers(Multiprocess):
    """Workers that are signalled on a new release instead of being restarted, and that stop at once."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        threading.Thread(target=self.should_exit.set).start()  # not in this handler: the interrupted code may hold its lock
        for process in self.processes:
            if process.exitcode is None and process.pid is not None:
                os.kill(process.pid, signal.SIGTERM)

    def join_all(self) -> None:
        """Wait for the workers. Kill a worker that does not stop in time, for example while it loads the model."""
        deadline = time.monotonic() + (self.config.timeout_graceful_shutdown or 0) + 2 * STOP_S
        for process in self.processes:
            process.process.join(max(deadline - time.monotonic(), 0))
            if process.exitcode is None:
                process.kill()
        super().join_all()

    def handle_hup(self) -> None:
        for process in self.processes:
            if process.pid is not None:
                os.kill(process.pid, signal.SIGHUP)


def worker() -> FastAPI:
    """Return the app of a worker, from the settings that its parent left in the environment."""
    from service import logs
    from service.app import create_app

    settings = Settings.model_validate_json(os.environ[SETTINGS])
    logs.configure(settings.log_level)
    return create_app(settings)


def config(settings: Settings, app: Any, **options: Any) -> uvicorn.Config:
    connection: Any = partial(BoundedProtocol, room=Room(), header_timeout_s=settings.header_timeout_s)
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        http=connection,
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_S,
        callback_notify=Descriptors().check,
        timeout_notify=0,
        timeout_graceful_shutdown=settings.stop_timeout_s - STOP_S,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        **options,
    )


def serve(settings: Settings, app: FastAPI, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        app: The app of a single process. With several workers this app is closed, and each worker makes its own.
    """
    if settings.workers == 1:
        uvicorn.Server(config(settings, app)).run(sockets=[listening])
        return
    app.state.serving.close()
    with tempfile.TemporaryDirectory(prefix="readmore-metrics-") as folder:
        os.environ |= {SETTINGS: settings.model_dump_json(), "PROMETHEUS_MULTIPROC_DIR": folder}
        of_all = config(settings, "service.server:worker", factory=True, workers=settings.workers)
        Workers(of_all, sockets=[listening]).run()
    sys.stdout.flush()
    os._exit(0)  # interpreter shutdown takes up to two seconds on a busy machine, and no work is left


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. No request is answered yet.

    Raises:
        InputError: The address is in use, or does not belong to this machine.
    """
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048)
    except OSError as error:
        raise InputError(f"cannot listen on {host}, port {port} ({error.strerror}) - choose another --host or --port") from error
    # The kernel buffers at most this much of a request before it is checked.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED // 2)  # Linux doubles it
    # asyncio does this only for sockets that it creates. Without it, all but a connection's first answer wait 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
