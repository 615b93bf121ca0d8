"""Recommend what a reader of an article should read next.

>>> from recommender import Recommender                              # doctest: +SKIP
>>> Recommender.open("var/index").related("article-id", limit=5)     # doctest: +SKIP

Importing this package loads neither torch nor transformers. The first text to embed loads them.
"""

from recommender.embedding.embedder import Embedder
from recommender.embedding.sentence_transformer import SentenceTransformerEmbedder
from recommender.embedding.similarity import similarity
from recommender.errors import ReadmoreError
from recommender.recommender import Recommender
from recommender.types import Article, Chunk, PassagePair, Related, RelatedList

__all__ = [
    "Article",
    "Chunk",
    "Embedder",
    "PassagePair",
    "ReadmoreError",
    "Recommender",
    "Related",
    "RelatedList",
    "SentenceTransformerEmbedder",
    "similarity",
]
