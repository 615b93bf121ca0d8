"""One shell for all commands of a page, in a folder that looks like a fresh clone after its first minutes."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recommender.embedding.openvino import ENCODERS

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 300


def as_shown(shown: str, printed: str) -> bool:
    """Whether a command printed what the page shows; an ellipsis stands for what differs, on a line of its own for any lines."""
    pattern = re.escape(shown.rstrip("\n")).replace("\\\n…", "(?s:.*)").replace("…", ".*")
    return re.fullmatch(pattern, printed.rstrip("\n")) is not None


class Shell:
    """One shell for all commands, as variables and servers stay from one to the next; a command that fails ends it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._log, self._codes = folder / "printed.log", folder / "codes.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", "-eo", "pipefail"],
                cwd=folder,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                text=True,
            )
        self._n_run = 0

    def run(self, block: str, shown: str | None) -> str:
        """What it printed; a server may go on printing, so that it is waited for what is shown."""
        start, deadline = self._log.stat().st_size, time.monotonic() + PATIENCE_S
        self._n_run += 1
        assert self._process.stdin
        self._process.stdin.write(f"{block}\necho done >> {self._codes.name}\n")
        self._process.stdin.flush()
        while True:
            done = self._codes.exists() and len(self._codes.read_text().splitlines()) == self._n_run
            printed = self._log.read_bytes()[start:].decode()
            if done and (shown is None or as_shown(shown, printed)):
                return printed
            assert self._process.poll() is None, f"this failed:\n{block}\n{printed}"
            assert time.monotonic() < deadline, f"{block}\nprinted:\n{printed}\nand the page says:\n{shown}"
            if done and not block.rstrip().endswith("&"):
                pytest.fail(f"{block}\nprinted:\n{printed}\nand the page says:\n{shown}")
            time.sleep(0.05)

    def end(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


def fresh_checkout(folder: Path, demo_index: Path, index: str) -> Path:
    """Lay out a clone in which all is installed, and a first build has prepared the model of an index."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "scripts", "examples"):
        (folder / name).symlink_to(ROOT / name)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, module in (("python", ""), ("readmore", "-m recommender ")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n')
        (programs / name).chmod(0o755)
    (programs / "activate").write_text(f"PATH={programs}:$PATH\n")
    for stamp in (".installed", ".programs"):
        (folder / ".venv" / stamp).touch()
    (folder / index).mkdir(parents=True)
    (folder / index / ENCODERS).symlink_to(demo_index / ENCODERS)
    return folder


def free_ports() -> tuple[int, int]:
    """Return two that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def until_it_listens(port: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, f"nobody listens on {port}"
            time.sleep(0.05)
