"""txtai: embeddings of its own, and its own API over HTTP.

Its index knows an article by its text only: its API has no other way to ask for what is near, so a list by id embeds the text again.
It keeps vectors and ids, its default. `maxlength` tells it to read 256 tokens, as sentence-transformers does with this model; it would read
512 otherwise, of which the model has not learnt the second half. Its `Chunked` twin embeds all of the text, as Readmore does.
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
"""Characters of a text that are sent: more than the model reads."""

SERVER = ("-m", "uvicorn", "txtai.api:app", "--port", "{port}", "--log-level", "error")
"""What its interpreter runs, with the name of a file of settings in the variable CONFIG."""
READY = "/count"


class Txtai:
    """A `Peer` that keeps one vector an article.

    Attributes:
        rows_per_article: So many rows are fetched for a line of a list.
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
        """What is indexed: name and text of each row; the name is the article's id and the row's number in it."""
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
        """Write what its server is to know; an index that is only read."""
        path.write_text(f"path: {self.folder}\nwritable: false\nembeddings: {{}}\n", encoding="utf-8")
        return path

    def question(self, text: str, k: int) -> str:
        """The path that its server is asked for, for the list of a text."""
        return f"/search?query={quote(text[:READ])}&limit={k * self.rows_per_article}"

    def _search(self, text: str, k: int) -> list[str]:
        return [row.rpartition("#")[0] for row, _ in self._index.search(text[:READ], k * self.rows_per_article)]

    def _embeddings(self, batch_size: int) -> Any:
        from txtai import Embeddings

        return Embeddings({"path": str(_model()), "maxlength": True, "encodebatch": batch_size})


class Chunked(Txtai):
    """The same with a row for each passage that Readmore would cut an article into, the title in front: all of the text is embedded."""

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
    """The model's tokenizer alone."""

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
