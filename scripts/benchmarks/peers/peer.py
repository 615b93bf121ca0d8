"""Define the protocol of peers, and the texts that all peers receive."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

BATCH_SIZES = (4, 8, 16, 32)
TRIED = 64
"""Number of articles on which batch sizes are tried."""


@dataclass(frozen=True, slots=True)
class PeerText:
    """An article as peers receive it."""

    id: str
    title: str
    text: str

    @property
    def whole(self) -> str:
        return f"{self.title}\n{self.text}".strip()


class Peer(Protocol):
    """Protocol: build, open, answer.

    `near` and `near_draft` return at most `k` ids of articles, closest first, never the query article. Everything that
    a peer starts ends with its process.
    """

    def prepare(self, texts: Sequence[PeerText]) -> int:
        """Do one-time work before the clock starts: choose the best batch size, compile. Return the batch size."""
        ...

    def build(self, texts: Sequence[PeerText], batch_size: int) -> None:
        """Build the index from scratch and write it to disk."""
        ...

    def open(self) -> None:
        """Open what `build` wrote, in another process."""
        ...

    def near(self, asked: PeerText, k: int) -> list[str]:
        """Return the list of an article of the index."""
        ...

    def near_draft(self, text: str, k: int) -> list[str]:
        """Return the list of an unseen text."""
        ...

    def exact(self, asked: PeerText, k: int) -> list[str]:
        """Return `near` by exhaustive comparison. Return an empty list if that does not apply."""
        ...

    def size(self) -> int:
        """Return the bytes on disk."""
        ...


def read_texts(path: Path) -> list[PeerText]:
    """Read the articles of a JSON Lines file."""
    with path.open(encoding="utf-8") as file:
        records = [json.loads(line) for line in file if line.strip()]
    return [PeerText(str(record["id"]), record.get("title") or "", record.get("text") or "") for record in records]


def folder_size(folder: Path) -> int:
    """Return the total bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def others(asked: str, found: Sequence[str], k: int) -> list[str]:
    """Return the first `k` other articles of a list that may contain the query article and repetitions.

    >>> others("a", ["a", "b", "b", "c", "d"], 2)
    ['b', 'c']
    """
    return [article_id for article_id in dict.fromkeys(found) if article_id != asked][:k]


def best_batch_size(embedding: Callable[[int], Callable[[Sequence[str]], object]], texts: Sequence[PeerText]) -> int:
    """Return the fastest batch size of a model, by the better of two turns each."""
    tried = [text.whole for text in texts[:TRIED]]
    by_size = {size: embedding(size) for size in BATCH_SIZES}
    taken: dict[int, float] = {}
    for size, embed in [*by_size.items()] * 2:
        began = time.perf_counter()
        embed(tried)
        taken[size] = min(time.perf_counter() - began, taken.get(size, float("inf")))
    return min(taken, key=lambda size: taken[size])
