#!/usr/bin/env python3
"""Check every byte of an index and name each fault."""

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from index.maintenance.verify import Verification, VerifiedRelease, verify_index
from recommender.errors import IndexDamaged
from recommender.release.manifest import MILVUS
from recommender.vectors.milvus_client import VARIABLE
from scripts import command

EXAMPLES = """\
  readmore verify --index var/index               the release that CURRENT names
  readmore verify --index var/index --all --json
  readmore verify --index var/index --release 20261123T121500Z-1f3a
exit codes: 0 sound, 7 not sound"""


def main(arguments: argparse.Namespace) -> None:
    found = verify_index(arguments.index, arguments.release, all_releases=arguments.all, vectors=arguments.vectors)
    print(json.dumps(as_dict(found), ensure_ascii=False) if arguments.json else _shown(found))
    if not arguments.vectors and any(of.manifest is not None and of.manifest.vectors == MILVUS for of in found.releases):
        print(f"The vectors are in Milvus and were not looked at - say where: --vectors, or {VARIABLE}.", file=sys.stderr)
    if found.faults:
        raise IndexDamaged(f"{arguments.index} is not sound (faults: {len(found.faults)}) - each is named above, with what to do")


def as_dict(found: Verification) -> dict[str, object]:
    """Return the output of `--json`."""
    return {
        "sound": not found.faults,
        "current": found.current,
        "serves": found.serves,
        "faults": [asdict(fault) for fault in found.beside],
        "notes": [asdict(note) for note in found.notes],
        "releases": [
            {**_figures(checked), "sound": not checked.faults, "faults": [asdict(fault) for fault in checked.faults]}
            for checked in found.releases
        ],
    }


def _figures(checked: VerifiedRelease) -> dict[str, object]:
    manifest = checked.manifest
    if manifest is None:
        return {"release": checked.name}
    n_bytes = sum(entry.bytes for entry in manifest.files.values())
    counts = {"articles": manifest.n_articles, "chunks": manifest.n_chunks, "files": len(manifest.files), "bytes": n_bytes}
    return {"release": checked.name, "created": manifest.created, **counts}


def _shown(found: Verification) -> str:
    lines = [str(fault) for fault in found.beside]
    for checked in found.releases:
        figures = ", ".join(f"{name} {value}" for name, value in _figures(checked).items() if name != "release")
        lines.append(f"{checked.name}: {'not sound' if checked.faults else 'sound'}{f' ({figures})' if figures else ''}")
        lines.extend(f"  {fault}" for fault in checked.faults)
    lines.extend(f"note: {note}" for note in found.notes)
    if found.faults and found.serves != found.current:
        lines.append(f"{found.serves} serves in its place" if found.serves else "no release can serve")
    return "\n".join(lines)


def options() -> argparse.ArgumentParser:
    parser = command.parser("readmore verify", __doc__, EXAMPLES)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="folder of the index")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--release", metavar="NAME", help="this release, in place of the current one")
    which.add_argument("--all", action="store_true", help="all releases")
    parser.add_argument(
        "--vectors",
        default=os.environ.get(VARIABLE, ""),
        metavar="ADDRESS",
        help=f"where they are, if they are in Milvus, to look at them too: milvus://host:19530/name (default: {VARIABLE})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    command.run(main, options())
