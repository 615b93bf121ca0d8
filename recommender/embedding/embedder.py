"""Embed texts as unit vectors: the `Embedder` protocol, and functions that work with any embedder.

torch and transformers are imported when a model is loaded, not before. A process that only answers by id never loads
them.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from recommender.errors import InvalidArticle, ModelError
from recommender.interruption import checkpoint
from recommender.release.manifest import CANARIES, ModelCard
from recommender.text.chunking import Tokenizer, chunk_article, embedding_text, spread
from recommender.text.cleaning import has_words
from recommender.types import Article, Chunk, Vectors

CANARY_COSINE = 0.99
"""Least cosine between a canary's vector and the recorded one. Processors differ in the sixth decimal."""

SLICE = max(2, len(os.sched_getaffinity(0)))
"""Texts embedded between two checkpoints. At a checkpoint other threads run, and the caller may interrupt the work."""


class Embedder(Tokenizer, Protocol):
    """Interface of an embedding model. Implement these five members to bring your own.

    Attributes:
        name: Model name, for people.
        sha256: Fingerprint of the weights, in hex. An index accepts only the model it was built with.
        dim: Length of a vector.
        max_tokens: Tokens of text the model reads, special tokens not counted.
    """

    @property
    def name(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed texts, each within `max_tokens`.

        Returns:
            float32 (len(texts), dim), unit norm.
        """
        ...


def embed_articles(articles: Sequence[Article], embedder: Embedder, most: int | None = None) -> list[tuple[list[Chunk], Vectors]]:
    """Chunk and embed articles, slice by slice. See `recommender.interruption`.

    Args:
        most: Number of chunks of each article to embed, spread over its text. None embeds all.

    Returns:
        The chunks of each article and their vectors: float32 (n_chunks, dim), unit norm.

    Raises:
        InvalidArticle: An article has neither a word of text nor a title.
        Interrupted: The caller no longer needs the vectors.
    """
    chunks = []
    for article in articles:
        checkpoint()
        of = chunk_article(article, embedder)
        chunks.append(of if most is None else spread(of, most))
    if not all(has_words(f"{article.title} {article.text}") and of for article, of in zip(articles, chunks, strict=True)):
        raise InvalidArticle("empty_text", "a text has no words - send at least a sentence")
    texts = [embedding_text(article.title, chunk.text, embedder) for article, of in zip(articles, chunks, strict=True) for chunk in of]
    ends = np.cumsum([len(of) for of in chunks])
    return list(zip(chunks, np.split(embed_in_slices(texts, embedder), ends[:-1]), strict=True))


def embed_in_slices(texts: Sequence[str], embedder: Embedder) -> Vectors:
    """Embed texts in slices, so that other threads can run in between.

    Raises:
        Interrupted: The caller no longer needs the vectors.
    """
    vectors = np.empty((len(texts), embedder.dim), dtype=np.float32)
    for first in range(0, len(texts), SLICE):
        checkpoint()
        vectors[first : first + SLICE] = embedder.embed(texts[first : first + SLICE])
    return vectors


def check_model(embedder: Embedder, card: ModelCard, folder: Path) -> None:
    """Refuse a model other than the one a release was built with. Such a model would give wrong answers.

    Raises:
        ModelError: The weights differ, or the canary texts get other vectors.
    """
    if embedder.sha256 != card.sha256:
        raise ModelError(
            f"{folder} was built with {card.name} ({card.sha256}), the model at hand is {embedder.name} ({embedder.sha256})"
            " - give the index's model, or build again with this one"
        )
    cosines = np.einsum("ij,ij->i", embedder.embed(CANARIES), np.array(card.canaries, dtype=np.float32))
    if not cosines.min() >= CANARY_COSINE:
        raise ModelError(
            f"{embedder.name} gives other vectors than when {folder} was built (canary cosine {cosines.min():.3f})"
            " - was its tokenizer or its library changed? Build again with the model at hand"
        )
