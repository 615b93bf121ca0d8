"""Build an index, in one pass; nothing flows back.

read -> lay over the serving release, live articles over both -> chunk -> links -> embed -> terms -> neighbours -> duplicates -> lists
-> publish
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path

from index.archive.merge import lay_over_serving, numbered_urls
from index.archive.merged_archive import MergedArchive
from index.archive.reading import OnDuplicate, check_rejects, read_articles, read_sources
from index.build_report import BuildReport
from index.encoder.int8 import QUANTIZING, integers_if_worth_it
from index.encoder.openvino_export import prune_encoders
from index.ingest.checking import check_everywhere, check_here
from index.ingest.publication import normal
from index.ingest.readers.sources import PYDOC_TOPICS, read_all
from index.ingest.rejects import Rejects
from index.ingest.site_ids import Sites
from index.journal.connect import opened
from index.journal.replication import follow, purge_journal
from index.lists.checkpoint import forget_lists_of_other_facts, rescue, take_up
from index.lists.inputs import LISTS, BuildInputs, prepare
from index.lists.list_file_writer import ListWriter
from index.lists.merge_duplicates import collapse
from index.lists.nearest import find_neighbours
from index.lists.related_lists import related_lists
from index.live.upserts import purge
from index.milvus.milvus_writer import move_vectors, prune, serve, writing_to
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
from index.vectors.vector_writer import EXACT, STAGED_VECTORS, write_chunks, write_tiers
from index.workers.processes import BlockWorkers, Processes
from index.workers.ray_cluster import Cluster
from recommender.embedding.embedder import Embedder
from recommender.errors import InputError, OutOfRange
from recommender.features.ranker import Ranker
from recommender.live.withdrawn import WITHDRAWN, list_of_ids
from recommender.release.manifest import CANARIES, CATALOGUE, kept_manifests
from recommender.retrieval.near_duplicates import Canonical
from recommender.types import Vectors
from recommender.vectors.milvus_client import MilvusAddress

LINKS = "links.jsonl"
"""In the index's folder: entries of hand-made lists that name nothing in the archive, or that were guessed."""

ENOUGH = 1_000
"""Articles from which on several processes are worth their start."""

BLOCK = 512
"""Chunks embedded and stored in the cache at a time: what a killed build does again; with 128 of them it is an eighth slower."""

MEMORY, LEAST_MEMORY = 4 << 30, 1 << 30
A_PROCESS = 256 << 20
"""Bytes of the memory for each of the processes that share the work; half of it is what they were seen to take."""

SHARE = 16
"""Terms and shingles are each counted in one part in so many of the memory; the rest is for the model, for processes and words."""

ONLY_STAGED = (STAGED_TERMS, STAGED_FINGERPRINTS, STAGED_VECTORS, SENTENCES, LISTS)
"""Folders that a release has only while it is built."""

Progress = Callable[[str, int, int | None], None]
"""Called with the stage, how much is done, and how much there is, if that is known."""


def build_index(
    sources: Sequence[str],
    index_dir: Path,
    embedder: Embedder,
    *,
    names: Mapping[str, str] | None = None,
    source_format: str | None = None,
    delete_missing: bool = False,
    on_duplicate: OnDuplicate = "first",
    strict: bool = False,
    max_rejects: float = 0.05,
    include_status: Sequence[str] = (),
    allow_truncated: bool = False,
    id_prefix: str | None = None,
    canonical: Canonical = "earliest",
    memory: int = MEMORY,
    vectors: str = "",
    live: str = "",
    ray: str = "",
    progress: Progress = lambda stage, done, total: None,
) -> BuildReport:
    """Bring an archive up to date: read articles, build a release and publish it; until the last step the old release serves.

    Args:
        sources: Files, folders, or `pydoc-topics`.
        names: Our field name -> the name it has in the sources.
        source_format: A name of `index.ingest.readers.sources.FORMATS`; None goes by the files' endings.
        delete_missing: The sources are the whole archive: what they do not hold goes. Without it, articles of the serving release stay.
        on_duplicate: Which of several articles with one id in the sources stays.
        strict: Publish nothing if a single article is rejected.
        max_rejects: Publish nothing if a larger share of the articles is rejected.
        include_status: What is not public and yet read: `draft`, `members`, ... (`index.ingest.publication`).
        allow_truncated: Build of what stands before the end of a source that ends too early.
        id_prefix: What ids of WordPress's posts begin with; None: the address of the site, but for the first one (`index.ingest.site_ids`).
        canonical: Which of several near-duplicates stands for all of them in lists.
        memory: Bytes that all processes of the build may take together; what a machine lends files of its own free memory is not counted.
        vectors: Where they are to lie, if not in the index's folder: `milvus://host:19530/name`.
        live: What machines share of live articles: `postgresql://...`; empty: those of this machine are folded in.
        ray: Where the work is to be done, if not by processes of this machine: the host:port of a Ray cluster of which it is a node,
            or `auto`, for a Ray of this build's own.

    Raises:
        InputError: A source cannot be read, ends too early, or holds no article; or `vectors` is no such address.
        TooManyRejects: See `strict` and `max_rejects`.
        IndexBusy: Another build is at work in the folder.
        StorageError: The disk is full, or the folder cannot be written; or Milvus holds other vectors than it was given.
        VectorsUnavailable: Milvus did not come back in time.
        JournalUnavailable: PostgreSQL does not answer.
        ClusterUnavailable: The Ray cluster did not go on.
        OutOfRange: `memory` is too little for any build.
    """
    if memory < LEAST_MEMORY:
        raise OutOfRange(f"memory is {memory >> 20} MiB, a build needs at least {LEAST_MEMORY >> 20} MiB")
    for_terms = memory // SHARE
    report = BuildReport()
    request = {
        "sources": [source if source == PYDOC_TOPICS else str(Path(source).absolute()) for source in sources],
        "model": embedder.name,
        "names": dict(names or {}),
        "source_format": source_format,
        "delete_missing": delete_missing,
        "on_duplicate": on_duplicate,
        "strict": strict,
        "max_rejects": max_rejects,
        "include_status": list(include_status),
        "allow_truncated": allow_truncated,
        "id_prefix": id_prefix,
        "canonical": canonical,
        "memory": memory,
        "vectors": vectors,
        "ray": ray,
    }
    with storage_errors(index_dir), ExitStack() as stack:
        milvus = stack.enter_context(writing_to(MilvusAddress.parse(vectors))) if vectors else None
        make_index_dir(index_dir)
        stack.enter_context(build_lock(index_dir))
        journal = opened(live)
        if journal is not None:
            stack.callback(journal.close)
            follow(index_dir, journal)  # now, so that nothing is read for nothing if it is away
        stack.enter_context(unfinished(index_dir, request))
        ranker = Ranker.of_index(index_dir)
        staged = stack.enter_context(staging_folder(index_dir, rescue))
        writer = stack.enter_context(closing(CatalogueWriter(staged / CATALOGUE)))
        lexical_writer = stack.enter_context(closing(LexicalWriter(staged, for_terms)))
        fingerprint_writer = stack.enter_context(closing(FingerprintWriter(staged, for_terms)))
        rejects = stack.enter_context(Rejects(index_dir, report))
        processes: BlockWorkers = stack.enter_context(Cluster(ray)) if ray else stack.enter_context(Processes(memory // A_PROCESS))
        with MergedArchive(staged / "incoming.db") as incoming:
            with report.timed("read"):
                sites = Sites(id_prefix, numbered_urls(index_dir))
                include = frozenset(map(normal, include_status))
                of_sources = read_all(sources, names or {}, source_format, include=include, sites=sites)
                records = check_everywhere(of_sources, embedder, processes) if ray else check_here(of_sources)
                for n_read in read_sources(records, names or {}, on_duplicate, delete_missing, allow_truncated, incoming, rejects, report):
                    progress("read", n_read, None)
                    if n_read == ENOUGH:
                        processes.start()  # while this one reads on
                check_rejects(report, strict, max_rejects, sources, rejects)
                report.changes, said, known = lay_over_serving(index_dir, incoming, embedder, journal, keep=not delete_missing)
                report.n_live = len(said.articles)
            if len(incoming) >= ENOUGH:
                processes.start()
            with report.timed("chunk"), closing(SentenceWriter(staged)) as sentence_writer:
                articles = read_articles(incoming, known, embedder, rejects, report)
                for digest in digests(writer.add_all(articles), processes):
                    sentence_writer.extend(digest.sentences, lexical_writer.extend(digest.words))
                    fingerprint_writer.extend(digest.fingerprints)
                    progress("chunk", lexical_writer.n_articles, None)
                check_rejects(report, strict, max_rejects, sources, rejects)
                if not report.n_articles:
                    raise InputError("no article would be left - to remove an archive, remove its folder; the index is as it was")
        with report.timed("links"):
            report.n_links, report.n_links_unknown, report.n_links_guessed = _resolve_links(writer, index_dir)
        with report.timed("quantize"):
            if memory >= QUANTIZING:
                embedder = integers_if_worth_it(embedder, index_dir, writer)
        canaries = embedder.embed(CANARIES)
        with report.timed("embed"), closing(EmbeddingCache(index_dir / "cache", embedder, canaries)) as cache:
            for n_embedded in embed_ahead(writer.texts(embedder), embedder, cache, processes) if ray else ():
                progress("embed", n_embedded, writer.n_chunks)
            write_chunks(_embed(writer, cache, embedder, progress), writer.n_chunks, embedder.dim, staged)
            report.n_embedded, report.n_reused, report.n_truncated = cache.n_embedded, cache.n_reused, cache.n_truncated
        with report.timed("terms"):
            lexical_writer.write()
            writer.commit()
        with report.timed("neighbours"):
            for_lists = BuildInputs(staged, writer.n_articles)
            write_tiers(for_lists.layout, staged)
            prepare(for_lists, len(lexical_writer.numbers))
            take_up(for_lists, index_dir)
            for done in find_neighbours(for_lists, processes):
                progress("neighbours", done, writer.n_articles)
        with report.timed("duplicates"):
            report.n_duplicates = collapse(fingerprint_writer.read(), for_lists.near, for_lists.facts, writer, canonical)
            writer.add_hubness(for_lists.near.hubness())
            forget_lists_of_other_facts(staged)
        with report.timed("lists"), closing(ListWriter(staged / LISTS, writer.n_articles)) as list_writer:
            listed = list_writer.done
            lists = related_lists(BuildInputs(staged, writer.n_articles), listed, processes)
            for n_listed, (row, packed) in enumerate(lists, int(listed.sum()) + 1):
                list_writer.add(row, packed)
                progress("lists", n_listed, writer.n_articles)
            list_writer.finish(staged)
            writer.finish()
            if writer.n_chunks > EXACT:
                prune_terms(staged, writer.n_articles, for_terms)
        if milvus is not None:
            with report.timed("vectors"):
                for n_moved in move_vectors(staged, milvus, for_lists.layout):
                    progress("vectors", n_moved, writer.n_articles)
        with report.timed("publish"):
            for folder in ONLY_STAGED:
                shutil.rmtree(staged / folder, ignore_errors=True)  # a small archive has no vectors of its own for lists
            (staged / WITHDRAWN).write_text(list_of_ids(said.withdrawn), encoding="utf-8")
            manifest = manifest_of(staged, embedder, canaries, ranker, said, report)
            if milvus is not None:
                serve(milvus, manifest.release)
            publish(staged, manifest, index_dir)
            kept = kept_manifests(index_dir)
            if milvus is not None:
                prune(milvus, [kept_one.release for kept_one in kept])
            purge(index_dir, kept)
            if journal is not None:
                purge_journal(journal, kept)
            prune_encoders(index_dir, kept)
        report.release = manifest.release
        report.bytes = sum(entry.bytes for entry in manifest.files.values())
    return report


def _resolve_links(writer: CatalogueWriter, index_dir: Path) -> tuple[int, int, int]:
    """Find what the hand-made lists name; what was not found, or was guessed, goes to `links.jsonl`."""
    doubtful = writer.resolve_hand_made_lists()
    with (index_dir / LINKS).open("w", encoding="utf-8") as file:
        keep_private(index_dir / LINKS, index_dir)
        for link in doubtful:
            file.write(json.dumps(writer.describe(link), ensure_ascii=False) + "\n")
    n_unknown = sum(link.target is None for link in doubtful)
    return writer.n_links, n_unknown, len(doubtful) - n_unknown


def _embed(writer: CatalogueWriter, cache: EmbeddingCache, embedder: Embedder, progress: Progress) -> Iterator[Vectors]:
    """Vectors of all chunks, in order of rows, in blocks: float32 (n, dim), unit norm."""
    rest, done = writer.texts(embedder), 0
    while texts := list(islice(rest, BLOCK)):
        yield cache.embed(texts)
        done += len(texts)
        progress("embed", done, writer.n_chunks)
