"""LanceDB, embedded: one table; no index on vectors, as its documentation advises up to 100,000 rows, so it is exact; one on ids."""

from collections.abc import Sequence

import numpy as np

from recommender.types import Vectors
from scripts.benchmarks.peers.vectors import VectorPeer

INDEXED = 100_000
"""From so many rows on the vectors get an index too, of the kind and size that it chooses by itself."""


class Lance(VectorPeer):
    """Columns: id, vector."""

    def write(self, ids: Sequence[str], vectors: Vectors) -> None:
        """See `VectorPeer.write`."""
        import lancedb
        import pyarrow
        from lancedb.index import BTree, IvfPq

        flat = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.ravel()), vectors.shape[1])
        table = lancedb.connect(self.folder).create_table("articles", pyarrow.table({"id": list(ids), "vector": flat}))
        table.create_index("id", config=BTree())
        if len(ids) > INDEXED:
            table.create_index("vector", config=IvfPq(distance_type="cosine"))

    def open(self) -> None:
        """See `Peer.open`."""
        import lancedb

        self._table = lancedb.connect(self.folder).open_table("articles")

    def vector(self, article_id: str) -> Vectors:
        """See `VectorPeer.vector`."""
        quoted = article_id.replace("'", "''")
        found = self._table.search().where(f"id = '{quoted}'").select(["vector"]).limit(1).to_arrow()
        return np.asarray(found["vector"][0].as_py(), dtype=np.float32)

    def search(self, vector: Vectors, k: int, *, exact: bool = False) -> list[str]:
        """See `VectorPeer.search`."""
        asked = self._table.search(vector).distance_type("cosine").select(["id", "_distance"]).limit(k)
        found: list[str] = (asked.bypass_vector_index() if exact else asked).to_arrow()["id"].to_pylist()
        return found
