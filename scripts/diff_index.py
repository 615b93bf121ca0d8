#!/usr/bin/env python3
"""Show what a new index or release changes for readers, and refuse it if that is too much."""

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from index.maintenance.diff import Difference, Ids, Limits, Side, compare
from recommender.errors import IndexUnusable
from scripts import command
from scripts.report import FACTS

EXAMPLES = """\
  readmore diff --index var/index --next var/next                of each the release that serves
  readmore diff --index var/index/releases/20261123T121500Z-1f3a --next var/index
  readmore diff --index var/index --next var/next --max-lists-changed 30% --max-articles-lost 0.5% --max-duplicates 0 --max-section-shift 5%
exit codes: 0 within the limits, 7 over one"""


def main(arguments: argparse.Namespace) -> None:
    found = compare(arguments.index, arguments.next)
    limits = Limits(arguments.max_lists_changed, arguments.max_articles_lost, arguments.max_duplicates, arguments.max_section_shift)
    broken = limits.broken(found)
    if arguments.json:
        print(json.dumps({**found.as_dict(), "broken": broken}, ensure_ascii=False))
    else:
        console = Console()
        console.print(_table(found))
        for line in _lines(found) + [f"over the limit: {line}" for line in broken]:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    if broken:
        raise IndexUnusable(f"{arguments.next} changes too much ({'; '.join(broken)}) - do not publish it, or raise the limits")


def _table(found: Difference) -> Table:
    table = Table("", f"{found.old.release}", f"{found.new.release}")
    for label, of in (
        ("format", lambda side: f"{side.format}"),
        ("model", lambda side: f"{side.model} ({side.model_sha256[:12]})"),
        ("chunks", lambda side: f"{side.n_chunks:,}"),
        ("lists that show near-duplicates", lambda side: f"{side.n_duplicates:,}"),
    ):
        table.add_row(label, *map(of, (found.old, found.new)))
    for name, label, form in FACTS:
        table.add_row(label, *(_figure(side, name, form) for side in (found.old, found.new)))
    for name in found.section_shifts:
        table.add_row(f"lines that lead to {name}", *(f"{side.sections.get(name, 0.0):.1%}" for side in (found.old, found.new)))
    return table


def _figure(side: Side, name: str, form: str) -> str:
    figure = getattr(side.facts, name)
    return "–" if figure is None else form.format(figure)


def _lines(found: Difference) -> list[str]:
    fields = ", ".join(f"{name} {n}" for name, n in found.changed_fields.items())
    return [
        *(f"changed: {notice}" for notice in found.notices),
        f"articles added: {_ids(found.added)}",
        f"articles lost: {_ids(found.lost)}, {found.lost_share:.2%} of the old",
        f"articles changed: {_ids(found.changed)}" + (f"; {fields}" if fields else ""),
        f"lists changed: {_ids(found.lists_changed)}, {found.lists_changed_share:.2%} of {found.n_common}",
        f"mean overlap {found.overlap:.4f}, mean rank-biased overlap {found.rank_biased_overlap:.4f}",
        f"largest shift of a section: {found.largest_shift:.2%}",
    ]


def _ids(ids: Ids) -> str:
    return f"{ids.n}" + (f" ({', '.join(ids.first)}{', ...' if ids.n > len(ids.first) else ''})" if ids.n else "")


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0% and 100%")
    return share


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lists: 0 or more")
    return int(text)


def options() -> argparse.ArgumentParser:
    parser = command.parser("readmore diff", __doc__, EXAMPLES)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="folder of an index, or of one of its releases")
    parser.add_argument("--next", type=Path, required=True, metavar="DIR", help="the index or release that is to come after it")
    parser.add_argument("--max-lists-changed", type=_share, metavar="SHARE", help="of the lists of articles that are in both")
    parser.add_argument("--max-articles-lost", type=_share, metavar="SHARE", help="of the old articles")
    parser.add_argument("--max-duplicates", type=_count, metavar="N", help="lists that show two near-duplicates")
    parser.add_argument("--max-section-shift", type=_share, metavar="SHARE", help="change of a section's share of all lines")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    command.run(main, options())
