#!/usr/bin/env python3
"""Fit the ranker to the older hand-made lists of an index, and measure it on the newer ones."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from index.ranker_training import Fit, fit
from index.storage.atomic import replace_file
from recommender import Recommender
from recommender.evaluation.baselines import stored_list
from recommender.evaluation.measures import DEPTH, interval, paired_p, per_query
from recommender.features.feature_schema import FEATURES
from recommender.features.ranker import RANKER, SHIPPED, Ranker
from recommender.lists.selection import Selection
from scripts import command

EXAMPLES = """\
  readmore fit --index var/index             fit, show, and write var/index/ranker.json if it wins
  readmore fit --index var/index --dry-run   fit and show
"""
SURE = 0.05
"""Significance level. Fitted weights with a larger p-value are not written, because few lists fit noise."""

METRICS = ("nDCG@5", "nDCG@10", "R@10", "RR", "hit@3")


def main(arguments: argparse.Namespace) -> None:
    with Recommender.open(arguments.index) as recommender:
        found = fit(recommender)
        scores = {name: _held_back_scores(recommender, found, ranker) for name, ranker in (("shipped", SHIPPED), ("fitted", found.ranker))}
        shown, kept = _reliability(recommender, found)
    means = {name: {metric: round(sum(of[metric].values()) / len(of[metric]), 4) for metric in METRICS} for name, of in scores.items()}
    intervals = {name: [round(end, 4) for end in interval(list(of["nDCG@5"].values()))] for name, of in scores.items()}
    p = paired_p(list(scores["fitted"]["nDCG@5"].values()), list(scores["shipped"]["nDCG@5"].values()))
    wins = means["fitted"]["nDCG@5"] > means["shipped"]["nDCG@5"] and p < SURE
    held_back = {"n_lists": len(found.held_back), "means": means, "nDCG@5_intervals": intervals, "p": round(p, 4)}
    ranker = replace(found.ranker, provenance={**found.ranker.provenance, "held_back": held_back})
    path = arguments.index / RANKER
    written = wins and not arguments.dry_run
    if written:
        replace_file(path, ranker.to_json())
    if arguments.json:
        print(json.dumps({"written": str(path) if written else None, "effects": found.effects, **ranker.provenance}))
        return
    judged = f" ({found.n_judged} judged at the desk)" if found.n_judged else ""
    print(f"fitted on {found.n_fitted} lists{judged}, tested on {len(found.held_back)} newer ones that were not seen\n")
    print("          " + "".join(f"{metric:>9}" for metric in METRICS) + "    nDCG@5, 95 %")
    for name, of in means.items():
        low, high = intervals[name]
        print(f"{name:<10}" + "".join(f"{mean:>9.4f}" for mean in of.values()) + f"    {low:.3f} - {high:.3f}")
    print(f"p of the difference in nDCG@5: {p:.4f}; of lines with confidence 0.5 or more, editors linked {kept} of {shown}\n")
    print("what counts (change of the score for one standard deviation):")
    for name, effect in sorted(found.effects.items(), key=lambda item: -abs(item[1])):
        print(f"  {effect:+6.2f}  {name:<16} {FEATURES[name]}")
    print()
    if written:
        print(f"written: {path}; services pick it up when they open the index")
    elif wins:
        print("nothing written (--dry-run)")
    else:
        stays = f"; {path} stays in force, remove it to go back to the shipped weights" if path.exists() else ""
        print(f"nothing written: on the lists held back it is not sure that the fitted weights are better (p < {SURE} is asked){stays}")


def _held_back_scores(recommender: Recommender, found: Fit, ranker: Ranker) -> dict[str, dict[str, float]]:
    catalogue = recommender.catalogue
    qrels = {article_id: targets for article_id, targets in catalogue.hand_made_lists().items() if article_id in found.held_back}
    run = {
        article_id: [catalogue.card(row).id for row in stored_list(recommender, catalogue.row(article_id), ranker, Selection(), DEPTH)]
        for article_id in qrels
    }
    return per_query(qrels, run)


def _reliability(recommender: Recommender, found: Fit) -> tuple[int, int]:
    """Return the number of held-out lines with confidence >= 0.5, and how many of them editors linked."""
    qrels = recommender.catalogue.hand_made_lists()
    shown = kept = 0
    for article_id in found.held_back:
        candidates = recommender.catalogue.candidates(recommender.catalogue.row(article_id))
        sure = found.ranker.confidence(found.ranker.scores(candidates["features"])) >= 0.5
        ids = {recommender.catalogue.card(int(row)).id for row in candidates["article"][sure]}
        shown += len(ids)
        kept += len(ids.intersection(qrels[article_id]))
    return shown, kept


def options() -> argparse.ArgumentParser:
    parser = command.parser("readmore fit", __doc__, EXAMPLES)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="folder of the index")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    command.run(main, options())
