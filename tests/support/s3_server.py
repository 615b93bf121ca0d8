"""Run a real S3 server in a process of its own: nanio, which checks signatures and stores objects in a folder."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BUCKET = "readmore"
KEY, SECRET = "a-key", "its-secret"


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running server with one bucket.

    Attributes:
        environment: Variables by which clients find the server and authenticate.
    """

    process: subprocess.Popen[bytes]
    environment: Mapping[str, str]


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Run a server. Yield it when it is ready, and stop it at the end if it still runs."""
    (folder / BUCKET).mkdir(parents=True)  # a bucket is a folder
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "nanio", "serve", "--data-dir", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    keys = {"NANIO_ACCESS_KEY": KEY, "NANIO_SECRET_KEY": SECRET}
    with subprocess.Popen([*command, "--log-level", "warning", "--no-access-log"], env={**os.environ, **keys}) as process:
        try:
            while True:
                assert process.poll() is None, "the server ended"
                try:
                    socket.create_connection(("127.0.0.1", port), 5).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.05)
            environment = {
                "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET,
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            }
            yield S3Server(process, environment)
        finally:
            process.kill()
