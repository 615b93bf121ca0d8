#!/usr/bin/env python3
"""Time a build from scratch, and the answers of the index that it makes."""

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from index.build import build_index
from index.build_report import BuildReport
from index.encoder.openvino_export import fastest_embedder
from recommender import Article, Embedder, Recommender, SentenceTransformerEmbedder
from scripts import command
from scripts.benchmarks.peaks import operations, peak

EXAMPLES = """\
  build_time.py pydoc-topics
  build_time.py archive.jsonl --json
"""
LISTS = 2_000
DRAFTS = 20
CHUNKS = 200
BATCH_SIZES = (4, 8, 16, 32)
ROUNDS = 3
SPECIAL = 2
"""Special tokens that the model adds before and after a text."""


def main(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        embedder = fastest_embedder(Path(folder))
        first = build_index(arguments.inputs, Path(folder), embedder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        again = build_index(arguments.inputs, Path(folder), embedder)
        start = time.perf_counter()
        with Recommender.open(folder) as recommender:
            opened = time.perf_counter() - start
            figures = {
                **_build_figures(first),
                "peak memory, MB": peak,
                "second build, nothing changed, s": round(sum(again.seconds.values()), 2),
                "open and verify, ms": round(1000 * opened, 1),
                **_answer_figures(recommender),
                **_embedding_figures(recommender),
            }
    if arguments.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"| {name} | {figure:,} |" for name, figure in figures.items()))


def _embedding_figures(recommender: Recommender) -> dict[str, float]:
    """Compare the index's compiled model with sentence-transformers at its best batch size, in turns.

    Compare it with the machine's peak too.
    """
    n_chunks, embedder = recommender.release.manifest.n_chunks, recommender.embedder
    texts = [recommender.catalogue.chunk(row)[1] for row in range(0, n_chunks, max(1, n_chunks // CHUNKS))][:CHUNKS]
    references = [SentenceTransformerEmbedder(batch_size=size) for size in BATCH_SIZES]
    rounds = [(max(_rate(of, texts) for of in references), _rate(embedder, texts)) for _ in range(ROUNDS)]
    torch, compiled = rounds[-1]
    cosines = np.einsum("ij,ij->i", references[0].embed(texts), embedder.embed(texts))
    of_text = statistics.fmean(operations(min(len(embedder.token_spans(text)), embedder.max_tokens) + SPECIAL) for text in texts)
    in_integers = peak(integers=True)
    return {
        "sentence-transformers, best batch, chunks/s": round(torch, 1),
        "compiled, chunks/s": round(compiled, 1),
        "compiled to sentence-transformers, median": round(statistics.median(new / old for old, new in rounds), 2),
        "compiled, least cosine": round(float(cosines.min()), 5),
        "float32 peak, GFLOP/s": round(peak(integers=False) / 1e9),
        "int8 peak, GFLOP/s": round(in_integers / 1e9),
        "compiled, share of the int8 peak": round(max(rate for _, rate in rounds) * of_text / in_integers, 2),
    }


def _rate(embedder: Embedder, texts: Sequence[str]) -> float:
    began = time.perf_counter()
    embedder.embed(texts)
    return len(texts) / (time.perf_counter() - began)


def _build_figures(report: BuildReport) -> dict[str, float]:
    total = sum(report.seconds.values())
    return {
        "articles": report.n_articles,
        "chunks": report.n_chunks,
        "chunks truncated": report.n_truncated,
        **{f"{stage}, s": seconds for stage, seconds in report.seconds.items()},
        "articles/s": round(report.n_articles / total, 2),
        "chunks embedded/s": round(report.n_chunks / report.seconds["embed"], 1),
        "release on disk, MB": round(report.bytes / 1e6, 1),
    }


def _answer_figures(recommender: Recommender) -> dict[str, float]:
    n_articles = recommender.release.manifest.n_articles
    rows = [place % n_articles for place in range(LISTS)]
    articles = [recommender.catalogue.article(row) for row in rows[:DRAFTS]]
    drafts = [Article("", article.title, " ".join(article.text.split()[:300])) for article in articles]
    recommender.related_to(drafts[0])  # loads the model and the vectors
    return {
        "list by id, five lines, us (median)": round(1e6 * _median(recommender.related_to_row, rows), 0),
        "list of a draft of 300 words, ms (median)": round(1e3 * _median(recommender.related_to, drafts), 1),
    }


def _median(call: Callable[[Any], object], asked: Sequence[object]) -> float:
    """Return the median seconds of a call."""
    taken = []
    for one in asked:
        start = time.perf_counter()
        call(one)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


if __name__ == "__main__":
    parser = command.parser("build_time.py", __doc__, EXAMPLES)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="what readmore build takes")
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    command.run(main, parser)
