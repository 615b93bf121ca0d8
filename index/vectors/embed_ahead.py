"""Embed the texts of an archive on workers ahead of the build, which then finds the vectors in its cache.

Results are stored in Parquet files until the cache has taken them. Each file holds one block, with columns `key`
(sha256 of the text) and `vector`. The file is named by its keys, so a block that arrives twice is stored once. A killed
build leaves the files, and the next build takes them first.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from index.vectors.embedding_cache import EmbeddingCache, n_truncated
from index.workers.processes import BlockWorkers, OfFolder
from recommender.embedding.embedder import Embedder
from recommender.embedding.openvino import CompiledEmbedder
from recommender.types import Vectors

BLOCK = 256
"""Texts embedded together: about a second of a processor's work."""

TAKEN_TOGETHER = 32
"""Number of files that the cache takes together."""

log = logging.getLogger(__name__)


def embed_ahead(texts: Iterable[str], embedder: Embedder, cache: EmbeddingCache, workers: BlockWorkers) -> Iterator[int]:
    """Embed the texts that the cache lacks, and yield the number finished.

    Only a compiled model can be sent to other machines.
    """
    if not isinstance(embedder, CompiledEmbedder):
        log.warning("%s is not compiled: its texts are embedded on this machine", embedder.name)
        return
    parts = Parts(cache.path.with_suffix(".parts"))
    parts.into(cache)
    opened = OfFolder(CompiledEmbedder, embedder.folder)
    n_done = 0
    for number, (keys, vectors, too_long) in enumerate(workers.everywhere(_embed, opened, _unknown(texts, cache)), 1):
        parts.add(keys, vectors)
        cache.n_truncated += too_long
        n_done += len(keys)
        yield n_done
        if number % TAKEN_TOGETHER == 0:
            parts.into(cache)
    parts.into(cache)


Block = Mapping[bytes, str]
"""Key -> text."""


def _unknown(texts: Iterable[str], cache: EmbeddingCache) -> Iterator[Block]:
    rest = iter(texts)
    waiting: dict[bytes, str] = {}
    while some := list(islice(rest, BLOCK)):
        waiting |= cache.unknown(some)
        while len(waiting) >= BLOCK:
            yield {key: waiting.pop(key) for key in list(islice(waiting, BLOCK))}
    if waiting:
        yield waiting


def _embed(embedder: CompiledEmbedder, block: Block) -> tuple[Sequence[bytes], Vectors, int]:
    return list(block), embedder.embed(list(block.values())), n_truncated(block.values(), embedder)


class Parts:
    """The Parquet files of a folder. The folder exists while it holds any."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Write vectors, float32 (n, dim), and the keys of their texts."""
        import pyarrow as pa
        from pyarrow import parquet

        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{hashlib.sha256(b''.join(keys)).hexdigest()[:32]}.parquet"
        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        table = pa.table({"key": pa.array(keys, pa.binary(32)), "vector": flat})
        parquet.write_table(table, path.with_suffix(".new"), write_page_checksum=True)
        path.with_suffix(".new").replace(path)

    def into(self, cache: EmbeddingCache) -> None:
        """Move all files into the cache. Unreadable files are skipped, because they only save time."""
        import pyarrow as pa
        from pyarrow import parquet

        for path in sorted(self._folder.glob("*")):
            if path.suffix == ".parquet":
                try:
                    table = parquet.read_table(path, page_checksum_verification=True)
                except (pa.ArrowException, OSError):
                    table = None
                if table is not None:
                    keys = table["key"].to_pylist()
                    flat = table["vector"].combine_chunks().flatten().to_numpy()
                    cache.keep(dict(zip(keys, np.asarray(flat, dtype=np.float32).reshape(len(keys), -1), strict=True)))
            path.unlink()
        if self._folder.exists():
            self._folder.rmdir()
