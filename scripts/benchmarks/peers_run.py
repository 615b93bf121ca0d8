#!/usr/bin/env python3
"""Compare Readmore with its alternatives: same run, same machine, same cores, same model, same texts.

All get title and text of each article, and the bundled all-MiniLM-L6-v2 at its fastest batch size of 4, 8, 16 and 32.
Readmore stores texts, lists and their reasons. The others store ids and their search data.

  by-hand        sentence-transformers, one vector per article of its first 256 tokens, in a flat FAISS index
  txtai          the same vector by txtai's own code and index; lists over HTTP by its own API, from texts, not ids
  txtai-chunked  a row for each passage that Readmore would make: the same amount is embedded
  chroma         the vectors of by-hand; its default HNSW graph
  lancedb        the same, not indexed up to 100,000 articles, as its documentation advises
  pgvector       the same, in PostgreSQL; its default HNSW graph, loaded by COPY
  lucene         MoreLikeThis with its defaults, over stemmed English: words only, no model

One vector of an article's beginning takes about a quarter of the work of embedding all of it, as Readmore does.
Chroma's and PostgreSQL's servers know vectors, not articles. They and the peers without a server are called in the
process (*), without HTTP. Peers are no dependencies of Readmore. Give each the interpreter that it is installed in.
Needs wrk.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from recommender.errors import InputError
from scripts import command
from scripts.benchmarks.peers.archive import PeerArchive
from scripts.benchmarks.peers.measure import about, measure
from scripts.benchmarks.peers.peer_figures import Figures, table
from scripts.benchmarks.peers.process import PEERS
from scripts.benchmarks.peers.readmore import measure_readmore
from scripts.local_server import check_wrk

EXAMPLES = """\
  peers_run.py archive.jsonl
  peers_run.py archive.jsonl --limit 300 --peers by-hand,txtai --python peers/bin/python
  peers_run.py archive.jsonl --python peers/bin/python --python txtai=txtai/bin/python --json figures.json
"""


def main(arguments: argparse.Namespace) -> None:
    check_wrk()
    pythons = dict(arguments.python)
    rows: list[Figures] = []
    absent: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = PeerArchive.read(arguments.articles.resolve(), arguments.limit, folder / "articles.jsonl")
        _say(f"readmore, {archive.n} articles")
        rows.append(measure_readmore(archive, folder / "readmore", arguments.seconds))
        for peer in arguments.peers:
            python = pythons.get(peer) or pythons.get("") or sys.executable
            told = about(peer, python)
            if told["missing"]:
                absent[peer] = f"not measured: {told['missing']} is not there - {_cure(peer)}"
                continue
            _say(peer)
            (folder / peer).mkdir()
            try:
                rows.append(measure(peer, python, archive, folder / peer, arguments.seconds))
            except InputError as fault:
                absent[peer] = str(fault)
    print(table(rows))
    print("".join(f"\n{peer}: {reason}" for peer, reason in absent.items()))
    if arguments.json:
        figures = {
            "articles": archive.n,
            "lists": len(archive.qrels),
            "cpus": os.cpu_count(),
            "peers": [asdict(row) for row in rows],
            "absent": absent,
        }
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def peers(text: str) -> list[str]:
    """Parse the names of peers, separated by commas."""
    names = text.split(",")
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is no peer - there are {', '.join(PEERS)}")
    return names


def interpreter(text: str) -> tuple[str, str]:
    """Parse PEER=PYTHON, or PYTHON for all peers without their own. Return the peer, or "", and its interpreter.

    >>> interpreter("txtai=a/bin/python"), interpreter("b/bin/python")
    (('txtai', 'a/bin/python'), ('', 'b/bin/python'))
    """
    peer, _, python = text.rpartition("=")
    if peer and peer not in PEERS:
        raise argparse.ArgumentTypeError(f"{peer!r} is no peer - there are {', '.join(PEERS)}")
    return peer, python


def _cure(peer: str) -> str:
    packages = PEERS[peer][2]
    if not packages:
        return "install the packages liblucene8-java and default-jdk-headless"
    return f"pip install {' '.join(packages)}, and name the interpreter: --python {peer}=PYTHON"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = command.parser("peers_run.py", __doc__, EXAMPLES)
    parser.add_argument("articles", type=Path, metavar="ARTICLES", help="JSON Lines: id, title, text, read_more")
    parser.add_argument("--peers", type=peers, default=list(PEERS), metavar="A,B", help=f"of {', '.join(PEERS)} (default: all)")
    parser.add_argument(
        "--python", type=interpreter, action="append", default=[], metavar="[PEER=]PYTHON", help="interpreter of a peer, or of all others"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N articles")
    parser.add_argument("--seconds", type=int, default=10, help="of load over HTTP (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    command.run(main, parser)
