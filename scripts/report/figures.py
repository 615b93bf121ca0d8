"""Compute the figures of a report: methods, scores against editors' choices, and suggestions against editors' links."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from recommender.evaluation.measures import OTHERS, SMALL_GROUP, CollectionFacts, collection_facts, holm, interval, paired_p, resampled
from scripts.report.report_contents import Estimate, HandMade, QueryArticle, Suggestion

N_BINS = 10
"""Number of score bins, of equal width."""
AGES = (
    ("over a year newer", -math.inf),
    ("a month to a year newer", -365.0),
    ("up to a month newer", -30.0),
    ("within a day", -1.0),
    ("up to a month older", 1.0),
    ("a month to a year older", 30.0),
    ("one to three years older", 365.0),
    ("over three years older", 1095.0),
)
"""Label and minimum age in days. Each class ends where the next begins."""
MOST_SECTIONS = 12
"""Maximum number of sections with a row of their own. The remaining sections share one row."""
RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """Lines with scores in one range.

    Attributes:
        low: The minimum score. The bin holds lines below `high`; the last bin holds 1.0 too.
        mean: Mean of the scores.
        linked: Number of the `n` lines that editors linked too.
    """

    low: float
    high: float
    n: int
    mean: float
    linked: int

    @property
    def share(self) -> float:
        return self.linked / self.n

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.linked, self.n)


@dataclass(frozen=True, slots=True)
class Mix:
    """Counts of lines of one kind: `ours` of `of_ours` that we suggest, `theirs` of `of_theirs` that editors link."""

    name: str
    ours: int
    of_ours: int
    theirs: int
    of_theirs: int

    @property
    def our_share(self) -> float | None:
        return self.ours / self.of_ours if self.of_ours else None

    @property
    def their_share(self) -> float | None:
        return self.theirs / self.of_theirs if self.of_theirs else None


def compare(scores: Mapping[str, Mapping[str, Mapping[str, float]]], baseline: str) -> dict[str, dict[str, Estimate]]:
    """Return every method's means with intervals, and p against the baseline, Holm-corrected within each metric.

    Args:
        scores: Method -> what `per_query` gives for it, all with the same qrels.
        baseline: The method to compare the others with.

    Returns:
        Method -> metric -> estimate.

    >>> compare({"old": {"RR": {"a": 0.5, "b": 0.5}}, "new": {"RR": {"a": 0.5, "b": 0.5}}}, "old")["new"]
    {'RR': Estimate(mean=0.5, low=0.5, high=0.5, p=1.0)}
    """
    estimates: dict[str, dict[str, Estimate]] = {method: {} for method in scores}
    for metric, base in scores[baseline].items():
        figures = {method: [metrics[metric][query] for query in base] for method, metrics in scores.items()}
        p = holm({method: paired_p(values, figures[baseline]) for method, values in figures.items() if method != baseline})
        for method, values in figures.items():
            low, high = interval(values)
            corrected = round(p[method], 4) if method in p else None
            estimates[method][metric] = Estimate(round(fmean(values), 4), round(low, 4), round(high, 4), corrected)
    return estimates


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval (Wilson 1927) of a share of independent trials. For n = 0 it is (0, 1).

    >>> [round(end, 3) for end in wilson(7, 12)], wilson(0, 0)
    ([0.32, 0.807], (0.0, 1.0))
    """
    if n == 0:
        return 0.0, 1.0
    found = binomtest(hits, n).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def share_interval(hits: Sequence[int], of: Sequence[int], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of a share of lines, by resampling articles. The lines of one list are not independent.

    Args:
        hits: (articles,), the counted lines of each article's list.
        of: (articles,), all lines of each list; at least one article has a line.

    >>> share_interval([1, 1, 1], [2, 2, 2])
    (0.5, 0.5)
    """

    def share(some: NDArray[np.float64], lines: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        return np.asarray(some.sum(axis=axis) / np.maximum(lines.sum(axis=axis), 1))

    return resampled([np.asarray(hits, dtype=np.float64), np.asarray(of, dtype=np.float64)], share, RESAMPLES, seed)


def calibration(lines: Iterable[tuple[float, bool]]) -> tuple[ScoreBin, ...]:
    """Return how often editors linked lines, by score bin. Empty bins and lines without a score are left out.

    >>> [(found.n, found.linked) for found in calibration([(0.12, False), (0.19, True), (1.0, True)])]
    [(2, 1), (1, 1)]
    """
    bins: defaultdict[int, list[tuple[float, bool]]] = defaultdict(list)
    for score, linked in lines:
        if not math.isnan(score):
            bins[min(int(score * N_BINS), N_BINS - 1)].append((score, linked))
    return tuple(
        ScoreBin(place / N_BINS, (place + 1) / N_BINS, len(found), fmean(score for score, _ in found), sum(linked for _, linked in found))
        for place, found in sorted(bins.items())
    )


def list_facts(articles: Iterable[QueryArticle]) -> tuple[CollectionFacts, CollectionFacts]:
    """Return the facts of our lists and of the editors' lists, for the same articles.

    Ages and sections are counted as for the whole archive.
    """
    asked = list(articles)
    known: dict[str, QueryArticle | HandMade | Suggestion] = {}
    for article in asked:
        known.update({line.id: line for line in article.by_hand})
        known.update({line.id: line for line in article.ours})
    known.update({article.id: article for article in asked})

    def facts(lists: dict[str, list[str]]) -> CollectionFacts:
        return collection_facts(
            {id_: lists.get(id_, []) for id_ in known},
            group_of_article={},
            published={id_: line.published for id_, line in known.items()},
            section_of={id_: line.section for id_, line in known.items()},
        )

    ours = facts({article.id: [line.id for line in article.ours] for article in asked})
    return ours, facts({article.id: [line.id for line in article.by_hand] for article in asked})


def ages(article: QueryArticle, lines: Iterable[HandMade | Suggestion]) -> list[float]:
    """Return the age of each line relative to the article, in days, where both have dates. Newer lines are negative."""
    if article.published is None:
        return []
    return [(article.published - line.published).total_seconds() / 86_400 for line in lines if line.published is not None]


def age_mix(articles: Iterable[QueryArticle]) -> tuple[Mix, ...]:
    """Return the age distribution of the lines in the classes of `AGES`. It is empty if no pair has dates."""
    asked = list(articles)
    starts = [least for _, least in AGES]
    ours, theirs = (
        Counter(int(np.searchsorted(starts, age, side="right")) - 1 for found in side for age in found)
        for side in ([ages(article, article.ours) for article in asked], [ages(article, article.by_hand) for article in asked])
    )
    if not ours and not theirs:
        return ()
    return tuple(Mix(words, ours[place], ours.total(), theirs[place], theirs.total()) for place, (words, _) in enumerate(AGES))


def same_section(article: QueryArticle, lines: Iterable[HandMade | Suggestion]) -> list[bool]:
    """Return for each line True if it is in the article's section, where both have one."""
    if article.section is None:
        return []
    return [line.section == article.section for line in lines if line.section is not None]


def section_mix(articles: Iterable[QueryArticle]) -> tuple[Mix, ...]:
    """Return the share of lines in the article's own section: over all articles, then by section, largest first."""
    groups: defaultdict[str | None, list[QueryArticle]] = defaultdict(list)
    for article in articles:
        groups[article.section].append(article)
    groups.pop(None, None)
    if not groups:
        return ()
    named = sorted(((name, group) for name, group in groups.items() if name is not None), key=lambda item: (-len(item[1]), item[0]))
    large = [item for item in named if len(item[1]) >= SMALL_GROUP][:MOST_SECTIONS]
    small = [article for _, group in named[len(large) :] for article in group]
    shown = [("all", [article for _, group in named for article in group]), *large, *([(OTHERS, small)] if small else [])]
    return tuple(_section_line(name, group) for name, group in shown)


def _section_line(name: str, articles: Sequence[QueryArticle]) -> Mix:
    ours = [same for article in articles for same in same_section(article, article.ours)]
    theirs = [same for article in articles for same in same_section(article, article.by_hand)]
    return Mix(name, sum(ours), len(ours), sum(theirs), len(theirs))
