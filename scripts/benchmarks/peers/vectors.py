"""Share the code of peers that store vectors and leave the model to their user.

Each article has one vector, of its first 256 tokens.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from recommender import Embedder, SentenceTransformerEmbedder
from recommender.types import Vectors
from scripts.benchmarks.peers.peer import PeerText, best_batch_size, folder_size, others


class VectorPeer(ABC):
    """A `Peer` that stores ids and vectors, not texts.

    Args:
        folder: Folder of its index.
        load: Loads the model for a batch size.
    """

    def __init__(self, folder: Path, load: Callable[[int], Embedder] = lambda size: SentenceTransformerEmbedder(batch_size=size)) -> None:
        self.folder = folder
        self._load = load

    @abstractmethod
    def write(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Write the index."""

    @abstractmethod
    def open(self) -> None:
        """See `Peer.open`."""

    @abstractmethod
    def vector(self, article_id: str) -> Vectors:
        """Return the stored vector of an article: float32 (dim,)."""

    @abstractmethod
    def search(self, vector: Vectors, k: int, *, exact: bool = False) -> list[str]:
        """Return the ids of the `k` closest articles. `exact`: compare with all."""

    def prepare(self, texts: Sequence[PeerText]) -> int:
        """See `Peer.prepare`."""
        return best_batch_size(lambda size: self._load(size).embed, texts)

    def build(self, texts: Sequence[PeerText], batch_size: int) -> None:
        """See `Peer.build`."""
        self.write([text.id for text in texts], self._load(batch_size).embed([text.whole for text in texts]))

    def near(self, asked: PeerText, k: int) -> list[str]:
        """See `Peer.near`."""
        return others(asked.id, self.search(self.vector(asked.id), k + 1), k)

    def near_draft(self, text: str, k: int) -> list[str]:
        """See `Peer.near_draft`."""
        return self.search(self._embedder.embed([text])[0], k)

    def exact(self, asked: PeerText, k: int) -> list[str]:
        """See `Peer.exact`."""
        return others(asked.id, self.search(self.vector(asked.id), k + 1, exact=True), k)

    def size(self) -> int:
        """See `Peer.size`."""
        return folder_size(self.folder)

    @cached_property
    def _embedder(self) -> Embedder:
        return self._load(1)
