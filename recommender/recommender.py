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

from recommender import retrieval, selection
from recommender.candidate import N_TERMS, UNDATED, Candidates
from recommender.catalogue import Card, Catalogue
from recommender.chunking import MAX_TEXT
from recommender.embedding import (
    BUNDLED_MODEL,
    Embedder,
    SentenceTransformerEmbedder,
    bundled_embedder,
    check_model,
    embed_articles,
    similarity,
)
from recommender.errors import IndexDamaged, InvalidArticle, OutOfRange
from recommender.lexical import FOLDER, LexicalIndex, Terms, count_terms, words, words_of_key
from recommender.manifest import CATALOGUE, HUBNESS, MEANS, VECTORS, Release, holding, open_release
from recommender.passages import best_pairs, read_sentences
from recommender.ranker import Ranker
from recommender.retrieval import Archive, Query
from recommender.selection import Selection
from recommender.types import Article, Duplicate, PassagePair, Related, RelatedList, Vectors
from recommender.vector_index import FlatIndex, Rows

log = logging.getLogger(__name__)

EVERYTHING = Selection()
"""No filter, no diversity, no least score; age does not count."""

STRANGE = 1 << 31
"""Numbers from here on are of words that are not in the archive."""


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
        index_dir = release.folder.parents[1]
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
        self.catalogue.close()
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def related(self, article_id: str, limit: int = 5, selection: Selection = EVERYTHING) -> RelatedList:
        """The related list of an article of the index.

        Args:
            limit: Length of the list, 1 to the number of candidates that the build stored (`manifest.n_candidates`).
            selection: Filters, time, diversity, and the least score of a line.

        Raises:
            ArticleNotFound: No article has this id.
            OutOfRange: `limit` is out of range.
        """
        return self.related_to_row(self.catalogue.row(article_id), limit, selection)

    def related_to_row(self, row: int, limit: int = 5, selection: Selection = EVERYTHING) -> RelatedList:
        """`related`, for an article whose row is known."""
        self._check_limit(limit)
        card = self.catalogue.card(row)
        found = self.catalogue.candidates(row)
        chosen = self._select(found, _seconds(card.published), selection, limit)
        passages = [self.catalogue.passage(row, *map(int, candidate["query_passage"])) for candidate in found[chosen.places]]
        return self._list(card.id, found, chosen, passages, selection)

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
        query = self._query(article, vectors)
        archive = self.archive
        near = retrieval.neighbours([query], archive.index, archive.layout, archive.lexical)[0]
        found, compared = retrieval.candidates(query, near, archive)
        chosen = self._select(found, query.published, selection, limit)
        found["terms"][chosen.places] = archive.lexical.shared_terms(query.terms, found["article"][chosen.places].astype(np.int64), N_TERMS)
        passages: list[str] = []
        for place in chosen.places:
            chunk = chunks[compared.query_chunk[place]]
            start, text = self.catalogue.chunk(int(compared.target_chunk[place]))
            own = read_sentences(chunk.text, chunk.start, self.catalogue.numbers, archive.lexical.idf_of)
            theirs = read_sentences(text, start, self.catalogue.numbers, archive.lexical.idf_of)
            mine, its = best_pairs(own, [theirs])[0]
            passages.append(article.text[slice(*own.spans[mine])])
            found["target_passage"][place] = theirs.spans[its]
        return self._list(article.id or None, found, chosen, passages, selection)

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
        loaded: Embedder | None = self.__dict__.get("embedder")
        return loaded

    @cached_property
    def archive(self) -> Archive:
        """All that candidates are found in, loaded on first use; lists by id do without."""
        folder, manifest = self.release.folder, self.release.manifest
        index = FlatIndex.open(folder / VECTORS)
        if (len(index), index.dim) != (manifest.n_chunks, manifest.model.dim):
            raise IndexDamaged(f"{folder / VECTORS} holds {len(index)} vectors, the manifest says {manifest.n_chunks}")
        hubness = np.load(folder / HUBNESS, mmap_mode="r", allow_pickle=False)
        lexical = LexicalIndex.open(folder / FOLDER, manifest.n_articles)
        facts = self.catalogue.facts()
        return Archive(index, self.catalogue.layout(), lexical, facts, self.catalogue.precedents(facts), self._means, hubness)

    @cached_property
    def _means(self) -> NDArray[np.float16]:
        means: NDArray[np.float16] = np.load(self.release.folder / MEANS, mmap_mode="r", allow_pickle=False)
        return means

    def stored_query(self, row: int) -> Query:
        """An article of the index, as a query for its candidates."""
        chunk_rows = np.arange(*self.archive.layout.offsets[[row, row + 1]])
        return self._query(self.catalogue.article(row), self.archive.index.vectors(chunk_rows))

    def _query(self, article: Article, vectors: Vectors) -> Query:
        """A text as the archive's articles are seen: its words by the archive's numbers, where the archive has them."""
        facts = self.archive.facts
        return Query(
            vectors=vectors,
            terms=self._terms(article),
            published=_seconds(article.published),
            section=facts.sections.get(article.section or "", -1),
            length=float(len(article.title) + len(article.text)),
            row=self.catalogue.find_row(article.id) if article.id else None,
        )

    def _terms(self, article: Article) -> Terms:
        title, text = words(article.title), words(article.text[:MAX_TEXT])
        known = self.catalogue.numbers([*title, *text])
        # Words that the archive does not have get numbers of their own, above all others: they count, and match nothing.
        unknown = (word for word in [*title, *text] if word not in known)
        numbers = {**known, **{word: STRANGE + place for place, word in enumerate(dict.fromkeys(unknown))}}
        return self.archive.lexical.weigh(count_terms([numbers[word] for word in title], [numbers[word] for word in text]))

    def _select(self, found: Candidates, published: int, wanted: Selection, limit: int) -> selection.Selected:
        among = None
        if wanted.sections or wanted.langs or wanted.exclude:
            rows = self.catalogue.rows_among(found["article"].tolist(), wanted.sections, wanted.langs, wanted.exclude)
            among = np.isin(found["article"], list(rows))
        return selection.select(found, published, self.ranker, wanted, limit, self._mean_vectors, among)

    def _mean_vectors(self, rows: Rows) -> Vectors:
        return self._means[rows].astype(np.float32)

    def _check_limit(self, limit: int) -> None:
        most = self.release.manifest.n_candidates
        if not 1 <= limit <= most:
            raise OutOfRange(f"limit is {limit}, it must be 1 to {most}")

    def _list(
        self, article_id: str | None, found: Candidates, chosen: selection.Selected, query_passages: list[str], wanted: Selection
    ) -> RelatedList:
        """The chosen candidates with all that a page needs of them."""
        lines = zip(found[chosen.places], chosen.scores, query_passages, strict=True)
        items = tuple(
            self._line(rank, candidate, float(score), passage, wanted) for rank, (candidate, score, passage) in enumerate(lines, start=1)
        )
        model = self.release.manifest.model.label
        return RelatedList(article_id, self.release.name, model, items, chosen.reason)

    def _line(self, rank: int, candidate: np.void, score: float, query_passage: str, wanted: Selection) -> Related:
        row = int(candidate["article"])
        card = self.catalogue.card(row)
        target_passage = self.catalogue.passage(row, *map(int, candidate["target_passage"]))
        return Related(
            id=card.id,
            rank=rank,
            score=score,
            title=card.title,
            url=card.url,
            published=card.published,
            section=card.section,
            relation=selection.relation(candidate["features"]),
            passages=PassagePair(query_passage, target_passage or card.title),
            terms=tuple(self._term(int(key) - 1) for key in candidate["terms"] if key),
            also=tuple(_duplicate(other) for other in self.catalogue.duplicates(row) if selection.may_show(other.published, wanted)),
        )

    def _term(self, key: int) -> str:
        return " ".join(map(self.catalogue.word, words_of_key(key)))


def _duplicate(card: Card) -> Duplicate:
    return Duplicate(card.id, card.title, card.url, card.published)


def _seconds(moment: datetime | None) -> int:
    if moment is None:
        return UNDATED
    if moment.tzinfo is None:
        raise InvalidArticle("bad_date", f"published is {moment}, without a time zone - give one, such as UTC")
    return int(moment.timestamp())
