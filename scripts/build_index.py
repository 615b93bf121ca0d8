#!/usr/bin/env python3
"""Build an index of an archive of articles, or bring one up to date."""

import argparse
import json
import re
import resource
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from index.build import LINKS, MEMORY, build_index
from index.compile import fastest_embedder
from index.corpus import FORMATS
from index.reading import OnDuplicate
from index.rejects import REJECTS
from index.report import Report
from index.unfinished import read_unfinished
from recommender.duplicates import Canonical
from recommender.embedding import BUNDLED_MODEL
from scripts import command

EXAMPLES = """\
  build_index.py archive.jsonl --out var/index                      new and changed articles; the others stay
  build_index.py archive.jsonl --out var/index --delete-missing     the whole archive: what is not in it goes
  build_index.py pages/ export.xml feed.rss --out var/index         folders and other formats: docs/ingestion.md
  build_index.py --resume --out var/index                           the build that was cut short, with its options
  build_index.py 2024.jsonl 2025.jsonl --out var/index --map title=headline --map text=body
  build_index.py pydoc-topics --out var/demo                        the help topics that ship with Python
"""
FIELDS = ("id", "title", "text", "html", "url", "published", "section", "lang", "read_more")
SIZE = re.compile(r"(?P<number>\d+(\.\d+)?) ?(?P<unit>[KMGT]?)(iB|(?P<decimal>B)|)", re.IGNORECASE)
LABELS = {"read": "read", "chunk": "articles", "embed": "chunks", "neighbours": "neighbours", "lists": "lists", "vectors": "vectors"}


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

        request = read_unfinished(arguments.out) if arguments.resume else _request(arguments)
        embedder = fastest_embedder(arguments.out, request.pop("model"))
        report = build_index(request.pop("sources"), arguments.out, embedder, **request, progress=progress)
    figures = _figures(report)
    if arguments.json:
        print(json.dumps(figures))
    else:
        console.print(_table(figures))
        if report.n_links_unknown or report.n_links_guessed:
            console.print(f"entries of hand-made lists that were not found, or guessed: {arguments.out / LINKS}", soft_wrap=True)
        if report.rejected or report.dropped_fields:
            console.print(f"what was left out, and why: {arguments.out / REJECTS}", soft_wrap=True)


def _request(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "sources": arguments.inputs,
        "model": arguments.model,
        "names": dict(arguments.map),
        "source_format": arguments.format,
        "delete_missing": arguments.delete_missing,
        "on_duplicate": arguments.on_duplicate,
        "strict": arguments.strict,
        "max_rejects": arguments.max_rejects,
        "canonical": arguments.canonical,
        "memory": arguments.memory,
        "vectors": arguments.vectors,
    }


def _figures(report: Report) -> dict[str, object]:
    seconds = sum(report.seconds.values())
    return {
        **{column.name: getattr(report, column.name) for column in fields(report) if column.name != "changes"},
        **asdict(report.changes),
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


def _size(text: str) -> int:
    found = SIZE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 2GiB or 1500MB")
    power = " KMGT".index(found["unit"].upper() or " ")
    return int(float(found["number"]) * (1000 if found["decimal"] else 1024) ** power)


def _share(text: str) -> float:
    share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0% and 100%")
    return share


if __name__ == "__main__":
    parser = command.parser(__doc__, EXAMPLES)
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help="article file or folder (see docs/ingestion.md), or pydoc-topics")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the index; made if it is not there")
    parser.add_argument("--format", choices=sorted(FORMATS), help="what the inputs are (default: by their endings)")
    parser.add_argument("--delete-missing", action="store_true", help="the inputs are the whole archive: remove what they do not hold")
    parser.add_argument("--resume", action="store_true", help="take up the build that was cut short; without inputs and options")
    parser.add_argument(
        "--on-duplicate",
        choices=get_args(OnDuplicate),
        default="first",
        help="which of several articles with one id stays (default: %(default)s)",
    )
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
    parser.add_argument(
        "--memory",
        type=_size,
        default=MEMORY,
        metavar="SIZE",
        help="what the build may take; below 4GiB it embeds in floats (default: 4GiB)",
    )
    parser.add_argument(
        "--vectors",
        default="",
        metavar="ADDRESS",
        help="where the vectors are to lie: milvus://host:19530/name (default: in the index's folder)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    given = parser.parse_args()
    if bool(given.inputs) == given.resume:
        parser.error("give inputs, or --resume without inputs")
    command.run(main, given)
