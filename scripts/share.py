#!/usr/bin/env python3
"""Move the live articles, overrides and judgements of this machine into the journal that machines share.

Stop this machine's services first. They follow the journal when they start again.
"""

import argparse
import json
import os
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from index.journal.address import VARIABLE
from index.journal.connect import opened
from index.journal.import_local import adopt
from recommender.errors import OutOfRange
from scripts import command

EXAMPLES = """\
  readmore share --index var/index --live postgresql://readmore:password@host/readmore
  READMORE_LIVE=postgresql://... readmore share --index var/index
exit codes: 0 done, 2 no address, 3 it is a copy of another journal, 5 PostgreSQL or the disk cannot be used, 6 a build runs"""


def main(arguments: argparse.Namespace) -> None:
    journal = opened(arguments.live)
    if journal is None:
        raise OutOfRange(f"no address is given - give --live postgresql://user:password@host/database, or {VARIABLE}")
    with closing(journal):
        done = adopt(arguments.index, journal)
    if arguments.json:
        print(json.dumps(asdict(done), default=str))
        return
    print(f"moved {len(done.articles)} articles, overrides of {len(done.overrides)} articles, {done.judgements} judgements")
    if done.kept:
        print(f"of {len(done.kept)} more the journal says something else, and goes on to: {', '.join(done.kept[:20])}")
    print(f"what was moved lies in {done.aside} - remove it when nothing of it is missed")


def options() -> argparse.ArgumentParser:
    parser = command.parser("readmore share", __doc__, EXAMPLES)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="folder of the index")
    parser.add_argument(
        "--live",
        default=os.environ.get(VARIABLE, ""),
        metavar="ADDRESS",
        help=f"what machines share: postgresql://user:password@host/database (default: {VARIABLE})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    command.run(main, options())
