"""Every figure equals a plain, slow reading of its definition."""

import itertools
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import fmean, median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.evaluation.measures import (
    METRICS,
    NOT_GIVEN,
    OTHERS,
    RESAMPLES,
    SMALL_GROUP,
    by_group,
    collection_facts,
    evaluate,
    holm,
    interval,
    paired_p,
    per_query,
    pooled,
)

ARTICLES = [f"a{number}" for number in range(14)]
rankings = st.lists(st.sampled_from(ARTICLES), unique=True, max_size=12)
runs = st.dictionaries(st.sampled_from(ARTICLES), rankings)
archives = st.integers(1, 14).flatmap(
    lambda n: st.fixed_dictionaries({article: st.lists(st.sampled_from(ARTICLES[:n]), unique=True, max_size=5) for article in ARTICLES[:n]})
)
figures = st.lists(st.floats(0, 1), min_size=1, max_size=60)


def ndcg(wanted: Sequence[str], ranking: Sequence[str], k: int) -> float:
    gain = sum(1 / math.log2(place + 2) for place, target in enumerate(ranking[:k]) if target in wanted)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(k, len(wanted))))


def by_hand(wanted: Sequence[str], ranking: Sequence[str]) -> dict[str, float]:
    places = [place for place, target in enumerate(ranking, 1) if target in wanted]
    return {
        "nDCG@5": ndcg(wanted, ranking, 5),
        "nDCG@10": ndcg(wanted, ranking, 10),
        "R@10": len([place for place in places if place <= 10]) / len(wanted),
        "R@50": len([place for place in places if place <= 50]) / len(wanted),
        "RR": 1 / places[0] if places else 0.0,
        "hit@3": float(bool(places) and places[0] <= 3),
    }


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(ARTICLES), st.lists(st.sampled_from(ARTICLES), unique=True, max_size=7), min_size=1), runs)
def test_metrics_by_hand(qrels: dict[str, list[str]], run: dict[str, list[str]]) -> None:
    judged = {query: wanted for query, wanted in qrels.items() if wanted}
    if not judged:
        with pytest.raises(ValueError, match="no hand-made lists"):
            per_query(qrels, run)
        return
    scores = per_query(qrels, run)
    assert list(scores) == list(METRICS)
    for metric, found in scores.items():
        assert list(found) == list(judged), "every query with a hand-made list, in their order, and no other"
        assert found == pytest.approx({query: by_hand(wanted, run.get(query, []))[metric] for query, wanted in judged.items()})
    assert evaluate(qrels, run) == pytest.approx({metric: fmean(found.values()) for metric, found in scores.items()}, abs=6e-5)


def test_the_order_of_a_long_ranking_is_kept() -> None:
    """Ids that sort the other way round: trec_eval would break ties by them."""
    ranking = [f"a{number:04}" for number in range(1000)]
    assert per_query({"q": [ranking[99]]}, {"q": ranking})["RR"] == {"q": pytest.approx(0.01)}
    assert per_query({"q": [ranking[49], ranking[50]]}, {"q": ranking})["R@50"] == {"q": 0.5}


@given(runs, st.frozensets(st.sampled_from(ARTICLES)))
def test_pooled(run: dict[str, list[str]], pool: frozenset[str]) -> None:
    found = pooled(run, pool)
    assert found.keys() == run.keys()
    for query, ranking in found.items():
        assert set(ranking) == set(run[query]) & pool
        assert [run[query].index(target) for target in ranking] == sorted(run[query].index(target) for target in ranking)


@settings(deadline=None, max_examples=40)
@given(figures)
def test_an_interval_is_within_the_figures_and_repeatable(values: list[float]) -> None:
    low, high = interval(values)
    assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12
    assert (low, high) == interval(np.array(values))


def test_an_interval_holds_the_mean_and_shrinks_with_the_root_of_n() -> None:
    chance = np.random.default_rng(1)
    widths = []
    for n in (30, 120, 480, 1920):
        values = chance.random(n)
        low, high = interval(values)
        assert low < values.mean() < high
        widths.append(high - low)
        assert high - low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(n), rel=0.06), "as a normal one, for so many"
    assert widths == sorted(widths, reverse=True)


def test_an_interval_holds_the_truth_19_times_of_20() -> None:
    """Skewed figures like nDCG's: half of them 0. A right one misses 5 of 100 times, and rarely more than 11."""
    chance = np.random.default_rng(2)
    missed = 0
    for _ in range(200):
        values = chance.random(80) * (chance.random(80) < 0.5)
        low, high = interval(values, n=1000)
        missed += not low <= 0.25 <= high
    assert 2 <= missed <= 22


def test_an_interval_by_all_samples() -> None:
    """Of 4 figures there are 256 samples; the bootstrap draws from them."""
    values = [0.0, 0.1, 0.5, 1.0]
    low, high = np.percentile([fmean(sample) for sample in itertools.product(values, repeat=4)], [2.5, 97.5])
    assert interval(values) == pytest.approx((low, high), abs=0.03)
    assert interval(values, seed=1) == pytest.approx((low, high), abs=0.03)


def all_sign_flips(a: Sequence[float], b: Sequence[float]) -> float:
    differences = [one - other for one, other in zip(a, b, strict=True)]
    sums = [
        abs(math.fsum(sign * x for sign, x in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return sum(flipped >= abs(math.fsum(differences)) - 1e-9 for flipped in sums) / len(sums)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=9))
def test_paired_p_is_that_of_all_sign_flips(pairs: list[tuple[int, int]]) -> None:
    """Tenths, so that sums tie but for rounding; 5 standard errors of so many draws."""
    a, b = [one / 10 for one, _ in pairs], [other / 10 for _, other in pairs]
    exact = all_sign_flips(a, b)
    assert paired_p(a, b) == pytest.approx(exact, abs=5 * math.sqrt(exact * (1 - exact) / RESAMPLES) + 2 / RESAMPLES)
    assert paired_p(a, b) == paired_p(b, a), "two-sided"


def test_paired_p_ends() -> None:
    assert paired_p([0.4] * 300, [0.3] * 300) == 1 / (RESAMPLES + 1), "never 0"
    assert paired_p([0.3] * 300, [0.3] * 300) == 1.0
    assert paired_p([0.1, 0.2, 0.3], [0.3, 0.2, 0.1]) == 1.0, "sums that are 0 but for rounding"


def test_paired_p_finds_a_difference_that_pairs_show_and_means_do_not() -> None:
    chance = np.random.default_rng(3)
    base = chance.random(400)
    assert paired_p(base + 0.01 * chance.random(400), base) < 0.001
    assert paired_p(chance.permutation(base) + 0.005, base) > 0.05


def test_paired_p_is_right_when_nothing_differs() -> None:
    """Where methods are alike, p is as often below .1 as not: 10 of 100 times."""
    chance = np.random.default_rng(4)
    found = [paired_p(chance.random(20), chance.random(20)) for _ in range(200)]
    assert 8 <= sum(p < 0.1 for p in found) <= 34
    assert 0.4 <= fmean(found) <= 0.6


def test_statistics_refuse_what_has_no_answer() -> None:
    for wrong in (lambda: interval([]), lambda: paired_p([], []), lambda: paired_p([0.1], [0.1, 0.2])):
        with pytest.raises(ValueError, match="figures"):
            wrong()


def test_holm_by_hand() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert holm({"a": 0.4, "b": 0.9}) == pytest.approx({"a": 0.8, "b": 0.9})
    assert holm({"a": 0.6, "b": 0.6}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8))
def test_holm_is_the_step_down_procedure(p_values: dict[str, float]) -> None:
    corrected = holm(p_values)
    assert list(corrected) == list(p_values)
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
            if p_values[name] * (len(p_values) - place) > level:
                break
            rejected.add(name)
        assert {name for name, p in corrected.items() if p <= level} == rejected


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from(["world", OTHERS, "", None])), min_size=1, max_size=70),
    st.sampled_from(["size", "name"]),
)
def test_groups(lines: list[tuple[float, str | None]], order: str) -> None:
    values = {f"q{number}": value for number, (value, _) in enumerate(lines)}
    group_of = {f"q{number}": group for number, (_, group) in enumerate(lines)}
    groups = by_group(values, group_of, "name" if order == "name" else "size")
    expected: dict[str | None, list[float]] = {}
    for value, group in lines:
        expected.setdefault(group, []).append(value)
    assert sum(group.n for group in groups) == len(lines), "every query is in one group"
    small = [value for group in expected.values() if len(group) < SMALL_GROUP for value in group]
    if small:
        assert (groups[-1].name, groups[-1].n) == (OTHERS, len(small))
        groups = groups[:-1]
    large = {group: of_group for group, of_group in expected.items() if len(of_group) >= SMALL_GROUP}
    if None in large:
        assert (groups[-1].name, groups[-1].n) == (NOT_GIVEN, len(large.pop(None)))
        groups = groups[:-1]
    assert {group.name: group.n for group in groups} == {name: len(of_group) for name, of_group in large.items()}
    for shown in groups:
        assert shown.mean == pytest.approx(fmean(large[shown.name]), abs=6e-5)
        assert (shown.low, shown.high) == pytest.approx(interval(large[shown.name]), abs=6e-5)
    assert list(groups) == sorted(groups, key=lambda shown: shown.name if order == "name" else (-shown.n, shown.name))


def test_queries_without_an_entry_belong_to_no_group() -> None:
    assert [(group.name, group.n) for group in by_group(dict.fromkeys(ARTICLES, 1.0), {})] == [(NOT_GIVEN, 14)]
    assert by_group(dict.fromkeys(ARTICLES, 1.0), dict.fromkeys(ARTICLES, ""))[0].name == "", "an empty name is a name"


START = datetime(2020, 1, 1, tzinfo=UTC)
dates = st.dictionaries(
    st.sampled_from(ARTICLES), st.none() | st.integers(-(10**6), 10**6).map(lambda hours: START + timedelta(hours=hours / 10))
)
labels = st.dictionaries(st.sampled_from(ARTICLES), st.sampled_from(["world", "sport", None]))
duplicate_groups = st.dictionaries(st.sampled_from(ARTICLES), st.integers(0, 3))


def mean_difference_gini(counts: Sequence[int]) -> float:
    """The definition: half the mean difference of any two, relative to the mean."""
    if not sum(counts):
        return 0.0
    return sum(abs(one - other) for one in counts for other in counts) / (2 * len(counts) * sum(counts))


@given(archives, duplicate_groups, dates, labels)
def test_collection_facts_by_hand(
    lists: dict[str, list[str]],
    groups: Mapping[str, int],
    published: Mapping[str, datetime | None],
    sections: Mapping[str, str | None],
) -> None:
    facts = collection_facts(lists, group_of_article=groups, published=published, section_of=sections)
    counts = {article: sum(article in targets for targets in lists.values()) for article in lists}
    assert facts.n_articles == len(lists)
    assert facts.coverage == pytest.approx(sum(count > 0 for count in counts.values()) / len(lists))
    assert facts.n_orphans == sum(count == 0 for count in counts.values())
    assert facts.largest_hub == max(counts.values())
    assert facts.gini == pytest.approx(mean_difference_gini(list(counts.values())))
    filled = [targets for targets in lists.values() if targets]
    assert facts.hub_share == pytest.approx(max(counts.values()) / sum(counts.values()) if filled else 0)
    doubled = [
        any(one in groups and groups[one] == groups.get(other) for one, other in itertools.combinations(targets, 2)) for targets in filled
    ]
    assert facts.duplicates_shown == pytest.approx(fmean(doubled) if doubled else 0)
    ages, same = [], []
    for query, targets in lists.items():
        for target in targets:
            read, shown = published.get(query), published.get(target)
            if read and shown:
                ages.append((read - shown) / timedelta(days=1))
            if sections.get(query) and sections.get(target):
                same.append(sections[query] == sections[target])
    assert facts.median_age_days == (pytest.approx(median(ages)) if ages else None)
    assert facts.older_share == (pytest.approx(sum(age > 0 for age in ages) / len(ages)) if ages else None)
    assert facts.same_section_share == (pytest.approx(fmean(same)) if same else None)
    assert facts.mean_length == pytest.approx(fmean(map(len, lists.values())))
    assert facts.n_empty == len(lists) - len(filled)
    assert list(facts.as_dict()) == [name for name in type(facts).__slots__ if not name.startswith("_")]
    assert facts.as_dict()["gini"] == round(facts.gini, 4)


def test_the_top_1_percent_of_250_articles_are_3() -> None:
    lists: dict[str, list[str]] = {f"a{number}": [] for number in range(250)}
    for number, (hub, times) in enumerate([("a0", 40), ("a1", 30), ("a2", 20), ("a3", 10)]):
        for query in list(lists)[10 + 50 * number :][:times]:
            lists[query].append(hub)
    facts = collection_facts(lists, group_of_article={}, published={}, section_of={})
    assert (facts.largest_hub, facts.hub_share, facts.n_orphans, facts.n_empty) == (40, 0.9, 246, 150)


def test_a_target_from_before_has_a_positive_age() -> None:
    published = {"new": START + timedelta(days=10), "old": START, "mid": START + timedelta(days=4)}
    lists = {"new": ["old", "mid"], "old": [], "mid": ["new"]}
    facts = collection_facts(lists, group_of_article={}, published=published, section_of={})
    assert facts.median_age_days == 6.0
    assert facts.older_share == pytest.approx(2 / 3)


def test_facts_need_the_lists_of_all_articles() -> None:
    for lists in ({}, {"a": ["b"]}):
        with pytest.raises(ValueError, match="all articles"):
            collection_facts(lists, group_of_article={}, published={}, section_of={})
