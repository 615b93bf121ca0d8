#!/usr/bin/env python3
"""Make a key for the service, and print it with its hash. Nothing is stored.

The service knows the hash alone. Give it as `--admin-keys` or READMORE_ADMIN_KEYS for editors and for programs that
write, and as `--read-keys` where readers need a key too.
"""

import argparse
import json

from scripts import command
from service.settings import hashed, new_key

EXAMPLES = """\
  readmore key
  readmore serve --index var/index --admin-keys sha256:...     with the hash that was printed
"""


def main(arguments: argparse.Namespace) -> None:
    key = new_key()
    if arguments.json:
        print(json.dumps({"key": key, "hash": hashed(key)}))
    else:
        print(f"key:  {key}\nhash: {hashed(key)}\n\nThe hash goes into the settings; the key to the client, and nowhere else.")


def options() -> argparse.ArgumentParser:
    parser = command.parser("readmore key", __doc__, EXAMPLES)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    command.run(main, options())
