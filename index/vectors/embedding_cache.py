"""Cache embeddings by content between builds, so that no text is embedded twice.

Each model has one SQLite file, `cache/<weights>-<canaries>.db`. The same weights with another tokenizer, pooling or
window give other vectors, which the canary texts reveal. A row holds the sha256 of the text, its vector and a checksum
of the vector. The cache keeps what a killed build has embedded, and the next build continues from there.
"""

import hashlib
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np

from index.storage.permissions import keep_private, make_private_dir
from recommender.embedding.embedder import Embedder
from recommender.text.chunking import Tokenizer
from recommender.types import Vectors

Done = TypeVar("Done")

BATCH = 500
"""Keys per query. SQLite's oldest limit is 999."""


def key_of(text: str) -> bytes:
    """Return the key of a text."""
    return hashlib.sha256(text.encode()).digest()


def n_truncated(texts: Iterable[str], tokenizer: Tokenizer) -> int:
    """Return the number of texts that exceed the model's window."""
    return sum(len(tokenizer.token_spans(text)) > tokenizer.max_tokens for text in texts)


class EmbeddingCache:
    """A cache of vectors, which embeds new texts with `embedder`.

    Attributes:
        path: Path of the file.
        n_embedded: Number of new texts.
        n_reused: Number of requested texts that were cached.
        n_truncated: Number of new texts that exceed the model's window.
    """

    def __init__(self, folder: Path, embedder: Embedder, canaries: Vectors) -> None:
        self.n_embedded = 0
        self.n_truncated = 0
        self._n_asked = 0
        self._embedder = embedder
        make_private_dir(folder, folder.parent)
        # One decimal is kept, because the last bits differ between processors. Adding 0.0 turns -0.0 into 0.0.
        behaviour = hashlib.sha256((np.round(canaries, 1) + 0.0).tobytes()).hexdigest()
        self.path = folder / f"{embedder.sha256[:16]}-{behaviour[:8]}.db"
        self.path.touch()
        keep_private(self.path, folder.parent)  # SQLite gives its log the same mode
        try:
            self._connection = _open(self.path)
        except sqlite3.DatabaseError as error:
            self._begin_anew(error)

    def __len__(self) -> int:
        """Return the number of cached texts."""
        return int(self._mended(lambda: self._connection.execute("SELECT count(*) FROM embedding").fetchone()[0]))

    def close(self) -> None:
        self._connection.close()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of the texts: float32 (len(texts), dim), unit norm.

        New vectors are stored before this returns.
        """
        keys = [key_of(text) for text in texts]
        known = self._mended(lambda: self._read(set(keys)))
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if new:
            fresh = dict(zip(new, self._embedder.embed(list(new.values())), strict=True))
            self.n_truncated += n_truncated(new.values(), self._embedder)
            self._mended(lambda: self._write(fresh))
            known.update(fresh)
        self.n_embedded += len(new)
        self._n_asked += len(texts)
        return np.stack([known[key] for key in keys])

    @property
    def n_reused(self) -> int:
        return max(0, self._n_asked - self.n_embedded)

    def unknown(self, texts: Iterable[str]) -> dict[bytes, str]:
        """Return the texts that are not cached, by their keys."""
        found = {key_of(text): text for text in texts}
        known = self._mended(lambda: self._read(found))
        return {key: text for key, text in found.items() if key not in known}

    def keep(self, vectors: Mapping[bytes, Vectors]) -> None:
        """Store vectors that were embedded elsewhere: key -> float32 (dim,), unit norm."""
        self.n_embedded += len(vectors) - len(self._mended(lambda: self._read(vectors)))
        self._mended(lambda: self._write(vectors))

    def _mended(self, action: Callable[[], Done]) -> Done:
        """Run an action on the file. If it reveals damage, repeat it with a new file."""
        try:
            return action()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            self._begin_anew(error)
            return action()

    def _begin_anew(self, error: sqlite3.DatabaseError) -> None:
        """Drop a damaged file, which only saves time."""
        if isinstance(error, sqlite3.OperationalError):  # a full disk or a read-only folder is not damage
            raise error
        for damaged in self.path.parent.glob(f"{self.path.name}*"):
            damaged.unlink()
        self.path.touch()
        keep_private(self.path, self.path.parents[1])
        self._connection = _open(self.path)

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
