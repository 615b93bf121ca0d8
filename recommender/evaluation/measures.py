"""Compute evaluation metrics: compare a run (our lists) with qrels (the editors' hand-made lists).

An editor picks about two of many fitting articles, so absolute figures are low for every method. Compare methods on
the same lists. Look at the interval and the p-value before believing a difference. `collection_facts` measures what
hand-made lists cannot show.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import fmean, median
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

METRICS = ("nDCG@5", "nDCG@10", "R@10", "R@50", "RR", "hit@3")
"""`hit@3` is the share of lists with at least one hand-made link among our first three."""
DEPTH = 50
"""Articles of a list that are evaluated: the depth that R@50 needs."""
RESAMPLES = 10_000
"""Bootstrap samples per interval, and permutations per test."""
SMALL_GROUP = 10
"""Groups with fewer queries get no figure of their own."""
OTHERS, NOT_GIVEN = "others", "not given"
"""Names of two catch-all groups: small groups together, and articles without section or date."""


@dataclass(frozen=True, slots=True)
class Group:
    """A metric over the `n` queries of one section or year: mean and ends of its 95 % interval, to 4 places."""

    name: str
    n: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class CollectionFacts:
    """Properties of all lists of an archive, independent of hand-made lists. None where nothing could be counted."""

    n_articles: int
    """Articles of the archive. Each has one list, which may be empty."""
    coverage: float
    """Share of the articles that are in at least one list."""
    n_orphans: int
    """Articles that are in no list, so that no list leads readers to them."""
    largest_hub: int
    """Largest number of lists that contain one article."""
    hub_share: float
    """Share of all places that the most listed 1 % of the articles take, rounded up to whole articles.

    It is .01 if all articles were listed equally often.
    """
    gini: float
    """Gini coefficient: sum of (2 i - n - 1) x_i over n times the sum of x_i.

    x_i is the i-th smallest number of lists that contain an article. It is 0 if all are alike.
    """
    duplicates_shown: float
    """Share of the non-empty lists that show two articles of one duplicate group."""
    median_age_days: float | None
    """Median over the places of query's date less target's, in days. Pairs with both dates count.

    A positive value means that the target is older.
    """
    older_share: float | None
    """Share of the same places whose target is older than the query."""
    same_section_share: float | None
    """Share of the places whose target is in the query's section. Pairs with both sections count."""
    mean_length: float
    """Mean number of articles per list, empty lists included."""
    n_empty: int
    """Articles whose list is empty."""

    def as_dict(self) -> dict[str, int | float | None]:
        return {name: round(fact, 4) if isinstance(fact, float) else fact for name, fact in asdict(self).items()}


def per_query(qrels: Mapping[str, Iterable[str]], run: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """Score every list of a run against the hand-made list.

    Args:
        qrels: Query article id -> ids of its hand-made list. Queries with an empty list are not counted.
        run: Query article id -> our ids, closest first. A missing query scores 0.

    Returns:
        Metric, as in `METRICS`, -> query id, in the order of `qrels`, -> score in [0, 1]. The measures are trec_eval's.
        nDCG@k (Järvelin and Kekäläinen 2002) discounts by log2(rank + 1) and divides by the score of the hand-made list
        in the first k places.

    >>> scores = per_query({"a": ["b"], "c": ["a"]}, {"a": ["c", "b"]})
    >>> scores["RR"], round(scores["nDCG@5"]["a"], 3)
    ({'a': 0.5, 'c': 0.0}, 0.631)
    """
    import ir_measures

    judged = [ir_measures.Qrel(query, target, 1) for query, targets in qrels.items() for target in targets]
    if not judged:
        raise ValueError("no hand-made lists to compare with - give articles a `read_more` field with ids of the archive")
    # A score that falls with the rank keeps our order. trec_eval sorts by score and would break ties by id.
    scored = [ir_measures.ScoredDoc(query, target, -float(place)) for query, targets in run.items() for place, target in enumerate(targets)]
    measures = {ir_measures.parse_measure(name.replace("hit", "Success")): name for name in METRICS}
    queries = dict.fromkeys(line.query_id for line in judged)
    scores = {name: dict.fromkeys(queries, 0.0) for name in METRICS}
    for found in ir_measures.iter_calc(measures, judged, scored):
        if found.query_id in queries:
            scores[measures[found.measure]][found.query_id] = float(found.value)
    return scores


def evaluate(qrels: Mapping[str, Iterable[str]], run: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return the means of `per_query` over the hand-made lists: metric name -> figure in [0, 1], to 4 places.
    >>> evaluate({"a": ["b"]}, {"a": ["c", "b"]})["RR"]
    0.5
    """
    return {name: round(fmean(scores.values()), 4) for name, scores in per_query(qrels, run).items()}


def pooled(run: Mapping[str, Sequence[str]], pool: Set[str]) -> dict[str, tuple[str, ...]]:
    """Keep only the articles of a pool in each ranking, in order, as if the archive held nothing else.

    The run must be deep enough. A measure at k is right only if k articles are left, or if the run ranked everything.
    Before calling this, rank the whole archive, or rank to a depth of more than k times its size over the pool's.
    >>> pooled({"a": ["b", "c", "d"]}, {"d", "b"})
    {'a': ('b', 'd')}
    """
    return {query: tuple(target for target in ranking if target in pool) for query, ranking in run.items()}


def interval(values: ArrayLike, n: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of a mean over queries, by the percentile bootstrap (Efron 1979).

    `values` is (queries,), one figure per query. `n` samples of that size are drawn with replacement. One seed always
    gives the same samples.
    >>> interval([0.25] * 9)
    (0.25, 0.25)
    """
    return resampled([_figures(values)], lambda figures, axis: figures.mean(axis=axis), n, seed)


def resampled(
    columns: Sequence[NDArray[np.float64]], statistic: Callable[..., NDArray[np.float64]], n: int, seed: int
) -> tuple[float, float]:
    """Return the 95 % interval of a statistic by the percentile bootstrap of `scipy.stats`.

    Args:
        columns: Arrays (queries,), all in the same order. A query is drawn with its figures of all columns.
        statistic: Function called with the drawn columns, (samples, queries), and `axis`.
    """
    from scipy.stats import bootstrap

    if columns[0].size == 1:  # every sample is the same, and scipy needs two figures
        only = float(statistic(*columns, axis=-1))
        return only, only
    batch = max(1, 2**20 // columns[0].size)  # 8 MB of numbers drawn at once
    found = bootstrap(columns, statistic, n_resamples=n, batch=batch, vectorized=True, paired=True, method="percentile", rng=seed)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def paired_p(a: ArrayLike, b: ArrayLike) -> float:
    """Return the p-value of the two-sided paired randomisation test (Fisher 1935) of two methods' means.

    `a` and `b` are (queries,), in the same order of queries. If the methods were alike, each difference could as
    well have the other sign. Of `RESAMPLES` random choices of signs, `hits` give a mean at least as far from 0 as the
    observed one. Then p = (hits + 1) / (RESAMPLES + 1) (Phipson and Smyth 2010), which is never 0. The signs come from
    a fixed seed. When several methods are compared with one baseline, report the values corrected by `holm`.

    Example: five queries, each better by 1 with `a`. Of the 32 choices of signs, 2 (all plus, all minus) are as far
    out. So p is near 2/32 = .0625.
    >>> round(paired_p([1, 1, 1, 1, 1], [0, 0, 0, 0, 0]), 2)
    0.06
    >>> paired_p([0.3, 0.2], [0.3, 0.2])
    1.0
    """
    one, other = _figures(a), _figures(b)
    if one.size != other.size:
        raise ValueError(f"{one.size} figures cannot be paired with {other.size}")
    differences = one - other
    # Flipping a subset of the queries leaves total - 2 x their sum. Sums equal up to rounding are ties, and count.
    total, rounding = differences.sum(), 1e-12 * np.abs(differences).sum()
    chance, hits = np.random.default_rng(0), 1  # the observed signs are a hit
    step = max(1, 2**20 // differences.size)  # 8 MB of numbers drawn at once
    for rows in (min(step, RESAMPLES - start) for start in range(0, RESAMPLES, step)):
        flipped = chance.integers(2, size=(rows, differences.size), dtype=np.int8).astype(np.float64)
        hits += int(np.count_nonzero(np.abs(total - 2 * (flipped @ differences)) >= abs(total) - rounding))
    return hits / (RESAMPLES + 1)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Correct the p-values of several comparisons (Holm 1979).

    Below .05, the chance of any false difference among them is below .05. The smallest of m values is multiplied by m,
    the next by m - 1, and so on. No value may fall below the one before, or exceed 1.
    >>> holm({"bm25": 0.03, "dense": 0.02, "both": 0.001})
    {'bm25': 0.04, 'dense': 0.04, 'both': 0.003}
    """
    corrected: dict[str, float] = {}
    least = 0.0
    for place, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        least = corrected[name] = min(max(least, (len(p_values) - place) * p_values[name]), 1.0)
    return {name: corrected[name] for name in p_values}


def by_group(values: Mapping[str, float], group_of: Mapping[str, str | None], order: Literal["size", "name"] = "size") -> tuple[Group, ...]:
    """Aggregate one metric of `per_query` by section (order "size": largest first) or by year (order "name").

    Queries whose group is None, or that have no entry, are `NOT_GIVEN`. All groups below `SMALL_GROUP` together are
    `OTHERS`, the last group.
    >>> [(group.name, group.n) for group in by_group(dict.fromkeys("abcdefghijklm", 0.5), dict.fromkeys("abcdefghijkl", "world"))]
    [('world', 12), ('others', 1)]
    """
    members: defaultdict[str | None, list[float]] = defaultdict(list)
    for query, value in values.items():
        members[group_of.get(query)].append(value)
    large = [(name is None, NOT_GIVEN if name is None else name, group) for name, group in members.items() if len(group) >= SMALL_GROUP]
    large.sort(key=lambda item: (item[0], -len(item[2]) if order == "size" else 0, item[1]))
    rest = [value for group in members.values() if len(group) < SMALL_GROUP for value in group]
    shown = [(name, group) for _, name, group in large] + ([(OTHERS, rest)] if rest else [])
    return tuple(Group(name, len(group), *(round(figure, 4) for figure in (fmean(group), *interval(group)))) for name, group in shown)


def collection_facts(
    lists: Mapping[str, Sequence[str]],
    *,
    group_of_article: Mapping[str, Hashable],
    published: Mapping[str, datetime | None],
    section_of: Mapping[str, str | None],
) -> CollectionFacts:
    """Compute the properties of all lists at once, as readers see them: cut to the displayed length, say 5.

    Args:
        lists: Article id -> ids of its list, without repeats. Every article has an entry, even if its list is empty.
        group_of_article: Article id -> its duplicate group. Articles without an entry have no duplicate.
        published: Article id -> time of publication, aware.
        section_of: Article id -> section.

    >>> facts = collection_facts({"a": ["b"], "b": ["a"], "c": ["b"]}, group_of_article={}, published={}, section_of={})
    >>> facts.n_orphans, facts.largest_hub, round(facts.coverage, 2)
    (1, 2, 0.67)
    """
    times = Counter(target for targets in lists.values() for target in targets)
    if not lists or not times.keys() <= lists.keys():
        raise ValueError("the lists of all articles are needed, empty ones too")
    counts = np.array(sorted(times[article] for article in lists))
    n, places = counts.size, int(counts.sum())
    pairs = [(query, target) for query, targets in lists.items() for target in targets]
    dates = [(published.get(query), published.get(target)) for query, target in pairs]
    ages = [(read - shown).total_seconds() / 86_400 for read, shown in dates if read is not None and shown is not None]
    sections = [(section_of.get(query), section_of.get(target)) for query, target in pairs]
    same = [read == shown for read, shown in sections if read is not None and shown is not None]
    groups = [[group_of_article[target] for target in targets if target in group_of_article] for targets in lists.values()]
    n_empty = sum(not targets for targets in lists.values())
    return CollectionFacts(
        n_articles=n,
        coverage=len(times) / n,
        n_orphans=n - len(times),
        largest_hub=int(counts[-1]),
        hub_share=int(counts[-math.ceil(n / 100) :].sum()) / max(places, 1),
        gini=float((2 * np.arange(1, n + 1) - n - 1) @ counts) / (n * max(places, 1)),
        duplicates_shown=sum(len(set(shown)) < len(shown) for shown in groups) / max(n - n_empty, 1),
        median_age_days=median(ages) if ages else None,
        older_share=fmean(age > 0 for age in ages) if ages else None,
        same_section_share=fmean(same) if same else None,
        mean_length=places / n,
        n_empty=n_empty,
    )


def _figures(values: ArrayLike) -> NDArray[np.float64]:
    if not np.size(values):
        raise ValueError("no figures to take a mean of")
    return np.asarray(values, dtype=np.float64)
