"""Write the vectors of a release to Milvus, verify them, and then switch the alias.

Rows are upserted by id, so a block that is sent twice is stored once. Unacknowledged blocks are sent again, in the same
build or by a second call of `write_vectors`. The alias keeps its old target until `serve`. A build that dies changes
nothing except the space it takes, which the next build frees (`prune`).
"""

import logging
import re
import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from index.release.publish import release_name
from recommender.errors import InputError, StorageError, VectorsUnavailable
from recommender.features.article_features import Layout
from recommender.features.feature_schema import UNDATED, seconds
from recommender.release.catalogue import immutable_uri
from recommender.release.manifest import CATALOGUE, VECTORS
from recommender.types import Rows, Vectors, parse_time
from recommender.vectors.exact import VectorIndex, mean_vectors
from recommender.vectors.milvus_client import ARTICLES, CHUNKS, FIRST_CHUNK, NEVER_PASSES, NO_DATE, Milvus, MilvusAddress
from recommender.vectors.milvus_index import MilvusIndex
from recommender.vectors.two_tier import ARTICLES as TIER
from recommender.vectors.two_tier import SCALES, open_chunks

BLOCK = 256
"""Number of articles per request."""

TRY_S, PATIENCE_S = 60.0, 600.0
"""Time limit in seconds for one call, and for all retries. A killed server is back within a minute."""

LOADING_S = 3600.0
LOOKED_AT_S = 0.5

REPLICAS = 2
"""Number of replicas. With two, no search fails when a node dies.

With one replica, a dead node's part of the archive is missing until another node has loaded it.
"""

MOST_BYTES = 65_535
HNSW = "HNSW"

N_CANARIES, TOLERANCE = 16, 1e-4

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MilvusFields:
    """The scalar fields of an article, stored beside its vectors.

    Attributes:
        section, lang: Empty if unknown. The section is that of the canonical article.
        published: Publication time of the canonical article, in seconds since 1970. UNDATED if unknown.
    """

    id: str
    section: str
    lang: str
    published: int


class MilvusFieldsByRow(Protocol):
    """The fields of all articles, by row. A list satisfies the protocol."""

    def __getitem__(self, rows: slice) -> Sequence[MilvusFields]: ...


class OfCatalogue:
    """The fields of a release's articles, read a few at a time, so that memory stays small.

    Args:
        path: Path of its catalogue.
    """

    def __init__(self, path: Path) -> None:
        self._uri = immutable_uri(path)

    def __getitem__(self, rows: slice) -> Sequence[MilvusFields]:
        with closing(sqlite3.connect(self._uri, uri=True)) as connection:
            found = connection.execute(
                "SELECT article.id, coalesce(stands.section, ''), coalesce(article.lang, ''), stands.published "
                "FROM article JOIN article AS stands ON stands.row = coalesce(article.canonical, article.row) "
                "WHERE article.row >= ? AND article.row < ? ORDER BY article.row",
                (rows.start, rows.stop),
            ).fetchall()
        return [MilvusFields(id_, section, lang, seconds(parse_time(published))) for id_, section, lang, published in found]


@contextmanager
def writing_to(address: MilvusAddress) -> Iterator[Milvus]:
    """Open a connection for a build: the server must answer at first, and may be away for a while later.

    Raises:
        InputError: A collection has the name of the alias.
        VectorsUnavailable: Milvus does not answer.
    """
    with closing(Milvus(address)) as looking:
        serving(looking)  # report an unreachable address now, before everything is embedded
    with closing(Milvus(address, TRY_S, PATIENCE_S)) as milvus:
        yield milvus


def write_vectors(
    milvus: Milvus, release: str, told: MilvusFieldsByRow, layout: Layout, vectors: VectorIndex, index_type: str = HNSW
) -> Iterator[int]:
    """Write the missing rows of a release. They cannot be searched before `finish`.

    Args:
        vectors: Vectors of all chunks.
        index_type: Type of the Milvus index.

    Yields:
        The number of acknowledged articles.

    Raises:
        VectorsUnavailable: Milvus did not come back in time.
    """
    collection = milvus.address.collection(release)
    _create(milvus, collection, vectors.dim, index_type)
    for first in range(0, layout.n_articles, BLOCK):
        rows = np.arange(first, min(first + BLOCK, layout.n_articles))
        offsets = layout.offsets[first : rows[-1] + 2]
        of_chunks = vectors.vectors(np.arange(offsets[0], offsets[-1]))
        facts = [_facts(row, of, release) for row, of in zip(rows.tolist(), told[first : first + len(rows)], strict=True)]
        owners = np.repeat(rows - first, np.diff(offsets))
        _put(milvus, collection, ARTICLES, rows, facts, mean_vectors(of_chunks, offsets - offsets[0]))
        _put(milvus, collection, CHUNKS, FIRST_CHUNK + np.arange(offsets[0], offsets[-1]), [facts[owner] for owner in owners], of_chunks)
        yield int(rows[-1]) + 1


def move_vectors(staged: Path, milvus: Milvus, layout: Layout) -> Iterator[int]:
    """Write the vectors of a staged release, verify them, and remove the local search files from its folder.

    Yields, raises: As `write_vectors` and `finish`.
    """
    vectors = open_chunks(staged)
    release = release_name(staged)
    yield from write_vectors(milvus, release, OfCatalogue(staged / CATALOGUE), layout, vectors)
    finish(milvus, release, layout, vectors)
    for name in (VECTORS, SCALES, TIER):
        (staged / name).unlink(missing_ok=True)


def finish(milvus: Milvus, release: str, layout: Layout, vectors: VectorIndex, replicas: int = REPLICAS) -> MilvusIndex:
    """Prepare a release for searches, and verify it: all counts, and some vectors.

    Args:
        replicas: Number of nodes that hold each part, where Milvus has that many nodes.

    Raises:
        StorageError: Milvus holds other data.
        VectorsUnavailable: Milvus did not answer in time.
    """
    collection = milvus.address.collection(release)
    milvus.ask("flush", collection)
    while milvus.ask("describe_index", collection, index_name="vector").get("pending_index_rows", 0):
        time.sleep(LOOKED_AT_S)
    _load(milvus, collection, replicas)
    index = MilvusIndex(milvus, collection)
    counts, expected = (index.n_articles, len(index)), (layout.n_articles, int(layout.offsets[-1]))
    if counts != expected:
        raise StorageError(f"{collection} in Milvus has {counts} articles and chunks, not {expected} - build again; the old release serves")
    canaries = np.unique(np.linspace(0, expected[1] - 1, N_CANARIES).astype(np.int64))
    known, stored = vectors.vectors(canaries), index.vectors(canaries)
    closest = np.array([scores[0] if len(scores) else 0.0 for scores, _ in index.search(known, 1, CHUNKS)])
    if np.abs(known - stored).max() > TOLERANCE or closest.min() < 1 - TOLERANCE:
        raise StorageError(f"{collection} in Milvus has other vectors than were written - build again; the old release serves")
    return index


def serve(milvus: Milvus, release: str) -> None:
    """Switch the alias to a release in one step.

    Raises:
        InputError: A collection has the name of the alias.
        VectorsUnavailable: Milvus does not answer, or lacks the release.
    """
    alias, collection = milvus.address.name, milvus.address.collection(release)
    before = serving(milvus)
    if before != collection:
        milvus.ask("alter_alias" if before else "create_alias", collection, alias)


def serving(milvus: Milvus) -> str | None:
    """Return the collection that the alias names, if there is one.

    Raises:
        InputError: A collection has the name of the alias.
    """
    alias = milvus.address.name
    if not milvus.ask("has_collection", alias):
        return None
    named = str(milvus.ask("describe_collection", alias)["collection_name"])
    if named == alias:
        raise InputError(f"Milvus has a collection {alias!r}, and the archive's alias cannot have its name - give the archive another")
    return named


def prune(milvus: Milvus, keep: Collection[str]) -> list[str]:
    """Remove the collections of releases that are not kept, including those of dead builds, but never the alias's
    target.

    Returns:
        The names of the removed collections.
    """
    kept = {*map(milvus.address.collection, keep), serving(milvus)}
    of_ours = re.compile(rf"{re.escape(milvus.address.name)}_\d{{8}}T\d{{6}}Z_[0-9a-f]{{4}}")
    removed = [name for name in milvus.ask("list_collections") if of_ours.fullmatch(name) and name not in kept]
    for name in removed:
        milvus.ask("drop_collection", name)
    return removed


def _create(milvus: Milvus, collection: str, dim: int, index_type: str) -> None:
    """Create a collection, or continue with the collection of an interrupted build."""
    from pymilvus import DataType, MilvusClient

    if not milvus.ask("has_collection", collection):
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
        schema.add_field("article", DataType.INT64)
        schema.add_field("published", DataType.INT64)
        for name in ("article_id", "section", "lang", "release"):
            schema.add_field(name, DataType.VARCHAR, max_length=MOST_BYTES)
        milvus.ask("create_collection", collection, schema=schema)
    for partition in {ARTICLES, CHUNKS}.difference(milvus.ask("list_partitions", collection)):
        milvus.ask("create_partition", collection, partition)
    if not milvus.ask("list_indexes", collection):
        params = MilvusClient.prepare_index_params()
        params.add_index("vector", index_name="vector", index_type=index_type, metric_type="IP", params={"M": 16, "efConstruction": 200})
        milvus.ask("create_index", collection, params)


def _facts(row: int, of: MilvusFields, release: str) -> dict[str, object]:
    published = NO_DATE if of.published == UNDATED else of.published
    return {"article": row, "article_id": of.id, "section": of.section, "lang": of.lang, "published": published, "release": release}


def _put(milvus: Milvus, collection: str, partition: str, ids: Rows, facts: Sequence[dict[str, object]], vectors: Vectors) -> None:
    lines = [{"id": id_, "vector": vector, **of} for id_, vector, of in zip(ids.tolist(), vectors, facts, strict=True)]
    milvus.ask("upsert", collection, lines, partition_name=partition)


def _load(milvus: Milvus, collection: str, replicas: int) -> None:
    if milvus.ask("get_load_state", collection)["state"].name == "Loaded":  # Milvus 2.3 cannot change its number of replicas then
        return
    try:
        milvus.ask("load_collection", collection, replica_number=replicas, timeout=LOADING_S)
    except VectorsUnavailable as error:
        if replicas == 1 or NEVER_PASSES not in str(error):
            raise
        log.warning(
            "Milvus has fewer than %d query nodes: %s lies on one, and if it dies searches fail until it is back", replicas, collection
        )
        milvus.ask("load_collection", collection, replica_number=1, timeout=LOADING_S)
