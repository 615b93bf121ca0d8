"""The report of an evaluation: one HTML file that opens from disk, the hand-made lists beside ours.

Titles and passages are other people's text: the template escapes all of it, only http and https addresses become links, and the page's
own policy (a CSP with the hashes of its one style and one script) lets nothing else run or load.
"""

import base64
import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean

from recommender.errors import StorageError
from recommender.evaluation import CollectionFacts, Group, holm, interval, paired_p
from recommender.types import PassagePair

TEMPLATES = Path(__file__).parent / "templates"

FACTS = (
    ("n_articles", "articles", "{:,}"),
    ("coverage", "articles that are in at least one list", "{:.1%}"),
    ("n_orphans", "articles that are in no list", "{:,}"),
    ("largest_hub", "lists that the most listed article is in", "{:,}"),
    ("hub_share", "places taken by the most listed 1 % of articles", "{:.1%}"),
    ("gini", "Gini coefficient of how often articles are listed", "{:.3f}"),
    ("duplicates_shown", "lists that show an article twice, as duplicates", "{:.1%}"),
    ("median_age_days", "days a listed article is older, median", "{:,.1f}"),
    ("older_share", "listed articles older than the one being read", "{:.1%}"),
    ("same_section_share", "listed articles of the same section", "{:.1%}"),
    ("mean_length", "articles a list, mean", "{:.2f}"),
    ("n_empty", "empty lists", "{:,}"),
)
"""Fields of `CollectionFacts` as the report shows them: name, words, format."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric of one method: its mean over the queries, and the ends of the mean's 95 % interval, rounded to 4 places.

    Attributes:
        p: Of the difference to the baseline, Holm-corrected for the number of methods; None for the baseline itself.
    """

    mean: float
    low: float
    high: float
    p: float | None = None


@dataclass(frozen=True, slots=True)
class HandMade:
    """One line of a list that an editor made."""

    id: str
    title: str
    published: datetime | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One line of ours.

    Attributes:
        relation: How it is related, in a word; None if the method does not say.
        passages: The best-matching pair; None if the method has none.
        in_hand_made: The editor chose it too.
    """

    id: str
    title: str
    score: float
    published: datetime | None
    relation: str | None
    passages: PassagePair | None
    in_hand_made: bool


@dataclass(frozen=True, slots=True)
class QueryArticle:
    """An article with its hand-made list and ours, both in their order.

    Attributes:
        ndcg: nDCG@5 of ours.
    """

    id: str
    title: str
    url: str | None
    published: datetime | None
    section: str | None
    by_hand: tuple[HandMade, ...]
    ours: tuple[Suggestion, ...]
    ndcg: float


@dataclass(frozen=True, slots=True)
class Report:
    """All that the page shows.

    Attributes:
        title: Name of the archive.
        protocol: What was measured and how, name to value.
        methods: Method -> metric -> estimate, as from `compare`; every method has the same metrics, nDCG@5 among them.
        baseline: The method that the p-values are against.
        method: The method whose groups and lists are shown.
        sections: nDCG@5 of `method` by section, as from `by_group`.
        years: The same by year.
        facts: Method -> facts of its lists of the whole archive.
        articles: In the archive's order.
    """

    title: str
    protocol: Mapping[str, str | int | float]
    methods: Mapping[str, Mapping[str, Estimate]]
    baseline: str
    method: str
    sections: tuple[Group, ...]
    years: tuple[Group, ...]
    facts: Mapping[str, CollectionFacts]
    articles: tuple[QueryArticle, ...]


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


def write_report(path: Path, report: Report) -> None:
    """Write the report as one HTML file.

    Raises:
        StorageError: The file cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"csp_hash": csp_hash, "web_url": web_url, "p_value": p_value, "figure": _figure}
    environment.globals |= {"scale_top": scale_top}
    first = [(method, metrics["nDCG@5"]) for method, metrics in report.methods.items()]
    plot_lines = [(method, estimate.mean, estimate.low, estimate.high) for method, estimate in first]
    page = environment.get_template("report.html").render(report=report, fact_lines=FACTS, plot_lines=plot_lines).lstrip()
    try:
        # What UTF-8 cannot hold, halves of surrogate pairs, becomes a reference that browsers show as a replacement character.
        path.write_text(page, encoding="utf-8", errors="xmlcharrefreplace", newline="\n")
    except OSError as error:
        raise StorageError(f"{path} cannot be written ({error}) - free space or give another file") from error


def csp_hash(text: str) -> str:
    """The source expression of an inline style or script, for a Content-Security-Policy.

    >>> csp_hash("")
    'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
    """
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def web_url(url: str | None) -> str | None:
    """The address if it is one of the web, and nothing that a browser would run or open from the disk.

    >>> web_url("https://example.org/a?b=c"), web_url("javascript:alert(1)"), web_url("java\\nscript:alert(1)")
    ('https://example.org/a?b=c', None, None)
    """
    return url if url and re.fullmatch(r"https?://[^\s\x00-\x1f\\<>\"]+", url, re.IGNORECASE) else None


def p_value(p: float) -> str:
    """Three places, as many as 10,000 permutations can tell.

    >>> p_value(0.0421), p_value(0.0001)
    ('p = 0.042', 'p < 0.001')
    """
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def scale_top(highs: Iterable[float]) -> float:
    """Where the axis of a plot ends: the next tenth above all intervals.

    >>> scale_top([0.31, 0.42]), scale_top([0.0]), scale_top([1.0])
    (0.5, 0.1, 1.0)
    """
    return max(1, math.ceil(round(max(highs, default=0.0) * 10, 6))) / 10


def _figure(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
