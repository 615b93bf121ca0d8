#!/usr/bin/env python3
"""Build an index of a synthetic archive of any size, and measure what grows with it.

The archive and its vectors come from `scripts/benchmarks/synthetic.py`. No model is needed, so the embedding time is
the generator's. `scripts/benchmarks/service_load.py --lists-only` measures the index over HTTP.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.build import build_index
from index.build_options import MEMORY
from index.build_report import BuildReport
from index.workers.processes import Processes
from recommender import Recommender
from recommender.live.overlay import LiveOverlay
from recommender.release.manifest import current_folder
from recommender.text.chunking import chunk_article, embedding_text
from recommender.types import Article, Vectors, stored_values
from scripts import command
from scripts.benchmarks.synthetic import WORDS, SyntheticEmbedder, articles

EXAMPLES = """\
  scale.py 200000 --out var/scale
  scale.py 200000 --out var/scale --built            measures it again
  scale.py 1000000 --words 30 --out var/scale        chunks of 30 words instead of 120
"""
ASKED, DRAFTS = 2_000, 200
BLOCK = 2_000

OPEN = """
import sys, time
from recommender import Recommender
began = time.perf_counter()
with Recommender.open(sys.argv[1]) as recommender:
    recommender.related(sys.argv[2])
    print(time.perf_counter() - began)
"""


def main(arguments: argparse.Namespace) -> None:
    archive, index_dir = arguments.out / "archive.jsonl", arguments.out / "index"
    arguments.out.mkdir(parents=True, exist_ok=True)
    embedder = SyntheticEmbedder(arguments.words)
    figures: dict[str, object] = {"articles": arguments.n}
    if not arguments.built:
        _write(archive, arguments.n, arguments.words)
        with Peak() as peak:
            report = build_index([str(archive)], index_dir, embedder, delete_missing=True, memory=arguments.memory)
        figures |= {**_seconds(report), "anonymous memory, MB": peak.mb}
        print(json.dumps(figures), file=sys.stderr)
    figures |= _sizes(index_dir)
    opened = [sys.executable, "-c", OPEN, str(index_dir), "a00000001"]
    figures["open to first list, s"] = round(min(float(subprocess.check_output(opened)) for _ in range(3)), 3)  # noqa: S603
    chance = np.random.default_rng(1)
    with Recommender.open(index_dir, embedder) as recommender:
        ids = [f"a{number:08d}" for number in chance.integers(0, arguments.n, ASKED)]
        figures |= {f"list by id, {name}": figure for name, figure in _timed(ids, recommender).items()}
        rows = chance.choice(arguments.n, DRAFTS, replace=False)
        figures |= _draft_figures(recommender, embedder, rows, arguments)
    print(json.dumps(figures) if arguments.json else "\n".join(f"| {name} | {figure} |" for name, figure in figures.items()))


def _write(archive: Path, n: int, words: int) -> None:
    with archive.open("w", encoding="utf-8") as file:
        for article in articles(n, words=words):
            file.write(json.dumps({"id": article.id, **stored_values(article)}) + "\n")


def _seconds(report: BuildReport) -> dict[str, float]:
    n, seconds = report.n_articles, report.seconds
    lists = sum(seconds[stage] for stage in ("neighbours", "duplicates", "lists"))
    return {f"{stage}, ms an article": round(1e3 * of / n, 3) for stage, of in {**seconds, "lists in all": lists}.items()}


def _sizes(index_dir: Path) -> dict[str, float]:
    """Return the bytes per article by file. Return those of text and fields too, sampled from a thousand articles."""
    release = current_folder(index_dir)
    sizes: dict[str, int] = defaultdict(int)
    for path in release.rglob("*"):
        if path.is_file():
            sizes[path.relative_to(release).parts[0]] += path.stat().st_size
    with Recommender.open(index_dir) as recommender:
        n = recommender.release.manifest.n_articles
        sample = [recommender.catalogue.article(row) for row in range(0, n, max(1, n // 1000))]
        n_chunks = recommender.release.manifest.n_chunks
    text = statistics.mean(len("".join(map(str, (of.id, *stored_values(of).values()))).encode()) for of in sample)
    return {
        "chunks": n_chunks,
        "bytes an article": round(sum(sizes.values()) / n),
        "of these its text and fields": round(text),
        **{f"bytes an article, {name}": round(size / n, 1) for name, size in sorted(sizes.items(), key=lambda of: -of[1]) if size > n},
    }


def _timed(ids: Sequence[str], recommender: Recommender) -> dict[str, float]:
    recommender.related(ids[0])
    taken = []
    for article_id in ids:
        began = time.perf_counter()
        recommender.related(article_id)
        taken.append(1e6 * (time.perf_counter() - began))
    return {"p50 us": round(statistics.median(taken)), "p99 us": round(statistics.quantiles(taken, n=100)[-1])}


def _draft_figures(
    recommender: Recommender, embedder: SyntheticEmbedder, rows: NDArray[np.int64], arguments: argparse.Namespace
) -> dict[str, float]:
    """Query with articles of the archive as drafts, with known vectors. Return candidate times and recall."""
    texts, taken, found = recommender.texts, [], []
    sample = [recommender.catalogue.article(int(row)) for row in rows]
    vectors = [_vectors(article, embedder) for article in sample]
    for row, article, own in zip(rows.tolist(), sample, vectors, strict=True):
        began = time.perf_counter()
        query = texts.query(article, own, row, texts.terms(article))
        near = texts.neighbours(query, LiveOverlay())
        texts.candidates(query, near, LiveOverlay())
        taken.append(1e3 * (time.perf_counter() - began))
        found.append(set(near.in_meaning[:10].tolist()))
    closest = _closest(vectors, rows, embedder, arguments)
    recall = statistics.mean(len(some & true) / 10 for some, true in zip(found, closest, strict=True))
    return {
        "draft without embedding, p50 ms": round(statistics.median(taken[len(taken) // 10 :]), 2),
        "draft without embedding, p90 ms": round(statistics.quantiles(taken[len(taken) // 10 :], n=10)[-1], 2),
        "recall@10 in meaning": round(recall, 4),
    }


def _vectors(article: Article, embedder: SyntheticEmbedder) -> Vectors:
    return embedder.embed([embedding_text(article.title, chunk.text, embedder) for chunk in chunk_article(article, embedder)])


def _closest(
    queries: Sequence[Vectors], rows: NDArray[np.int64], embedder: SyntheticEmbedder, arguments: argparse.Namespace
) -> list[set[int]]:
    """Return the ten closest articles by exact MaxSim in float32 over the whole archive."""
    best = np.full((len(queries), 10), -1.0)
    whose = np.full((len(queries), 10), -1)
    first = 0
    blocks = _blocks(articles(arguments.n, words=arguments.words))
    with Processes(len(os.sched_getaffinity(0))) as processes:
        if arguments.n > BLOCK:
            processes.start()
        for scores in processes.everywhere(_scores, partial(_Asked, queries, embedder), blocks):
            scored = np.arange(first, first + scores.shape[1])  # ids count up, and so do rows
            all_scores = np.concatenate([best, np.where(scored == rows[:, None], -1.0, scores)], axis=1)
            all_rows = np.concatenate([whose, np.tile(scored, (len(queries), 1))], axis=1)
            order = np.argsort(-all_scores, axis=1)[:, :10]
            best, whose = np.take_along_axis(all_scores, order, axis=1), np.take_along_axis(all_rows, order, axis=1)
            first += len(scored)
    return [set(of.tolist()) for of in whose]


def _blocks(some: Iterator[Article]) -> Iterator[list[Article]]:
    while block := list(islice(some, BLOCK)):
        yield block


@dataclass(frozen=True, slots=True)
class _Asked:
    """The queries that all articles are compared with."""

    queries: Sequence[Vectors]
    embedder: SyntheticEmbedder


def _scores(asked: _Asked, block: Sequence[Article]) -> NDArray[np.float64]:
    """Return MaxSim of every query and every article of a block: float64 (n_queries, n_articles)."""
    stacked, ends = np.concatenate(asked.queries), np.cumsum([0, *map(len, asked.queries)])
    chunks = [_vectors(article, asked.embedder) for article in block]
    begins = np.cumsum([0, *map(len, chunks)])
    cosines = stacked @ np.concatenate(chunks).T
    there = np.add.reduceat(np.maximum.reduceat(cosines, begins[:-1], axis=1), ends[:-1], axis=0) / np.diff(ends)[:, None]
    back = np.add.reduceat(np.maximum.reduceat(cosines, ends[:-1], axis=0), begins[:-1], axis=1) / np.diff(begins)
    return np.asarray((there + back) / 2, dtype=np.float64)


class Peak:
    """Context that records the peak anonymous memory of this process and its children, sampled five times a second."""

    def __init__(self) -> None:
        self.mb = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.2):
            with suppress(OSError, ValueError):
                self.mb = max(self.mb, sum(_anonymous_kb(path) for path in _family()) // 1000)


def _family() -> list[Path]:
    me, children = Path("/proc/self").resolve(), []
    for thread in (me / "task").iterdir():
        children += [Path("/proc", pid) for pid in (thread / "children").read_text().split()]
    return [me, *children]


def _anonymous_kb(process: Path) -> int:
    for line in (process / "status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    return 0


if __name__ == "__main__":
    parser = command.parser("scale.py", __doc__, EXAMPLES)
    parser.add_argument("n", type=int, help="articles")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the archive and its index are put")
    parser.add_argument("--words", type=int, default=WORDS, help="of a chunk, on average (default: %(default)s)")
    parser.add_argument("--memory", type=int, default=MEMORY, metavar="BYTES", help="what the build may take (default: %(default)s)")
    parser.add_argument("--built", action="store_true", help="the index is there already: only measure it")
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    command.run(main, parser)
