"""Run a real Milvus standalone server on loopback, from the package `milvus`. Start, kill and restart it by pid."""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from recommender.vectors.milvus_client import MilvusAddress

STARTS_WITHIN_S = 240
"""Seconds to start. Unpacking takes about ten seconds of a processor, and other tests may use the processors."""

HEALTH, PEERS = "health", "peers"

STARTS = 3
"""Attempts with other ports, if the server exits by itself because a port was taken in the meantime."""


class Running:
    """A server whose data survives it.

    Args:
        guarded: True if it requires a password and speaks TLS.
    """

    def __init__(self, folder: Path, *, guarded: bool = False) -> None:
        self.folder = folder
        self._guarded = guarded
        self._ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def server(self) -> str:
        """Return the address for pymilvus."""
        return f"http://127.0.0.1:{self._ports['proxy_port']}"

    def address(self, name: str) -> MilvusAddress:
        return MilvusAddress(self.server, name)

    def start(self) -> None:
        """Start the server, on its earlier ports if it had any. Wait until it reports that it is healthy."""
        for _ in range(STARTS):
            if not self._ports:
                self._prepare()
            binary = self.folder / "bin" / "milvus"
            environment = {
                **os.environ,
                "DEPLOY_MODE": "STANDALONE",
                "METRICS_PORT": str(self._ports[HEALTH]),
                "MILVUS_RUN_DIR": str(self.folder / "run"),
                "LD_LIBRARY_PATH": str(binary.parent),
                "ETCD_CONFIG_PATH": str(self._etcd_config()),
            }
            with self._log.open("wb") as log:
                command = [str(binary), "run", "standalone"]
                self._process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
            end = time.monotonic() + STARTS_WITHIN_S
            while self._process.poll() is None and time.monotonic() < end:
                if self._is_well():
                    return
                time.sleep(0.2)
            self.kill()
            self._ports = {}
        raise AssertionError(f"Milvus did not start:\n{self._log.read_text(encoding='utf-8', errors='replace')[-5000:]}")

    def kill(self) -> None:
        """Kill the server with -9. It has no time to write anything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    @property
    def _log(self) -> Path:
        return self.folder / "milvus.log"

    def _prepare(self) -> None:
        """Unpack the server, and let its package write the settings.

        The package itself never starts a second server on the same ports.
        """
        import milvus

        config = milvus.MilvusServerConfig(data_dir=str(self.folder))
        of_milvus = [name for name in config.configurable_items if name.endswith("_port")]
        self._ports = free_ports([*of_milvus, HEALTH, PEERS])
        config.update(**{name: self._ports[name] for name in of_milvus})
        config.resolve()
        milvus._initialize_data_files(str(self.folder))
        if self._guarded:
            self._guard()

    @property
    def certificate(self) -> Path:
        return self.folder / "server.pem"

    def _guard(self) -> None:
        key, settings = self.folder / "server.key", self.folder / "configs" / "milvus.yaml"
        made = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key} -out {self.certificate}"
        subprocess.run([*made.split(), "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        text = settings.read_text(encoding="utf-8")
        for before, after in (
            ("authorizationEnabled: false", "authorizationEnabled: true"),
            ("tlsMode: 0", "tlsMode: 1"),
            ("serverPemPath: server.pem", f"serverPemPath: {self.certificate}"),
            ("serverKeyPath: server.key", f"serverKeyPath: {key}"),
        ):
            assert text.count(before) == 1
            text = text.replace(before, after)
        settings.write_text(text, encoding="utf-8")

    def _etcd_config(self) -> Path:
        """Write the settings of etcd and return their path.

        etcd runs inside Milvus, and uses its default ports unless a settings file of its own names others.
        """
        clients, peers = (f"http://127.0.0.1:{self._ports[name]}" for name in ("etcd_port", PEERS))
        path = self.folder / "etcd.yaml"
        path.write_text(
            f"name: default\nlisten-client-urls: {clients}\nadvertise-client-urls: {clients}\n"
            f"listen-peer-urls: {peers}\ninitial-advertise-peer-urls: {peers}\ninitial-cluster: default={peers}\n",
            encoding="utf-8",
        )
        return path

    def _is_well(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._ports[HEALTH]}/healthz", timeout=5) as answer:
                return b"OK" in answer.read()
        except OSError:
            return False


def free_ports(names: Sequence[str]) -> dict[str, int]:
    """Return a different free port for each name."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in names]
        for bound in sockets:
            bound.bind(("127.0.0.1", 0))
        return {name: bound.getsockname()[1] for name, bound in zip(names, sockets, strict=True)}


@contextmanager
def milvus_server(folder: Path, *, guarded: bool = False) -> Iterator[Running]:
    """Run a healthy server with its data in a folder of its own."""
    running = Running(folder, guarded=guarded)
    try:
        running.start()
        yield running
    finally:
        running.kill()
