"""Search candidates for a text, with the model and the vectors, terms and facts of all articles.

All of these load with the first text. Lists by id do not need them.
"""

import threading
import zlib
from collections import deque
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recommender.embedding.embedder import Embedder, check_model
from recommender.embedding.openvino import embedder_of
from recommender.errors import IndexDamaged, IndexUnusable, VectorsUnavailable
from recommender.features.article_features import Layout
from recommender.features.feature_schema import N_TERMS, Candidates, seconds
from recommender.features.filters import SearchFilter
from recommender.live.database import LiveArticles
from recommender.live.overlay import LiveOverlay
from recommender.release.catalogue import Catalogue
from recommender.release.manifest import MILVUS, Release
from recommender.retrieval import candidates as retrieval
from recommender.retrieval.candidates import CandidateSource, Neighbours, Query
from recommender.retrieval.explanations import Sentences, best_pairs, read_sentences
from recommender.retrieval.live_candidates import LiveArchive, LiveArchives, lexical_of
from recommender.storage.ragged import stretches
from recommender.terms.inverted_index import FOLDER, LexicalIndex, Terms, count_terms, pair_keys
from recommender.terms.pruned_index import open_terms
from recommender.text.chunking import MAX_TEXT
from recommender.text.words import words
from recommender.types import LIVE, Article, Chunk, Rows, Vectors
from recommender.vectors.exact import FlatIndex, VectorIndex, mean_vectors
from recommender.vectors.maxsim import Comparison
from recommender.vectors.milvus_client import Milvus, MilvusAddress
from recommender.vectors.milvus_index import MilvusIndex
from recommender.vectors.two_tier import TieredIndex, open_chunks, open_vectors

STRANGE = 1 << 31
"""Numbers from here on are of words outside the archive."""

LIVE_CHUNK = 1 << 40
"""Chunk rows from here on are of live articles."""


LOOK_S = 1.0

KNOWN = 4
"""Number of archives of live articles kept. One text may be read at one moment while an article is upserted."""


class TextSearcher:
    """Searches one release with its live articles. Safe to share between threads.

    Args:
        vectors: Address of the vectors, if they are in Milvus.
    """

    def __init__(
        self, release: Release, catalogue: Catalogue, live: LiveArticles, embedder: Embedder | None, vectors: MilvusAddress | None = None
    ) -> None:
        self.release = release
        self._vectors = vectors
        self._catalogue = catalogue
        self._live = live
        self._given_embedder = embedder
        self._lock = threading.Lock()
        self._least_scores: dict[int, float] = {}
        self._live_archives: LiveArchives | None = None
        self._known: deque[tuple[LiveOverlay, LiveArchive | None]] = deque([(LiveOverlay(), None)], maxlen=KNOWN)

    @cached_property
    def embedder(self) -> Embedder:
        """Return the index's model, loaded and checked on first use.

        Raises:
            ModelError: The model is not installed, or is not the one the index was built with.
        """
        card = self.release.manifest.model
        embedder = self._given_embedder or embedder_of(self.release.folder.parents[1], card)
        check_model(embedder, card, self.release.folder)
        return embedder

    @cached_property
    def archive(self) -> CandidateSource:
        """Return the search structures of the release."""
        folder, manifest, index = self.release.folder, self.release.manifest, self._index
        if (len(index), index.dim, index.kind) != (manifest.n_chunks, manifest.model.dim, manifest.vectors):
            raise IndexDamaged(
                f"{folder} holds {len(index)} vectors ({index.kind}), the manifest says {manifest.n_chunks} ({manifest.vectors})"
            )
        facts = self._catalogue.facts()
        return CandidateSource(index, self._layout, self.lexical, facts, self._catalogue.precedents(facts))

    @cached_property
    def lexical(self) -> LexicalIndex:
        """Return the inverted index of the release."""
        return open_terms(self.release.folder / FOLDER, self.release.manifest.n_articles)

    @cached_property
    def _layout(self) -> Layout:
        return self._catalogue.layout()

    @cached_property
    def _index(self) -> FlatIndex | TieredIndex | MilvusIndex:
        if not self.elsewhere:
            return open_vectors(self.release.folder)
        return MilvusIndex(self._milvus, self._milvus.address.collection(self.release.name))

    @cached_property
    def _chunks(self) -> VectorIndex:
        return self._index if self.elsewhere else open_chunks(self.release.folder)

    @property
    def elsewhere(self) -> bool:
        """Return whether the vectors are on a server, which may fail.

        Lists by id work without it, unless they ask for diversity.
        """
        return self.release.manifest.vectors == MILVUS

    @cached_property
    def _milvus(self) -> Milvus:
        return Milvus(self._address)

    @property
    def _address(self) -> MilvusAddress:
        if self._vectors is None:
            raise IndexUnusable(f"the vectors of release {self.release.name} are in Milvus - say where: READMORE_VECTORS=milvus://...")
        return self._vectors

    def fault(self) -> str | None:
        """Return why texts cannot be answered now, or None. A server is given one second to answer."""
        if not self.elsewhere:
            return None
        try:
            there = Milvus(self._address, LOOK_S, LOOK_S).ask("has_collection", self._address.collection(self.release.name))
        except (IndexUnusable, VectorsUnavailable) as error:
            return str(error)
        return None if there else f"Milvus has no vectors of release {self.release.name} - build again, or go back with readmore rollback"

    def close(self) -> None:
        """Close the connection to a server."""
        if "_milvus" in self.__dict__:
            self._milvus.close()

    def mean_vectors(self, rows: Rows) -> Vectors:
        """Return the mean chunk vectors of some articles, live ones included: float32 (len(rows), dim), unit norm.

        Diversity of lists by id needs them. So this method needs neither the model nor faiss.
        """
        vectors = np.empty((len(rows), self.release.manifest.model.dim), dtype=np.float32)
        stored = rows < LIVE
        places, begins = stretches(self._layout.offsets, rows[stored])
        vectors[stored] = mean_vectors(self._chunks.vectors(places), begins)
        for place in np.flatnonzero(~stored):
            vectors[place] = self._live.mean(int(rows[place]), vectors.shape[1])
        return vectors

    def live_archive(self, view: LiveOverlay) -> LiveArchive | None:
        """Return the live articles of a view whose lists are computed, or None. Call it inside the view's context."""
        with self._lock:
            for known, archive in reversed(self._known):
                if known is view:
                    return archive
            before, archive = self._known[-1]
            rows = self._live.changed_rows(before, view) if view.articles or before.articles else set()
            if rows is None or self._live_archives is None:
                rows, self._live_archives, archive = set(view.articles), LiveArchives(self._live, self.archive), None
            if rows:
                prepared = (row for row in rows if row in view.articles and view.articles[row].prepared)
                archive = self._live_archives.changed(rows, prepared)
            self._known.append((view, archive))
            return archive

    def stored_query(self, row: int) -> Query:
        """Return an article of the release as a query for its candidates."""
        chunk_rows = np.arange(*self.archive.layout.offsets[[row, row + 1]])
        article = self._catalogue.article(row)
        return self.query(article, self.archive.index.vectors(chunk_rows), row, self.terms(article))

    def query(self, article: Article, vectors: Vectors, row: int | None, terms: Terms, *, draft: bool = False, part: bool = False) -> Query:
        """Return a text as a query, in the same form as the archive's articles.

        Args:
            row: Row of the text in the release, if it is there.
            draft, part: See `Query`.
        """
        return Query(
            vectors=vectors,
            terms=terms,
            published=seconds(article.published),
            section=self.archive.facts.sections.get(article.section or "", -1),
            length=float(len(article.title) + len(article.text)),
            row=row,
            draft=draft,
            part=part,
            language=self.archive.facts.number_of(article.lang),
        )

    def terms(self, article: Article) -> Terms:
        """Return the terms of a text by the archive's numbers, where the archive knows its words."""
        return self.lexical.weigh(count_terms(*self._numbers(article)))

    def rarity_of_pairs(self, title: str) -> dict[tuple[str, str], float]:
        """Return the idf of all pairs of neighbouring words of a title."""
        of, numbers = words(title), self._numbers(Article("", title, ""))[0]
        keys = pair_keys(np.array(numbers, dtype=np.uint64))
        return dict(zip(pairwise(of), self.lexical.idf_of(keys).tolist(), strict=True))

    def _numbers(self, article: Article) -> tuple[list[int], list[int]]:
        title, text = words(article.title), words(article.text[:MAX_TEXT])
        numbers = self._catalogue.words.numbers([*title, *text])
        for word in {*title, *text} - numbers.keys():  # an unknown word has one number in all texts, to match among live articles
            numbers[word] = STRANGE + zlib.crc32(word.encode()) % (STRANGE - 2)
        return [numbers[word] for word in title], [numbers[word] for word in text]

    def neighbours(self, query: Query, view: LiveOverlay, limit: int = retrieval.N_CANDIDATES) -> Neighbours:
        """Return the nearest of the release, in meaning and in words, less withdrawn and replaced articles."""
        near = retrieval.neighbours([query], self.archive.index, self.archive.layout, self.lexical, limit)[0]
        return near.without(view.replaced) if view else near

    def candidates(
        self, query: Query, near: Neighbours, view: LiveOverlay, own_row: int | None = None, wanted: SearchFilter | None = None
    ) -> tuple[Candidates, Comparison]:
        """Return the best candidates of a text, of the release and live, best first, without passages and terms.

        Args:
            own_row: Row of the text, if it is a live article.
            wanted: Filter. Articles that pass it come before all others.
        """
        found, compared = retrieval.candidates(query, near, self.archive, wanted, view.replaced)
        live = self.live_archive(view) if view else None
        if live is not None:
            more, with_more = self.live_candidates(live, query, near, own_row, wanted=wanted)
            stand = np.flatnonzero([view.articles[row].canonical is None for row in more["article"].tolist()])
            found = np.concatenate([found, more[stand]])
            foreign = view.foreign(query.language, found["article"], self.archive.facts)
            found, compared = retrieval.best(found, compared.and_(with_more.of(stand)), wanted, foreign)
        return found, compared

    def live_candidates(
        self,
        live: LiveArchive,
        query: Query,
        near: Neighbours,
        own_row: int | None,
        limit: int = retrieval.N_CANDIDATES,
        wanted: SearchFilter | None = None,
    ) -> tuple[Candidates, Comparison]:
        """Return the nearest live articles as candidates of a text. See `LiveArchive.candidates`."""
        found, compared = live.candidates(query, near, own_row, limit, wanted)
        compared.target_chunk[:] += LIVE_CHUNK
        return found, compared

    def stored_row(self, article_id: str) -> int | None:
        """Return the row of the release's article with an id, or None."""
        return self._catalogue.find_row(article_id)

    def stored_candidates(self, row: int, *, briefly: bool = False) -> Candidates:
        """Return the candidates of any article as computed, without later changes. See `Catalogue.candidates`."""
        return self._live.stored_list(row)[1] if row >= LIVE else self._catalogue.candidates(row, briefly=briefly)

    def least_scores(self, rows: Sequence[int]) -> NDArray[np.float64]:
        """Return the minimum score of a candidate for each of some articles of the release: float64 (n_rows,)."""
        for row in rows:
            if row not in self._least_scores:
                self._least_scores[row] = retrieval.least_score(self._catalogue.candidates(row, briefly=True))
        return np.array([self._least_scores[row] for row in rows], dtype=np.float64)

    def article(self, row: int) -> Article:
        """Return any article without its hand-made list."""
        return self._live.article(row) if row >= LIVE else self._catalogue.article(row)

    def titles_and_texts(self, rows: Sequence[int]) -> list[tuple[str, str]]:
        """Return title and text of some articles."""
        stored = self._catalogue.titles_and_texts([row for row in rows if row < LIVE])
        return [stored[row] if row < LIVE else self._live.title_and_text(row) for row in rows]

    def explain(
        self, article: Article, chunks: Sequence[Chunk], terms: Terms, found: Candidates, compared: Comparison, view: LiveOverlay
    ) -> None:
        """Fill in the best-matching sentences and the shared terms of candidates."""
        if not len(found):
            return
        live = self.live_archive(view) if view else None
        rows = found["article"].astype(np.int64)
        stored = rows < LIVE
        found["terms"][stored] = self.lexical.shared_terms(terms, rows[stored], N_TERMS)
        if live is not None and not stored.all():
            found["terms"][~stored] = live.archive.lexical.shared_terms(terms, live.slots_of(rows[~stored]), N_TERMS)
        for chunk_place in np.unique(compared.query_chunk):
            chunk = chunks[chunk_place]
            own = self._sentences(chunk.text, chunk.start)
            places = np.flatnonzero(compared.query_chunk == chunk_place)
            theirs = [self._sentences_of(int(compared.target_chunk[place]), live) for place in places]
            for place, target, (mine, its) in zip(places, theirs, best_pairs(own, theirs), strict=True):
                found["query_passage"][place], found["target_passage"][place] = own.spans[mine], target.spans[its]

    def explain_stored(self, title: str, text: str, shown: Candidates) -> None:
        """Fill in passages and terms of shown candidates for which the build stored none.

        The build stores them only for the best candidates (`list_codec.EXPLAINED`), and not for later upserts.
        Sentences are compared with those of the whole text, not only of the closest chunks. So neither model nor
        vectors are loaded.
        """
        terms, rows = self.terms(Article("", title, text)), shown["article"].astype(np.int64)
        articles, stored = [self.article(row) for row in rows.tolist()], rows < LIVE
        shown["terms"][stored] = self.lexical.shared_terms(terms, rows[stored], N_TERMS)
        if not stored.all():
            live = [self.terms(articles[place]) for place in np.flatnonzero(~stored)]
            shown["terms"][~stored] = lexical_of(live, self.lexical).shared_terms(terms, np.arange(len(live)), N_TERMS)
        own = self._sentences(text[:MAX_TEXT], 0)
        theirs = [self._sentences(article.text[:MAX_TEXT], 0) for article in articles]
        for place, (target, (mine, its)) in enumerate(zip(theirs, best_pairs(own, theirs), strict=True)):
            shown["query_passage"][place], shown["target_passage"][place] = own.spans[mine], target.spans[its]

    def _sentences_of(self, chunk_row: int, live: LiveArchive | None) -> Sentences:
        if chunk_row >= LIVE_CHUNK and live is not None:
            row, start, stop = live.chunk(chunk_row - LIVE_CHUNK)
            text = self._live.passage(row, start, stop)
        else:
            start, text = self._catalogue.chunk(chunk_row)
        return self._sentences(text, start)

    def _sentences(self, text: str, start: int) -> Sentences:
        return read_sentences(text, start, self._catalogue.words.numbers, self.lexical.idf_of)
