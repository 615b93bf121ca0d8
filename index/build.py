"""Build an index in one pass: read, merge, chunk, link, embed, index terms, find neighbours, merge near-duplicates, make
lists, publish. No stage feeds an earlier one.

Each stage is a function of the `Build`. It yields its progress, and `build_index` runs one after the other. Optional
parts (`index.build_options.Wings`) take part through narrow protocols.
"""

import json
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from index.archive.merge import lay_over_serving, numbered_urls
from index.archive.merged_archive import MergedArchive
from index.archive.reading import KnownChunks, check_rejects, read_articles, read_sources
from index.build_options import BuildOptions, OnlineEdits, Progress, VectorSink, Wings
from index.build_report import BuildReport
from index.encoder.int8 import QUANTIZING, integers_if_worth_it
from index.encoder.openvino_export import prune_encoders
from index.ingest.checking import check_everywhere, check_here
from index.ingest.publication import normal
from index.ingest.readers.sources import PYDOC_TOPICS, read_all
from index.ingest.rejects import Rejects
from index.ingest.site_ids import Sites
from index.lists.checkpoint import forget_lists_of_other_facts, rescue, take_up
from index.lists.floor import floor_of
from index.lists.inputs import LISTS, BuildInputs, prepare
from index.lists.list_file_writer import ListWriter
from index.lists.merge_duplicates import collapse
from index.lists.nearest import find_neighbours
from index.lists.related_lists import related_lists
from index.live.upserts import LiveChanges, purge
from index.release.catalogue_writer import CatalogueWriter
from index.release.manifest_writer import manifest_of
from index.release.publish import publish, staging_folder
from index.release.resume import unfinished
from index.storage.build_lock import build_lock
from index.storage.disk_errors import storage_errors
from index.storage.permissions import keep_private, make_index_dir
from index.terms.analysis import digests
from index.terms.fingerprints import STAGED_FINGERPRINTS, FingerprintWriter
from index.terms.inverted_index_writer import STAGED_TERMS, LexicalWriter
from index.terms.pruned_index_writer import prune_terms
from index.terms.sentences import SENTENCES, SentenceWriter
from index.vectors.embed_ahead import embed_ahead
from index.vectors.embedding_cache import EmbeddingCache
from index.vectors.vector_writer import EXACT, STAGED_VECTORS, chunk_writer, write_tiers
from index.workers.processes import BlockWorkers, Processes
from recommender.embedding.embedder import Embedder
from recommender.errors import InputError
from recommender.features.ranker import Ranker
from recommender.live.withdrawn import WITHDRAWN, list_of_ids
from recommender.release.manifest import CANARIES, CATALOGUE, kept_manifests
from recommender.types import Vectors

LINKS = "links.jsonl"
"""A file in the index's folder: entries of hand-made lists that match no article, or that were guessed."""

ENOUGH = 1_000
"""Number of articles from which several processes repay their start."""

BLOCK = 512
"""Chunks embedded and cached per batch.

A killed build repeats at most one batch. With batches of 128 a build is an eighth slower.
"""

A_PROCESS = 256 << 20
"""Bytes of memory reserved for each worker process. It is twice the measured use."""

SHARE = 16
"""Terms and shingles each get this fraction (1/16) of the memory for counting.

The rest is for the model, the processes and the word dictionary.
"""

ONLY_STAGED = (STAGED_TERMS, STAGED_FINGERPRINTS, STAGED_VECTORS, SENTENCES, LISTS)
"""Folders that exist only in a staged release."""

Steps = Generator[tuple[int, int | None], None, None]
"""The progress of a stage: number of items done, and the total if it is known."""


@dataclass(slots=True)
class Build:
    """A build that is running: what its stages share.

    Attributes:
        workers, sink, edits: The wings. See `Wings`.
        staged: Folder of the release that the stages fill.
        archive: Articles of the release, from `_read` to `_chunk`.
        live: Live updates that the release holds.
        known: Chunks of the serving release, if the model would chunk the same way.
        canaries: Vectors of `CANARIES`: float32 (n, dim).
        floor: See `index.lists.floor`.
        inputs: What neighbours and lists are computed from, once terms and vectors are complete.
    """

    options: BuildOptions
    index_dir: Path
    embedder: Embedder
    report: BuildReport
    workers: BlockWorkers
    sink: VectorSink | None
    edits: OnlineEdits | None
    ranker: Ranker
    staged: Path
    rejects: Rejects
    archive: MergedArchive
    catalogue: CatalogueWriter
    terms: LexicalWriter
    fingerprints: FingerprintWriter
    live: LiveChanges = field(default_factory=LiveChanges)
    known: KnownChunks | None = None
    canaries: Vectors = field(init=False)
    floor: float = 0.0
    inputs: BuildInputs = field(init=False)


def build_index(
    sources: Sequence[str],
    index_dir: Path,
    embedder: Embedder,
    *,
    wings: Wings = Wings(),  # noqa: B008 - immutable
    progress: Progress = lambda stage, done, total: None,
    **options: Any,
) -> BuildReport:
    """Read articles, build a release and publish it. The old release serves until the last step.

    Args:
        sources, options: Fields of `BuildOptions`.
        wings: Optional parts that take part. See `index.wings.wings_at`.

    Raises:
        InputError: A source cannot be read, is truncated, or holds no article.
        TooManyRejects: See `BuildOptions.strict` and `BuildOptions.max_rejects`.
        IndexBusy: Another build is running in the folder.
        StorageError: The disk is full, or the folder cannot be written. Or a vector sink holds other vectors than it was
            given.
        VectorsUnavailable: The vector sink did not answer in time.
        JournalUnavailable: The source of shared edits does not answer.
        ClusterUnavailable: The workers stopped making progress.
        OutOfRange: `memory` is too little for any build.
    """
    with _begun(BuildOptions(sources, **options), index_dir, embedder, wings) as build:
        for name, stage in STAGES.items():
            if name == "vectors" and build.sink is None:
                continue
            with build.report.timed(name), closing(stage(build)) as steps:
                for done, total in steps:
                    progress(name, done, total)
    return build.report


@contextmanager
def _begun(options: BuildOptions, index_dir: Path, embedder: Embedder, wings: Wings) -> Iterator[Build]:
    """Lock the index, open the wings and a staged release, and close all of it in the end."""
    report, for_terms = BuildReport(), options.memory // SHARE
    with storage_errors(index_dir), ExitStack() as stack:
        sink = stack.enter_context(wings.vectors()) if wings.vectors is not None else None
        make_index_dir(index_dir)
        stack.enter_context(build_lock(index_dir))
        edits = stack.enter_context(wings.edits()) if wings.edits is not None else None
        if edits is not None:
            edits.copy(index_dir)  # first, so that no source is read in vain if they cannot be had
        stack.enter_context(unfinished(index_dir, _request(options, embedder, wings)))
        ranker = Ranker.of_index(index_dir)
        staged = stack.enter_context(staging_folder(index_dir, rescue))
        yield Build(
            options,
            index_dir,
            embedder,
            report,
            ranker=ranker,
            sink=sink,
            edits=edits,
            staged=staged,
            catalogue=stack.enter_context(closing(CatalogueWriter(staged / CATALOGUE))),
            terms=stack.enter_context(closing(LexicalWriter(staged, for_terms))),
            fingerprints=stack.enter_context(closing(FingerprintWriter(staged, for_terms))),
            rejects=stack.enter_context(Rejects(index_dir, report)),
            workers=stack.enter_context(wings.workers() if wings.workers is not None else Processes(options.memory // A_PROCESS)),
            archive=stack.enter_context(MergedArchive(staged / "incoming.db")),
        )


def _request(options: BuildOptions, embedder: Embedder, wings: Wings) -> dict[str, Any]:
    """Return what `--resume` needs to repeat the build."""
    sources = [source if source == PYDOC_TOPICS else str(Path(source).absolute()) for source in options.sources]
    return {**asdict(options), "sources": sources, "model": embedder.name, **wings.addresses}


def _read(build: Build) -> Steps:
    """Read and validate the records of all sources."""
    options = build.options
    sites, include = Sites(options.id_prefix, numbered_urls(build.index_dir)), frozenset(map(normal, options.include_status))
    of_sources = read_all(
        options.sources,
        options.names,
        options.source_format,
        include=include,
        sites=sites,
        date_order=options.date_format,
        encoding=options.encoding,
        columns=options.columns,
    )
    remote = build.workers.remote
    records = check_everywhere(of_sources, build.embedder, build.workers) if remote else check_here(of_sources)
    for n_read in read_sources(records, options, build.archive, build.rejects, build.report):
        yield n_read, None
        if n_read == ENOUGH:
            build.workers.start()  # while this process continues to read
    check_rejects(build.report, options, build.rejects)


def _merge(build: Build) -> Steps:
    """Merge the articles with the serving release and with live updates."""
    keep = not build.options.delete_missing
    report = build.report
    report.changes, build.live, build.known = lay_over_serving(build.index_dir, build.archive, build.embedder, build.edits, keep=keep)
    report.n_live = len(build.live.articles)
    if len(build.archive) >= ENOUGH:
        build.workers.start()
    yield from ()


def _chunk(build: Build) -> Steps:
    """Cut the articles into chunks, and find their words, sentences and fingerprints."""
    articles = read_articles(build.archive, build.known, build.embedder, build.rejects, build.report)
    with closing(SentenceWriter(build.staged)) as sentences:
        for digest in digests(build.catalogue.add_all(articles), build.workers):
            sentences.extend(digest.sentences, build.terms.extend(digest.words))
            build.fingerprints.extend(digest.fingerprints)
            yield build.terms.n_articles, None
    check_rejects(build.report, build.options, build.rejects)
    if not build.report.n_articles:
        raise InputError("no article would be left - to remove an archive, remove its folder; the index is as it was")
    build.archive.close()


def _link(build: Build) -> Steps:
    """Resolve the entries of the hand-made lists to articles.

    Entries that match no article, or that were guessed, are written to `links.jsonl`.
    """
    doubtful, report = build.catalogue.resolve_hand_made_lists(), build.report
    with (build.index_dir / LINKS).open("w", encoding="utf-8") as file:
        keep_private(build.index_dir / LINKS, build.index_dir)
        for link in doubtful:
            file.write(json.dumps(build.catalogue.describe(link), ensure_ascii=False) + "\n")
    report.n_links, report.n_links_unknown = build.catalogue.n_links, sum(link.target is None for link in doubtful)
    report.n_links_guessed = len(doubtful) - report.n_links_unknown
    yield from ()


def _quantize(build: Build) -> Steps:
    """Use the model in 8-bit integers if that repays the time to make it, and changes no list."""
    if build.options.memory >= QUANTIZING:
        build.embedder = integers_if_worth_it(build.embedder, build.index_dir, build.catalogue)
    yield from ()


def _embed(build: Build) -> Steps:
    """Embed the chunks that the cache lacks, and write the vectors of all."""
    writer, embedder, report = build.catalogue, build.embedder, build.report
    build.canaries = embedder.embed(CANARIES)
    with closing(EmbeddingCache(build.index_dir / "cache", embedder, build.canaries)) as cache:
        for n_embedded in embed_ahead(writer.texts(embedder), embedder, cache, build.workers) if build.workers.remote else ():
            yield n_embedded, writer.n_chunks
        texts, done = writer.texts(embedder), 0
        with chunk_writer(writer.n_chunks, embedder.dim, build.staged) as write:
            while some := list(islice(texts, BLOCK)):
                write(cache.embed(some))
                done += len(some)
                yield done, writer.n_chunks
        report.n_embedded, report.n_reused, report.n_truncated = cache.n_embedded, cache.n_reused, cache.n_truncated


def _index_terms(build: Build) -> Steps:
    """Weigh the terms, and write the inverted index."""
    build.terms.write()
    build.catalogue.commit()
    yield from ()


def _find_neighbours(build: Build) -> Steps:
    """Find the nearest neighbours of each article, by vectors and by terms."""
    n_articles = build.catalogue.n_articles
    build.inputs = BuildInputs(build.staged, n_articles)
    write_tiers(build.inputs.layout, build.staged)
    prepare(build.inputs, len(build.terms.numbers))
    take_up(build.inputs, build.index_dir)
    for done in find_neighbours(build.inputs, build.workers):
        yield done, n_articles


def _merge_near_duplicates(build: Build) -> Steps:
    """Let one article of each group of near-duplicates represent the others."""
    near, facts = build.inputs.near, build.inputs.facts
    build.report.n_duplicates = collapse(build.fingerprints.read(), near, facts, build.catalogue, build.options.canonical)
    build.catalogue.add_hubness(near.hubness())
    forget_lists_of_other_facts(build.staged)
    yield from ()


def _make_lists(build: Build) -> Steps:
    """Compute features and explanations of the best candidates of each article."""
    writer, staged = build.catalogue, build.staged
    with closing(ListWriter(staged / LISTS, writer.n_articles)) as list_writer:
        listed = list_writer.done
        lists = related_lists(BuildInputs(staged, writer.n_articles), listed, build.workers)
        for n_listed, (row, packed) in enumerate(lists, int(listed.sum()) + 1):
            list_writer.add(row, packed)
            yield n_listed, writer.n_articles
        list_writer.finish(staged)
        writer.finish()
        build.floor = floor_of(BuildInputs(staged, writer.n_articles).catalogue, writer.n_articles)
        if writer.n_chunks > EXACT:
            prune_terms(staged, writer.n_articles, build.options.memory // SHARE)


def _move_vectors(build: Build) -> Steps:
    """Move the vectors to the sink, if there is one."""
    if build.sink is not None:
        for n_moved in build.sink.move(build.staged, build.inputs.layout):
            yield n_moved, build.catalogue.n_articles


def _publish(build: Build) -> Steps:
    """Write the manifest, let the release serve, and remove what no kept release needs."""
    staged, index_dir, report = build.staged, build.index_dir, build.report
    for folder in ONLY_STAGED:
        shutil.rmtree(staged / folder, ignore_errors=True)  # a small archive needs no separate vectors for lists
    (staged / WITHDRAWN).write_text(list_of_ids(build.live.withdrawn), encoding="utf-8")
    manifest = manifest_of(staged, build.embedder, build.canaries, build.ranker, build.live, report, build.floor)
    if build.sink is not None:
        build.sink.serve(manifest.release)
    publish(staged, manifest, index_dir)
    kept = kept_manifests(index_dir)
    if build.sink is not None:
        build.sink.prune([kept_one.release for kept_one in kept])
    purge(index_dir, kept)
    if build.edits is not None:
        build.edits.purge(kept)
    prune_encoders(index_dir, kept)
    report.release = manifest.release
    report.bytes = sum(entry.bytes for entry in manifest.files.values())
    yield from ()


STAGES: dict[str, Callable[[Build], Steps]] = {
    "read": _read,
    "merge": _merge,
    "chunk": _chunk,
    "links": _link,
    "quantize": _quantize,
    "embed": _embed,
    "terms": _index_terms,
    "neighbours": _find_neighbours,
    "duplicates": _merge_near_duplicates,
    "lists": _make_lists,
    "vectors": _move_vectors,
    "publish": _publish,
}
"""The stages of a build, by the names of their times in the report."""
