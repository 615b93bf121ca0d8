"""Write the summary of a report in words for editors: a figure, its meaning, and its uncertainty."""

from dataclasses import dataclass

import numpy as np

from scripts.report.figures import ages, list_facts, same_section, share_interval
from scripts.report.report_contents import Report

SURE = 0.5
"""Minimum score of a line that the summary treats as a promise."""
CHANCE = 0.05


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure of the summary.

    Attributes:
        words: The rest of the sentence that the figure begins.
        range: Its 95 % interval, or another statement of its uncertainty.
    """

    figure: str
    words: str
    range: str


def headlines(report: Report) -> tuple[Headline, ...]:
    """Return the headlines, most important for an editor first. Headlines without data are left out."""
    found = [*_agreement(report), _promises(report), _ages(report), _sections(report)]
    return tuple(line for line in found if line is not None)


def percent(share: float | None) -> str:
    """Format a share in whole percent. None becomes a dash.

    >>> percent(0.284), percent(None)
    ('28\\xa0%', '–')
    """
    return "–" if share is None else f"{100 * share:.0f}\xa0%"


def _agreement(report: Report) -> list[Headline]:
    ours, base = report.methods[report.method], report.methods[report.baseline]
    first, in_ten, ndcg = ours["hit@3"], ours["R@10"], ours["nDCG@5"]
    against = ""
    if ndcg.p is not None:
        sure = "which chance alone is unlikely to make" if ndcg.p < CHANCE else "which may be chance alone"
        against = f"; {report.baseline} has {base['nDCG@5'].mean:.3f}, a difference {sure}"
    words = f"is how our first five lines agree with the editors' (nDCG@5): 1 if all of theirs stand in front, 0 if none does{against}."
    return [
        Headline(
            percent(first.mean),
            "of our lists have a link that the editor chose among the first three lines.",
            _range(first.low, first.high),
        ),
        Headline(
            percent(in_ten.mean),
            "of the links that editors chose are among our first ten lines, on average.",
            _range(in_ten.low, in_ten.high),
        ),
        Headline(f"{ndcg.mean:.3f}", words, f"95 % interval {ndcg.low:.3f} to {ndcg.high:.3f}"),
    ]


def _promises(report: Report) -> Headline | None:
    sure = [[linked for score, linked in article.scored if score >= SURE] for article in report.articles]
    n = sum(map(len, sure))
    if not n:
        return None
    words = f"of the {n:,} lines that we give a score of {SURE} or more are links that the editor chose."
    return Headline(percent(sum(map(sum, sure)) / n), words, _range(*share_interval(list(map(sum, sure)), list(map(len, sure)))))


def _ages(report: Report) -> Headline | None:
    suggested = [age for article in report.articles for age in ages(article, article.ours)]
    if not suggested:
        return None
    ours, theirs = list_facts(report.articles)
    low, high = np.percentile(suggested, [25, 75])
    editors = f", of a link of the editors {_days(theirs.median_age_days)}" if theirs.median_age_days is not None else ""
    words = f"is the median age of a line of ours, counted back from the article being read{editors}."
    return Headline(_days(ours.median_age_days or 0.0), words, f"the middle half: {_days(low)} to {_days(high)}")


def _sections(report: Report) -> Headline | None:
    ours = [same_section(article, article.ours) for article in report.articles]
    n = sum(map(len, ours))
    if not n:
        return None
    theirs = [same for article in report.articles for same in same_section(article, article.by_hand)]
    editors = f"; of the editors' links {percent(sum(theirs) / len(theirs))}" if theirs else ""
    words = f"of our lines are of the article's own section{editors}."
    return Headline(percent(sum(map(sum, ours)) / n), words, _range(*share_interval(list(map(sum, ours)), list(map(len, ours)))))


def _range(low: float, high: float) -> str:
    return f"95 % interval {percent(low)} to {percent(high)}"


def _days(days: float) -> str:
    return f"{days:,.0f} days".replace("-", "−")
