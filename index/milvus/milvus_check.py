"""Compare the content of Milvus with a release: all counts, and some articles with their vectors."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from recommender.errors import IndexDamaged
from recommender.release.catalogue import Catalogue
from recommender.release.manifest import CATALOGUE, Manifest
from recommender.vectors.exact import mean_vectors
from recommender.vectors.milvus_client import ARTICLES, Milvus, MilvusAddress
from recommender.vectors.milvus_index import MilvusIndex

LOOKED_AT = 64
"""Number of articles, spread over the archive, that are compared with the catalogue."""

CLOSE = 0.999

TOLERANCE = 1e-3
"""Largest deviation of a vector's norm from 1."""


def milvus_faults(address: MilvusAddress, folder: Path, manifest: Manifest) -> Iterator[str]:
    """Yield the inconsistencies in the Milvus vectors of a release.

    Args:
        folder: Folder of the release, whose files are sound.

    Raises:
        VectorsUnavailable: Milvus does not answer.
    """
    with closing(Milvus(address)) as milvus, closing(Catalogue(folder / CATALOGUE)) as catalogue:
        collection = address.collection(manifest.release)
        if not milvus.ask("has_collection", collection):
            yield "is not there"
            return
        index = MilvusIndex(milvus, collection)
        found, expected = (index.n_articles, len(index)), (manifest.n_articles, manifest.n_chunks)
        if found != expected:
            yield f"holds {found[0]} articles and {found[1]} chunks, its manifest says {expected[0]} and {expected[1]}"
            return
        rows = np.unique(np.linspace(0, manifest.n_articles - 1, LOOKED_AT).astype(np.int64))
        lines = milvus.ask("get", collection, ids=rows.tolist(), output_fields=["id", "article_id", "vector"], partition_names=[ARTICLES])
        there = {line["id"]: line for line in lines}
        offsets = catalogue.layout().offsets
        for row in rows.tolist():
            known, line = catalogue.card(row).id, there.get(row)
            if line is None or line["article_id"] != known:
                yield f"holds {line and line['article_id']!r:.80} where the catalogue has article {known!r:.80}"
                continue
            try:
                chunks = index.vectors(np.arange(offsets[row], offsets[row + 1]))
            except IndexDamaged as error:
                yield str(error).partition(" - ")[0]
                continue
            norms = np.linalg.norm(chunks, axis=1)
            if np.abs(norms - 1).max() > TOLERANCE or float(mean_vectors(chunks, np.array([0, len(chunks)]))[0] @ line["vector"]) < CLOSE:
                yield f"holds vectors of article {known!r:.80} that do not fit together"
