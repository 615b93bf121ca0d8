#!/usr/bin/env python3
"""Compare the lists of an index with the editors' `read_more` lists, or similarity scores with human ratings."""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from index.ranker_training import Split
from recommender import Recommender
from recommender.embedding.similarity import similarity_matrix
from recommender.errors import InputError
from recommender.evaluation.baselines import FITTED, FUSED, TFIDF, rank_all, stored_list
from recommender.evaluation.measures import DEPTH, METRICS, CollectionFacts, by_group, collection_facts, per_query
from recommender.evaluation.more_like_this import MoreLikeThis
from recommender.evaluation.named_links import named_links
from recommender.features.ranker import SHIPPED
from recommender.lists.selection import Selection
from recommender.types import DEFAULT_LIMIT
from scripts import command
from scripts.report import HandMade, QueryArticle, Report, Suggestion, add_up, compare, write_report

EXAMPLES = """\
  readmore evaluate --index var/demo
  readmore evaluate --index var/demo --json
  readmore evaluate --index var/demo --report report.html      the hand-made lists beside ours, in a browser
  readmore evaluate --index var/demo --pool lists              rank only articles that are in some hand-made list
  readmore evaluate --index var/demo --without-named           without links whose title stands in the text
  readmore evaluate --votes votes-*.json                       the votes that readers of the report saved, added up
  readmore evaluate --similarity ratings.jsonl --json          similarity of texts against people's ratings
"""
SHOWN = DEFAULT_LIMIT
"""Length of the lists in the report, and of those whose coverage, hubs and ages are measured."""

Runs = dict[str, dict[str, list[str]]]


def main(arguments: argparse.Namespace) -> None:
    if arguments.similarity:
        _print_similarity(arguments.similarity, arguments.json)
        return
    if arguments.votes:
        _print_votes(arguments.votes, arguments.json)
        return
    with Recommender.open(arguments.index) as recommender:
        qrels, protocol = _protocol(recommender, arguments.pool, arguments.as_of, without_named=arguments.without_named)
        runs = _runs(recommender, qrels, arguments.pool, arguments.as_of)
        scores = {method: per_query(qrels, run) for method, run in runs.items()}
        estimates = compare(scores, TFIDF)
        best = FITTED if FITTED in runs else FUSED
        cards = {article_id: recommender.catalogue.card(recommender.catalogue.row(article_id)) for article_id in qrels}
        values = scores[best]["nDCG@5"]
        sections = by_group(values, {article_id: card.section for article_id, card in cards.items()})
        years = by_group(values, {id_: str(card.published.year) if card.published else None for id_, card in cards.items()}, order="name")
        facts = _facts(recommender)
        manifest = recommender.release.manifest
        answer = {
            "index_version": manifest.release,
            "model": manifest.model.label,
            "protocol": protocol,
            "methods": {method: {name: of.mean for name, of in metrics.items()} for method, metrics in estimates.items()},
            "intervals": {method: {name: [of.low, of.high] for name, of in metrics.items()} for method, metrics in estimates.items()},
            "p_values": {method: {name: of.p for name, of in metrics.items()} for method, metrics in estimates.items() if method != TFIDF},
            "by_section": {group.name: [group.n, group.mean, group.low, group.high] for group in sections},
            "by_year": {group.name: [group.n, group.mean, group.low, group.high] for group in years},
            "beyond_accuracy": facts.as_dict(),
        }
        if arguments.report:
            wanted = {id_: Selection(as_of=card.published) if arguments.as_of else Selection() for id_, card in cards.items()}
            base = scores[TFIDF]["nDCG@5"]
            articles = tuple(_article(recommender, id_, runs[best][id_], (values[id_], base[id_]), wanted[id_]) for id_ in qrels)
            title = arguments.index.name
            report = Report(title, manifest.release, protocol, estimates, TFIDF, best, sections, years, {best: facts}, articles)
            write_report(arguments.report, report)
    if arguments.json:
        print(json.dumps(answer))
        return
    print(f"{protocol['n_queries']} hand-made lists, {manifest.n_articles} articles, index {manifest.release}; {protocol['queries']}")
    print(f"{protocol['named_links']:.0%} of the links lead to articles whose title stands in the text word for word")
    print(" " * 20 + "".join(f"{name:>9}" for name in METRICS) + "    nDCG@5, 95 %")
    for method, metrics in estimates.items():
        first = metrics["nDCG@5"]
        print(f"{method:<20}" + "".join(f"{of.mean:>9.4f}" for of in metrics.values()) + f"    {first.low:.3f} - {first.high:.3f}")
    if arguments.report:
        print(f"the report: {arguments.report}")


def _protocol(
    recommender: Recommender, pool: str, as_of: bool, *, without_named: bool = False
) -> tuple[dict[str, tuple[str, ...]], dict[str, str | float]]:
    """Return the qrels, made of the hand-made lists, and a description of the protocol."""
    qrels = recommender.catalogue.hand_made_lists()
    split = Split.of_ranker(recommender.ranker)
    queries = "articles with a hand-made list"
    if split is not None:
        published = {article_id: recommender.catalogue.card(recommender.catalogue.row(article_id)).published for article_id in qrels}
        qrels = {article_id: targets for article_id, targets in qrels.items() if split.holds_back(article_id, published[article_id])}
        queries = "articles with a hand-made list that the ranker was not fitted on"
    if not qrels:
        raise InputError("the index has no hand-made lists - give articles a read_more field with ids of the archive")
    named = named_links(recommender.catalogue, qrels)
    n_links = sum(map(len, qrels.values()))
    if without_named:
        left = {id_: tuple(target for target in targets if (id_, target) not in named) for id_, targets in qrels.items()}
        qrels = {article_id: targets for article_id, targets in left.items() if targets}
        queries += ", without links whose title the text names"
        if not qrels:
            raise InputError("every hand-made link names its title in the text - evaluate without --without-named")
    candidates = {"all": "all articles of the index", "lists": "all articles that are in some hand-made list"}[pool]
    protocol: dict[str, str | float] = {
        "queries": queries,
        "candidates": f"{candidates} but the query" + (", published by then; ours: of the stored candidates" if as_of else ""),
        "qrels": "the hand-made lists, every link relevance 1",
        "weights": "fitted on older lists" if split is not None else "shipped, nothing fitted",
        "baseline": f"{TFIDF}; p by a paired randomisation test, Holm-corrected",
        "n_queries": len(qrels),
        "n_links": sum(map(len, qrels.values())),
        "named_links": round(len(named) / n_links, 4),
        "n_articles": recommender.release.manifest.n_articles,
        "depth": DEPTH,
    }
    return qrels, protocol


def _runs(recommender: Recommender, qrels: Mapping[str, Sequence[str]], pool: str, as_of: bool) -> Runs:
    """Return the runs: method -> query -> ids, closest first. For the whole archive, ours are the served lists."""
    catalogue = recommender.catalogue
    rows = {article_id: catalogue.row(article_id) for article_id in qrels}
    ids = [catalogue.card(row).id for row in range(recommender.release.manifest.n_articles)]
    listed = {target for targets in catalogue.hand_made_lists().values() for target in targets}
    ranked = np.array([row for row, article_id in enumerate(ids) if pool == "all" or article_id in listed])
    fitted = recommender.ranker if recommender.ranker is not SHIPPED else None
    articles = (catalogue.article(row) for row in range(len(ids)))
    like_this = MoreLikeThis(f"{article.title}\n{article.text}" for article in articles)
    runs: Runs = {}
    for article_id, row in rows.items():
        published = catalogue.card(row).published
        known = ranked[recommender.archive.facts.published[ranked] <= int(published.timestamp())] if as_of and published else ranked
        found = rank_all(recommender, row, known, DEPTH, like_this, fitted)
        if pool == "all":
            wanted = Selection(as_of=published) if as_of else Selection()
            found[FUSED] = stored_list(recommender, row, SHIPPED, wanted, DEPTH)
            if fitted is not None:
                found[FITTED] = stored_list(recommender, row, fitted, wanted, DEPTH)
        for method, targets in found.items():
            runs.setdefault(method, {})[article_id] = [ids[target] for target in targets]
    return runs


def _facts(recommender: Recommender) -> CollectionFacts:
    """Return the facts of all lists as readers see them."""
    catalogue = recommender.catalogue
    cards = [catalogue.card(row) for row in range(recommender.release.manifest.n_articles)]
    groups = {cards[row].id: int(canonical) for row, canonical in enumerate(recommender.archive.facts.canonical)}
    lists = {
        card.id: [cards[row].id for row in stored_list(recommender, card.row, recommender.ranker, Selection(), SHOWN)] for card in cards
    }
    return collection_facts(
        lists,
        group_of_article=groups,
        published={card.id: card.published for card in cards},
        section_of={card.id: card.section for card in cards},
    )


def _article(
    recommender: Recommender, article_id: str, ranking: Sequence[str], ndcg: tuple[float, float], wanted: Selection
) -> QueryArticle:
    """Return one article of the report. `ndcg` holds the nDCG of the ranking and of the baseline."""
    catalogue = recommender.catalogue
    row = catalogue.row(article_id)
    card = catalogue.card(row)
    linked = catalogue.read_more(row)
    chosen = {other.id for other in linked}
    by_id = {item.id: item for item in recommender.related_to_row(row, DEPTH, wanted)}
    ours = []
    for target in ranking[:SHOWN]:
        item, other = by_id.get(target), catalogue.card(catalogue.row(target))
        ours.append(
            Suggestion(
                id=target,
                title=other.title,
                score=item.score if item else math.nan,
                published=other.published,
                relation=item.relation if item else None,
                passages=item.passages if item else None,
                in_hand_made=target in chosen,
                section=other.section,
            )
        )
    by_hand = tuple(HandMade(other.id, other.title, other.published, other.section) for other in linked)
    # An editor sets the score of a pinned line.
    scored = tuple((by_id[of].score, of in chosen) for of in ranking[:DEPTH] if of in by_id and by_id[of].source == "model")
    return QueryArticle(card.id, card.title, card.url, card.published, card.section, by_hand, tuple(ours), *ndcg, scored)


def _print_votes(paths: Sequence[Path], as_json: bool) -> None:
    """Print the votes from the report's blind comparison."""
    votes = add_up(paths)
    if as_json:
        print(json.dumps(votes.as_dict()))
        return
    print(f"{votes.report['title']}, {votes.report['method']}: {votes.n_articles} articles, {votes.n_visits} visits")
    print(f"ours is the better list: {votes.ours_better}")
    print(f"the editor's list is recognised: {votes.editors_told}")
    print(f"the first of the two is the better list: {votes.first_better}")


def _print_similarity(path: Path, as_json: bool) -> None:
    """Print Pearson and Spearman correlations with human ratings, of pairs or of all pairs of some texts."""
    from scipy.stats import pearsonr, spearmanr

    ours, ratings = _rated(path)
    answer = {
        "protocol": {"pairs": "as rated by people", "similarity": "recommender.similarity, bundled model", "n_pairs": len(ours)},
        "pearson": round(float(pearsonr(ours, ratings).statistic), 4),
        "spearman": round(float(spearmanr(ours, ratings).statistic), 4),
        "mean_similarity": round(fmean(ours), 4),
    }
    print(json.dumps(answer) if as_json else f"{len(ours)} pairs: Pearson {answer['pearson']}, Spearman {answer['spearman']}")


def _rated(path: Path) -> tuple[list[float], list[float]]:
    """Return our similarities and the human ratings.

    A line holds sentence1, sentence2 and score, or text and meta.sims.
    """
    try:
        lines: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if "sentence1" in lines[0]:
            texts = [str(line[side]) for line in lines for side in ("sentence1", "sentence2")]
            pairs = [(2 * place, 2 * place + 1) for place in range(len(lines))]
            ratings = [float(line["score"]) for line in lines]
        else:
            texts = [str(line["text"]) for line in lines]
            pairs = [(one, other) for one in range(len(lines)) for other in range(one + 1, len(lines))]
            ratings = [float(lines[one]["meta"]["sims"][other]) for one, other in pairs]
    except (OSError, UnicodeDecodeError, ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(
            f"{path} has no ratings ({type(error).__name__}) - give lines with sentence1, sentence2 and score, or with text and meta.sims"
        ) from error
    if pairs[0] == (0, 1) and len(pairs) == len(lines):
        ours = [float(similarity_matrix([texts[one], texts[other]])[0, 1]) for one, other in pairs]
    else:
        matrix = similarity_matrix(texts)
        ours = [float(matrix[pair]) for pair in pairs]
    return ours, ratings


def options() -> argparse.ArgumentParser:
    parser = command.parser("readmore evaluate", __doc__, EXAMPLES)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--index", type=Path, metavar="DIR", help="folder of the index")
    what.add_argument("--similarity", type=Path, metavar="FILE", help="JSON Lines of texts with people's ratings of their likeness")
    what.add_argument("--votes", type=Path, nargs="+", metavar="FILE", help="files of votes that the report's blind comparison saved")
    parser.add_argument("--pool", choices=["all", "lists"], default="all", help="rank all articles, or those in some hand-made list")
    parser.add_argument("--as-of", action="store_true", help="for each article, rank only what had been published by then")
    parser.add_argument("--without-named", action="store_true", help="leave out links to articles whose title the text names")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write an HTML page: summary, plots, the lists side by side")
    parser.add_argument("--json", action="store_true", help="print JSON: every metric under its name, by method")
    return parser


if __name__ == "__main__":
    command.run(main, options())
