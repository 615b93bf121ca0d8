"""What a peer is asked, and the texts that it is given: the same for all."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

BATCH_SIZES = (4, 8, 16, 32)
TRIED = 64
"""Articles that the batch sizes are tried on."""


@dataclass(frozen=True, slots=True)
class PeerText:
    """An article, as a peer sees it."""

    id: str
    title: str
    text: str

    @property
    def whole(self) -> str:
        return f"{self.title}\n{self.text}".strip()


class Peer(Protocol):
    """Build, open, answer. `near` and `near_draft` give ids of articles, closest first, `k` at most, never the one asked about.

    What it starts ends with its process.
    """

    def prepare(self, texts: Sequence[PeerText]) -> int:
        """Do what its user does once and for all, before the clock starts: choose the best batch size, compile. Returns the batch size."""
        ...

    def build(self, texts: Sequence[PeerText], batch_size: int) -> None:
        """Make the index from nothing, and write it to disk."""
        ...

    def open(self) -> None:
        """Open what `build` wrote, in another process."""
        ...

    def near(self, asked: PeerText, k: int) -> list[str]:
        """The list of an article of the index."""
        ...

    def near_draft(self, text: str, k: int) -> list[str]:
        """The list of a text that it has never seen."""
        ...

    def exact(self, asked: PeerText, k: int) -> list[str]:
        """`near`, by comparing with all that it holds; empty if the question makes no sense."""
        ...

    def size(self) -> int:
        """Bytes that it keeps on disk."""
        ...


def read_texts(path: Path) -> list[PeerText]:
    """The articles of a file of JSON Lines."""
    with path.open(encoding="utf-8") as file:
        records = [json.loads(line) for line in file if line.strip()]
    return [PeerText(str(record["id"]), record.get("title") or "", record.get("text") or "") for record in records]


def folder_size(folder: Path) -> int:
    """Bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def others(asked: str, found: Sequence[str], k: int) -> list[str]:
    """The first `k` articles of a list of articles that may hold the one asked about, and any of them more than once.

    >>> others("a", ["a", "b", "b", "c", "d"], 2)
    ['b', 'c']
    """
    return [article_id for article_id in dict.fromkeys(found) if article_id != asked][:k]


def best_batch_size(embedding: Callable[[int], Callable[[Sequence[str]], object]], texts: Sequence[PeerText]) -> int:
    """The batch size at which a model is fastest, the better of two turns each."""
    tried = [text.whole for text in texts[:TRIED]]
    by_size = {size: embedding(size) for size in BATCH_SIZES}
    taken: dict[int, float] = {}
    for size, embed in [*by_size.items()] * 2:
        began = time.perf_counter()
        embed(tried)
        taken[size] = min(time.perf_counter() - began, taken.get(size, float("inf")))
    return min(taken, key=lambda size: taken[size])
