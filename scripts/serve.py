#!/usr/bin/env python3
"""Serve an index over HTTP."""

import argparse
import socket
from pathlib import Path

import uvicorn

from recommender.errors import InputError
from scripts import command
from service.app import create_app

EXAMPLES = """\
  serve.py --index var/demo
  serve.py --index var/demo --host 0.0.0.0 --port 80
"""


def main(arguments: argparse.Namespace) -> None:
    app = create_app(arguments.index)
    listening = _listen(arguments.host, arguments.port)  # before it is announced
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    address = f"http://{host}:{listening.getsockname()[1]}"
    print(f"\n  Readmore serves {arguments.index} on {address}")
    print(f"  curl '{address}/v1/articles/{app.state.example_id}/related?limit=3'\n", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", server_header=False)).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise InputError(f"cannot listen on {host}, port {port} ({error.strerror}) - choose another --host or --port") from error
    # asyncio does this only for sockets it has made itself; without it every answer but a connection's first waits 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


if __name__ == "__main__":
    parser = command.parser(__doc__, EXAMPLES)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="folder of the index")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 takes a free one (default: %(default)s)")
    command.run(main, parser.parse_args())
