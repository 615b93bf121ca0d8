"""How good the lists are, measured on the editors' own: qrels are the hand-made lists, the run is ours.

An editor picks about two of many fitting articles, so absolute figures are low for every method: compare methods.
"""

from collections.abc import Iterable, Mapping, Sequence

METRICS = ("nDCG@5", "nDCG@10", "R@10", "R@50", "RR", "hit@3")
"""`hit@3` is the share of lists of which at least one article stands among our first three."""

DEPTH = 50
"""Articles of a list that are looked at: what R@50 needs."""


def evaluate(qrels: Mapping[str, Iterable[str]], run: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Score a run against hand-made lists, averaged over the lists.

    Args:
        qrels: Query article id -> ids of its hand-made list. Queries with an empty list are not counted.
        run: Query article id -> our ids, closest first. A query that is missing scores 0.

    Returns:
        Metric name, as in `METRICS`, to its mean in [0, 1].

    Raises:
        ValueError: No query has a hand-made list.

    >>> evaluate({"a": ["b"]}, {"a": ["c", "b"]})["RR"]
    0.5
    """
    import ir_measures

    judged = [ir_measures.Qrel(query, target, 1) for query, targets in qrels.items() for target in targets]
    if not judged:
        raise ValueError("no hand-made lists to compare with - give articles a `read_more` field with ids of the archive")
    # A score that falls with the rank keeps our order: trec_eval sorts by score and would break ties by id.
    scored = [ir_measures.ScoredDoc(query, target, -float(place)) for query, targets in run.items() for place, target in enumerate(targets)]
    measures = {name: ir_measures.parse_measure(name.replace("hit", "Success")) for name in METRICS}
    means = ir_measures.calc_aggregate(measures.values(), judged, scored)
    return {name: round(float(means[measure]), 4) for name, measure in measures.items()}
