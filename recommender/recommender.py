"""The face of the library: open an index, ask what to read next."""

import hashlib
import logging
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recommender import selection
from recommender.candidate import Candidates, seconds
from recommender.catalogue import Card, Catalogue
from recommender.cleaning import clean_line
from recommender.embedding import (
    Embedder,
    embed_articles,
    similarity,
)
from recommender.errors import ArticleNotFound, ArticleWithdrawn, IndexDamaged, OutOfRange
from recommender.lexical import words_of_key
from recommender.live import LIVE, LiveArticles, View, laid_over
from recommender.manifest import CATALOGUE, MEANS, Release, holding, open_release
from recommender.ranker import Ranker
from recommender.retrieval import Archive
from recommender.selection import Selection
from recommender.texts import Texts
from recommender.types import Article, Duplicate, PassagePair, Related, RelatedList, Vectors
from recommender.urls import url_key
from recommender.vector_index import Rows

log = logging.getLogger(__name__)

TAKEN_BACK = "take it out of the page; to bring it back, put it again"

EVERYTHING = Selection()
"""No filter, no diversity, no least score; age does not count."""


class Recommender:
    """Related articles from one release of an index; safe to share between threads.

    Lists by id are read as the build stored them: neither the model nor FAISS is loaded. The first text that the index
    has never seen loads both.

    >>> recommender = Recommender.open("var/index")                            # doctest: +SKIP
    >>> [item.title for item in recommender.related("2018-09-11-summit")]      # doctest: +SKIP
    """

    def __init__(self, release: Release, embedder: Embedder | None = None) -> None:
        self.release = release
        self._held = ExitStack()
        try:
            self._held.enter_context(holding(release.folder))
        except OSError as error:
            raise IndexDamaged(f"{release.folder} was removed while it was opened - open the index again") from error
        index_dir = release.folder.parents[1]
        self.catalogue = Catalogue(release.folder / CATALOGUE)
        self.live = LiveArticles(index_dir, release, self.catalogue)
        self.texts = Texts(release, self.catalogue, self.live, embedder)
        manifest = release.manifest
        if self.catalogue.counts() != (manifest.n_articles, manifest.n_chunks, manifest.n_articles):
            self.close()
            raise IndexDamaged(f"{release.folder}: the catalogue's counts are not the manifest's - build the index again")
        self.degraded = release.degraded
        try:
            self.ranker = Ranker.of_index(index_dir)
        except IndexDamaged as fault:
            log.warning("%s; the weights of the build rank instead", fault)
            self.ranker = Ranker.from_fields(manifest.ranker, release.folder)
            self.degraded = self.degraded or str(fault)

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
        self.live.close()
        self.catalogue.close()
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def row(self, article_id: str) -> int:
        """Row of an article, of the release or put since.

        Raises:
            ArticleNotFound: No article has this id; `ArticleWithdrawn` if one had.
        """
        with self.live.reading() as view:
            return self._row(article_id, view)

    def row_of_url(self, url: str) -> int:
        """Row of the article published under a URL, however it is spelled; of several the first by id.

        Raises:
            ArticleNotFound: No article has this URL; `ArticleWithdrawn` if one had.
        """
        with self.live.reading() as view:
            row = view.urls.get(url_key(clean_line(url))) if view else None
            if row is None:
                row = self.catalogue.find_row_of_url(url)
                if row is None:
                    raise ArticleNotFound(f"no article with url {url[:100]!r} in index {self.release.name} - check it, or ask by id")
                row = view.replaced.get(row, row) if view else row
            if row is None:
                raise ArticleWithdrawn(f"the article of {url[:100]!r} was withdrawn - {TAKEN_BACK}")
            return row

    def related(self, article_id: str, limit: int = 5, selection: Selection = EVERYTHING) -> RelatedList:
        """The related list of an article of the index, or put since it was built.

        Args:
            limit: Length of the list, 1 to the number of candidates that the build stored (`manifest.n_candidates`).
            selection: Filters, time, diversity, and the least score of a line.

        Raises:
            ArticleNotFound: No article has this id; `ArticleWithdrawn` if one had.
            OutOfRange: `limit` is out of range.
        """
        with self.live.reading() as view:
            return self._related(self._row(article_id, view), limit, selection, view)

    def related_to_row(self, row: int, limit: int = 5, selection: Selection = EVERYTHING) -> RelatedList:
        """`related`, for an article whose row is known."""
        with self.live.reading() as view:
            return self._related(row, limit, selection, view)

    def _row(self, article_id: str, view: View) -> int:
        row = view.rows.get(clean_line(article_id)) if view else None
        if row is None:
            row = self.catalogue.find_row(article_id)
            if (row is None or row in view.replaced) and clean_line(article_id) in view.withdrawn:
                raise ArticleWithdrawn(f"article {article_id[:100]!r} was withdrawn - {TAKEN_BACK}")
            if row is None:
                raise ArticleNotFound(f"no article {article_id[:100]!r} in index {self.release.name} - check it, or build the index again")
        return row

    def _related(self, row: int, limit: int, wanted: Selection, view: View) -> RelatedList:
        self._check_limit(limit)
        if row < LIVE:
            card, text, found = self.catalogue.stored_list(row)
        else:
            card = view.articles[row].card
            text, found = self.live.stored_list(row)
        if view:
            found = laid_over(found, self.live.places(row), view, self.catalogue)
        chosen = self._select(found, seconds(card.published), wanted, limit, view)
        spans = found["query_passage"][chosen.places].tolist()
        return self._list(card.id, found, chosen, [text[start:stop] for start, stop in spans], wanted, view)

    def related_to(self, article: Article, limit: int = 5, selection: Selection = EVERYTHING) -> RelatedList:
        """The related list of a text that is not in the index: a draft, a page of another site.

        Its own stored version, if the index has an article of the same id, is left out.

        Raises:
            InvalidArticle: There is neither a word of text nor a title.
            ModelError: The model is not installed, or is not the one the index was built with.
            OutOfRange: `limit` is out of range.
        """
        self._check_limit(limit)
        chunks, vectors = embed_articles([article], self.embedder)[0]
        with self.live.reading() as view:
            stored = self.catalogue.find_row(article.id) if article.id else None
            own_row = view.rows.get(clean_line(article.id)) if article.id and view else None
            terms = self.texts.terms(article)
            query = self.texts.query(article, vectors, stored, terms, draft=stored is None and own_row is None)
            found, compared = self.texts.candidates(query, self.texts.neighbours(query, view), view, own_row)
            chosen = self._select(found, query.published, selection, limit, view)
            shown = found[chosen.places]
            self.texts.explain(article, chunks, terms, shown, compared.of(chosen.places), view)
            found[chosen.places] = shown
            passages = [article.text[start:stop] for start, stop in shown["query_passage"].tolist()]
            return self._list(article.id or None, found, chosen, passages, selection, view)

    def similarity(self, a: str, b: str) -> float:
        """Semantic similarity of two texts, with the index's model; see `recommender.similarity`."""
        return similarity(a, b, self.embedder)

    @property
    def embedder(self) -> Embedder:
        """The index's model, loaded and checked on first use.

        Raises:
            ModelError: It is not installed, or is not the one the index was built with.
        """
        return self.texts.embedder

    @property
    def archive(self) -> Archive:
        """All that candidates of the release are found in, loaded on first use; lists by id do without."""
        return self.texts.archive

    @cached_property
    def version(self) -> str:
        """What all answers depend on: the release and the weights in force."""
        return f"{self.release.name} {hashlib.sha256(self.ranker.to_json().encode()).hexdigest()}"

    @cached_property
    def last_embargo(self) -> datetime:
        """When the last article of the index is or was published; until then lists change by themselves."""
        return self.catalogue.last_published() or datetime.min.replace(tzinfo=UTC)

    @property
    def loaded_embedder(self) -> Embedder | None:
        """The model, if a text has had it loaded; for another release, that need not load it again."""
        loaded: Embedder | None = self.texts.__dict__.get("embedder")
        return loaded

    @cached_property
    def _means(self) -> NDArray[np.float16]:
        means: NDArray[np.float16] = np.load(self.release.folder / MEANS, mmap_mode="r", allow_pickle=False)
        return means

    def _select(self, found: Candidates, published: int, wanted: Selection, limit: int, view: View) -> selection.Selected:
        among = None
        if wanted.sections or wanted.langs or wanted.exclude:
            rows = self.catalogue.rows_among(found["article"].tolist(), wanted.sections, wanted.langs, wanted.exclude)
            if view:
                rows |= view.rows_among(wanted.sections, wanted.langs, wanted.exclude)
            among = np.isin(found["article"], list(rows))
        return selection.select(found, published, self.ranker, wanted, limit, self._mean_vectors, among)

    def _mean_vectors(self, rows: Rows) -> Vectors:
        stored = rows < LIVE
        vectors = self._means[np.where(stored, rows, 0)].astype(np.float32)
        for place in np.flatnonzero(~stored):
            vectors[place] = self.live.mean(int(rows[place]), vectors.shape[1])
        return vectors

    def _check_limit(self, limit: int) -> None:
        most = self.release.manifest.n_candidates
        if not 1 <= limit <= most:
            raise OutOfRange(f"limit is {limit}, it must be 1 to {most}")

    def _list(
        self,
        article_id: str | None,
        found: Candidates,
        chosen: selection.Selected,
        query_passages: list[str],
        wanted: Selection,
        view: View,
    ) -> RelatedList:
        """The chosen candidates with all that a page needs of them."""
        lines = zip(found[chosen.places], chosen.scores.tolist(), query_passages, strict=True)
        items = tuple(
            self._line(rank, candidate, score, passage, wanted, view) for rank, (candidate, score, passage) in enumerate(lines, 1)
        )
        model = self.release.manifest.model.label
        return RelatedList(article_id, self.release.name, model, items, chosen.reason)

    def _line(self, rank: int, candidate: np.void, score: float, query_passage: str, wanted: Selection, view: View) -> Related:
        row, span = int(candidate["article"]), candidate["target_passage"].tolist()
        if row < LIVE:
            card, passage, copies = self.catalogue.line(row, *span)
        else:
            card, passage, copies = view.articles[row].card, self.live.passage(row, *span), []
        if view:
            copies = view.copies_of(row, copies)
        return Related(
            id=card.id,
            rank=rank,
            score=score,
            title=card.title,
            url=card.url,
            published=card.published,
            section=card.section,
            relation=selection.relation(candidate["features"]),
            passages=PassagePair(query_passage, passage or card.title),
            terms=tuple([self._term(key - 1) for key in candidate["terms"].tolist() if key]),
            also=tuple(_duplicate(other) for other in copies if selection.may_show(other.published, wanted)),
        )

    def _term(self, key: int) -> str:
        return " ".join(map(self.catalogue.word, words_of_key(key)))


def _duplicate(card: Card) -> Duplicate:
    return Duplicate(card.id, card.title, card.url, card.published)
