"""The figures of a report: methods compared, scores against what editors did, and what is suggested against what editors link."""

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
"""Bins of the scores, of equal width."""
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
"""Words, and the least age in days; each class ends where the next begins."""
MOST_SECTIONS = 12
"""Sections with a line of their own; the rest are one."""
RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """Lines of about the same score.

    Attributes:
        low: The least score; lines of less than `high` are in it, and of 1.0 in the last.
        mean: Of the scores.
        linked: Lines of the `n` that editors linked too.
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
    """How many lines are of one kind: `ours` of `of_ours` that we suggest, `theirs` of `of_theirs` that editors link."""

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
    """Every method's means with their intervals, and p against the baseline, Holm-corrected within each metric.

    Args:
        scores: Method -> what `per_query` gives for it, all for the same qrels.
        baseline: The method that the others are compared with.

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
    """95 % interval of a share of things that do not depend on each other (Wilson 1927); of nothing, all from 0 to 1.

    >>> [round(end, 3) for end in wilson(7, 12)], wilson(0, 0)
    ([0.32, 0.807], (0.0, 1.0))
    """
    if n == 0:
        return 0.0, 1.0
    found = binomtest(hits, n).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def share_interval(hits: Sequence[int], of: Sequence[int], seed: int = 0) -> tuple[float, float]:
    """95 % interval of a share of lines, by drawing articles again, for the lines of one list are not independent.

    Args:
        hits: (articles,), lines of an article's list that count.
        of: (articles,), all its lines; of some article at least one.

    >>> share_interval([1, 1, 1], [2, 2, 2])
    (0.5, 0.5)
    """

    def share(some: NDArray[np.float64], lines: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        return np.asarray(some.sum(axis=axis) / np.maximum(lines.sum(axis=axis), 1))

    return resampled([np.asarray(hits, dtype=np.float64), np.asarray(of, dtype=np.float64)], share, RESAMPLES, seed)


def calibration(lines: Iterable[tuple[float, bool]]) -> tuple[ScoreBin, ...]:
    """How often editors linked lines of a score, by bins of the score; empty bins are left out, and so are lines without a score.

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
    """Ages and sections of our lists and of the editors', of the same articles, counted as those of the whole archive are."""
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
    """How many days older than the article each line is, where both have dates; newer ones are below 0."""
    if article.published is None:
        return []
    return [(article.published - line.published).total_seconds() / 86_400 for line in lines if line.published is not None]


def age_mix(articles: Iterable[QueryArticle]) -> tuple[Mix, ...]:
    """How old the lines are, in the classes of `AGES`; nothing if no pair has dates."""
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
    """Of each line whether it is of the article's section, where both have one."""
    if article.section is None:
        return []
    return [line.section == article.section for line in lines if line.section is not None]


def section_mix(articles: Iterable[QueryArticle]) -> tuple[Mix, ...]:
    """How many lines are of the article's own section: of all articles, then by their section, the largest first."""
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
