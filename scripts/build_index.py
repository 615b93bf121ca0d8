#!/usr/bin/env python3
"""Build an index of an archive of articles, or bring one up to date."""

import argparse
import codecs
import json
import logging
import os
import re
import resource
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from index.build import LINKS, build_index
from index.build_options import MEMORY, OnDuplicate
from index.build_report import BuildReport
from index.encoder.model_choice import model_of
from index.encoder.openvino_export import fastest_embedder
from index.ingest.publication import normal
from index.ingest.readers.sources import FORMATS
from index.ingest.rejects import REJECTS
from index.journal.address import VARIABLE as LIVE
from index.release.resume import read_unfinished
from index.wings import wings_at
from recommender.embedding.multilingual_e5 import MULTILINGUAL_MODEL
from recommender.embedding.sentence_transformer import BUNDLED_MODEL
from recommender.errors import OutOfRange
from recommender.retrieval.near_duplicates import Canonical
from recommender.text.dates import DateOrder
from recommender.types import ARTICLE_COLUMNS
from recommender.vectors.milvus_client import VARIABLE
from scripts import command

EXAMPLES = """\
  readmore build archive.jsonl --out var/index                      new and changed articles; the others stay
  readmore build archive.jsonl --out var/index --delete-missing     the whole archive: what is not in it goes
  readmore build pages/ export.xml feed.rss --out var/index         folders and other formats: docs/ingestion.md
  readmore build --resume --out var/index                           the build that was cut short, with its options
  readmore build 2024.jsonl 2025.jsonl --out var/index --map title=headline --map text=body
  readmore build pydoc-topics --out var/demo                        the help topics that ship with Python
"""
FIELDS = (*ARTICLE_COLUMNS, "html", "read_more", "status")
"""Fields that `--map` renames."""
REASONS = 20
"""Maximum number of printed reasons for skipped records. A source may have any number of its own."""

SIZE = re.compile(r"(?P<number>\d+(\.\d+)?) ?(?P<unit>[KMGT]?)(iB|(?P<decimal>B)|)", re.IGNORECASE)
LEAST_S = 0.05
"""Seconds below which a stage is not printed."""
LABELS = {"read": "read", "chunk": "articles", "embed": "chunks", "neighbours": "neighbours", "lists": "lists", "vectors": "vectors"}


def main(arguments: argparse.Namespace) -> None:
    if bool(arguments.inputs) == arguments.resume:
        raise OutOfRange("give inputs, or --resume without inputs")
    with command.stopped_by_signals():
        _build(arguments)


def _build(arguments: argparse.Namespace) -> None:
    logging.basicConfig(format="%(message)s")
    logging.getLogger("index").setLevel(logging.INFO)  # logs skipped records, and how each file was read
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
        tasks = {"model": bars.add_task("model", total=1, rate="")}

        def progress(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(LABELS[stage], total=total, rate="")
            task = bars.tasks[tasks[stage]]
            rate = f"{task.speed:.0f}/s" if task.speed else ""
            bars.update(tasks[stage], completed=done, rate=rate)

        request = read_unfinished(arguments.out) if arguments.resume else _request(arguments)
        embedder = fastest_embedder(arguments.out, request.pop("model") or _model(arguments.out, request))
        progress("model", 1, 1)
        wings = wings_at(request.pop("vectors"), arguments.live, request.pop("ray"))
        report = build_index(request.pop("sources"), arguments.out, embedder, wings=wings, progress=progress, **request)
    figures = _figures(report)
    if arguments.json:
        print(json.dumps(figures))
    for name, words in {} if arguments.json else _told(report, figures, arguments.out).items():
        console.print(f"{name:>9}  {words}", soft_wrap=True, highlight=False, markup=False)


def _model(out: Path, request: Mapping[str, Any]) -> str:
    reading = {name: request[name] for name in ("names", "source_format", "encoding", "columns")}
    include = frozenset(map(normal, request["include_status"]))
    return model_of(out, request["sources"], **reading, include=include, date_order=request["date_format"])


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
        "include_status": arguments.include_status,
        "allow_truncated": arguments.allow_truncated,
        "id_prefix": arguments.id_prefix,
        "canonical": arguments.canonical,
        "date_format": arguments.date_format,
        "encoding": arguments.encoding,
        "columns": arguments.columns,
        "max_undated": arguments.max_undated,
        "memory": arguments.memory,
        "vectors": arguments.vectors,
        "ray": arguments.ray,
    }


def _figures(report: BuildReport) -> dict[str, object]:
    seconds = sum(report.seconds.values())
    return {
        **{column.name: getattr(report, column.name) for column in fields(report) if column.name != "changes"},
        **asdict(report.changes),
        "articles_per_s": round(report.n_articles / seconds, 1),
        "chunks_per_s": round(report.n_chunks / max(report.seconds["embed"], 1e-3), 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _told(report: BuildReport, figures: Mapping[str, object], out: Path) -> dict[str, str]:
    """Return the report for people: its fixed lines, and the optional lines that apply to this build."""
    changes = report.changes
    of_articles = {
        "named by no source": changes.n_kept,
        "put through the service": report.n_live,
        "withdrawn": report.n_withdrawn,
        "near-duplicates": report.n_duplicates,
        "without a title": report.n_without_title,
        f"without a date ({report.n_without_date / max(report.n_articles, 1):.0%})": report.n_without_date,
        "of which only the beginning was embedded": report.n_capped,
    }
    of_links = {"by a title that is nearly the same": report.n_links_guessed, "more not found": report.n_links_unknown}
    left_out = {**report.rejected, **{f"{code} (the field alone)": n for code, n in report.dropped_fields.items()}}
    rejected = f"{_if_any(left_out).removeprefix('; ')} of {report.n_read:,} read: {out / REJECTS}" if left_out else ""
    passed = _if_any(dict(report.passed_over.most_common(REASONS))).replace(";", "passed over", 1).strip()
    lines = {
        "release": f"{report.release}, {report.bytes / 1e6:,.1f} MB",
        "articles": f"{report.n_articles:,}: {changes.n_new:,} new, {changes.n_changed:,} changed,"
        f" {changes.n_deleted:,} gone{_if_any(of_articles)}",
        "passages": f"{report.n_chunks:,}: {report.n_embedded:,} embedded, {report.n_reused:,} known"
        f"{_if_any({'cut short by the model': report.n_truncated})}",
        "links": f"{report.n_links:,} of hand-made lists{_if_any(of_links)}{f': {out / LINKS}' if any(of_links.values()) else ''}",
        "fields": "; ".join(f"{names}: {count:,}" for names, count in report.found_fields.most_common(REASONS)),
        "mended": "; ".join(f"{fault}: {count:,}" for fault, count in report.mended.items()),
        "left out": "; ".join(filter(None, [rejected, passed])) or "nothing",
        "time": ", ".join(f"{stage} {seconds:,.1f} s" for stage, seconds in report.seconds.items() if seconds >= LEAST_S),
        "memory": f"{figures['peak_memory_mb']:,} MB",
    }
    return {name: words for name, words in lines.items() if words}


def _if_any(counts: Mapping[str, int]) -> str:
    """Return the non-zero counts as text."""
    return "".join(f"; {n:,} {what}" for what, n in counts.items() if n)


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


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError as error:
        raise argparse.ArgumentTypeError(f"{name!r} is no known encoding - such as utf-8 or windows-1251") from error


def _share(text: str) -> float:
    share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0% and 100%")
    return share


def options() -> argparse.ArgumentParser:
    parser = command.parser("readmore build", __doc__, EXAMPLES)
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
    parser.add_argument(
        "--map",
        type=_mapping,
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help="our field has another name or path, such as title.rendered or parts[].content",
    )
    parser.add_argument(
        "--model",
        help="sentence-transformers model, name or folder (default: the index's own; in a new one by the archive's languages,"
        f" {BUNDLED_MODEL} for English, {MULTILINGUAL_MODEL} for others)",
    )
    parser.add_argument("--strict", action="store_true", help="publish nothing if an article is rejected")
    parser.add_argument("--max-rejects", type=_share, default=0.05, metavar="SHARE", help="publish nothing over this share (default: 5%%)")
    parser.add_argument(
        "--include-status",
        action="append",
        default=[],
        metavar="STATUS",
        help="read articles of this status as well, such as members or draft; the report names what was passed over",
    )
    parser.add_argument(
        "--date-format",
        choices=get_args(DateOrder),
        help="what dates such as 3/1/2020 begin with: the day or the month (default: as the other dates of the source tell)",
    )
    parser.add_argument(
        "--encoding", type=_encoding, metavar="NAME", help="encoding of CSV files, such as windows-1251 (default: detected)"
    )
    parser.add_argument(
        "--columns",
        type=lambda names: names.split(","),
        default=[],
        metavar="NAMES",
        help="columns of CSV files without a header, such as id,title,text; an empty name leaves a column out",
    )
    parser.add_argument(
        "--max-undated", type=_share, default=1.0, metavar="SHARE", help="publish nothing if a larger share has no date (default: 100%%)"
    )
    parser.add_argument("--allow-truncated", action="store_true", help="take what stands before the end of a file that ends too early")
    parser.add_argument(
        "--id-prefix",
        metavar="TEXT",
        help="what ids of WordPress's posts begin with (default: nothing for the first site of an index, for others their address)",
    )
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
        default=os.environ.get(VARIABLE, ""),
        metavar="ADDRESS",
        help=f"where the vectors are to lie: milvus://host:19530/name (default: {VARIABLE}, or in the index's folder)",
    )
    parser.add_argument(
        "--live",
        default=os.environ.get(LIVE, ""),
        metavar="ADDRESS",
        help=f"what machines share of live articles: postgresql://user:password@host/database (default: {LIVE}, or nothing)",
    )
    parser.add_argument(
        "--ray",
        default="",
        metavar="ADDRESS",
        help="work on the nodes of a Ray cluster: host:port, or auto for a Ray of its own on this machine (default: in processes)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


if __name__ == "__main__":
    command.run(main, options())
