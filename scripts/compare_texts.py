#!/usr/bin/env python3
"""Print how similar two texts are: 0 to 1, higher is closer."""

import argparse
import json
from pathlib import Path

from recommender import Recommender, similarity
from scripts import command

EXAMPLES = """\
  readmore similarity --index var/demo "A cat sat on the mat." "A kitten was sitting on a rug."
  readmore similarity "A cat sat on the mat." "The budget was passed."     without an index it needs torch (extra: build)
"""


def main(arguments: argparse.Namespace) -> None:
    if arguments.index is None:
        score = similarity(arguments.a, arguments.b)
    else:
        with Recommender.open(arguments.index) as recommender:
            score = recommender.similarity(arguments.a, arguments.b)
    print(json.dumps({"similarity": score}) if arguments.json else f"{score:.2f}")


def options() -> argparse.ArgumentParser:
    parser = command.parser("readmore similarity", __doc__, EXAMPLES)
    parser.add_argument("--index", type=Path, metavar="DIR", help="folder of an index, whose model is taken")
    parser.add_argument("a", metavar="TEXT", help="a text of any length")
    parser.add_argument("b", metavar="TEXT", help="the text to compare it with")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    command.run(main, options())
