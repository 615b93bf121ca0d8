"""Build an index: read -> chunk -> embed -> terms -> neighbours -> duplicates -> related lists -> publish. One pass; nothing flows back."""

import errno
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from index import corpus
from index.cache import EmbeddingCache
from index.catalogue_writer import CatalogueWriter
from index.corpus.record import Reject
from index.corpus.validation import to_article
from index.duplicates import collapse
from index.lexical_writer import LexicalWriter
from index.lists import all_neighbours, hubness, mean_vectors, related_lists
from index.lock import build_lock
from index.publish import file_entries, publish, release_name, staging_folder
from recommender.chunking import MAX_TEXT, chunk_article, embedding_text
from recommender.duplicates import Canonical, Fingerprint, fingerprint
from recommender.embedding import Embedder
from recommender.errors import InputError, InvalidArticle, StorageError, TooManyRejects
from recommender.manifest import CANARIES, CATALOGUE, FORMAT, HUBNESS, MEANS, VECTORS, Manifest, ModelCard
from recommender.passages import Sentences, read_sentences
from recommender.ranker import Ranker
from recommender.retrieval import N_CANDIDATES, Archive, Neighbours
from recommender.types import Article, Chunk, Vectors, rfc3339
from recommender.vector_index import FlatIndex

REJECTS = "rejects.jsonl"

BLOCK = 128
"""Chunks embedded and stored in the cache at a time: what a killed build does again."""

DISK_FAULTS = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)

Progress = Callable[[str, int, int | None], None]
"""Called with the stage, how much is done, and how much there is, if that is known."""


@dataclass(slots=True)
class Report:
    """What a build did.

    Attributes:
        rejected: Articles left out, by code; each stands in `rejects.jsonl`.
        dropped_fields: Fields left out of articles that were kept, by code; they stand there too.
        n_truncated: Chunks of which the model would not read the end; 0, or the chunker is wrong for the model.
        n_without_title: Articles without a title; if that is most of them, it has another name (`--map title=...`).
        n_capped: Articles of which only the first `MAX_TEXT` characters were embedded.
        n_duplicates: Near-duplicates, shown only beside the article that stands for them.
        n_links: Links of the hand-made lists that name an article of the archive.
        seconds: Wall time by stage.
        bytes: Size of the release on disk.
    """

    release: str = ""
    n_read: int = 0
    n_articles: int = 0
    n_chunks: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    dropped_fields: Counter[str] = field(default_factory=Counter)
    n_truncated: int = 0
    n_without_title: int = 0
    n_capped: int = 0
    n_duplicates: int = 0
    n_links: int = 0
    n_links_unknown: int = 0
    n_embedded: int = 0
    n_reused: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    bytes: int = 0

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = round(self.seconds.get(stage, 0.0) + time.perf_counter() - start, 3)


def build_index(
    sources: Sequence[str],
    index_dir: Path,
    embedder: Embedder,
    *,
    names: Mapping[str, str] | None = None,
    strict: bool = False,
    max_rejects: float = 0.05,
    canonical: Canonical = "earliest",
    progress: Progress = lambda stage, done, total: None,
) -> Report:
    """Read articles, build a release and publish it; until the last step the old release serves.

    Args:
        sources: Files, or `pydoc-topics`.
        names: Our field name -> the name it has in the sources.
        strict: Publish nothing if a single article is rejected.
        max_rejects: Publish nothing if a larger share of the articles is rejected.
        canonical: Which of several near-duplicates stands for all of them in lists.

    Raises:
        InputError: A source cannot be read, or holds no article.
        TooManyRejects: See `strict` and `max_rejects`.
        IndexBusy: Another build is at work in the folder.
        StorageError: The disk is full, or the folder cannot be written.
    """
    report = Report()
    with _storage_errors(index_dir), ExitStack() as stack:
        index_dir.mkdir(parents=True, exist_ok=True)
        stack.enter_context(build_lock(index_dir))
        ranker = Ranker.of_index(index_dir)
        staged = stack.enter_context(staging_folder(index_dir))
        writer = stack.enter_context(closing(CatalogueWriter(staged / CATALOGUE)))
        lexical_writer, fingerprints = LexicalWriter(), list[Fingerprint]()
        canaries = embedder.embed(CANARIES)
        with report.timed("read and chunk"):
            for article, chunks in _articles(sources, names or {}, index_dir / REJECTS, embedder, report):
                writer.add(article, chunks)
                lexical_writer.add(article)
                fingerprints.append(fingerprint(article))
                _count(article, chunks, embedder, report)
                progress("read", report.n_articles, None)
            _check_rejects(report, strict, max_rejects, sources, index_dir / REJECTS)
            report.n_links, report.n_links_unknown = writer.resolve_hand_made_lists()
        with report.timed("embed"), closing(EmbeddingCache(index_dir / "cache", embedder, canaries)) as cache:
            vectors = _embed(writer, cache, embedder, progress)
            report.n_embedded, report.n_reused = cache.n_embedded, cache.n_reused
        with report.timed("terms"):
            lexical, terms = lexical_writer.write(staged)
            writer.add_words(lexical_writer.numbers)
        with report.timed("neighbours"):
            index = FlatIndex.build(vectors)
            index.save(staged / VECTORS)
            near: list[Neighbours] = []
            for found in all_neighbours(index, writer.layout(), lexical, terms, writer.facts()):
                near.append(found)
                progress("neighbours", len(near), writer.n_articles)
        with report.timed("duplicates"):
            report.n_duplicates = collapse(fingerprints, near, writer.facts(), writer, canonical)
        with report.timed("lists"):
            layout, facts = writer.layout(), writer.facts()
            means = mean_vectors(index, layout).astype(np.float16)
            archive = Archive(index, layout, lexical, facts, writer.precedents(facts), means, hubness(near))
            np.save(staged / MEANS, archive.means, allow_pickle=False)
            np.save(staged / HUBNESS, archive.hubness, allow_pickle=False)

            def sentences_of(chunk_row: int) -> Sentences:
                start, text = writer.chunk(chunk_row)
                return read_sentences(text, start, lambda words: {word: lexical_writer.numbers[word] for word in words}, lexical.idf_of)

            for row, candidates in related_lists(archive, terms, near, sentences_of):
                writer.add_related(row, candidates)
                progress("lists", row + 1, writer.n_articles)
            writer.finish()
        with report.timed("publish"):
            manifest = _manifest(staged, embedder, canaries, ranker, report)
            publish(staged, manifest, index_dir)
        report.release = manifest.release
        report.bytes = sum(entry.bytes for entry in manifest.files.values())
    return report


def _articles(
    sources: Sequence[str], names: Mapping[str, str], rejects: Path, embedder: Embedder, report: Report
) -> Iterator[tuple[Article, list[Chunk]]]:
    """The articles that can be used, and their chunks; the others go to `rejects.jsonl`."""
    seen: dict[str, str] = {}
    unseen_names = set(names.values())
    fields: Mapping[str, Any] = {}
    with rejects.open("w", encoding="utf-8") as file:

        def reject(entry: Reject) -> None:
            (report.dropped_fields if entry.field else report.rejected)[entry.code] += 1
            file.write(json.dumps(asdict(entry)) + "\n")

        for record in chain.from_iterable(corpus.read(source, names) for source in sources):
            report.n_read += 1
            if isinstance(record, Reject):
                reject(record)
                continue
            fields = record.fields
            unseen_names.difference_update(fields)
            where = f"{record.file}:{record.line}"
            try:
                article, dropped = to_article(record)
                if article.id in seen:
                    raise InvalidArticle("duplicate_id", f"{where} has the id of {seen[article.id]} - give each article an id of its own")
                chunks = chunk_article(article, embedder)
                if not chunks:
                    raise InvalidArticle("empty_text", f"the model knows no word of the first {MAX_TEXT} characters - check the encoding")
            except InvalidArticle as error:
                given = fields.get("id")
                reject(Reject(record.file, record.line, None if given is None else str(given)[:512], error.code, str(error)))
                continue
            seen[article.id] = where
            for entry in dropped:
                reject(entry)
            yield article, chunks
    if unseen_names and fields:
        raise InputError(f"no article has a field {sorted(unseen_names)[0]!r}; the fields are {', '.join(map(str, fields))} - check --map")


def _count(article: Article, chunks: Sequence[Chunk], embedder: Embedder, report: Report) -> None:
    report.n_articles += 1
    report.n_chunks += len(chunks)
    report.n_without_title += not article.title
    report.n_capped += len(article.text) > MAX_TEXT
    report.n_truncated += sum(
        len(embedder.token_spans(embedding_text(article.title, chunk.text, embedder))) > embedder.max_tokens for chunk in chunks
    )


def _check_rejects(report: Report, strict: bool, max_rejects: float, sources: Sequence[str], rejects: Path) -> None:
    n_rejected = report.rejected.total()
    by_code = ", ".join(f"{count} {code}" for code, count in report.rejected.most_common())
    if n_rejected and (strict or n_rejected > max_rejects * report.n_read):
        limit = "--strict allows none" if strict else f"--max-rejects allows {max_rejects:.3g} of them"
        raise TooManyRejects(
            f"{n_rejected} of {report.n_read} articles are rejected ({by_code}), {limit}; nothing was published - see {rejects}"
        )
    if not report.n_articles:
        raise InputError(f"no article in {', '.join(sources)} - give a file with at least one; the index is as it was")


def _embed(writer: CatalogueWriter, cache: EmbeddingCache, embedder: Embedder, progress: Progress) -> Vectors:
    """Vectors of all chunks, in order of rows: float32 (n_chunks, dim), unit norm."""
    vectors = np.empty((writer.n_chunks, embedder.dim), dtype=np.float32)
    rest, done = writer.texts(embedder), 0
    while texts := list(islice(rest, BLOCK)):
        vectors[done : done + len(texts)] = cache.embed(texts)
        done += len(texts)
        progress("embed", done, writer.n_chunks)
    return vectors


def _manifest(staged: Path, embedder: Embedder, canaries: Vectors, ranker: Ranker, report: Report) -> Manifest:
    return Manifest(
        format=FORMAT,
        release=release_name(staged),
        created=str(rfc3339(datetime.now(UTC).replace(microsecond=0))),
        model=ModelCard(
            name=embedder.name,
            sha256=embedder.sha256,
            dim=embedder.dim,
            max_tokens=embedder.max_tokens,
            canaries=np.round(canaries, 6).astype(float).tolist(),
        ),
        n_articles=report.n_articles,
        n_chunks=report.n_chunks,
        n_candidates=N_CANDIDATES,
        ranker=asdict(ranker),
        files=dict(file_entries(staged)),
    )


@contextmanager
def _storage_errors(index_dir: Path) -> Iterator[None]:
    """Name what the system says of the disk; the staged files go, the old release stays."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in DISK_FAULTS:
            raise
        raise StorageError(
            f"{index_dir} cannot be written ({error}) - free space or give another folder; the index is as it was"
        ) from error
    except OSError as error:
        reason = "disk full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise StorageError(
            f"{index_dir} cannot be written ({reason}) - free space or give another folder; the index is as it was"
        ) from error
