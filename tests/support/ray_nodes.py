"""Run nodes of a Ray cluster on this machine, each with an address of its own. Start and kill them by pid.

Ray listens on all addresses of a machine. So nodes, and the builds that use them, run in a network namespace that has
only loopback addresses.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.served import ROOT

LOOPBACK = """
import fcntl, socket, struct, sys
with socket.socket() as some:
    fcntl.ioctl(some, 0x8914, struct.pack("16sh", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
print("up", flush=True)
sys.stdin.read()  # until the tests end
"""

HEAD, OTHER = "127.0.0.2", "127.0.0.3"
PORT = 6379
ADDRESS = f"{HEAD}:{PORT}"

STARTS_WITHIN_S = 120


class Nodes:
    """Two nodes with one processor each.

    Args:
        namespace: Pid of a process in the network namespace.
        folder: Folder that Ray writes to. Its path must be short.
    """

    def __init__(self, namespace: int, folder: Path) -> None:
        self._namespace, self.folder = namespace, folder
        self._nodes: dict[str, Any] = {}
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "TMPDIR": str(folder),
            "OMP_NUM_THREADS": "2",  # applies to builds; an actor has one thread
        }

    def popen(self, *command: str | Path, **options: Any) -> Any:
        """Start a `psutil.Popen` in the namespace of the nodes."""
        inside = ["nsenter", "--preserve-credentials", "--user", "--net", "--target", str(self._namespace)]
        return psutil.Popen([*inside, *command], env=self.environment, cwd=ROOT, **options)

    def start(self, address: str) -> None:
        """Start a node, the head first, and wait until it is up."""
        head = ["--head", f"--port={PORT}", f"--temp-dir={self.folder}", "--include-dashboard=false"]
        where = head if address == HEAD else [f"--address={ADDRESS}"]
        sizes = ["--num-cpus=1", f"--object-store-memory={128 << 20}", "--disable-usage-stats"]
        ray = Path(sys.executable).with_name("ray")
        log = self.folder / f"{address}.log"
        with log.open("wb") as file:
            of_node = ["start", "--block", f"--node-ip-address={address}", *where, *sizes]
            self._nodes[address] = self.popen(ray, *of_node, stdout=file, stderr=subprocess.STDOUT)
        end = time.monotonic() + STARTS_WITHIN_S
        while b"Ray runtime started" not in log.read_bytes():
            assert time.monotonic() < end, log.read_text(errors="replace")
            assert self._nodes[address].poll() is None, log.read_text(errors="replace")
            time.sleep(0.1)

    def at_work(self, address: str) -> list[Any]:
        """Return the actors of a node."""
        return [process for process in self._nodes[address].children(recursive=True) if "MapWorker" in " ".join(process.cmdline())]

    def kill(self, address: str) -> None:
        """Kill a node and all its processes with -9."""
        node = self._nodes.pop(address)
        gone = [*node.children(recursive=True), node] if node.poll() is None else []
        for process in gone:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        node.wait(60)
        psutil.wait_procs(gone, 60)

    def end(self) -> None:
        for address in list(self._nodes):
            self.kill(address)


@contextmanager
def ray_nodes() -> Iterator[Nodes]:
    """Run two nodes. Skip the test if no network namespace can be made."""
    folder = Path(tempfile.mkdtemp(prefix="rn-", dir="/tmp"))
    alone = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", LOOPBACK]
    with subprocess.Popen(alone, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as namespace:
        try:
            assert namespace.stdout is not None
            if namespace.stdout.readline() != b"up\n":
                pytest.skip(f"no network namespace can be made here: {namespace.communicate()[1]!r}")
            nodes = Nodes(namespace.pid, folder)
            try:
                nodes.start(HEAD)
                nodes.start(OTHER)
                yield nodes
            finally:
                nodes.end()
        finally:
            namespace.kill()
            shutil.rmtree(folder, ignore_errors=True)


def never(_: None, block: int) -> int:
    """Run without end. Nodes import this function."""
    time.sleep(3600 if block else 0)
    return block


def itself(_: None, block: int) -> int:
    return block


def nothing() -> None:
    """Create the empty context of the work: it needs nothing."""


def broken() -> None:
    1 / 0  # noqa: B018
