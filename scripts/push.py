#!/usr/bin/env python3
"""Push the current release into a store, from which service machines fetch it with `readmore pull`.

Only files that the store lacks are sent.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from index.remote.push_release import push
from index.remote.store import Store
from scripts import command

EXAMPLES = """\
  readmore push --index var/index s3://bucket/readmore    keys and endpoint: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL
  readmore push --index var/index /mnt/share/readmore     a folder that the machines share, or any URL that fsspec opens
exit codes: 0 done, 3 no package knows such URLs, 5 the store cannot be used, 6 a build runs, 7 the index is not there or damaged"""


def main(arguments: argparse.Namespace) -> None:
    done = push(arguments.index, Store(arguments.store))
    if arguments.json:
        print(json.dumps(asdict(done)))
        return
    state = "is current already" if done.before == done.release else f"is current now, in place of {done.before or 'none'}"
    print(f"{done.release} {state}; sent {done.sent} of {done.files} files, {done.sent_bytes:,} bytes; removed {done.removed}")


def options() -> argparse.ArgumentParser:
    parser = command.parser("readmore push", __doc__, EXAMPLES)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="folder of the index")
    parser.add_argument("store", metavar="URL", help="the store: s3://bucket/prefix, or a folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    command.run(main, options())
