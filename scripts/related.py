#!/usr/bin/env python3
"""Print the related list of an article of the index, or of a text outside it."""

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_args

from recommender import Recommender, RelatedList
from recommender.errors import InputError
from recommender.lists.selection import Mode, Selection
from recommender.text.dates import parse_date
from recommender.text.pasted_page import parse_page
from recommender.types import DEFAULT_LIMIT
from scripts import command

EXAMPLES = """\
  readmore related --index var/demo typesseq
  readmore related --index var/demo typesseq --limit 10 --json
  readmore related --index var/demo typesseq --mode background --diversity 0.3 --min-score 0.2
  readmore related --index var/demo --text page.txt      a page as pasted from a site; - reads standard input
"""
EMPTY = {
    "no_candidates": "nothing in the index is related",
    "filtered_out": "nothing that is related passes the filters",
    "nothing_close": "nothing in the archive is close to it",
    "below_threshold": "nothing reaches the least score",
    "no_more": "the list ends before that",
}


def main(arguments: argparse.Namespace) -> None:
    with Recommender.open(arguments.index) as recommender:
        if arguments.text is None:
            found = recommender.related(arguments.id, arguments.limit, _selection(arguments))
        else:
            found = recommender.related_to(parse_page(_read(arguments.text)).as_article(), arguments.limit, _selection(arguments))
        print(json.dumps(found.as_dict(), ensure_ascii=False) if arguments.json else _shown(found))


def _selection(arguments: argparse.Namespace) -> Selection:
    return Selection(**{column.name: getattr(arguments, column.name) for column in fields(Selection)})


def _shown(found: RelatedList) -> str:
    lines = []
    for item in found:
        day = f", {item.published:%-d %B %Y}" if item.published else ""
        lines.append(f"{item.rank:>2}. {item.title or item.id}   {item.score:.2f}  [{item.id}{day}]")
        lines.append(f"      {item.relation.replace('_', ' ')}; both say: {', '.join(item.terms) or 'nothing rare'}")
        if item.passages:
            lines.append(f"      {_first_words(item.passages.target)}")
        lines.extend(f"      also: {duplicate.title or duplicate.id}  [{duplicate.id}]" for duplicate in item.also)
    return "\n".join(lines) or EMPTY[str(found.reason)]


def _first_words(passage: str, width: int = 110) -> str:
    line = " ".join(passage.split())
    return line if len(line) <= width else line[:width].rsplit(" ", 1)[0] + " ..."


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 (byte {error.start}) - convert it to UTF-8") from error
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror}) - check the path") from error


def options() -> argparse.ArgumentParser:
    parser = command.parser("readmore related", __doc__, EXAMPLES)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="folder of the index")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("id", nargs="?", metavar="ID", help="id of an article of the index")
    wanted.add_argument("--text", metavar="FILE", help="a page as pasted, or any plain text: the first line is the title")
    parser.add_argument("--limit", type=int, default=DEFAULT_LIMIT, metavar="N", help="length of the list (default: %(default)s)")
    parser.add_argument("--mode", choices=get_args(Mode), default="mixed", help="older articles only, newest first, or all (default)")
    parser.add_argument("--half-life-days", type=float, metavar="DAYS", help="age in days that halves the score")
    parser.add_argument("--max-age-days", type=float, metavar="DAYS", help="maximum age of an article in days")
    for name, plural, what in (
        ("section", "sections", "only articles of that section"),
        ("lang", "langs", "only articles of that language, or any (default: the language of the article)"),
    ):
        parser.add_argument(f"--{name}", dest=plural, action="append", default=[], metavar="NAME", help=f"{what}; may be repeated")
    parser.add_argument("--exclude", action="append", default=[], metavar="ID", help="not that article; may be repeated")
    parser.add_argument("--published-after", type=parse_date, metavar="DATE", help="only articles of that moment or later")
    parser.add_argument("--published-before", type=parse_date, metavar="DATE", help="only articles from before that moment")
    parser.add_argument("--as-of", type=parse_date, metavar="DATE", help="the list as it would have been then")
    parser.add_argument("--offset", type=int, default=0, metavar="N", help="number of lines to skip at the head of the list")
    parser.add_argument("--fallback", action="store_true", help="fill a list that is too short with the newest articles")
    parser.add_argument("--diversity", type=float, default=0.0, metavar="0-1", help="hold back what is like the lines above it")
    parser.add_argument("--max-per-section", type=int, metavar="N", help="maximum number of lines from one section")
    parser.add_argument(
        "--min-score", type=float, metavar="0-1", help="only lines with that score; 0.5: editors link half (default: what is close at all)"
    )
    parser.add_argument("--json", action="store_true", help="print the object that the HTTP service answers")
    return parser


if __name__ == "__main__":
    command.run(main, options())
