#!/usr/bin/env python3
"""Draw the map of an archive, with related articles close together.

Writes one HTML file that opens from disk, and a table for embedding-atlas.
"""

import argparse
import sys
from pathlib import Path

from recommender import Recommender
from recommender.errors import StorageError
from scripts import command
from scripts.archive_map.layout import NEAR, kept, laid_out
from scripts.archive_map.map_contents import ELSEWHERE, MOST, read_contents
from scripts.archive_map.map_page import write_page
from scripts.archive_map.table import write_table

EXAMPLES = """\
  readmore map --index var/index --out map.html
  readmore map --index var/index --out map.html --limit 5000           the newest 5,000 articles
  readmore map --index var/index --out map.html --parquet map.parquet
  embedding-atlas map.parquet --text title --x x --y y --neighbors neighbors"""


def main(arguments: argparse.Namespace) -> None:
    wanted = [path for path in (arguments.out, arguments.parquet) if path]
    for path in wanted:  # before the work starts
        if not path.parent.is_dir() or path.is_dir():
            raise StorageError(f"{path} cannot be written: it is a folder, or lies in none - give a file in a folder that is there")
    with Recommender.open(arguments.index) as recommender:
        contents = read_contents(recommender, arguments.limit)
        vectors = recommender.texts.mean_vectors(contents.rows)
    n_articles = len(contents.cards)
    print(f"laying out {n_articles:,} articles of {contents.release} ...", file=sys.stderr)
    places = laid_out(vectors)
    for path, write in ((arguments.out, write_page), (arguments.parquet, write_table)):
        try:
            if path:
                write(path, contents, places)
        except OSError as error:
            raise StorageError(f"{path} cannot be written ({error}) - free space or give another file") from error
    size = arguments.out.stat().st_size
    print(f"{n_articles:,} articles drawn to {arguments.out}: {size:,} bytes; {contents.n_left_out:,} older ones left out")
    if arguments.parquet:
        print(f"the same as a table: embedding-atlas {arguments.parquet} --text title --x x --y y --neighbors neighbors")
    if (contents.lines < ELSEWHERE).any():
        print(f"{kept(places, contents.lines):.0%} of the lines of their lists are among the {NEAR} nearest on the map")


def options() -> argparse.ArgumentParser:
    parser = command.parser("readmore map", __doc__, EXAMPLES)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="folder of the index")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the page")
    parser.add_argument("--parquet", type=Path, metavar="FILE", help="the table that embedding-atlas opens")
    parser.add_argument("--limit", type=int, default=20_000, help=f"number of articles, the newest, up to {MOST} (default: %(default)s)")
    return parser


if __name__ == "__main__":
    command.run(main, options())
