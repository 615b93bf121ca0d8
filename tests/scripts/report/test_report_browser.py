"""The report in a real browser, from disk: its filters find, it can be read by all and printed, and nothing else happens."""

import json
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Dialog, Page, ViewportSize

from scripts import evaluate as command
from scripts.report import QueryArticle, Report, write_report
from tests.scripts.report.test_report import article, report
from tests.support.browser import violations

Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def written(index_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evaluated(index_dir, tmp_path_factory.mktemp("report") / "report.html")


def evaluated(index_dir: Path, path: Path) -> Path:
    """What `scripts/evaluate.py --report` writes for a real index."""
    switches = {"votes": None, "similarity": None, "pool": "all", "as_of": False, "without_named": False, "json": True}
    command.main(Namespace(index=index_dir, report=path, **switches))
    return path


@contextmanager
def opened(browser: Browser, path: Path, *, scripts: bool = True, width: int = 1200, scheme: Scheme = "light") -> Iterator[Page]:
    """The page; at the end nothing was asked for but itself, nothing popped up, and nothing was complained about."""
    size = ViewportSize(width=width, height=900)
    context = browser.new_context(java_script_enabled=scripts, viewport=size, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(120_000)
    asked: list[str] = []
    noise: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        noise.append(dialog.message)
        dialog.dismiss()

    context.on("request", lambda request: asked.append(request.url))
    page.on("dialog", dismiss)
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.goto(path.as_uri())
    yield page
    assert [url for url in asked if not url.startswith("blob:")] == [path.as_uri()]
    assert noise == []
    context.close()


def written_as(tmp_path: Path, shown: Report) -> Path:
    write_report(tmp_path / "report.html", shown)
    return tmp_path / "report.html"


def visible(page: Page) -> list[str]:
    """Ids of the articles whose lists are shown, in their order."""
    found: list[str] = page.locator("#pairs > article:not([hidden])").evaluate_all(
        "all => all.map((of) => of.querySelector('code').textContent)"
    )
    return found


def different(number: int, title: str, *, section: str | None, year: int | None, ndcg: float, base: float) -> QueryArticle:
    published = datetime(year, 5, 1, tzinfo=UTC) if year else None
    of = replace(article(number, title), section=section, published=published, ndcg=ndcg, ndcg_of_baseline=base)
    return of if ndcg else replace(of, ours=tuple(replace(item, in_hand_made=False) for item in of.ours))


def test_filters_find_and_order(browser: Browser, tmp_path: Path) -> None:
    shown = report(
        different(0, "Élan", section="World", year=2018, ndcg=0.5, base=0.2),
        different(1, "Ferry", section="World", year=2019, ndcg=0.0, base=0.4),
        different(2, "Ferry again", section="Sport", year=None, ndcg=0.9, base=0.9),
        different(3, "Ballot", section=None, year=2018, ndcg=0.2, base=0.1),
    )
    with opened(browser, written_as(tmp_path, shown)) as page:
        assert visible(page) == ["id-1", "id-3", "id-0", "id-2"], "those that differ most first, before anything is asked"
        for id_, choice, found in (
            ("order", "agree", "2031"),
            ("order", "lost", "1230"),
            ("order", "won", "0321"),
            ("order", "archive", "0123"),
            ("section", "World", "01"),
            ("section", "not given", "3"),
            ("year", "2018", "03"),
            ("year", "not given", "2"),
            ("agreement", "agree", "023"),
            ("agreement", "differ", "1"),
            ("against", "better", "03"),
            ("against", "worse", "1"),
            ("against", "same", "2"),
        ):
            page.locator("#all").click()
            page.locator(f"#{id_}").select_option(choice)
            assert visible(page) == [f"id-{number}" for number in found], (id_, choice)
        assert page.locator("#count").inner_text() == "1 of 4 lists"
        for words, found in (("elan", "0"), ("FERRY", "12"), ("again ferry", "2"), ("sport", "2"), ("id-3", "3"), ("nowhere", "")):
            page.locator("#all").click()
            page.locator("#words").fill(words)
            page.locator(f"#count:text-is('{len(found)} of 4 lists')").wait_for()
            assert visible(page) == [f"id-{number}" for number in found]
        page.locator("#all").click()
        page.locator("#section").select_option("World")
        page.locator("#words").fill("ferry")
        page.locator("#count:text-is('1 of 4 lists')").wait_for()
        page.locator("#all").click()
        assert page.locator("#count").inner_text() == "4 of 4 lists"


def begun(page: Page) -> None:
    page.locator("#begin").click()
    assert page.evaluate("document.activeElement.id") == "trial"


def votes_of(page: Page, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    with page.expect_download() as download:
        page.locator("#save").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    return path, json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, written: Path, scheme: Scheme) -> None:
    with opened(browser, written, scheme=scheme) as page:
        page.evaluate("for (const of of document.querySelectorAll('figure details, #pairs > article:first-child details')) of.open = true")
        begun(page)
        page.evaluate("document.querySelector('#voting details').open = true")
        assert violations(page) == []
        assert contrasts(page) >= 3, "bars, points and their outlines stand out from the page"


def contrasts(page: Page) -> float:
    """The least contrast of a plot's colours with the page, as WCAG counts it."""
    found = page.evaluate("""() => {
      const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
      const light = (colour) => {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((of) => of / 255).map(
          (of) => of <= .04045 ? of / 12.92 : ((of + .055) / 1.055) ** 2.4);
        return .2126 * r + .7152 * g + .0722 * b;
      };
      const paper = light(getComputedStyle(document.body).backgroundColor);
      const colours = [["#calibration .ours", "fill"], ["#ages .theirs", "stroke"], ["#methods .other", "stroke"],
        ["#methods .ours", "stroke"], [".whisker", "stroke"]];
      return Math.min(...colours.map(([of, how]) => light(getComputedStyle(document.querySelector(of))[how])).map(
        (of) => (Math.max(of, paper) + .05) / (Math.min(of, paper) + .05)));
    }""")
    return float(found)


def test_without_scripts_all_is_there_to_read(browser: Browser, written: Path) -> None:
    with opened(browser, written, scripts=False) as page:
        for hidden in ("#controls", "#blind-section", "#to-blind"):
            assert page.locator(hidden).is_hidden()
        assert page.locator("#pairs > article:visible").count() == 40
        assert page.locator("svg:visible").count() == 4
        assert page.locator(".headlines li:visible").count() == page.locator(".headlines li").count() >= 4
        page.locator("#calibration").locator("xpath=ancestor::figure").locator("summary").click()
        assert page.locator("figure table:visible").count() == 1


def test_it_prints_dark_on_white_and_without_what_one_clicks(browser: Browser, written: Path) -> None:
    with opened(browser, written, scheme="dark") as page:
        page.locator("#section").select_option(index=1)
        page.emulate_media(media="print")
        colours = page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
        assert colours == ["rgb(255, 255, 255)", "rgb(28, 28, 28)"]
        for hidden in ("nav", "#controls", "#blind-section", "summary"):
            assert page.locator(hidden).first.is_hidden()
        assert page.locator("svg:visible").count() == 4
        assert page.locator("#pairs > article:visible").count() == 10, "what was found is printed"
        assert page.pdf(format="A4").startswith(b"%PDF")


def test_a_narrow_window_needs_no_scrolling_aside(browser: Browser, written: Path) -> None:
    with opened(browser, written, width=320) as page:
        begun(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
