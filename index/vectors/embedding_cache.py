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

from index.storage.permissions import keep_private, make_private_dir
from recommender.embedding.embedder import Embedder
from recommender.text.chunking import Tokenizer
from recommender.types import Vectors

Done = TypeVar("Done")

BATCH = 500
"""Keys asked for in one query; SQLite's oldest limit is 999."""


def key_of(text: str) -> bytes:
    """What a text is known by."""
    return hashlib.sha256(text.encode()).digest()


def n_truncated(texts: Iterable[str], tokenizer: Tokenizer) -> int:
    """Of how many texts the model does not read the end."""
    return sum(len(tokenizer.token_spans(text)) > tokenizer.max_tokens for text in texts)


class EmbeddingCache:
    """Vectors of texts, embedded by `embedder` where they are new.

    Attributes:
        path: Of the file.
        n_embedded: Texts that were new.
        n_reused: Texts asked for that were known.
        n_truncated: New texts of which the model does not read the end.
    """

    def __init__(self, folder: Path, embedder: Embedder, canaries: Vectors) -> None:
        self.n_embedded = 0
        self.n_truncated = 0
        self._n_asked = 0
        self._embedder = embedder
        make_private_dir(folder, folder.parent)
        # One decimal: the last bits differ between processors, and + 0.0 makes one zero of two.
        behaviour = hashlib.sha256((np.round(canaries, 1) + 0.0).tobytes()).hexdigest()
        self.path = folder / f"{embedder.sha256[:16]}-{behaviour[:8]}.db"
        self.path.touch()
        keep_private(self.path, folder.parent)  # its log gets the same mode
        try:
            self._connection = _open(self.path)
        except sqlite3.DatabaseError as error:
            self._begin_anew(error)

    def __len__(self) -> int:
        """How many texts are known."""
        return int(self._mended(lambda: self._connection.execute("SELECT count(*) FROM embedding").fetchone()[0]))

    def close(self) -> None:
        self._connection.close()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of the texts: float32 (len(texts), dim), unit norm. New ones are stored before this returns."""
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
        """Those of some texts that are new, by their keys."""
        found = {key_of(text): text for text in texts}
        known = self._mended(lambda: self._read(found))
        return {key: text for key, text in found.items() if key not in known}

    def keep(self, vectors: Mapping[bytes, Vectors]) -> None:
        """Store what was embedded elsewhere: of keys, float32 (dim,), unit norm."""
        self.n_embedded += len(vectors) - len(self._mended(lambda: self._read(vectors)))
        self._mended(lambda: self._write(vectors))

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
