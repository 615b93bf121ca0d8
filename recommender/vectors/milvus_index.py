"""Read and search the vectors of a release in Milvus.

An article is worth comparing if its mean vector is close, or one of its chunks. A search fetches more chunks than
articles, and collapses them here, because Milvus 2.3 silently ignores `group_by_field`. The vectors for the comparison
chunk by chunk come from Milvus, too.
"""

import json
from collections.abc import Sequence

import numpy as np

from recommender.errors import IndexDamaged
from recommender.features.filters import SearchFilter
from recommender.release.manifest import MILVUS
from recommender.types import Rows, Scores, Vectors
from recommender.vectors.exact import check_unit, mean_vector
from recommender.vectors.milvus_client import ARTICLES, CHUNKS, FIRST_CHUNK, NO_DATE, Milvus

BY_CHUNK = 64
"""Number of articles found by their chunks alone."""

CHUNKS_EACH = 4
"""Chunks fetched first per article. Each retry fetches four times as many."""

MOST = 16_384
"""Maximum number of results that Milvus returns."""

BREADTH = 128
"""Minimum search breadth (`ef`) of HNSW."""

FETCHED = 1024
"""Vectors per fetch."""

EVENTUALLY = "Eventually"
"""Consistency level. A release does not change, so reads need not wait for the latest writes."""


class MilvusIndex:
    """The vectors of one release, or of the release that an alias names.

    Raises:
        VectorsUnavailable: Milvus does not answer, or has no such collection.
    """

    kind = MILVUS

    def __init__(self, milvus: Milvus, collection: str) -> None:
        self._milvus, self._collection = milvus, collection
        fields = milvus.ask("describe_collection", collection)["fields"]
        self._dim = int(next(field["params"]["dim"] for field in fields if field["name"] == "vector"))
        self.n_articles, self._n_chunks = self._count(f"id < {FIRST_CHUNK}"), self._count(f"id >= {FIRST_CHUNK}")

    @property
    def dim(self) -> int:
        return self._dim

    def __len__(self) -> int:
        return self._n_chunks

    def vectors(self, rows: Rows) -> Vectors:
        """See `VectorIndex.vectors`.

        Raises:
            IndexDamaged: Milvus lacks some of the vectors.
            VectorsUnavailable: Milvus does not answer.
        """
        wanted, places = np.unique(rows, return_inverse=True)
        vectors = np.empty((len(wanted), self._dim), dtype=np.float32)
        for first in range(0, len(wanted), FETCHED):
            ids = FIRST_CHUNK + wanted[first : first + FETCHED]
            found = self._milvus.ask(
                "get",
                self._collection,
                ids=ids.tolist(),
                output_fields=["id", "vector"],
                partition_names=[CHUNKS],
                consistency_level=EVENTUALLY,
            )
            if len(found) != len(ids):
                raise IndexDamaged(f"{self._collection} in Milvus has {len(found)} of {len(ids)} vectors asked for - build again")
            for line in found:
                vectors[first + np.searchsorted(ids, line["id"])] = line["vector"]
        return vectors[places]

    def near(self, queries: Sequence[Vectors], k: int, wanted: SearchFilter | None = None) -> list[Rows]:
        """See `ArticleIndex.near`.

        Raises:
            VectorsUnavailable: Milvus does not answer.
        """
        by_mean = self.search(np.stack([mean_vector(query) for query in queries]), k, ARTICLES, wanted)
        return [np.union1d(rows, self._by_chunk(query, wanted)) for query, (_, rows) in zip(queries, by_mean, strict=True)]

    def search(self, vectors: Vectors, k: int, among: str, wanted: SearchFilter | None = None) -> list[tuple[Scores, Rows]]:
        """Return the closest entries of one partition for each vector, closest first.

        The result holds scores, and the rows of the articles.

        Raises:
            VectorsUnavailable: Milvus does not answer.
        """
        check_unit(vectors)
        results = self._milvus.ask(
            "search",
            self._collection,
            data=vectors.tolist(),
            limit=k,
            filter="" if wanted is None else expression(wanted),
            output_fields=["article"],
            partition_names=[among],
            search_params={"metric_type": "IP", "params": {"ef": max(k, BREADTH)}},
            consistency_level=EVENTUALLY,
        )
        return [
            (
                np.array([hit["distance"] for hit in hits], dtype=np.float32),
                np.array([hit["entity"]["article"] for hit in hits], dtype=np.int64),
            )
            for hits in results
        ]

    def _by_chunk(self, query: Vectors, wanted: SearchFilter | None) -> Rows:
        k = CHUNKS_EACH * BY_CHUNK
        while True:
            found = self.search(query, k, CHUNKS, wanted)
            articles = collapsed(found)
            if len(articles) >= BY_CHUNK or k == MOST or all(len(rows) < k for _, rows in found):
                return articles[:BY_CHUNK]
            k = min(4 * k, MOST)

    def _count(self, which: str) -> int:
        found = self._milvus.ask("query", self._collection, filter=which, output_fields=["count(*)"], consistency_level="Strong")
        return int(found[0]["count(*)"])


def collapsed(found: Sequence[tuple[Scores, Rows]]) -> Rows:
    """Return the articles of some chunks, each once, in the order of their closest chunk.

    >>> collapsed([(np.array([0.9, 0.8, 0.3]), np.array([4, 4, 2])), (np.array([0.95]), np.array([7]))])
    array([7, 4, 2])
    """
    scores, rows = (np.concatenate(of) for of in zip(*found, strict=True))
    closest_first = rows[np.argsort(-scores, kind="stable")]
    _, firsts = np.unique(closest_first, return_index=True)
    return np.asarray(closest_first[np.sort(firsts)])


def expression(wanted: SearchFilter) -> str:
    """Return a filter as a Milvus expression.

    >>> from recommender.features.article_features import ArticleFeatures
    >>> expression(SearchFilter(ArticleFeatures(*[None] * 7), ("local", 'the "arts"'), published_before=1000))
    'section in ["local", "the \\\\"arts\\\\""] and published < 1000 and published > -4611686018427387904'
    """
    parts = []
    if wanted.sections:
        parts.append(f"section in {json.dumps(wanted.sections, ensure_ascii=False)}")
    if wanted.published_after is not None:
        parts.append(f"published >= {wanted.published_after}")
    if wanted.published_before is not None:
        parts.append(f"published < {wanted.published_before} and published > {NO_DATE}")
    if wanted.until is not None:
        parts.append(f"published <= {wanted.until}")
    return " and ".join(parts)
