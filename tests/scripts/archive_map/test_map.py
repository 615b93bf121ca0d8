"""The map, as a file that a browser opens: its points, lists and search, and what it must never do."""

import base64
import json
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from index.build import build_index
from recommender import Recommender
from recommender.errors import InputError, OutOfRange
from recommender.types import Card
from scripts.archive_map.layout import Places, kept, laid_out, principal
from scripts.archive_map.map_contents import ELSEWHERE, N_LINES, NO_LINE, Contents, read_contents
from scripts.archive_map.map_page import LONGEST_TITLE, write_page
from scripts.archive_map.table import write_table
from tests.scripts.test_bad_input import mounted
from tests.scripts.test_commands import assert_error, run
from tests.support.archive import records, write_jsonl
from tests.support.browser import violations
from tests.support.hash_embedder import HashEmbedder

BESIDE = np.array([[-0.03, 1.03]], dtype=np.float32)
"""A place where no article is."""


@pytest.fixture(scope="module")
def contents(index_dir: Path) -> Contents:
    with Recommender.open(index_dir) as opened:
        return read_contents(opened, 100)


@pytest.fixture(scope="module")
def places(index_dir: Path, contents: Contents) -> Places:
    with Recommender.open(index_dir) as opened:
        return laid_out(opened.texts.mean_vectors(contents.rows))


@pytest.fixture(scope="module")
def drawn(contents: Contents, places: Places, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "map.html"
    write_page(path, contents, places)
    return path


def opened(browser: Browser, path: Path, width: int = 1200, **context: Any) -> Page:
    """The page in a window of its own."""
    page = browser.new_context(viewport=ViewportSize(width=width, height=800), **context).new_page()
    page.set_default_timeout(10_000)
    page.goto(path.as_uri())
    return page


def heard(page: Page) -> list[str]:
    """What the page asks for, says in dialogs and complains about from now on."""
    found: list[str] = []
    page.on("request", lambda request: found.append(request.url))
    page.on("dialog", lambda dialog: found.append(f"dialog: {dialog.message}"))
    page.on("console", lambda message: found.append(message.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def spot(page: Page, place: float, places: Places) -> tuple[float, float]:
    """Where an article is drawn in the window, as long as the whole is shown."""
    box = page.locator("#map").bounding_box()
    assert box
    side = min(box["width"], box["height"]) - 48
    right, up = ((places[int(place)].astype(float) * 65535).round() / 65535 - 0.5) * side
    return box["x"] + box["width"] / 2 + right, box["y"] + box["height"] / 2 - up


def ink(page: Page, x: float, y: float) -> list[int]:
    """Red, green, blue and opacity of what is painted there."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    script = """([x, y]) => {
      const canvas = document.querySelector("canvas"), box = canvas.getBoundingClientRect();
      return [...canvas.getContext("2d").getImageData(Math.round(x - box.left), Math.round(y - box.top), 1, 1).data];
    }"""
    found: list[int] = page.evaluate(script, [x, y])
    return found


def shown_list(page: Page) -> list[str]:
    return page.locator("#list li > button").all_inner_texts()


def titles_of(recommender: Recommender, card: Card) -> list[str]:
    return [line.title for line in recommender.related(card.id, N_LINES)]


def loneliest(places: Places) -> int:
    """An article with no other under the same finger."""
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + 9 * np.eye(len(places))
    return int(apart.min(axis=1).argmax())


def test_every_article_is_a_point_and_nothing_is_asked_for(browser: Browser, drawn: Path, places: Places) -> None:
    page = browser.new_page()
    told = heard(page)
    page.goto(drawn.as_uri())
    for place in range(len(places)):
        assert ink(page, *spot(page, place, places))[3] > 0, place
    assert sum(ink(page, *spot(page, 0, BESIDE))) == 0, "elsewhere is paper"
    assert page.evaluate("document.fonts.size + performance.getEntriesByType('resource').length") == 0
    assert [text for text in told if "getImageData" not in text] == [drawn.as_uri()]  # this test reads what is painted, which is slow


def test_a_click_shows_the_list_that_the_library_answers(
    browser: Browser, drawn: Path, recommender: Recommender, contents: Contents, places: Places
) -> None:
    page = opened(browser, drawn)
    place = loneliest(places)
    page.mouse.click(*spot(page, place, places))
    card = contents.cards[place]
    panel = page.get_by_role("region", name=card.title)
    panel.wait_for()
    assert shown_list(page) == titles_of(recommender, card) != []
    assert panel.get_by_role("link", name=card.title, exact=True).get_attribute("href") == card.url
    first = recommender.related(card.id, 1)[0]
    assert page.locator("#list small").first.inner_text().startswith(f"{first.score:.2f} · ")
    other = int(contents.lines[place, 0])
    middle = (np.array(spot(page, place, places)) + spot(page, other, places)) / 2
    assert max(ink(page, x, y)[3] for x in middle[0] + np.arange(-1, 2) for y in middle[1] + np.arange(-1, 2)) > 0, "a line leads there"
    page.locator("#list button").first.click()
    assert page.locator("#chosen").inner_text() == contents.cards[other].title
    page.go_back()
    assert page.locator("#chosen").inner_text() == card.title
    page.mouse.click(*spot(page, 0, BESIDE))
    assert not page.locator("#panel").is_visible()


def test_search_finds_words_of_titles(browser: Browser, drawn: Path, recommender: Recommender, contents: Contents) -> None:
    page = opened(browser, drawn)
    page.get_by_label("Find words of a title").fill("NUMBER härbour")
    wanted = [card.title for card in contents.cards if card.title.startswith("Harbour")]
    page.get_by_text(f"{len(wanted)} found", exact=True).wait_for()
    assert page.locator("#found li > button").all_inner_texts() == wanted
    page.locator("#found button").nth(2).click()
    card = next(card for card in contents.cards if card.title == wanted[2])
    assert page.locator("#chosen").inner_text() == card.title
    assert shown_list(page) == titles_of(recommender, card)
    page.get_by_label("Find words of a title").fill("harbour election")
    page.get_by_text("0 found", exact=True).wait_for()
    assert page.locator("#found li").count() == 0


def test_keys_do_all_that_a_mouse_does(browser: Browser, drawn: Path, recommender: Recommender, contents: Contents, places: Places) -> None:
    page = opened(browser, drawn)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "map"
    for key in ("+", "+", "+", "ArrowLeft", "ArrowUp", "0"):
        page.keyboard.press(key)
    middle = contents.cards[int(np.linalg.norm(places - 0.5, axis=1).argmin())]
    page.get_by_text(f"In the middle: {middle.title}").wait_for()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "chosen", "who listens is told"
    assert shown_list(page) == titles_of(recommender, middle)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    second = page.locator("#chosen").inner_text()
    assert second == titles_of(recommender, middle)[0]
    page.keyboard.press("Escape")
    assert not page.locator("#panel").is_visible()
    assert page.evaluate("document.activeElement.id") == "map"


def test_hands_move_it(browser: Browser, drawn: Path, places: Places) -> None:
    page = opened(browser, drawn, has_touch=True)
    place, beside = np.linalg.norm(places - 0.5, axis=1).argsort()[:2]
    x, y = spot(page, place, places)
    other = spot(page, beside, places)
    page.mouse.move(x, y)
    assert page.locator("#tip").is_visible()
    page.mouse.wheel(0, -400)
    assert ink(page, x, y)[3] > 0, "what is under the pointer stays there"
    page.mouse.down()
    page.mouse.move(x + 90, y - 70, steps=3)
    page.mouse.up()
    assert ink(page, x + 90, y - 70)[3] > 0
    assert not page.locator("#panel").is_visible(), "to drag is not to click"
    page.get_by_role("button", name="Whole").click()
    fingers = page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 40), ("touchMove", 50), ("touchMove", 60), ("touchEnd", 0)):
        points = [{"x": x - apart, "y": y, "id": 1}, {"x": x + apart, "y": y, "id": 2}] if apart else []
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert ink(page, x, y)[3] > 0, "what is between the fingers stays there"
    assert ink(page, x + 1.5 * (other[0] - x), y + 1.5 * (other[1] - y))[3] > 0, "what is beside goes with them"
    assert not page.locator("#panel").is_visible()
    page.get_by_role("button", name="Whole").click()
    page.touchscreen.tap(x, y)
    page.locator("#panel").wait_for()


def test_colours_by_section_and_by_date(browser: Browser, drawn: Path, contents: Contents, places: Places) -> None:
    page = opened(browser, drawn)
    legend = page.get_by_role("list", name="Colours").get_by_role("listitem")
    assert sorted(legend.all_inner_texts()) == [f"{name} (10)" for name in ("election", "garden", "harbour", "railway")]
    place = loneliest(places)
    before = ink(page, *spot(page, place, places))
    page.get_by_label("Colour by").select_option("date")
    dated = sum(card.published is not None for card in contents.cards)
    assert sum(int(re.findall(r"\((\d+)\)$", text)[0]) for text in legend.all_inner_texts()) == 40
    assert legend.last.inner_text() == f"no date ({40 - dated})"
    newest = next(card.published for card in contents.cards if card.published)
    assert f"to {newest.date()}" in legend.nth(legend.count() - 2).inner_text()
    assert ink(page, *spot(page, place, places)) != before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(browser: Browser, drawn: Path, places: Places, scheme: Literal["light", "dark"]) -> None:
    page = opened(browser, drawn, color_scheme=scheme)
    assert violations(page) == []
    page.get_by_label("Find words of a title").fill("number")
    page.get_by_text("40 found", exact=True).wait_for()
    page.mouse.click(*spot(page, loneliest(places), places))
    page.get_by_label("Colour by").select_option("date")
    assert violations(page) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)" if scheme == "light" else "rgb(22, 22, 22)"
    )


def test_a_narrow_window(browser: Browser, drawn: Path, places: Places) -> None:
    page = opened(browser, drawn, width=320)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.mouse.click(*spot(page, loneliest(places), places))
    page.locator("#list li").first.wait_for()


def made(titles: list[str], urls: list[str], sections: list[str]) -> Contents:
    """Articles of which each names the next ones."""
    cards = tuple(
        Card(
            row,
            str(row),
            title,
            urls[row % len(urls)],
            datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=row),
            sections[row % len(sections)],
        )
        for row, title in enumerate(titles)
    )
    rows = np.arange(len(cards))
    lines = (rows[:, None] + np.arange(1, N_LINES + 1)) % len(cards)
    return Contents("a release", cards, rows, lines.astype(np.uint16), np.full(lines.shape, 0.5, dtype=np.float32), 0)


def in_a_ring(n: int) -> Places:
    turn = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([0.5 + np.cos(turn) / 2, 0.5 + np.sin(turn) / 2], axis=1).astype(np.float32)


def test_the_policy_lets_nothing_else_run(browser: Browser, drawn: Path, tmp_path: Path) -> None:
    spoilt = drawn.read_text(encoding="utf-8").replace("</body>", "<script>alert(1)</script><img src=https://example.org/x></body>")
    (tmp_path / "spoilt.html").write_text(spoilt, encoding="utf-8")
    page = browser.new_page()
    told = heard(page)
    page.goto((tmp_path / "spoilt.html").as_uri())
    page.locator("#legend li").first.wait_for()
    assert not any(text.startswith("dialog") for text in told)
    assert len([text for text in told if "Content Security Policy" in text]) == 2, told


def test_twenty_thousand_articles_are_less_than_5_mb_and_move_at_once(
    browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    titles = [f"Article {number} of an archive, whose title is about as long as titles are" for number in range(20_000)]
    urls = [f"https://www.example.org/{number}/section-{number % 30}/the-words-of-its-title-one-after-another" for number in range(20_000)]
    contents = made(titles, urls, [f"section {number}" for number in range(30)])
    places = np.random.default_rng(0).random((20_000, 2), dtype=np.float32)
    write_page(tmp_path / "map.html", contents, places)
    size = (tmp_path / "map.html").stat().st_size
    assert size < 5e6
    page = opened(browser, tmp_path / "map.html")
    frames = """() => new Promise(done => {
      const canvas = document.querySelector("canvas"), times = [];
      const turn = now => {
        times.push(now);
        if (times.length > 30) return done((times.at(-1) - times[0]) / 30);
        canvas.dispatchEvent(new WheelEvent("wheel", {deltaY: times.length % 2 ? -40 : 40, cancelable: true}));
        requestAnimationFrame(turn);
      };
      requestAnimationFrame(turn);
    })"""
    with capsys.disabled():
        print(f"\nmap of 20,000 articles: {size:,} bytes, {page.evaluate(frames):.1f} ms a frame")
    page.get_by_label("Find words of a title").fill("19999")
    page.get_by_text("1 found", exact=True).wait_for()


def test_places_are_the_same_every_time_and_better_than_axes() -> None:
    chance = np.random.default_rng(0)
    vectors = np.repeat(chance.standard_normal((40, 32), dtype=np.float32), 6, axis=0)  # stories of six articles each
    vectors += chance.standard_normal(vectors.shape, dtype=np.float32) / 3
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    places = laid_out(vectors)
    assert np.array_equal(laid_out(vectors), places)
    row = np.arange(240)[:, None]
    lines = (row - row % 6 + (row + np.arange(1, N_LINES + 1)) % 6).astype(np.uint16)
    assert kept(places, lines) > 0.95 > kept(principal(vectors), lines)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("alike", [False, True])
def test_a_few_articles_have_places_too(n: int, alike: bool) -> None:
    vectors = np.random.default_rng(0).standard_normal((1 if alike else n, 32), dtype=np.float32)
    vectors = np.repeat(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), n if alike else 1, axis=0)
    places = laid_out(vectors)
    assert places.shape == (n, 2)
    assert ((places >= 0) & (places <= 1)).all()


def test_how_much_is_kept() -> None:
    row = np.stack([np.arange(50), np.zeros(50)], axis=1).astype(np.float32)
    lines = np.full((50, N_LINES), NO_LINE, dtype=np.uint16)
    assert np.isnan(kept(row, lines))
    lines[0, :3] = 20, 21, ELSEWHERE
    assert kept(row, lines) == 0.5


def test_the_newest_are_on_the_map(recommender: Recommender) -> None:
    contents = read_contents(recommender, 10)
    cards = [recommender.card(row) for row in range(40)]
    dates = sorted((card.published for card in cards if card.published), reverse=True)
    assert [card.published for card in contents.cards] == dates[:10]
    assert contents.n_left_out == 30
    here = {card.id for card in contents.cards}
    for place, card in enumerate(contents.cards):
        wanted = recommender.related(card.id, N_LINES).ids
        assert (contents.lines[place] == ELSEWHERE).tolist() == [id_ not in here for id_ in wanted]
    for limit in (0, 65_535):
        with pytest.raises(OutOfRange, match="give 1 to 65,534"):
            read_contents(recommender, limit)


def test_lines_elsewhere_say_so(browser: Browser, recommender: Recommender, tmp_path: Path) -> None:
    contents = read_contents(recommender, 10)
    places = in_a_ring(10)
    write_page(tmp_path / "map.html", contents, places)
    page = opened(browser, tmp_path / "map.html")
    page.mouse.click(*spot(page, 0, places))
    page.locator("#list li").first.wait_for()
    here = {card.id: card.title for card in contents.cards}
    wanted = [here.get(id_, "an article that is not on this map") for id_ in recommender.related(contents.cards[0].id, N_LINES).ids]
    shown = page.locator("#list li").all_inner_texts()
    assert [text.startswith(title) for text, title in zip(shown, wanted, strict=True)] == [True] * N_LINES
    assert "30 older ones are left out" in page.locator("header").inner_text()


def test_what_is_under_embargo_is_not_on_it(tmp_path: Path) -> None:
    ahead = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    lines = [*records(8), {"id": "secret", "title": "Secret ferry", "text": "A ferry in the harbour.", "published": ahead}]
    build_index([str(write_jsonl(tmp_path / "a.jsonl", lines))], tmp_path / "index", HashEmbedder())
    with Recommender.open(tmp_path / "index", HashEmbedder()) as opened:
        contents = read_contents(opened, 100)
        write_page(tmp_path / "map.html", contents, in_a_ring(len(contents.cards)))
    assert len(contents.cards) == 8
    assert "ecret" not in (tmp_path / "map.html").read_text(encoding="utf-8")


def test_the_table_is_what_embedding_atlas_opens(recommender: Recommender, contents: Contents, places: Places, tmp_path: Path) -> None:
    odd = replace(contents, cards=(replace(contents.cards[0], url="javascript:alert(1)"), *contents.cards[1:]))
    write_table(tmp_path / "map.parquet", odd, places)
    rows = pq.read_table(tmp_path / "map.parquet").to_pylist()
    assert [row["id"] for row in rows] == [card.id for card in contents.cards]
    assert [row["published"] for row in rows] == [card.published for card in contents.cards]
    assert [row["section"] for row in rows] == [card.section for card in contents.cards]
    assert [row["url"] for row in rows] == [None, *[card.url for card in contents.cards[1:]]]
    assert np.array_equal([[row["x"], row["y"]] for row in rows], places)
    for row in rows:
        wanted = recommender.related(row["id"], N_LINES)
        assert [rows[place]["id"] for place in row["neighbors"]["ids"]] == list(wanted.ids)
        assert row["neighbors"]["distances"] == pytest.approx([1 - line.score for line in wanted], abs=1e-6)


def test_titles_are_cut_to_what_a_page_shows(contents: Contents, tmp_path: Path) -> None:
    longest = replace(contents, cards=(replace(contents.cards[0], title="x" * 1000), *contents.cards[1:]))
    write_page(tmp_path / "map.html", longest, in_a_ring(40))
    found = re.search(r'type="application/json">(.*?)</script>', (tmp_path / "map.html").read_text(encoding="utf-8"))
    assert found
    archive = json.loads(found[1])
    assert archive["titles"][0] == "x" * (LONGEST_TITLE - 1) + "…"
    assert len(base64.b64decode(archive["lines"])) == 40 * N_LINES * 2


def test_the_command(index_dir: Path, tmp_path: Path) -> None:
    done = run("map", "--index", index_dir, "--out", tmp_path / "map.html", "--parquet", tmp_path / "map.parquet", "--limit", 30)
    assert done.returncode == 0, done.stderr
    size = (tmp_path / "map.html").stat().st_size
    assert f"30 articles drawn to {tmp_path / 'map.html'}: {size:,} bytes; 10 older ones left out" in done.stdout
    assert f"embedding-atlas {tmp_path / 'map.parquet'} --text title --x x --y y --neighbors neighbors" in done.stdout
    assert re.search(r"\d+% of the lines of their lists are among the 20 nearest on the map", done.stdout)
    assert pq.read_table(tmp_path / "map.parquet").num_rows == 30
    nowhere = tmp_path / "nowhere" / "map.html"
    assert_error(run("map", "--index", index_dir, "--out", nowhere), 5, "nowhere/map.html cannot be written")
    assert_error(run("map", "--index", index_dir, "--out", tmp_path), 5, "it is a folder")
    assert_error(run("map", "--index", tmp_path, "--out", tmp_path / "a.html"), 7, "no index")
    assert_error(run("map", "--index", index_dir, "--out", tmp_path / "a.html", "--limit", 0), 2, "a map of 0 articles")


@pytest.mark.parametrize("full", ["--out", "--parquet"])
def test_a_full_disk(index_dir: Path, tmp_path: Path, full: str) -> None:
    disk = tmp_path / "disk"
    if not mounted(disk, "size=4k"):
        pytest.skip("file systems cannot be mounted here")
    try:
        files = {"--out": tmp_path / "map.html", "--parquet": tmp_path / "map.parquet", full: disk / "map"}
        done = run("map", "--index", index_dir, "--limit", 30, *chain.from_iterable(files.items()))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
    assert done.returncode == 5, done.stderr
    assert re.search(r"\nerror: .*map cannot be written \(.*No space left.*\) - free space", done.stderr)


def test_an_archive_with_nothing_to_draw(tmp_path: Path) -> None:
    ahead = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    lines = [{"id": "secret", "title": "Secret ferry", "text": "A ferry in the harbour.", "published": ahead}]
    build_index([str(write_jsonl(tmp_path / "a.jsonl", lines))], tmp_path / "index", HashEmbedder())
    with Recommender.open(tmp_path / "index") as opened, pytest.raises(InputError, match="nothing to draw"):
        read_contents(opened, 100)
