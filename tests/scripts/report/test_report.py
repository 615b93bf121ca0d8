"""The report as a browser reads it: complete, marked, and harmless whatever the titles say."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from recommender.errors import StorageError
from recommender.evaluation.measures import METRICS, Group, collection_facts
from recommender.types import PassagePair
from scripts.report import Estimate, HandMade, QueryArticle, Report, Suggestion, compare, write_report
from scripts.report.report_page import MOST_LISTS

EVIL = '</script></style><img src=x onerror="alert(1)">\'><svg onload=alert(2)> {{ 7 * 7 }} <!-- \ud800'
SHOWN_EVIL = EVIL.replace("\ud800", "\ufffd")
URLS = {
    "https://example.org/a?b=c&d=e": True,
    "HTTP://example.org/": True,
    "javascript:alert(1)": False,
    " javascript:alert(1)": False,
    "java\nscript:alert(1)": False,
    "data:text/html,<script>alert(1)</script>": False,
    "file:///etc/passwd": False,
    "//example.org/a": False,
    'https://example.org/" onclick="alert(1)': False,
    "": False,
}
VOID = {"meta", "input", "img", "br", "link"}


class Page(HTMLParser):
    """Elements in order, with their attributes and the text inside them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self.open: list[tuple[str, list[str]]] = []
        self.feed(text)
        self.close()
        assert not self.open, "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        inside: list[str] = []
        self.elements.append((tag, {name: value or "" for name, value in attrs}, inside))
        if tag not in VOID:
            self.open.append((tag, inside))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self.open.pop()
        assert opened == tag, f"{opened} closed by {tag}"

    def handle_data(self, data: str) -> None:
        for _, inside in self.open:
            inside.append(data)

    def all(self, tag: str, **wanted: str) -> Iterator[tuple[dict[str, str], str]]:
        for name, attributes, inside in self.elements:
            if name == tag and all(attributes.get(key.strip("_")) == value for key, value in wanted.items()):
                yield attributes, "".join(inside)


def article(number: int, title: str = "", url: str | None = None) -> QueryArticle:
    """By hand b and c, ours x, c and y: one match, in our second place."""
    day = datetime(2018, 9, number % 28 + 1, tzinfo=UTC)
    passages = PassagePair(f"{title} read", f"{title} suggested")
    ours = tuple(
        Suggestion(f"{name}{number}", f"{title} {name}", 0.5, day, title or None, passages, name == "c", title) for name in ("x", "c", "y")
    )
    by_hand = (HandMade(f"b{number}", f"{title} b", day), HandMade(f"c{number}", f"{title} c", day, title))
    scored = ((0.5, False), (0.5, True), (0.5, False))
    return QueryArticle(f"id-{number}", title, url, day, title or None, by_hand, ours, 0.387, 0.631, scored)


def report(*articles: QueryArticle, name: str = "Archive") -> Report:
    estimates = {metric: Estimate(0.3, 0.25, 0.4, 0.0123) for metric in METRICS}
    baseline = {metric: Estimate(0.2, 0.15, 0.3) for metric in METRICS}
    facts = collection_facts({"a": ["b"], "b": []}, group_of_article={}, published={}, section_of={})
    groups = (Group(name, 12, 0.31, 0.2, 0.4), Group("others", 3, 0.1, 0.0, 0.2))
    methods = {"dense": baseline, name: estimates}
    return Report(name, name, {"n_lists": len(articles), name: name}, methods, "dense", name, groups, groups, {name: facts}, articles)


def page_of(tmp_path: Path, shown: Report) -> tuple[str, Page]:
    write_report(tmp_path / "report.html", shown)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


def test_titles_are_inert_everywhere(tmp_path: Path) -> None:
    text, page = page_of(tmp_path, report(article(1, EVIL), name=EVIL))
    plain_text, plain = page_of(tmp_path, report(article(1, "A title"), name="Another"))
    assert [tag for tag, _, _ in page.elements] == [tag for tag, _, _ in plain.elements], "not one element more or less"
    assert [sorted(attributes) for _, attributes, _ in page.elements] == [sorted(attributes) for _, attributes, _ in plain.elements]
    assert not [name for _, attributes, _ in page.elements for name in attributes if name.startswith("on") or name == "style"]
    shown = "".join(next(page.all("body"))[1])
    # title, section, 2 lines by hand, 3 of ours with relation and 2 passages each; and the report's own names.
    assert shown.count(SHOWN_EVIL) >= 1 + 1 + 2 + 3 * 4 + 10
    assert shown.count("{{ 7 * 7 }}") >= 20, "shown, not worked out"
    assert [code for _, code in page.all("script")] == [code for _, code in plain.all("script")]
    assert text.startswith("<!doctype html>")
    assert plain_text.startswith("<!doctype html>")


def test_only_web_addresses_become_links(tmp_path: Path) -> None:
    articles = [article(number, f"Title {number}", url) for number, url in enumerate(URLS)]
    _, page = page_of(tmp_path, report(*articles))
    links = [attributes["href"] for attributes, _ in page.all("a") if not attributes["href"].startswith("#")]
    assert links == [url for url, is_link in URLS.items() if is_link]
    titles = [text.strip() for attributes, text in page.all("h3", dir="auto") if attributes["id"] != "asked"]
    assert titles == [f"Title {number}" for number in range(len(URLS))], "one without a link has its title all the same"


def test_nothing_is_loaded_and_only_our_own_script_runs(tmp_path: Path) -> None:
    _, page = page_of(tmp_path, report(article(1, "A title")))
    assert not {tag for tag, _, _ in page.elements} & {"link", "img", "iframe", "object", "embed", "base", "form", "audio", "video"}
    assert not [
        attributes for _, attributes, _ in page.elements if {"src", "srcset", "action", "background", "xlink:href"} & set(attributes)
    ]
    ((_, style),) = page.all("style")
    ((_, script),) = page.all("script")
    assert not re.search(r"url\(|@import|https?:", style)
    assert not re.search(r"fetch|XMLHttp|import|https?:|innerHTML|eval", script)
    ((policy, _),) = (found for found in page.all("meta") if found[0].get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy["content"]
    assert "unsafe" not in policy["content"]
    for directive, code in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy["content"], "the browser would refuse it"


def test_every_article_is_there_with_both_lists_and_its_matches(tmp_path: Path) -> None:
    articles = [article(number, f"Title {number}") for number in range(40)]
    _, page = page_of(tmp_path, report(*articles))
    pairs = list(page.all("article"))
    assert len(pairs) == 40
    for number, (attributes, text) in enumerate(pairs):
        assert attributes["data-matches"] == "1"
        assert float(attributes["data-ndcg"]) == 0.387
        for words in (f"Title {number}", f"id-{number}", "1 of 2 found", "0.387", "0.631", "September 2018", "Title", "suggested"):
            assert words in text
    matches = [text for _, text in page.all("li", class_="match")]
    assert len(matches) == 80
    for number in range(40):
        by_hand, ours = matches[2 * number : 2 * number + 2]
        assert f"Title {number} c" in by_hand
        assert "✓ number 2 of ours" in by_hand, "in words, not by colour alone"
        assert f"Title {number} c" in ours
        assert "✓ also by hand" in ours
    assert "✓" not in "".join(text for attributes, text in page.all("li") if "class" not in attributes)


def test_an_empty_list_of_ours_and_missing_fields(tmp_path: Path) -> None:
    bare = QueryArticle("bare", "", None, None, None, (HandMade("b", ""),), (), 0.0, 0.0)
    odd = replace(article(2, "Odd"), ours=(Suggestion("x", "", 0.5, None, None, None, False),))
    _, page = page_of(tmp_path, replace(report(bare, odd), sections=(), years=(), facts={}))
    first, second = (text for _, text in page.all("article"))
    assert "Nothing in the archive is related." in first
    assert "0 of 1 found" in first
    assert "Passages" not in second
    assert [attributes["data-matches"] for attributes, _ in page.all("article")] == ["0", "0"]


def test_the_summary_comes_first_and_in_words(tmp_path: Path) -> None:
    _, page = page_of(tmp_path, report(article(1, "A title"), name="hybrid"))
    ((_, summary),) = page.all("ul", class_="headlines")
    for words in (
        "30\xa0% of our lists have a link that the editor chose among the first three lines. 95 % interval 25\xa0% to 40\xa0%",
        "0.300 is how our first five lines agree",
        "dense has 0.200, a difference which chance alone is unlikely to make. 95 % interval 0.250 to 0.400",
        "33\xa0% of the 3 lines that we give a score of 0.5 or more are links that the editor chose.",
        "0 days is the median age of a line of ours",
        "100\xa0% of our lines are of the article's own section; of the editors' links 100\xa0%.",
    ):
        assert words in summary


def test_a_difference_that_may_be_chance_is_called_so(tmp_path: Path) -> None:
    shown = report(article(1, "A title"), name="hybrid")
    _, page = page_of(tmp_path, replace(shown, methods={**shown.methods, "hybrid": dict.fromkeys(METRICS, Estimate(0.3, 0.2, 0.4, 0.3))}))
    assert "which may be chance alone." in next(page.all("ul", class_="headlines"))[1]


def test_the_tables_have_intervals_p_and_a_plot(tmp_path: Path) -> None:
    _, page = page_of(tmp_path, report(article(1, "A title"), name="hybrid"))
    first, plotted, *_, groups, years, beyond = (text for _, text in page.all("table"))
    for words in (*METRICS, "hybrid", "0.300", "0.250–0.400", "p = 0.012", "baseline"):
        assert words in first
    for words in ("hybrid", "0.300", "0.250–0.400"):
        assert words in plotted
    assert "0.200–0.400" in groups
    assert "12" in years
    assert "50.0\xa0%" in beyond, "coverage of two articles of which one is listed"
    assert "–" in beyond, "no dates"
    widths = [float(attributes["width"]) for attributes, _ in page.all("rect", height="18")]
    assert widths == [pytest.approx(380 * 0.2 / 0.4), pytest.approx(380 * 0.3 / 0.4)], "the axis ends at .4"
    whiskers = [re.fullmatch(r"M([\d.]+) \d+v10m0 -5H([\d.]+)m0 -5v10", attributes["d"]) for attributes, _ in page.all("path")]
    assert [[float(end) - 190 for end in found.groups()] for found in whiskers if found] == [
        [pytest.approx(142.5), pytest.approx(285)],
        [pytest.approx(237.5), pytest.approx(380)],
    ]


def test_every_plot_has_a_title_a_description_and_a_table(tmp_path: Path) -> None:
    _, page = page_of(tmp_path, report(article(1, "A title")))
    drawings = [attributes for attributes, _ in page.all("svg", role="img")]
    assert [attributes["id"] for attributes in drawings] == ["methods", "calibration", "ages", "sections"]
    named = {attributes["id"]: text for tag in ("title", "desc") for attributes, text in page.all(tag) if "id" in attributes}
    assert [attributes["aria-labelledby"].split() for attributes in drawings] == [
        [f"{of['id']}-title", f"{of['id']}-words"] for of in drawings
    ]
    assert all(named[id_] for attributes in drawings for id_ in attributes["aria-labelledby"].split())
    assert sum("<table" in text or "The numbers" in text for _, text in page.all("figure")) == 4


def test_controls_are_named_and_wait_for_the_script(tmp_path: Path) -> None:
    _, page = page_of(tmp_path, report(article(1, "A title")))
    for tag, id_ in (("div", "controls"), ("section", "blind-section"), ("a", "to-blind")):
        ((attributes, _),) = page.all(tag, id=id_)
        assert "hidden" in attributes, "without the script it would do nothing"
    labels = "".join(text for _, text in page.all("label"))
    for words in ("Find", "Section", "Year", "agree", "differ", "ours better by nDCG", "ours worse by nDCG", "Order", "as in the archive"):
        assert words in labels
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [id_ for _, attributes, _ in page.elements for id_ in attributes.get("aria-labelledby", "").split()]
    assert set(named) <= set(ids)
    assert {attributes["href"][1:] for attributes, _ in page.all("a")} <= set(ids)


def test_of_many_lists_the_page_shows_evenly_many_of_each_kind(tmp_path: Path) -> None:
    long = "<word> " * 300
    articles = [
        replace(
            article(number),
            ndcg=number % 100 / 100,
            ours=tuple(replace(of, title=long, passages=PassagePair(long, long)) for of in article(number).ours * 2),
        )
        for number in range(1500)
    ]
    text, page = page_of(tmp_path, report(*articles))
    assert len(text.encode()) < 5_000_000
    assert "400 of 1,500 lists are shown" in text
    shown = [float(attributes["data-ndcg"]) for attributes, _ in page.all("article")]
    assert shown == sorted(shown), "those that differ most come first"
    assert len(shown) == MOST_LISTS == len({attributes["data-place"] for attributes, _ in page.all("article")})
    assert (shown[0], shown[-1]) == (0, 0.99)
    counts = Counter(shown)
    assert set(counts.values()) <= {3, 4, 5}, "of every nDCG alike"
    assert len(counts) == 100


def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"gone/report\.html cannot be written"):
        write_report(tmp_path / "gone" / "report.html", report())


def test_compare_corrects_for_the_number_of_methods() -> None:
    queries = [f"q{number}" for number in range(12)]
    scores = {
        method: {"RR": {query: float(number % 3 < better) for number, query in enumerate(queries)}}
        for method, better in (("base", 1), ("better", 2), ("best", 3))
    }
    alone = compare({method: scores[method] for method in ("base", "better")}, "base")
    found = compare(scores, "base")
    assert found["base"]["RR"].p is None
    assert alone["better"]["RR"].p == pytest.approx(2 / 2**4, abs=0.02), "4 queries differ"
    assert found["better"]["RR"].p == alone["better"]["RR"].p, "the largest of two is not corrected"
    assert found["best"]["RR"].p == pytest.approx(2 * 2 / 2**8, abs=0.01), "8 queries differ, doubled"
    assert found["best"]["RR"].mean == 1.0
    assert found["base"]["RR"].low <= 0.3333 <= found["base"]["RR"].high
