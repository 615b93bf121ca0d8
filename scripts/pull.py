#!/usr/bin/env python3
"""Fetch the current release of a store, if it is missing here. Services load it within a second, as after a build."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from index.remote.pull_release import pull
from index.remote.store import Store
from scripts import command

EXAMPLES = """\
  readmore pull s3://bucket/readmore --index var/index    keys and endpoint: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL
  readmore pull /mnt/share/readmore --index var/index     a folder that the machines share, or any URL that fsspec opens
exit codes: 0 done, 3 it would hide live articles, 4 of another version, 5 store or disk, 6 a build or pull runs, 7 missing or damaged"""


def main(arguments: argparse.Namespace) -> None:
    done = pull(Store(arguments.store), arguments.index)
    if arguments.json:
        print(json.dumps(asdict(done)))
        return
    state = "is current already" if done.before == done.release else f"is current now, in place of {done.before or 'none'}"
    print(f"{done.release} {state}; fetched {done.fetched} of {done.files} files, {done.fetched_bytes:,} bytes")


def options() -> argparse.ArgumentParser:
    parser = command.parser("readmore pull", __doc__, EXAMPLES)
    parser.add_argument("store", metavar="URL", help="the store: s3://bucket/prefix, or a folder")
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="folder of the index; made if it is not there")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    command.run(main, options())
