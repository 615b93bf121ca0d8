"""Read an open release with its live overlay: find the row of an id or URL, read cards and articles, find titles."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from recommender.embedding.embedder import Embedder
from recommender.errors import ArticleNotFound, ArticleWithdrawn, IndexDamaged
from recommender.live.database import LiveArticles
from recommender.live.overlay import LiveOverlay
from recommender.release.catalogue import Catalogue
from recommender.release.manifest import CATALOGUE, Release, holding
from recommender.retrieval.text_queries import TextSearcher
from recommender.text.cleaning import clean_line
from recommender.text.urls import url_key
from recommender.types import LIVE, Article, Card
from recommender.vectors.milvus_client import MilvusAddress

TAKEN_BACK = "take it out of the page; to bring it back, put it again"


class IndexReader:
    """A release that no build removes until it is closed. Safe to share between threads.

    Args:
        embedder: The model the index was built with, if it is not the bundled one.
        vectors: Address of the vectors, if they are in Milvus.

    Raises:
        IndexDamaged: The catalogue does not match the manifest, or the release was just removed.
    """

    def __init__(self, release: Release, embedder: Embedder | None, vectors: MilvusAddress | None = None) -> None:
        self.release = release
        self._held = ExitStack()
        try:
            self._held.enter_context(holding(release.folder))
        except OSError as error:
            raise IndexDamaged(f"{release.folder} was removed while it was opened - open the index again") from error
        self.catalogue = Catalogue(release.folder / CATALOGUE)
        self.live = LiveArticles(release.folder.parents[1], release, self.catalogue)
        self.texts = TextSearcher(release, self.catalogue, self.live, embedder, vectors)
        try:
            self.catalogue.check_counts(release.manifest.n_articles, release.manifest.n_chunks)
        except IndexDamaged:
            self.close()
            raise

    def close(self) -> None:
        """Release the files, so that a build may remove the release."""
        self.texts.close()
        self.live.close()
        self.catalogue.close()
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def row(self, article_id: str) -> int:
        """Return the row of an article of the release, or of one upserted since.

        Raises:
            ArticleNotFound: No article has this id. `ArticleWithdrawn` if one had it.
        """
        with self.live.reading() as view:
            return self._row(article_id, view)

    def row_of_url(self, url: str) -> int:
        """Return the row of the article published under a URL, in any spelling. Of several, the first by id.

        Raises:
            ArticleNotFound: No article has this URL. `ArticleWithdrawn` if one had it.
        """
        with self.live.reading() as view:
            live = view.urls.get(url_key(clean_line(url)), ()) if view else ()
            row = live[-1] if live else None
            if row is None:
                row = self.catalogue.find_row_of_url(url)
                if row is None:
                    raise self.not_found(url)
                row = view.replaced.get(row, row) if view else row
            if row is None:
                raise ArticleWithdrawn(f"the article of {url[:100]!r} was withdrawn - {TAKEN_BACK}")
            return row

    def card_of(self, article_id: str) -> Card:
        """Return the card of an article of the release, or of one upserted since.

        Raises:
            ArticleNotFound: No article has this id. `ArticleWithdrawn` if one had it.
        """
        with self.live.reading() as view:
            return self._card_of(article_id, view)

    def card(self, row: int) -> Card:
        """Return the card of an article whose row is known."""
        with self.live.reading() as view:
            return self._card(row, view)

    def _card(self, row: int, view: LiveOverlay) -> Card:
        if row < LIVE:
            return self.catalogue.card(row)
        if row not in view.articles:  # it was withdrawn or upserted again a moment ago
            raise ArticleWithdrawn(f"this article was withdrawn - {TAKEN_BACK}")
        return view.articles[row].card

    def article(self, article_id: str) -> Article:
        """Return the stored article, even under embargo.

        Raises:
            ArticleNotFound: No article has this id. `ArticleWithdrawn` if one had it.
        """
        with self.live.reading() as view:
            row = self._row(article_id, view)
            return self.texts.article(row)

    def find(self, words: str, limit: int) -> list[Card]:
        """Find published articles with `words` in the title.

        Articles upserted since the build come first, then the hits of `Catalogue.find`.
        """
        with self.live.reading() as view:
            put = [of for of in view.articles.values() if words.lower() in of.card.title.lower() and not of.card.under_embargo]
            newest_first = sorted(put, key=lambda of: -of.sequence)
            return [*(of.card for of in newest_first), *self.catalogue.find(words, limit, view.replaced)][:limit]

    def not_found(self, asked: str) -> ArticleNotFound:
        """Return the error for an id or a URL that names no article."""
        return ArticleNotFound(f"no article {asked[:100]!r} in index {self.release.name} - check it, or build the index again")

    def _row(self, article_id: str, view: LiveOverlay) -> int:
        return self._card_of(article_id, view).row

    def _card_of(self, article_id: str, view: LiveOverlay) -> Card:
        row = view.rows.get(clean_line(article_id)) if view else None
        if row is not None:
            return self._card(row, view)
        card = self.catalogue.find_card(article_id)
        if (card is None or card.row in view.replaced) and clean_line(article_id) in view.withdrawn:
            raise ArticleWithdrawn(f"article {article_id[:100]!r} was withdrawn - {TAKEN_BACK}")
        if card is None:
            raise self.not_found(article_id)
        return card
