#!/usr/bin/env python3
"""Export every list of an index to files: for a database, a CDN, or a site without a service."""

import argparse
from pathlib import Path

from index.export_lists import WRITERS, export
from recommender import Recommender
from recommender.errors import OutOfRange
from recommender.lists.selection import Selection
from recommender.types import DEFAULT_LIMIT
from scripts import command

EXAMPLES = """\
  readmore export --index var/index --out lists.jsonl
  readmore export --index var/index --out lists.parquet --limit 10 --min-score 0.3
  readmore export --index var/index --out public/related --format pages     one small JSON file an article, and manifest.json
"""


def main(arguments: argparse.Namespace) -> None:
    file_format = arguments.format or arguments.out.suffix.removeprefix(".")
    if file_format not in WRITERS:
        raise OutOfRange("give --format, or a file ending in .jsonl, .csv or .parquet")
    with Recommender.open(arguments.index) as recommender:
        n_lists = export(recommender, arguments.out, file_format, arguments.limit, Selection(min_score=arguments.min_score))
        print(f"{n_lists} lists of {recommender.release.name} written to {arguments.out}")


def options() -> argparse.ArgumentParser:
    parser = command.parser("readmore export", __doc__, EXAMPLES)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="folder of the index")
    parser.add_argument("--out", type=Path, required=True, metavar="PATH", help="file (.jsonl, .csv, .parquet), or folder for pages")
    parser.add_argument("--format", choices=sorted(WRITERS), help="what to write (default: by the ending)")
    parser.add_argument("--limit", type=int, default=DEFAULT_LIMIT, help="length of the lists (default: %(default)s)")
    parser.add_argument("--min-score", type=float, metavar="SCORE", help="only lines with that score (default: what is close at all)")
    return parser


if __name__ == "__main__":
    command.run(main, options())
