"""Run the service in a process of its own, as `scripts/serve.py` does, with the fast embedder of the tests.

Start it with `python -m tests.support.served`.
"""

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx

from service import logs, server
from service.app import create_app
from service.settings import Settings, hashed
from tests.conftest import ADMIN_KEY
from tests.support.hash_embedder import HashEmbedder

ROOT = Path(__file__).resolve().parents[2]
HEADERS = {"Authorization": f"Bearer {ADMIN_KEY}"}
FAST = ("-m", "tests.support.served")
REAL = ("scripts/serve.py",)
START_S = 120
"""Seconds that a service has to become ready."""


@dataclass
class Served:
    """A running service.

    Attributes:
        log: The log lines so far.
    """

    process: subprocess.Popen[str]
    address: str
    log: list[str] = field(default_factory=list)

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.address, headers=HEADERS, timeout=30, **options)

    @property
    def memory_kb(self) -> int:
        """Return the resident memory in kB."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8"))
        assert found
        return int(found[1])

    @property
    def n_files(self) -> int:
        """Return the number of open file descriptors."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @property
    def n_threads(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    @property
    def children(self) -> list[int]:
        """Return the pids of its workers."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid), "-f", "spawn_main"], capture_output=True, text=True, check=True)
        return [int(pid) for pid in found.stdout.split()]


@contextmanager
def served(index: Path, *flags: str, how: tuple[str, ...] = FAST, descriptors: int | None = None) -> Iterator[Served]:
    """Run a service. Yield it when it is ready, and stop it at the end if it still runs.

    Args:
        descriptors: Maximum number of files and sockets that it may open.
    """
    command = [sys.executable, *how, "--index", str(index), "--port", "0", "--admin-keys", hashed(ADMIN_KEY), *flags]
    if descriptors is not None:
        command = ["sh", "-c", 'ulimit -n "$0" && exec "$@"', str(descriptors), *command]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout
        address = next((line for line in said if "http://" in line), "")
        assert address, process.stderr.read() if process.stderr else ""
        running = Served(process, address.split()[-1])

        def follow() -> None:
            for line in process.stderr or ():
                running.log.append(line)

        reader = threading.Thread(target=follow)
        reader.start()
        try:
            with running.client() as client:
                ends = time.monotonic() + START_S
                while client.get("/readyz").status_code != 200:
                    assert time.monotonic() < ends, f"not ready after {START_S} s: {running.log[-5:]}"
                    time.sleep(0.02)
            yield running
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                finally:
                    process.kill()
            reader.join(20)


def main(arguments: list[str]) -> None:
    flags = {name.removeprefix("--").replace("-", "_"): value for name, value in zip(arguments[::2], arguments[1::2], strict=True)}
    given: dict[str, Any] = {
        **flags,
        **{name: tuple(flags[name].split(",")) for name in ("admin_keys", "read_keys", "cors_origins") if name in flags},
    }
    settings = Settings(**given)
    logs.configure(settings.log_level)
    app = create_app(settings, HashEmbedder())
    listening = server.listen(settings.host, settings.port)
    print(f"serves on http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    server.serve(settings, app, listening)


if __name__ == "__main__":
    main(sys.argv[1:])
