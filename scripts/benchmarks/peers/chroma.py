"""Peer: embedded Chroma, a persistent collection with its default HNSW graph and cosine similarity."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from recommender.types import Vectors
from scripts.benchmarks.peers.vectors import VectorPeer


class Chroma(VectorPeer):
    """Chroma with our own vectors, added in the largest batches that it accepts."""

    def write(self, ids: Sequence[str], vectors: Vectors) -> None:
        """See `VectorPeer.write`."""
        client = self._client
        collection = client.create_collection("articles", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None)
        step = client.get_max_batch_size()
        for start in range(0, len(ids), step):
            collection.add(ids=list(ids[start : start + step]), embeddings=vectors[start : start + step])

    def open(self) -> None:
        """See `Peer.open`."""
        self._collection = self._client.get_collection("articles", embedding_function=None)

    def vector(self, article_id: str) -> Vectors:
        """See `VectorPeer.vector`."""
        return np.asarray(self._collection.get(ids=[article_id], include=["embeddings"])["embeddings"][0], dtype=np.float32)

    def search(self, vector: Vectors, k: int, *, exact: bool = False) -> list[str]:
        """See `VectorPeer.search`."""
        if exact:
            ids, vectors = self._everything
            return [ids[row] for row in np.argsort(-(vectors @ vector), kind="stable")[:k]]
        found: list[str] = self._collection.query(query_embeddings=vector[None], n_results=k, include=[])["ids"][0]
        return found

    @cached_property
    def _client(self) -> Any:
        import chromadb

        return chromadb.PersistentClient(str(self.folder), chromadb.Settings(anonymized_telemetry=False))

    @cached_property
    def _everything(self) -> tuple[list[str], Vectors]:
        held = self._collection.get(include=["embeddings"])
        return held["ids"], np.asarray(held["embeddings"], dtype=np.float32)
