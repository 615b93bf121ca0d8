"""The face of the library: open an index, ask what to read next."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from recommender.catalogue import Candidates, Catalogue, Layout
from recommender.embedding import BUNDLED_MODEL, Embedder, SentenceTransformerEmbedder, bundled_embedder, embed_articles, similarity
from recommender.errors import IndexDamaged, ModelError, OutOfRange
from recommender.manifest import CANARIES, CATALOGUE, VECTORS, ModelCard, Release, holding, open_release
from recommender.ranking import DECIMALS, rank
from recommender.types import Article, PassagePair, Related, RelatedList
from recommender.vector_index import FlatIndex, VectorIndex

CANARY_COSINE = 0.99
"""A canary's vector and the recorded one are at least so close; processors differ in the sixth decimal."""


class Recommender:
    """Related articles from one release of an index; safe to share between threads.

    Lists by id are read as the build stored them: neither the model nor FAISS is loaded. The first text that the index
    has never seen loads both.

    >>> recommender = Recommender.open("var/index")                            # doctest: +SKIP
    >>> [item.title for item in recommender.related("2018-09-11-summit")]      # doctest: +SKIP
    """

    def __init__(self, release: Release, embedder: Embedder | None = None) -> None:
        self.release = release
        self._given_embedder = embedder
        self._held = ExitStack()
        try:
            self._held.enter_context(holding(release.folder))
        except OSError as error:
            raise IndexDamaged(f"{release.folder} was removed while it was opened - open the index again") from error
        self.catalogue = Catalogue(release.folder / CATALOGUE)
        manifest = release.manifest
        if self.catalogue.counts() != (manifest.n_articles, manifest.n_chunks, manifest.n_articles):
            self.close()
            raise IndexDamaged(f"{release.folder}: the catalogue's counts are not the manifest's - build the index again")

    @classmethod
    def open(cls, index_dir: str | Path, embedder: Embedder | None = None) -> Self:
        """Open the index that `scripts/build_index.py` wrote, after checking every byte of it.

        Args:
            index_dir: The folder given to the build as `--out`.
            embedder: The model the index was built with, where it is not the bundled one.

        Raises:
            IndexNotFound: There is no index in the folder.
            IndexUnusable: None of its releases is sound.
        """
        return cls(open_release(Path(index_dir)), embedder)

    def close(self) -> None:
        """Let the release go: a build may remove it from now on."""
        self.catalogue.close()
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def related(self, article_id: str, limit: int = 5) -> RelatedList:
        """The related list of an article of the index.

        Args:
            limit: Length of the list, 1 to the number of candidates that the build stored (`manifest.n_candidates`).

        Raises:
            ArticleNotFound: No article has this id.
            OutOfRange: `limit` is out of range.
        """
        return self.related_to_row(self.catalogue.row(article_id), limit)

    def related_to_row(self, row: int, limit: int = 5) -> RelatedList:
        """`related`, for an article whose row is known."""
        self._check_limit(limit)
        candidates = self.catalogue.candidates(row)
        return self._list(self.catalogue.card(row).id, candidates, self.catalogue.passage, limit)

    def related_to(self, article: Article, limit: int = 5) -> RelatedList:
        """The related list of a text that is not in the index: a draft, a page of another site.

        Its own stored version, if the index has an article of the same id, is left out.

        Raises:
            InvalidArticle: There is neither a word of text nor a title.
            ModelError: The model is not installed, or is not the one the index was built with.
            OutOfRange: `limit` is out of range.
        """
        self._check_limit(limit)
        chunks, vectors = embed_articles([article], self.embedder)[0]
        own_row = self.catalogue.find_row(article.id)
        depth = self.release.manifest.n_candidates
        candidates = rank([vectors], self._vectors, self._layout, depth, [own_row])[0]
        return self._list(article.id or None, candidates, lambda position: chunks[position].text, limit)

    def similarity(self, a: str, b: str) -> float:
        """Semantic similarity of two texts, with the index's model; see `recommender.similarity`."""
        return similarity(a, b, self.embedder)

    @cached_property
    def embedder(self) -> Embedder:
        """The index's model, loaded and checked on first use.

        Raises:
            ModelError: It is not installed, or is not the one the index was built with.
        """
        card = self.release.manifest.model
        embedder = self._given_embedder
        if embedder is None:
            # Answering never goes to the network: a model that is not on this machine is an error.
            embedder = bundled_embedder() if card.name == BUNDLED_MODEL else SentenceTransformerEmbedder(card.name, download=False)
        check_model(embedder, card, self.release.folder)
        return embedder

    @cached_property
    def _vectors(self) -> VectorIndex:
        index = FlatIndex.open(self.release.folder / VECTORS)
        manifest = self.release.manifest
        if (len(index), index.dim) != (manifest.n_chunks, manifest.model.dim):
            raise IndexDamaged(f"{self.release.folder / VECTORS} holds {len(index)} vectors, the manifest says {manifest.n_chunks}")
        return index

    @cached_property
    def _layout(self) -> Layout:
        return self.catalogue.layout()

    def _check_limit(self, limit: int) -> None:
        most = self.release.manifest.n_candidates
        if not 1 <= limit <= most:
            raise OutOfRange(f"limit is {limit}, it must be 1 to {most}")

    def _list(self, article_id: str | None, candidates: Candidates, query_passage: Callable[[int], str], limit: int) -> RelatedList:
        """The first `limit` candidates that may be shown, with all that a page needs of them."""
        items: list[Related] = []
        for candidate in candidates:
            card = self.catalogue.card(int(candidate["article"]))
            if card.under_embargo:
                continue
            passages = PassagePair(query_passage(int(candidate["query_chunk"])), self.catalogue.passage(int(candidate["target_chunk"])))
            score = round(float(candidate["score"]), DECIMALS)
            items.append(Related(card.id, len(items) + 1, score, card.title, card.url, card.published, card.section, passages))
            if len(items) == limit:
                break
        return RelatedList(article_id, self.release.name, self.release.manifest.model.label, tuple(items))


def check_model(embedder: Embedder, card: ModelCard, folder: Path) -> None:
    """Refuse a model other than the one a release was built with: it would answer, and wrongly.

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
