"""Write the manifest of a release when all its files are complete."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from index.build_report import BuildReport
from index.live.upserts import LiveChanges
from index.release.publish import file_entries, release_name
from recommender.embedding.embedder import Embedder
from recommender.embedding.openvino import CompiledEmbedder
from recommender.features.ranker import Ranker
from recommender.release.manifest import FLAT, FLOAT, FORMAT, MILVUS, TIERED, VECTORS, Manifest, ModelCard
from recommender.retrieval.candidates import N_CANDIDATES
from recommender.types import Vectors, rfc3339
from recommender.vectors.two_tier import ARTICLES


def manifest_of(
    staged: Path, embedder: Embedder, canaries: Vectors, ranker: Ranker, said: LiveChanges, report: BuildReport, floor: float
) -> Manifest:
    """Return the manifest of a staged release.

    Args:
        canaries: The vectors of `CANARIES`: float32 (n, dim).
        said: The live updates that the release holds.
        floor: See `index.lists.floor`.
    """
    return Manifest(
        format=FORMAT,
        release=release_name(staged),
        created=str(rfc3339(datetime.now(UTC).replace(microsecond=0))),
        model=ModelCard(
            name=embedder.name,
            sha256=embedder.sha256,
            dim=embedder.dim,
            max_tokens=embedder.max_tokens,
            precision=embedder.precision if isinstance(embedder, CompiledEmbedder) else FLOAT,
            canaries=np.round(canaries, 6).astype(float).tolist(),
        ),
        n_articles=report.n_articles,
        n_chunks=report.n_chunks,
        n_candidates=N_CANDIDATES,
        vectors=TIERED if (staged / ARTICLES).exists() else FLAT if (staged / VECTORS).exists() else MILVUS,
        live_sequence=said.sequence,
        journal=said.journal,
        ranker=asdict(ranker),
        floor=floor,
        files=dict(file_entries(staged)),
    )
