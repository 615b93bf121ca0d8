#!/usr/bin/env python3
"""Print the related list of an article of the index, or of a text that is not in it."""

import argparse
import json
import sys
from pathlib import Path

from recommender import Recommender, RelatedList
from recommender.errors import InputError
from recommender.page import parse_page
from scripts import command

EXAMPLES = """\
  related.py --index var/demo typesseq
  related.py --index var/demo typesseq --limit 10 --json
  related.py --index var/demo --text page.txt      a page as pasted from a site; - reads standard input
"""


def main(arguments: argparse.Namespace) -> None:
    with Recommender.open(arguments.index) as recommender:
        if arguments.text is None:
            found = recommender.related(arguments.id, arguments.limit)
        else:
            found = recommender.related_to(parse_page(_read(arguments.text)).as_article(), arguments.limit)
        print(json.dumps(found.as_dict(), ensure_ascii=False) if arguments.json else _shown(found))


def _shown(found: RelatedList) -> str:
    lines = []
    for item in found:
        day = f", {item.published:%-d %B %Y}" if item.published else ""
        lines.append(f"{item.rank:>2}. {item.title or item.id}   {item.score:.2f}  [{item.id}{day}]")
        lines.append(f"      {_first_words(item.passages.target)}")
    return "\n".join(lines) or "nothing in the index is related"


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


if __name__ == "__main__":
    parser = command.parser(__doc__, EXAMPLES)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="folder of the index")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("id", nargs="?", metavar="ID", help="id of an article of the index")
    wanted.add_argument("--text", metavar="FILE", help="a page as pasted, or any plain text: the first line is the title")
    parser.add_argument("--limit", type=int, default=5, metavar="N", help="length of the list (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the object that the HTTP service answers")
    command.run(main, parser.parse_args())
