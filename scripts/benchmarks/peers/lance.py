"""Peer: embedded LanceDB with one table and an index on ids.

Up to 100,000 rows the vectors have no index, as its documentation advises, so the search is exact.
"""

from collections.abc import Sequence

import numpy as np

from recommender.types import Vectors
from scripts.benchmarks.peers.vectors import VectorPeer

INDEXED = 100_000
"""Number of rows from which the vectors get an index too, with LanceDB's default type and size."""


class Lance(VectorPeer):
    """A table with the columns id and vector."""

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
