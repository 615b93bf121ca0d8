"""Open an index and recommend what to read next: the public interface of the library."""

import hashlib
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Self

from recommender.embedding.embedder import Embedder, embed_articles
from recommender.embedding.similarity import similarity
from recommender.errors import IndexDamaged, OutOfRange
from recommender.features.feature_schema import UNTOLD, seconds
from recommender.features.ranker import SHIPPED, Ranker
from recommender.index_reader import IndexReader
from recommender.interruption import checkpoint
from recommender.lists.items import ListBuilder, ListQuery
from recommender.lists.selection import Selection, narrowed
from recommender.live.overlay import LiveOverlay
from recommender.live.overrides_in_force import InForce
from recommender.overrides import Overrides, read_overrides
from recommender.release.manifest import MANIFEST, Release, open_release, verify
from recommender.retrieval.candidates import CandidateSource
from recommender.retrieval.seeds import combined
from recommender.storage.timeline import Timeline
from recommender.text.chunking import MOST_PASSAGES
from recommender.text.cleaning import clean_line
from recommender.types import DEFAULT_LIMIT, LIVE, Article, Card, RelatedList, Vectors, card_values
from recommender.vectors.milvus_client import VARIABLE, MilvusAddress

log = logging.getLogger(__name__)

NEVER = datetime.max.replace(tzinfo=UTC)

EVERYTHING = Selection()
"""No filter, no diversity, no minimum score. Age does not count."""


@dataclass(frozen=True, slots=True)
class Edition:
    """The state that answers depend on. Answers change only with its name, except lists that count ages.

    Attributes:
        name: Made of release, weights, overrides, the last change of live articles, and the last change by time.
        changes_at: The next moment at which lists change by time: an embargo, a pin or a block ends. `NEVER` if there
            is none.
    """

    name: str
    changes_at: datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment of an index: its edition, and the live articles then."""

    edition: Edition
    view: LiveOverlay


class Recommender(IndexReader):
    """Recommends related articles from one release of an index. Safe to share between threads.

    Lists by id are read as the build stored them: neither the model nor FAISS is loaded. The first text from outside
    the index loads both.

    >>> recommender = Recommender.open("var/index")                            # doctest: +SKIP
    >>> [item.title for item in recommender.related("2018-09-11-summit")]      # doctest: +SKIP
    """

    def __init__(
        self, release: Release, embedder: Embedder | None = None, overrides: Path | None = None, vectors: MilvusAddress | None = None
    ) -> None:
        self.file_overrides = Overrides() if overrides is None else read_overrides(overrides)
        self._overrides_in_file = bool(self.file_overrides)
        super().__init__(release, embedder, vectors)
        index_dir = release.folder.parents[1]
        self._edition: tuple[LiveOverlay | None, Edition] = (None, Edition("", NEVER))
        self.degraded = release.degraded
        try:
            self.ranker = Ranker.of_index(index_dir)
        except IndexDamaged as fault:
            log.warning("%s; the weights of the build rank instead", fault)
            self.ranker = Ranker.from_fields(release.manifest.ranker, release.folder)
            self.degraded = self.degraded or str(fault)

        self.damage: str | None = None
        if release.unread:
            threading.Thread(target=self._read_all, name="verify", daemon=True).start()

    def _read_all(self) -> None:
        """Check the files that were not checked when the release was opened."""
        try:
            verify(self.release.folder)
        except IndexDamaged as fault:
            if (self.release.folder / MANIFEST).exists():  # else it was closed and removed meanwhile
                self.damage = self.degraded = str(fault)
                log.error("%s", fault)

    @classmethod
    def open(
        cls, index_dir: str | Path, embedder: Embedder | None = None, overrides: str | Path | None = None, vectors: str | None = None
    ) -> Self:
        """Open the index that `readmore build` wrote, after checking every byte of it.

        A large index (`manifest.AT_ONCE`) opens at once, and a thread checks its hashes. `damage` then names any fault.

        Args:
            index_dir: The folder given to the build as `--out`.
            embedder: The model the index was built with, if it is not the bundled one.
            overrides: A file of pins and blocks. See `recommender.overrides`.
            vectors: Address of the vectors, if they are in Milvus: `milvus://host:19530/name`. None: READMORE_VECTORS.

        Raises:
            InputError: `vectors` is not a valid address.
            InvalidOverride: The file of overrides cannot be used.
            IndexNotFound: There is no index in the folder.
            IndexUnusable: None of its releases is sound.
        """
        index_dir, overrides = Path(index_dir), None if overrides is None else Path(overrides)
        vectors = vectors or os.environ.get(VARIABLE)
        address = MilvusAddress.parse(vectors) if vectors else None
        release = open_release(index_dir, quick=True)
        try:
            return cls(release, embedder, overrides, address)
        except IndexDamaged:
            if not release.unread:
                raise
            return cls(open_release(index_dir), embedder, overrides, address)

    @contextmanager
    def moment(self) -> Iterator[Moment]:
        """Yield a moment. All answers to this thread inside the context are of this moment."""
        with self.live.reading() as view:
            yield Moment(self._edition_at(view), view)

    def related(
        self, article_id: str, limit: int = DEFAULT_LIMIT, selection: Selection = EVERYTHING, *, explain: bool = False
    ) -> RelatedList:
        """Return the related list of an article of the index, or of one upserted since the build.

        Args:
            limit: Length of the list, 1 to the number of candidates that the build stored (`manifest.n_candidates`).
            selection: Filters, time, diversity, and the minimum score of an item.
            explain: Return what each feature of an item adds to its score.

        Raises:
            ArticleNotFound: No article has this id. `ArticleWithdrawn` if one had it.
            OutOfRange: `limit` is out of range.
        """
        with self.live.reading() as view:
            return self._list(self._stored(article_id, view, explain=explain), view, limit, selection, explain=explain)

    def related_at(self, moment: Moment, article_id: str, limit: int, selection: Selection, *, explain: bool = False) -> RelatedList:
        """Return `related` at a moment, for readers: an article under embargo counts as missing."""
        query = self._stored(article_id, moment.view, explain=explain)
        if query.card.under_embargo:
            raise self.not_found(article_id)
        return self._list(query, moment.view, limit, selection, explain=explain)

    def related_to_row(
        self, row: int, limit: int = DEFAULT_LIMIT, selection: Selection = EVERYTHING, *, explain: bool = False
    ) -> RelatedList:
        """Return `related` for an article whose row is known."""
        with self.live.reading() as view:
            return self._list(self._stored_row(row, view, explain=explain), view, limit, selection, explain=explain)

    def _stored(self, article_id: str, view: LiveOverlay, *, explain: bool = False) -> ListQuery:
        """Return an article and its candidates, with the overlay applied.

        Raises:
            ArticleNotFound: No article has this id. `ArticleWithdrawn` if one had it.
        """
        live_row = view.rows.get(clean_line(article_id)) if view.rows else None
        if live_row is not None:
            return self._stored_row(live_row, view, explain=explain)
        found = self.catalogue.find_card_and_text(article_id)
        if found is None or found[0].row in view.replaced:
            raise self._missing(article_id, view)
        return self._with_candidates(*found, view, explain)

    def _stored_row(self, row: int, view: LiveOverlay, *, explain: bool = False) -> ListQuery:
        """Return `_stored` for an article whose row is known."""
        if row < LIVE:
            return self._with_candidates(*self.catalogue.card_and_text(row), view, explain)
        card = self._card(row, view)
        text, found = self.live.stored_list(row)
        language = self.catalogue.facts().number_of(view.articles[row].lang)
        found = view.apply(found, self.live.places(row), self.catalogue)
        return ListQuery(card, text, seconds(card.published), found, language=language)

    def _with_candidates(self, card: Card, text: str, view: LiveOverlay, explain: bool) -> ListQuery:
        found = self.catalogue.candidates(card.row, briefly=self._weighs_briefly and not explain)
        if view.articles or view.replaced:
            found = view.apply(found, self.live.places(card.row), self.catalogue)
        facts = self.catalogue.facts()
        language = -1 if facts.language is None else int(facts.language[card.row])
        return ListQuery(card, text, int(facts.published[card.row]), found, language=language)

    def _list(self, query: ListQuery, view: LiveOverlay, limit: int, wanted: Selection, *, explain: bool) -> RelatedList:
        """Return the list of a stored article: select, explain what the build did not explain, render."""
        builder = self._builder(query, view, limit, wanted, explain=explain)
        choice = builder.choose(self._means(query, wanted))
        untold = choice.places[query.candidates["query_passage"][choice.places, 0] == UNTOLD]
        if len(untold):
            shown = query.candidates[untold]
            self.texts.explain_stored(query.card.title, query.text, shown)
            query.candidates[untold] = shown
        return RelatedList(query.card.id, *self._origin, *builder.items(choice))

    def related_to(
        self, article: Article, limit: int = DEFAULT_LIMIT, selection: Selection = EVERYTHING, *, explain: bool = False
    ) -> RelatedList:
        """Return the related list of a text outside the index: a draft, or a page of another site.

        Of a long text `MOST_PASSAGES` chunks are embedded, spread evenly. All its words count. If the index has an
        article of the same id, the list leaves that stored version out.

        Raises:
            InvalidArticle: The article has neither a word of text nor a title.
            ModelError: The model is not installed, or is not the one the index was built with.
            OutOfRange: `limit` is out of range.
            Interrupted: The caller no longer needs the list. See `recommender.interruption`.
        """
        self._check_limit(limit, selection)
        chunks, vectors = embed_articles([article], self.embedder, MOST_PASSAGES)[0]
        checkpoint()
        with self.live.reading() as view:
            stored = self.catalogue.find_row(article.id) if article.id else None
            own_row = view.rows.get(clean_line(article.id)) if article.id and view else None
            terms = self.texts.terms(article)
            draft, part = stored is None and own_row is None, chunks[-1].position >= len(chunks)
            query = self.texts.query(article, vectors, stored, terms, draft=draft, part=part)
            wanted = narrowed(selection, query.published, self.archive.facts)
            near = self.texts.neighbours(query, view)
            if query.language < 0:
                query = replace(query, language=near.language(self.archive.facts))
            found, compared = self.texts.candidates(query, near, view, own_row, wanted)

            itself = Card(-1, article.id, *card_values(article))
            of_text = ListQuery(itself, article.text, query.published, found, language=query.language)
            builder = self._builder(of_text, view, limit, selection, explain=explain)
            choice = builder.choose(self._means(of_text, selection))
            shown = found[choice.places]
            self.texts.explain(article, chunks, terms, shown, compared.of(choice.places), view)
            found[choice.places] = shown
            return RelatedList(article.id or None, *self._origin, *builder.items(choice))

    def related_to_seeds(
        self, positive: Sequence[str], negative: Sequence[str] = (), limit: int = DEFAULT_LIMIT, selection: Selection = EVERYTHING
    ) -> RelatedList:
        """Return articles close to some seed articles and not to others. See `recommender.retrieval.seeds`.

        Raises:
            ArticleNotFound: One of the ids names no article.
            OutOfRange: `limit` is out of range.
        """
        self._check_limit(limit, selection)
        with self.live.reading() as view:
            seeds = {article_id: self._stored(article_id, view) for article_id in (*positive, *negative)}
            of_positive, of_negative = ([seeds[article_id].candidates for article_id in ids] for ids in (positive, negative))
            found, confidence = combined(of_positive, of_negative, [seed.card.row for seed in seeds.values()], self.ranker)
            dates = [seeds[article_id].card.published for article_id in positive]
            newest = max((date for date in dates if date is not None), default=None)
            query = ListQuery(Card(-1, "", "", None, newest, None), "", seconds(newest), found, confidence)
            builder = self._builder(query, view, limit, selection)
            return RelatedList(None, *self._origin, *builder.items(builder.choose(self._means(query, selection))))

    def similarity(self, a: str, b: str) -> float:
        """Return the semantic similarity of two texts, with the index's model. See `recommender.similarity`."""
        return similarity(a, b, self.embedder)

    @property
    def embedder(self) -> Embedder:
        """Return the index's model, loaded and checked on first use.

        Raises:
            ModelError: The model is not installed, or is not the one the index was built with.
        """
        return self.texts.embedder

    @property
    def archive(self) -> CandidateSource:
        """Return the search structures of the release, loaded on first use. Lists by id do not need them."""
        return self.texts.archive

    def edition(self) -> Edition:
        """Return the current edition, on which all answers depend."""
        with self.live.reading() as view:
            return self._edition_at(view)

    def _edition_at(self, view: LiveOverlay) -> Edition:
        known, edition = self._edition
        if view is not known or (edition.changes_at is not NEVER and edition.changes_at <= datetime.now(UTC)):
            edition = self._edition_of(view, datetime.now(UTC))
            self._edition = view, edition
        return edition

    def _edition_of(self, view: LiveOverlay, now: datetime) -> Edition:
        timelines = (self._file_ends, view.moments, view.dates, self._dates)
        changed_at = max((moment for line in timelines if (moment := line.last(now))), default=None)
        changes_at = min((moment for line in timelines if (moment := line.next(now))), default=NEVER)
        return Edition(f"{self._fixed} {view.name} {changed_at}", changes_at)

    @cached_property
    def _weighs_briefly(self) -> bool:
        """Return whether only the features that the shipped weights use count."""
        return self.ranker.weights.keys() <= SHIPPED.weights.keys()

    @cached_property
    def _fixed(self) -> str:
        said = repr(self.file_overrides)
        return f"{self.release.name} {hashlib.sha256((self.ranker.to_json() + said).encode()).hexdigest()}"

    @cached_property
    def _dates(self) -> Timeline:
        """Return the publication times around now: the last one before now, and all later ones."""
        return Timeline().changed((), [(moment, None) for moment in set(self.catalogue.dates_from(datetime.now(UTC)))])

    @cached_property
    def _file_ends(self) -> Timeline:
        return Timeline().changed((), [(end, None) for end in set(self.file_overrides.ends)])

    @cached_property
    def _file_rows(self) -> dict[int, datetime | None]:
        """Return the rows of the articles that the file hides everywhere, and when that ends."""
        found = ((self.catalogue.find_row(article_id), end) for article_id, end in self.file_overrides.everywhere.items())
        return {row: end for row, end in found if row is not None}

    @property
    def loaded_embedder(self) -> Embedder | None:
        """Return the model if a text has loaded it. Another release can then use it without loading it again."""
        loaded: Embedder | None = self.texts.__dict__.get("embedder")
        return loaded

    @cached_property
    def _origin(self) -> tuple[str, str]:
        """Return the names of release and model, which every list gives."""
        return self.release.name, self.release.manifest.model.label

    def _means(self, query: ListQuery, wanted: Selection) -> Vectors | None:
        """Return the mean vectors of the candidates, if the list is to be diverse: float32 (n_candidates, dim)."""
        rows = query.candidates["article"]
        return self.texts.mean_vectors(rows) if wanted.diversity and len(rows) else None

    def _builder(self, query: ListQuery, view: LiveOverlay, limit: int, wanted: Selection, *, explain: bool = False) -> ListBuilder:
        self._check_limit(limit, wanted)
        overrides = None
        if view.overridden or view.hidden or self._overrides_in_file:
            overrides = InForce(self.file_overrides, self._file_rows, self.live, view, datetime.now(UTC))
        return ListBuilder(
            self.catalogue, self.live, view, overrides, self.ranker, query, wanted, limit, explain, self.release.manifest.floor
        )

    def _check_limit(self, limit: int, wanted: Selection) -> None:
        most = self.release.manifest.n_candidates
        if not 1 <= limit <= most:
            raise OutOfRange(f"limit is {limit}, it must be 1 to {most}")
        if wanted.offset < 0 or wanted.offset + limit > most:
            raise OutOfRange(f"offset is {wanted.offset}, it must be 0 to {most - limit} with a limit of {limit}")
