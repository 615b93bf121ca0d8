"""Peer: sentence-transformers and a flat FAISS index, the usual first attempt. It is exact and in memory."""

import json
from collections.abc import Sequence

import numpy as np

from recommender.types import Vectors
from scripts.benchmarks.peers.vectors import VectorPeer


class ByHand(VectorPeer):
    """An `IndexFlatIP`, with the ids in a separate list."""

    def write(self, ids: Sequence[str], vectors: Vectors) -> None:
        """See `VectorPeer.write`."""
        import faiss

        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        faiss.write_index(index, str(self.folder / "vectors.faiss"))
        (self.folder / "ids.json").write_text(json.dumps(ids), encoding="utf-8")

    def open(self) -> None:
        """See `Peer.open`."""
        import faiss

        self._index = faiss.read_index(str(self.folder / "vectors.faiss"))
        self._ids = json.loads((self.folder / "ids.json").read_text(encoding="utf-8"))
        self._row = {article_id: row for row, article_id in enumerate(self._ids)}

    def vector(self, article_id: str) -> Vectors:
        """See `VectorPeer.vector`."""
        return np.asarray(self._index.reconstruct(self._row[article_id]), dtype=np.float32)

    def search(self, vector: Vectors, k: int, *, exact: bool = False) -> list[str]:
        """See `VectorPeer.search`. The search is always exact."""
        _, rows = self._index.search(vector[None], min(k, len(self._ids)))
        return [self._ids[row] for row in rows[0]]
