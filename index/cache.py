"""Embeddings by content, kept between builds: what was embedded once is never embedded again.

One SQLite file a model, `cache/<weights>-<canaries>.db`: the same weights with another tokenizer, pooling or window give
other vectors, and the canary texts tell. A row is the sha256 of the text, its vector and a checksum of that.
A build that is killed leaves what it has embedded here, and the next one goes on from there.
"""

import hashlib
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np

from recommender.embedding import Embedder
from recommender.types import Vectors

Done = TypeVar("Done")

BATCH = 500
"""Keys asked for in one query; SQLite's oldest limit is 999."""


class EmbeddingCache:
    """Vectors of texts, embedded by `embedder` where they are new.

    Attributes:
        n_embedded: Texts that were new.
        n_reused: Texts that were known.
        n_truncated: New texts of which the model does not read the end.
    """

    def __init__(self, folder: Path, embedder: Embedder, canaries: Vectors) -> None:
        self.n_embedded = 0
        self.n_reused = 0
        self.n_truncated = 0
        self._embedder = embedder
        folder.mkdir(parents=True, exist_ok=True)
        # One decimal: the last bits differ between processors, and + 0.0 makes one zero of two.
        behaviour = hashlib.sha256((np.round(canaries, 1) + 0.0).tobytes()).hexdigest()
        self._path = folder / f"{embedder.sha256[:16]}-{behaviour[:8]}.db"
        try:
            self._connection = _open(self._path)
        except sqlite3.DatabaseError as error:
            self._begin_anew(error)

    def __len__(self) -> int:
        """How many texts are known."""
        return int(self._mended(lambda: self._connection.execute("SELECT count(*) FROM embedding").fetchone()[0]))

    def close(self) -> None:
        self._connection.close()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of the texts: float32 (len(texts), dim), unit norm. New ones are stored before this returns."""
        keys = [hashlib.sha256(text.encode()).digest() for text in texts]
        known = self._mended(lambda: self._read(set(keys)))
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if new:
            self.n_truncated += sum(len(self._embedder.token_spans(text)) > self._embedder.max_tokens for text in new.values())
            fresh = dict(zip(new, self._embedder.embed(list(new.values())), strict=True))
            self._mended(lambda: self._write(fresh))
            known.update(fresh)
        self.n_embedded += len(new)
        self.n_reused += len(texts) - len(new)
        return np.stack([known[key] for key in keys])

    def _mended(self, action: Callable[[], Done]) -> Done:
        """Do something with the file; if that shows it to be damaged, do it with a new one."""
        try:
            return action()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            self._begin_anew(error)
            return action()

    def _begin_anew(self, error: sqlite3.DatabaseError) -> None:
        """Drop a damaged file: it only saves time."""
        if isinstance(error, sqlite3.OperationalError):  # disk full, folder not writable: not the file's fault
            raise error
        for damaged in self._path.parent.glob(f"{self._path.name}*"):
            damaged.unlink()
        self._connection = _open(self._path)

    def _read(self, keys: Iterable[bytes]) -> dict[bytes, Vectors]:
        asked = list(keys)
        found = {}
        for first in range(0, len(asked), BATCH):
            batch = asked[first : first + BATCH]
            marks = ",".join("?" * len(batch))
            for key, vector, checksum in self._connection.execute(f"SELECT * FROM embedding WHERE key IN ({marks})", batch):
                if zlib.crc32(vector) == checksum:
                    found[key] = np.frombuffer(vector, dtype=np.float32)
        return found

    def _write(self, vectors: Mapping[bytes, Vectors]) -> None:
        rows = ((key, blob := vector.tobytes(), zlib.crc32(blob)) for key, vector in vectors.items())
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO embedding VALUES (?, ?, ?)", rows)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        with connection, closing(connection.cursor()) as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS embedding (key BLOB PRIMARY KEY, vector BLOB NOT NULL, checksum INTEGER NOT NULL)")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
