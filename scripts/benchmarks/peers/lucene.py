"""Peer: Lucene's MoreLikeThis with defaults over stemmed English, as in a site's search engine.

It compares words and needs no model. It uses Debian's liblucene8-java and a JDK. `Lucene.java` in this folder does the
work in a separate process, which answers line by line.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmarks.peers.peer import PeerText, folder_size, others

JARS = Path("/usr/share/java")
MODULES = ("core", "queries", "analyzers-common")
SOURCE = Path(__file__).with_name("Lucene.java")


def version() -> str | None:
    """Return Lucene's version from Debian's file names. None if it is not installed."""
    cores = _jars("core")
    return cores[0].stem.rpartition("-")[2] if cores else None


def missing() -> str | None:
    """Return what is missing on this machine. None if nothing is."""
    lacks = [f"lucene-{name}" for name in MODULES if not _jars(name)]
    return lacks[0] if lacks else None if shutil.which("javac") else "javac"


def _jars(name: str) -> list[Path]:
    return sorted(JARS.glob(f"lucene-{name}-8.*.jar"))


class Lucene:
    """A `Peer` with an inverted index of words."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._classes = folder.with_name(f"{folder.name}-classes")
        jars = [str(jar) for name in MODULES for jar in _jars(name)[:1]]
        self._class_path = ":".join([*jars, str(self._classes)])

    def prepare(self, texts: Sequence[PeerText]) -> int:
        """See `Peer.prepare`."""
        subprocess.run(["javac", "-cp", self._class_path, "-d", str(self._classes), str(SOURCE)], check=True)  # noqa: S603, S607
        return 0

    def build(self, texts: Sequence[PeerText], batch_size: int) -> None:
        """See `Peer.build`."""
        lines = "".join(f"{_line(text.id)}\t{_line(text.whole)}\n" for text in texts)
        subprocess.run(self._java("build"), input=lines, text=True, check=True, encoding="utf-8")  # noqa: S603

    def open(self) -> None:
        """See `Peer.open`."""
        self._process = subprocess.Popen(  # noqa: S603
            self._java("answer"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def near(self, asked: PeerText, k: int) -> list[str]:
        """See `Peer.near`."""
        return others(asked.id, self._ask("id", k + 1, asked.id), k)

    def near_draft(self, text: str, k: int) -> list[str]:
        """See `Peer.near_draft`."""
        return self._ask("text", k, text)

    def exact(self, asked: PeerText, k: int) -> list[str]:
        """See `Peer.exact`. A word search is exact by itself."""
        return []

    def size(self) -> int:
        """See `Peer.size`."""
        return folder_size(self.folder)

    def _java(self, role: str) -> list[str]:
        return ["java", "-cp", self._class_path, "Lucene", role, str(self.folder)]

    def _ask(self, kind: str, k: int, asked: str) -> list[str]:
        process = self._process
        assert process.stdin  # noqa: S101
        assert process.stdout  # noqa: S101
        process.stdin.write(f"{kind}\t{k}\t{_line(asked)}\n")
        process.stdin.flush()
        found = process.stdout.readline().rstrip("\n")
        return found.split("\t") if found else []


def _line(text: str) -> str:
    return " ".join(text.split())
