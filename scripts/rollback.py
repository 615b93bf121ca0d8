#!/usr/bin/env python3
"""Make an older release of an index current, or list the releases. Services load it when they open the index."""

import argparse
import json
import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

from index.maintenance.release_rollback import roll_back
from index.maintenance.verify import Verification, verify_index
from recommender.vectors.milvus_client import VARIABLE
from scripts import command

EXAMPLES = """\
  readmore rollback --index var/index --list
  readmore rollback --index var/index                   the newest sound release before the current one
  readmore rollback --index var/index --to 20261123T121500Z-1f3a
exit codes: 0 done, 3 no older sound release, 6 a build runs, 7 the release is damaged"""


def main(arguments: argparse.Namespace) -> None:
    if arguments.list:
        found = verify_index(arguments.index, all_releases=True)
        lines = _lines(found)
        if arguments.json:
            print(json.dumps(lines))
        else:
            _print_table(lines)
        return
    done = roll_back(arguments.index, arguments.to, arguments.vectors)
    passed_over = [checked.name for checked in done.passed_over]
    if arguments.json:
        print(json.dumps({"before": done.before, "after": done.after, "passed_over": passed_over}))
    elif done.before == done.after:
        print(f"{done.after} is the current release already")
    else:
        print(f"{done.after} is the current release now, in place of {done.before or 'none'}; services pick it up when they open the index")
        for name in passed_over:
            print(f"passed over: {name} is damaged; see readmore verify --index {arguments.index} --release {name}")


def _lines(found: Verification) -> list[dict[str, object]]:
    return [
        {
            "release": checked.name,
            "current": checked.name == found.current,
            "serves": checked.name == found.serves,
            "articles": checked.manifest.n_articles if checked.manifest else None,
            "created": checked.manifest.created if checked.manifest else None,
            "sound": not checked.faults,
            "faults": [str(fault) for fault in checked.faults],
        }
        for checked in found.releases
    ]


def _print_table(lines: list[dict[str, object]]) -> None:
    table = Table("release", "", "articles", "created", "state")
    for line in lines:
        marks = "serves" if line["serves"] else "current" if line["current"] else ""
        state = "sound" if line["sound"] else "not sound"
        table.add_row(f"{line['release']}", marks, f"{line['articles'] or ''}", f"{line['created'] or ''}", state)
    Console().print(table)


def options() -> argparse.ArgumentParser:
    parser = command.parser("readmore rollback", __doc__, EXAMPLES)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="folder of the index")
    parser.add_argument(
        "--vectors",
        default=os.environ.get(VARIABLE, ""),
        metavar="ADDRESS",
        help=f"where they are, if they are in Milvus: milvus://host:19530/name (default: {VARIABLE})",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--to", metavar="NAME", help="the release to make current, older or newer")
    what.add_argument("--list", action="store_true", help="list the releases, newest first, and change nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    command.run(main, options())
