#!/usr/bin/env python3
"""Build an index from an archive of articles."""

import argparse
import json
import resource
from dataclasses import fields
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from index.build import build_index
from index.report import Report
from recommender import SentenceTransformerEmbedder
from recommender.duplicates import Canonical
from recommender.embedding import BUNDLED_MODEL
from scripts import command

EXAMPLES = """\
  build_index.py archive.jsonl --out var/index
  build_index.py 2024.jsonl 2025.jsonl --out var/index --map title=headline --map text=body
  build_index.py pydoc-topics --out var/demo      the help topics that ship with Python
"""
FIELDS = ("id", "title", "text", "url", "published", "section", "lang", "read_more")
LABELS = {"read": "articles", "embed": "chunks", "neighbours": "neighbours", "lists": "lists"}


def main(arguments: argparse.Namespace) -> None:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:>10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(LABELS[stage], total=total, rate="")
            task = bars.tasks[tasks[stage]]
            rate = f"{task.speed:.0f}/s" if task.speed else ""
            bars.update(tasks[stage], completed=done, rate=rate)

        report = build_index(
            arguments.inputs,
            arguments.out,
            SentenceTransformerEmbedder(arguments.model),
            names=dict(arguments.map),
            strict=arguments.strict,
            max_rejects=arguments.max_rejects,
            canonical=arguments.canonical,
            progress=progress,
        )
    figures = _figures(report)
    if arguments.json:
        print(json.dumps(figures))
    else:
        console.print(_table(figures))
        if report.rejected or report.dropped_fields:
            console.print(f"what was left out, and why: {arguments.out / 'rejects.jsonl'}", soft_wrap=True)


def _figures(report: Report) -> dict[str, object]:
    seconds = sum(report.seconds.values())
    return {
        **{column.name: getattr(report, column.name) for column in fields(report)},
        "articles_per_s": round(report.n_articles / seconds, 1),
        "chunks_per_s": round(report.n_chunks / max(report.seconds["embed"], 1e-3), 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _table(figures: dict[str, object]) -> Table:
    table = Table("build", "", show_header=False)
    for name, figure in figures.items():
        shown = ", ".join(f"{key} {value}" for key, value in figure.items()) or "none" if isinstance(figure, dict) else f"{figure}"
        table.add_row(name, shown)
    return table


def _mapping(text: str) -> tuple[str, str]:
    ours, _, theirs = text.partition("=")
    if ours not in FIELDS or not theirs:
        raise argparse.ArgumentTypeError(f"{text!r} is not OURS=THEIRS with OURS one of {', '.join(FIELDS)}")
    return ours, theirs


def _share(text: str) -> float:
    share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0% and 100%")
    return share


if __name__ == "__main__":
    parser = command.parser(__doc__, EXAMPLES)
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="article file (.jsonl, .ndjson, .txt: a page as pasted), or pydoc-topics"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the index; made if it is not there")
    parser.add_argument("--map", type=_mapping, action="append", default=[], metavar="OURS=THEIRS", help="our field has another name")
    parser.add_argument("--model", default=BUNDLED_MODEL, help="sentence-transformers model, name or folder (default: %(default)s)")
    parser.add_argument("--strict", action="store_true", help="publish nothing if an article is rejected")
    parser.add_argument("--max-rejects", type=_share, default=0.05, metavar="SHARE", help="publish nothing over this share (default: 5%%)")
    parser.add_argument(
        "--canonical",
        choices=get_args(Canonical),
        default="earliest",
        help="which near-duplicate stands for the others (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    command.run(main, parser.parse_args())
