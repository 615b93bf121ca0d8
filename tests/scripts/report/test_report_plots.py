"""The plots of the report, in a real browser: the same numbers as the evaluation's, counted again the plain way."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median

import pytest
from playwright.sync_api import Browser, Page

from recommender import Recommender
from recommender.evaluation.measures import DEPTH, collection_facts, evaluate
from recommender.types import Card
from scripts.report.figures import ages, list_facts, wilson
from tests.scripts.report.test_report import article
from tests.scripts.report.test_report_browser import evaluated, opened
from tests.support.hash_embedder import HashEmbedder

ROWS = """(drawing) => [...drawing.closest("figure").querySelectorAll("tbody tr")].map(
  (row) => [...row.cells].map((cell) => cell.textContent))"""


@pytest.fixture(scope="module")
def written(index_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evaluated(index_dir, tmp_path_factory.mktemp("plots") / "report.html")


def rows(page: Page, plot: str) -> list[list[str]]:
    """The table behind a plot."""
    found: list[list[str]] = page.locator(f"#{plot}").evaluate(ROWS)
    return found


def drawn(page: Page, shapes: str, attribute: str) -> list[float]:
    return [float(value) for value in page.locator(shapes).evaluate_all(f"all => all.map((of) => of.getAttribute('{attribute}'))")]


def test_plots_hold_the_figures_of_the_evaluation(browser: Browser, written: Path, index_dir: Path) -> None:
    with Recommender.open(index_dir, HashEmbedder()) as index:
        by_hand = index.catalogue.hand_made_lists()
        lines = {id_: index.related(id_, DEPTH) for id_ in by_hand}
        cards = {card.id: card for card in map(index.catalogue.card, range(40))}
    with opened(browser, written) as page:
        table = {name: figures for name, *figures in rows(page, "methods")}
        means = evaluate(by_hand, {id_: found.ids for id_, found in lines.items()})
        assert float(table["fused"][0]) == pytest.approx(means["nDCG@5"], abs=6e-4)
        promised = rows(page, "calibration")
        assert promised == brute_calibration([(item.score, item.id in by_hand[id_]) for id_, found in lines.items() for item in found])
        assert [(310 - y) / 280 for y in drawn(page, "#calibration circle", "cy")] == [
            pytest.approx(float(of[4]), abs=1e-3) for of in promised
        ]
        assert [(x - 60) / 560 for x in drawn(page, "#calibration circle", "cx")] == [
            pytest.approx(float(of[2]), abs=1e-3) for of in promised
        ]
        sides = {"ours": {id_: found.ids[:5] for id_, found in lines.items()}, "theirs": by_hand}
        for place, (side, lists) in enumerate(sides.items()):
            counted = Counter(brute_class(cards[id_], cards[target]) for id_, targets in lists.items() for target in targets)
            del counted[""]
            assert {of[0]: int(of[1 + 3 * place]) for of in rows(page, "ages") if of[1 + 3 * place] != "0"} == counted
            widths = drawn(page, f"#ages g ~ rect.{side}", "width")
            assert [width / max(widths) for width in widths] == [
                pytest.approx(int(of[1 + 3 * place]) / max(counted.values()), abs=1e-3) for of in rows(page, "ages")
            ]
            whole = collection_facts(
                {id_: lists.get(id_, ()) for id_ in cards},
                group_of_article={},
                published={card.id: card.published for card in cards.values()},
                section_of={card.id: card.section for card in cards.values()},
            )
            assert rows(page, "sections")[0][3 + 3 * place] == f"{whole.same_section_share:.3f}"
            for name, *figures in rows(page, "sections")[1:]:
                same = [cards[of].section == name for id_ in lists if cards[id_].section == name for of in lists[id_]]
                assert figures[3 * place : 3 * place + 3] == [str(sum(same)), str(len(same)), f"{fmean(same):.3f}"]
            assert f"{whole.median_age_days:,.0f} days" in page.locator(".headlines").inner_text()


def brute_calibration(lines: list[tuple[float, bool]]) -> list[list[str]]:
    found = []
    for low in range(10):
        of = [line for line in lines if low <= line[0] * 10 < low + 1 or (low == 9 and line[0] == 1)]
        if of:
            n, linked = len(of), sum(is_linked for _, is_linked in of)
            ends = "–".join(f"{end:.3f}" for end in wilson(linked, n))
            mean = fmean(score for score, _ in of)
            found.append([f"{low / 10:.1f}–{low / 10 + 0.1:.1f}", f"{n:,}", f"{mean:.3f}", f"{linked:,}", f"{linked / n:.3f}", ends])
    return found


def brute_class(read: Card, shown: Card) -> str:
    if read.published is None or shown.published is None:
        return ""
    days = (read.published - shown.published).total_seconds() / 86_400
    if -1 <= days < 1:
        return "within a day"
    if days < 0:
        return "over a year newer" if days < -365 else "a month to a year newer" if days < -30 else "up to a month newer"
    if days < 365:
        return "up to a month older" if days < 30 else "a month to a year older"
    return "one to three years older" if days < 1095 else "over three years older"


def test_our_ages_and_sections_are_those_of_the_lists_that_are_shown() -> None:
    chance = random.Random(5)
    articles = [
        replace(of, published=datetime(chance.randint(2000, 2020), 1, 1, tzinfo=UTC), ours=of.ours[: chance.randint(0, 3)])
        for of in (article(number, f"Title {number}") for number in range(30))
    ]
    ours, theirs = list_facts(articles)
    for facts, side in ((ours, "ours"), (theirs, "by_hand")):
        found = [age for of in articles for age in ages(of, getattr(of, side))]
        assert facts.median_age_days == pytest.approx(median(found))
        assert facts.older_share == pytest.approx(fmean(age > 0 for age in found))
