#!/usr/bin/env python3
"""Compare the lists of an index with the editors' own, the `read_more` lists of its articles."""

import argparse
import json
from pathlib import Path

from recommender import Recommender
from recommender.errors import InputError
from recommender.evaluation import DEPTH, evaluate
from scripts import command

EXAMPLES = """\
  evaluate.py --index var/demo
  evaluate.py --index var/demo --json
"""
METHOD = "dense"


def main(arguments: argparse.Namespace) -> None:
    with Recommender.open(arguments.index) as recommender:
        qrels = recommender.catalogue.hand_made_lists()
        if not qrels:
            raise InputError(f"{arguments.index} has no hand-made lists - give articles a read_more field with ids of the archive")
        run = {article_id: recommender.related(article_id, DEPTH).ids for article_id in qrels}
        manifest = recommender.release.manifest
    means = evaluate(qrels, run)
    answer = {
        "index_version": manifest.release,
        "model": manifest.model.label,
        "protocol": {
            "queries": "articles with a hand-made list",
            "candidates": "all articles of the index but the query",
            "qrels": "the hand-made lists, every link relevance 1",
            "n_queries": len(qrels),
            "n_links": sum(map(len, qrels.values())),
            "n_articles": manifest.n_articles,
            "depth": DEPTH,
        },
        "methods": {METHOD: means},
    }
    if arguments.json:
        print(json.dumps(answer))
        return
    print(f"{len(qrels)} hand-made lists, {manifest.n_articles} articles, index {manifest.release}")
    print("          " + "".join(f"{name:>9}" for name in means))
    print(f"{METHOD:<10}" + "".join(f"{mean:>9.4f}" for mean in means.values()))


if __name__ == "__main__":
    parser = command.parser(__doc__, EXAMPLES)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="folder of the index")
    parser.add_argument("--json", action="store_true", help="print JSON: every metric under its name, by method")
    command.run(main, parser.parse_args())
