"""Peer: txtai with its own embeddings, and its own API over HTTP.

Its API cannot look up neighbours by id, only by text. So a list by id embeds the text again. It stores vectors and ids,
its default. `maxlength` limits it to 256 tokens, as sentence-transformers does with this model. Otherwise it would read
512 tokens, and the model has not learnt the second half. The `Chunked` twin embeds the whole text, as Readmore does.
"""

import importlib.resources
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from recommender import Article
from recommender.embedding.sentence_transformer import BUNDLED_PACKAGE
from recommender.text.chunking import TokenSpans, chunk_article, embedding_text
from scripts.benchmarks.peers.peer import PeerText, best_batch_size, folder_size, others

READ = 2_000
"""Characters of a text that are sent, more than the model reads."""

SERVER = ("-m", "uvicorn", "txtai.api:app", "--port", "{port}", "--log-level", "error")
"""Arguments of its interpreter. The variable CONFIG names a settings file."""
READY = "/count"


class Txtai:
    """A `Peer` that stores one vector per article.

    Attributes:
        rows_per_article: Number of rows fetched per line of a list.
    """

    rows_per_article = 1

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self, texts: Sequence[PeerText]) -> int:
        """See `Peer.prepare`."""

        def embedding(size: int) -> Callable[[Sequence[str]], object]:
            embeddings: Callable[[Sequence[str]], object] = self._embeddings(size).batchtransform
            return embeddings

        return best_batch_size(embedding, texts)

    def build(self, texts: Sequence[PeerText], batch_size: int) -> None:
        """See `Peer.build`."""
        embeddings = self._embeddings(batch_size)
        embeddings.index(self.rows(texts))
        embeddings.save(str(self.folder))

    def rows(self, texts: Sequence[PeerText]) -> list[tuple[str, str]]:
        """Return the name and text of each indexed row. The name is the article's id and the row's number in it."""
        return [(f"{text.id}#0", text.whole) for text in texts]

    def open(self) -> None:
        """See `Peer.open`."""
        from txtai import Embeddings

        self._index: Any = Embeddings()
        self._index.load(str(self.folder))

    def near(self, asked: PeerText, k: int) -> list[str]:
        """See `Peer.near`."""
        return others(asked.id, self._search(asked.whole, k + 1), k)

    def near_draft(self, text: str, k: int) -> list[str]:
        """See `Peer.near_draft`."""
        return others("", self._search(text, k), k)

    def exact(self, asked: PeerText, k: int) -> list[str]:
        """See `Peer.exact`."""
        before = self._index.config.get("faiss")
        self._index.config["faiss"] = {"nprobe": getattr(self._index.ann.backend, "nlist", 1)}
        try:
            return self.near(asked, k)
        finally:
            self._index.config["faiss"] = before or {}

    def size(self) -> int:
        """See `Peer.size`."""
        return folder_size(self.folder)

    def settings(self, path: Path) -> Path:
        """Write the settings of its server: an index that is only read."""
        path.write_text(f"path: {self.folder}\nwritable: false\nembeddings: {{}}\n", encoding="utf-8")
        return path

    def question(self, text: str, k: int) -> str:
        """Return the request path for the list of a text."""
        return f"/search?query={quote(text[:READ])}&limit={k * self.rows_per_article}"

    def _search(self, text: str, k: int) -> list[str]:
        return [row.rpartition("#")[0] for row, _ in self._index.search(text[:READ], k * self.rows_per_article)]

    def _embeddings(self, batch_size: int) -> Any:
        from txtai import Embeddings

        return Embeddings({"path": str(_model()), "maxlength": True, "encodebatch": batch_size})


class Chunked(Txtai):
    """txtai with one row per passage that Readmore would cut, title in front. It embeds all of the text."""

    rows_per_article = 5

    def rows(self, texts: Sequence[PeerText]) -> list[tuple[str, str]]:
        """See `Txtai.rows`."""
        tokenizer = _Tokens()
        return [
            (f"{text.id}#{chunk.position}", embedding_text(text.title, chunk.text, tokenizer))
            for text in texts
            for chunk in chunk_article(Article(text.id, text.title, text.text), tokenizer)
        ]


class _Tokens:
    """The model's tokenizer without the model."""

    max_tokens = 254

    def __init__(self) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(_model() / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def token_spans(self, text: str) -> TokenSpans:
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return np.array(offsets, dtype=np.int64).reshape(-1, 2)


def _model() -> Path:
    return Path(str(importlib.resources.files(BUNDLED_PACKAGE))) / "model"
