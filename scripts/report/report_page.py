"""Render a report as a page: template, style and scripts in one file that loads nothing else.

Titles and passages come from other people. The template escapes them, and only http and https addresses become links.
The page's own policy (a CSP with the hashes of its one style and one script) blocks everything else.
"""

import base64
import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from recommender.errors import StorageError
from recommender.evaluation.measures import DEPTH
from scripts.report.figures import age_mix, calibration, section_mix
from scripts.report.headlines import headlines, percent
from scripts.report.report_contents import QueryArticle, Report

MOST_LISTS = 400
"""Maximum number of lists in one page: some 2 MB, which a browser can search while the reader types."""

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
"""Fields of `CollectionFacts` in the report: name, label, format."""


def write_report(path: Path, report: Report) -> None:
    """Write the report as one HTML file.

    Raises:
        StorageError: The file cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"csp_hash": csp_hash, "web_url": web_url, "p_value": p_value, "figure": _figure, "percent": percent}
    environment.globals |= {"scale_top": scale_top, "percent": percent}
    shown = drawn_evenly(report.articles, MOST_LISTS)
    page = environment.get_template("page.html").render(
        report=report,
        headlines=headlines(report),
        fact_lines=FACTS,
        bins=calibration(line for article in report.articles for line in article.scored),
        ages=age_mix(report.articles),
        mix=section_mix(report.articles),
        depth=DEPTH,
        shown=shown,
        sections=sorted({article.section for article in shown if article.section}),
        years=sorted({article.published.year for article in shown if article.published}, reverse=True),
    )
    try:
        # UTF-8 cannot encode a lone surrogate. It becomes a reference that browsers show as a replacement character.
        path.write_text(page.lstrip(), encoding="utf-8", errors="xmlcharrefreplace", newline="\n")
    except OSError as error:
        raise StorageError(f"{path} cannot be written ({error}) - free space or give another file") from error


def drawn_evenly(articles: Sequence[QueryArticle], most: int) -> list[QueryArticle]:
    """Return the articles that fit into the page, those with the largest difference first.

    If there are too many, take evenly spaced ones in that order, with both ends. Good and bad lists keep their shares.
    """
    ordered = sorted(articles, key=lambda article: article.ndcg)
    if len(ordered) <= most:
        return ordered
    return [ordered[round(place * (len(ordered) - 1) / (most - 1))] for place in range(most)]


def csp_hash(text: str) -> str:
    """Return the source expression of an inline style or script, for a Content-Security-Policy.

    >>> csp_hash("")
    'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
    """
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def web_url(url: str | None) -> str | None:
    """Return the address if it is an http or https address. None for one that a browser would run or open from disk.

    >>> web_url("https://example.org/a?b=c"), web_url("javascript:alert(1)"), web_url("java\\nscript:alert(1)")
    ('https://example.org/a?b=c', None, None)
    """
    return url if url and re.fullmatch(r"https?://[^\s\x00-\x1f\\<>\"]+", url, re.IGNORECASE) else None


def p_value(p: float) -> str:
    """Format a p-value to three places, the resolution of 10,000 permutations.

    >>> p_value(0.0421), p_value(0.0001)
    ('p = 0.042', 'p < 0.001')
    """
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def scale_top(highs: Iterable[float | None]) -> float:
    """Return the upper end of a plot's axis: the next tenth above all intervals.

    >>> scale_top([0.31, 0.42]), scale_top([0.0]), scale_top([1.0])
    (0.5, 0.1, 1.0)
    """
    return max(1, math.ceil(round(max((high for high in highs if high is not None), default=0.0) * 10, 6))) / 10


def _figure(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value).replace("%", "\xa0%")
