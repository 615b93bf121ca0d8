#!/usr/bin/env python3
"""Check this machine and an index, and print how to fix each fault."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from index.maintenance.health_checks import Check, checks
from recommender.embedding.sentence_transformer import BUNDLED_MODEL, SentenceTransformerEmbedder
from recommender.errors import IndexUnusable, ModelError, ReadmoreError, StorageError
from scripts import command

EXAMPLES = """\
  doctor.py                      the machine: packages, model, threads, speed
  doctor.py --index var/index    and an index: every byte, the model it was built with, the disk
exit codes: 0 fit, 4 a package or the model is not, 5 the disk is not, 7 the index is not"""

ERRORS: tuple[tuple[str, type[ReadmoreError]], ...] = (
    ("packages", ModelError),
    ("model", ModelError),
    ("index", IndexUnusable),
    ("disk", StorageError),
)


def main(arguments: argparse.Namespace) -> None:
    found: list[Check] = []
    for check in checks(arguments.index, lambda: SentenceTransformerEmbedder(arguments.model, download=False)):
        found.append(check)
        if not arguments.json:
            print(f"{check.state:<5}{check.kind:<9} {check.found}{f' - {check.cure}' if check.cure else ''}", flush=True)
    if arguments.json:
        print(json.dumps([asdict(check) for check in found]))
    _raise_first(found)


def _raise_first(found: Sequence[Check]) -> None:
    """Raise the first error to fix, which sets the exit code."""
    for kind, error in ERRORS:
        for check in found:
            if check.kind == kind and check.state == "fail":
                raise error(f"{check.found} - {check.cure}")


if __name__ == "__main__":
    parser = command.parser(__doc__, EXAMPLES)
    parser.add_argument("--index", type=Path, metavar="DIR", help="folder of an index")
    parser.add_argument("--model", default=BUNDLED_MODEL, help="sentence-transformers model, name or folder (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    command.run(main, parser.parse_args())
