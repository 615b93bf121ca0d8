"""Embed texts fast, for tests that need many: every word has a fixed random direction, and a text is their sum."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from recommender.text.chunking import TokenSpans
from recommender.types import Vectors


class HashEmbedder:
    """Embedder that places texts with shared words close together.

    It reads 24 tokens, so that short texts have several chunks.
    """

    name = "hash"
    sha256 = "f" * 64
    dim = 32
    max_tokens = 24

    def __init__(self) -> None:
        self.n_embedded = 0

    def token_spans(self, text: str) -> TokenSpans:
        return np.array([match.span() for match in re.finditer(r"\w{1,8}|[^\w\s]", text)], dtype=np.int64).reshape(-1, 2)

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.n_embedded += len(texts)
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            words = [text[start:end].lower() for start, end in self.token_spans(text)[: self.max_tokens]]
            vectors[row] = np.sum([_direction(word, self.dim) for word in words], axis=0)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


def _direction(word: str, dim: int) -> Vectors:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).standard_normal(dim).astype(np.float32)
