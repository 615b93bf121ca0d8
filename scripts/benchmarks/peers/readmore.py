"""Measure Readmore itself, as a site runs it: `readmore build`, then `readmore serve`."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from statistics import fmean
from urllib.parse import quote

import numpy as np

from recommender import Recommender
from recommender.errors import InputError
from recommender.vectors import maxsim
from scripts import local_server
from scripts.benchmarks.peers.archive import N_COMPARED, K, PeerArchive
from scripts.benchmarks.peers.memory import MARK, held_mb, watched
from scripts.benchmarks.peers.peer_figures import Answers, Figures
from scripts.local_server import ROOT


def measure_readmore(archive: PeerArchive, folder: Path, seconds: int) -> Figures:
    """Return all figures of Readmore. Its index also holds the texts, and why articles belong together.

    Raises:
        InputError: The build failed.
    """
    mark = uuid.uuid4().hex
    began = time.perf_counter()
    build = [sys.executable, "scripts/build_index.py", str(archive.path), "--out", str(folder), "--max-rejects", "1"]
    with watched(mark) as peak:
        done = subprocess.run(build, cwd=ROOT, env={**os.environ, MARK: mark}, stdout=subprocess.DEVNULL, check=False)  # noqa: S603
    took = time.perf_counter() - began
    if done.returncode:
        raise InputError("Readmore's build failed - what it said stands above")
    with Recommender.open(folder) as recommender:
        n_bytes = sum(path.stat().st_size for path in recommender.release.folder.rglob("*"))
        known = [text.id for text in archive.judged if recommender.catalogue.find_row(text.id) is not None]
        lists = {article_id: [line.id for line in recommender.related(article_id, K)] for article_id in known}
        recall = fmean(_recall(recommender, recommender.row(text.id)) for text in archive.timed[:N_COMPARED])
    open_s, answers = _over_http(archive, folder, seconds)
    return Figures(
        peer="readmore",
        versions={},
        batch_size=0,
        articles_per_s=archive.n / took,
        bytes_per_article=n_bytes / archive.n,
        building_mb=peak.mb,
        open_s=open_s,
        answers=answers,
        recall=recall,
        ndcg=archive.ndcg(lists),
    )


def _recall(recommender: Recommender, row: int) -> float:
    """Return the recall of a search against exhaustive comparison with all articles, chunk by chunk."""
    archive, query = recommender.archive, recommender.texts.stored_query(row)
    others = np.delete(np.arange(recommender.release.manifest.n_articles), row)
    compared = maxsim.compare(query.vectors, others, archive.index, archive.layout)
    nearest = others[np.argsort(-(compared.there + compared.back), kind="stable")[:K]]
    with recommender.live.reading() as view:
        found = recommender.texts.neighbours(query, view, K).in_meaning
    return len(np.intersect1d(nearest, found)) / len(nearest)


def _over_http(archive: PeerArchive, folder: Path, seconds: int) -> tuple[float, Answers]:
    """Return the seconds from the start of the service to its first list, and its answer times."""
    mark = uuid.uuid4().hex
    serve = [sys.executable, "scripts/serve.py", "--index", str(folder), "--port", "{port}", "--log-level", "error"]
    paths = [f"/v1/articles/{quote(text.id)}/related?limit={K}" for text in archive.timed]
    with local_server.running(serve, environment={MARK: mark}) as (address, _, started):
        first, *by_id = local_server.one_by_one(address, paths)
        per_s = local_server.rate(address, paths, seconds)
        drafts = local_server.posted(f"{address}/v1/related?limit={K}", [{"text": draft} for draft in archive.drafts])
        return started + first, Answers.measured([first, *by_id], drafts, held_mb(mark), per_s)
