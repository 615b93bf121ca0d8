"""Measure a peer in processes of its own."""

import json
import os
import subprocess
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from recommender.errors import InputError
from scripts import local_server
from scripts.benchmarks.peers.archive import N_COMPARED, K, PeerArchive
from scripts.benchmarks.peers.memory import MARK, held_mb, watched
from scripts.benchmarks.peers.peer import PeerText
from scripts.benchmarks.peers.peer_figures import Answers, Figures
from scripts.benchmarks.peers.txtai import READY, SERVER, Chunked, Txtai
from scripts.local_server import ROOT

SERVED = {"txtai": Txtai, "txtai-chunked": Chunked}
"""Peers with a server that knows articles, not only vectors."""


class Conversation:
    """A conversation with a new process of a peer. The process and its children carry `mark`."""

    def __init__(self, name: str, python: str, folder: Path) -> None:
        self.mark = uuid.uuid4().hex
        self._name = name
        self._process = subprocess.Popen(  # noqa: S603
            [python, "-m", "scripts.benchmarks.peers.process", name, str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, MARK: self.mark},
        )

    def ask(self, role: str, **asked: object) -> dict[str, Any]:
        """Return the answer of `scripts.benchmarks.peers.process`.

        Raises:
            InputError: The process ended instead.
        """
        process = self._process
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(json.dumps({"role": role, **asked}) + "\n")
            process.stdin.flush()
            answered: dict[str, Any] = json.loads(process.stdout.readline())
        except (OSError, ValueError) as error:
            raise InputError(f"{self._name} gave up ({role}) - what it said last stands above") from error
        return answered

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._process.communicate(timeout=60)
        finally:
            self._process.kill()


def about(name: str, python: str) -> dict[str, Any]:
    """Return the versions of a peer's packages in an interpreter, and what is missing."""
    with Conversation(name, python, Path(os.devnull)) as talk:
        return talk.ask("about")


def measure(name: str, python: str, archive: PeerArchive, folder: Path, seconds: int) -> Figures:
    """Return all figures of a peer.

    Args:
        folder: An empty folder for its index.
        seconds: Duration of the load test, if there is a server.

    Raises:
        InputError: The peer gave up.
    """
    with Conversation(name, python, folder) as talk:
        versions = talk.ask("about")["versions"]
        batch_size = talk.ask("prepare", articles=str(archive.path))["batch_size"]
    began = time.perf_counter()
    with Conversation(name, python, folder) as talk, watched(talk.mark) as peak:
        built = talk.ask("build", articles=str(archive.path), batch_size=batch_size)
        took = time.perf_counter() - began
    began = time.perf_counter()
    with Conversation(name, python, folder) as talk:
        talk.ask("begin", first=_fields(archive.timed[0]), k=K)
        open_s = time.perf_counter() - began
        timed = archive.timed[: N_COMPARED if name in SERVED else None]
        told = talk.ask(
            "answer",
            timed=[_fields(text) for text in timed],
            drafts=archive.drafts,
            judged=[_fields(text) for text in archive.judged],
            compared=N_COMPARED,
            k=K,
        )
    answers = Answers.measured(told["by_id_s"], told["draft_s"], told["memory_mb"])
    if name in SERVED:
        open_s, answers = _over_http(SERVED[name](folder), python, archive, seconds)
    return Figures(
        peer=name,
        versions=versions,
        batch_size=batch_size,
        articles_per_s=archive.n / took,
        bytes_per_article=built["bytes"] / archive.n,
        building_mb=peak.mb,
        open_s=open_s,
        answers=answers,
        recall=told["recall"],
        ndcg=archive.ndcg(told["lists"]),
    )


def _over_http(txtai: Txtai, python: str, archive: PeerArchive, seconds: int) -> tuple[float, Answers]:
    """Return the seconds from the start of the server to its first list, and its answer times."""
    mark = uuid.uuid4().hex
    settings = txtai.settings(txtai.folder.with_suffix(".yml"))
    paths = [txtai.question(text.whole, K + 1) for text in archive.timed]
    with local_server.running([python, *SERVER], READY, {"CONFIG": str(settings), MARK: mark}) as (address, _, started):
        first, *by_id = local_server.one_by_one(address, paths)
        per_s = local_server.rate(address, paths, seconds)
        drafts = local_server.one_by_one(address, [txtai.question(draft, K) for draft in archive.drafts])
        return started + first, Answers.measured([first, *by_id], drafts, held_mb(mark), per_s)


def _fields(text: PeerText) -> tuple[str, str, str]:
    return text.id, text.title, text.text
