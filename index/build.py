"""Build an index in one pass. No stage feeds an earlier one.

read -> overlay on the serving release -> overlay live updates -> chunk -> links -> embed -> inverted index
-> nearest neighbours -> near-duplicates -> lists -> publish
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
"""A file in the index's folder: entries of hand-made lists that match no article, or that were guessed."""

ENOUGH = 1_000
"""Number of articles from which several processes repay their start."""

BLOCK = 512
"""Chunks embedded and cached per batch.

A killed build repeats at most one batch. With batches of 128 a build is an eighth slower.
"""

MEMORY, LEAST_MEMORY = 4 << 30, 1 << 30
A_PROCESS = 256 << 20
"""Bytes of memory reserved for each worker process. It is twice the measured use."""

SHARE = 16
"""Terms and shingles each get this fraction (1/16) of the memory for counting.

The rest is for the model, the processes and the word dictionary.
"""

ONLY_STAGED = (STAGED_TERMS, STAGED_FINGERPRINTS, STAGED_VECTORS, SENTENCES, LISTS)
"""Folders that exist only in a staged release."""

Progress = Callable[[str, int, int | None], None]
"""A callback that receives the stage, the number of items done, and the total if it is known."""


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
    """Read articles, build a release and publish it. The old release serves until the last step.

    Args:
        sources: Files, folders, or `pydoc-topics`.
        names: Our field name -> the name that the field has in the sources.
        source_format: A name of `index.ingest.readers.sources.FORMATS`. None chooses by file extension.
        delete_missing: The sources are the whole archive, so articles that they lack are deleted. By default such
            articles of the serving release stay.
        on_duplicate: Which of several articles with one id in the sources is kept.
        strict: Publish nothing if a single article is rejected.
        max_rejects: Publish nothing if a larger share of the articles is rejected.
        include_status: Statuses to read although they are not public: `draft`, `members`, ...
            (`index.ingest.publication`).
        allow_truncated: Build from the readable part of a truncated source.
        id_prefix: The prefix of WordPress post ids. None uses the address of the site, except for the first site
            (`index.ingest.site_ids`).
        canonical: Which of several near-duplicates represents them in lists.
        memory: Bytes that all processes of the build may take together. The page cache is not counted.
        vectors: The address of the vector store if it is not the index's folder: `milvus://host:19530/name`.
        live: The address of the journal that machines share: `postgresql://...`. If empty, the live updates of this
            machine are folded in.
        ray: Where to run the work instead of in local processes: the host:port of a Ray cluster that includes this
            machine, or `auto` for a Ray that the build starts itself.

    Raises:
        InputError: A source cannot be read, is truncated, or holds no article. Or `vectors` is not a valid address.
        TooManyRejects: See `strict` and `max_rejects`.
        IndexBusy: Another build is running in the folder.
        StorageError: The disk is full, or the folder cannot be written. Or Milvus holds other vectors than it was
            given.
        VectorsUnavailable: Milvus did not answer in time.
        JournalUnavailable: PostgreSQL does not answer.
        ClusterUnavailable: The Ray cluster stopped making progress.
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
            follow(index_dir, journal)  # connect first, so that no source is read in vain if the journal is away
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
                        processes.start()  # while this process continues to read
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
                shutil.rmtree(staged / folder, ignore_errors=True)  # a small archive needs no separate vectors for lists
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
    """Resolve the entries of the hand-made lists to articles.

    Entries that match no article, or that were guessed, are written to `links.jsonl`.
    """
    doubtful = writer.resolve_hand_made_lists()
    with (index_dir / LINKS).open("w", encoding="utf-8") as file:
        keep_private(index_dir / LINKS, index_dir)
        for link in doubtful:
            file.write(json.dumps(writer.describe(link), ensure_ascii=False) + "\n")
    n_unknown = sum(link.target is None for link in doubtful)
    return writer.n_links, n_unknown, len(doubtful) - n_unknown


def _embed(writer: CatalogueWriter, cache: EmbeddingCache, embedder: Embedder, progress: Progress) -> Iterator[Vectors]:
    """Yield the vectors of all chunks in batches, in order of rows: float32 (n, dim), unit norm."""
    rest, done = writer.texts(embedder), 0
    while texts := list(islice(rest, BLOCK)):
        yield cache.embed(texts)
        done += len(texts)
        progress("embed", done, writer.n_chunks)
