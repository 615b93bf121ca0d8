#!/usr/bin/env python3
"""Check this machine and an index, and print how to fix each fault."""

import argparse
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from index.maintenance.health_checks import Check, checks
from recommender.embedding.embedder import Embedder
from recommender.embedding.openvino import embedder_of
from recommender.embedding.sentence_transformer import BUNDLED_MODEL, SentenceTransformerEmbedder
from recommender.errors import IndexUnusable, ModelError, ReadmoreError, StorageError
from recommender.release.manifest import open_release
from scripts import command

EXAMPLES = """\
  readmore doctor                      the machine: packages, model, threads, speed
  readmore doctor --index var/index    and an index: every byte, the model it was built with, the disk
exit codes: 0 fit, 4 a package or the model is not, 5 the disk is not, 7 the index is not"""

ERRORS: tuple[tuple[str, type[ReadmoreError]], ...] = (
    ("packages", ModelError),
    ("model", ModelError),
    ("index", IndexUnusable),
    ("disk", StorageError),
)


def main(arguments: argparse.Namespace) -> None:
    found: list[Check] = []
    for check in checks(arguments.index, lambda: _embedder(arguments.index, arguments.model)):
        found.append(check)
        if not arguments.json:
            print(f"{check.state:<5}{check.kind:<9} {check.found}{f' - {check.cure}' if check.cure else ''}", flush=True)
    if arguments.json:
        print(json.dumps([asdict(check) for check in found]))
    _raise_first(found)


def _embedder(index_dir: Path | None, model: str | None) -> Embedder:
    """Return the named model. By default it is the model of the index, as the service loads it, or the bundled one."""
    if index_dir is not None and model is None:
        with suppress(IndexUnusable):  # the checks of the index tell
            return embedder_of(index_dir, open_release(index_dir, quick=True).manifest.model)
    return SentenceTransformerEmbedder(model or BUNDLED_MODEL, download=False)


def _raise_first(found: Sequence[Check]) -> None:
    """Raise the first error to fix, which sets the exit code."""
    for kind, error in ERRORS:
        for check in found:
            if check.kind == kind and check.state == "fail":
                raise error(f"{check.found} - {check.cure}")


def options() -> argparse.ArgumentParser:
    parser = command.parser("readmore doctor", __doc__, EXAMPLES)
    parser.add_argument("--index", type=Path, metavar="DIR", help="folder of an index")
    parser.add_argument("--model", help="sentence-transformers model, name or folder (default: the index's, or the bundled one)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    command.run(main, options())
