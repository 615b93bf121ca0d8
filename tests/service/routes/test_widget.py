"""The list on a page of another site, in a real browser: `<related-articles>`, and the fragment that needs no script."""

import base64
import gzip
import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from tests.support.browser import HTML, JAVASCRIPT, Site, site, violations
from tests.support.served import ROOT, Served, served

WIDGET = ROOT / "service" / "static" / "related-articles.js"
ID = "harbour-4"

NO_ROOM_MOVES = """() => {
  window.moved = 0;
  const add = list => { for (const shift of list.getEntries()) window.moved += shift.value; };
  new PerformanceObserver(add).observe({type: "layout-shift", buffered: true});
}"""
"""Adds up what the browser counts as layout shifts, those before it was asked too."""

ROOM = "<style>related-articles { display: block; min-height: calc(2.5em + 4 * 3.5em) }</style>"
"""What a page says that shows a list at once, above the end of the window."""

ARTICLE = '<div style="height: 2000px"></div>'


@pytest.fixture(scope="module")
def foreign() -> Iterator[Site]:
    """A site that is not the service's."""
    with site() as running:
        yield running


@pytest.fixture(scope="module")
def service(index_dir: Path, foreign: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    index = tmp_path_factory.mktemp("widget") / "index"
    shutil.copytree(index_dir, index, ignore=shutil.ignore_patterns("live.db*"))
    with served(index, "--cors-origins", foreign.origin) as running:
        yield running


@pytest.fixture
def looked_at(foreign: Site) -> Iterator[Site]:
    yield foreign
    for of in (foreign.pages, foreign.headers, foreign.slow_s, foreign.asked):
        of.clear()


def snippet(service: str) -> str:
    """What the service says is to be put on a page."""
    found = re.search(r"<script .*?</script>", httpx.get(f"{service}/v1/widget").json()["html"])
    assert found
    return found[0]


def page_with(element: str, script: str, above: str = ARTICLE) -> tuple[str, str]:
    return HTML, f"<!doctype html><html lang=en><title>A page</title>{script}{above}{element}<p id=below>What comes next."


def opened(browser: Browser, address: str, width: int = 1000, *, scripts: bool = True) -> Page:
    page = browser.new_context(viewport=ViewportSize(width=width, height=800), java_script_enabled=scripts).new_page()
    page.set_default_timeout(10_000)
    page.goto(address)
    if scripts:
        page.evaluate(NO_ROOM_MOVES)
    return page


def titles(service: Served, limit: int = 4) -> list[str]:
    with service.client() as client:
        return [item["title"] for item in client.get(f"/v1/articles/{ID}/related?limit={limit}").json()["items"]]


def shown(page: Page) -> list[str]:
    return page.locator("related-articles a").all_inner_texts()


def test_a_foreign_page_shows_the_list(browser: Browser, looked_at: Site, service: Served) -> None:
    looked_at.pages["/"] = page_with(f'<related-articles for="{ID}" limit="4"></related-articles>', snippet(service.address))
    page = opened(browser, looked_at.origin)
    page.locator("related-articles a").first.wait_for()
    assert shown(page) == titles(service)
    section = page.get_by_role("navigation", name="Read more")
    assert section.get_by_role("heading", name="Read more").count() == 1
    assert section.get_by_role("listitem").count() == 4
    assert page.evaluate("document.cookie") == ""
    assert page.context.cookies() == []
    assert page.evaluate("moved") == 0, "nothing that was there moves"
    page.evaluate("""document.querySelector("related-articles").setAttribute("limit", "2")""")
    page.wait_for_function("""document.querySelector("related-articles").shadowRoot.querySelectorAll("a").length == 2""")


def test_a_list_in_the_window_fills_the_room_that_the_page_keeps(browser: Browser, looked_at: Site, service: Served) -> None:
    looked_at.pages["/"] = page_with(f'<related-articles for="{ID}"></related-articles>', ROOM + snippet(service.address), "")
    page = opened(browser, looked_at.origin)
    page.locator("related-articles a").first.wait_for()
    assert page.evaluate("moved") == 0


def test_a_fallback_in_the_window_stays_if_the_list_is_taller(browser: Browser, looked_at: Site, service: Served) -> None:
    for fallback, stays in (("<p>By hand</p>", True), ('<p style="height: 40em">By hand</p>', False)):
        looked_at.pages["/"] = page_with(
            f'<related-articles for="{ID}">{fallback}</related-articles>', snippet(service.address), "<h1>Read</h1>"
        )
        page = opened(browser, looked_at.origin)
        page.wait_for_load_state("networkidle")
        assert page.get_by_text("By hand").is_visible() == stays
        assert (shown(page) == []) == stays
        assert page.evaluate("moved") == 0


def test_without_an_id_the_address_of_the_page_is_asked_for(browser: Browser, looked_at: Site, service: Served) -> None:
    canonical = '<link rel="canonical" href="https://example.org/harbour/4">'
    looked_at.pages["/"] = page_with("<related-articles></related-articles>", canonical + snippet(service.address))
    page = opened(browser, looked_at.origin)
    page.locator("related-articles a").first.wait_for()
    assert shown(page) == titles(service)


def test_a_strict_policy_is_enough(browser: Browser, looked_at: Site, service: Served) -> None:
    looked_at.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src {service.address}; connect-src {service.address}; require-trusted-types-for 'script'"
    )
    looked_at.pages["/"] = page_with(f'<related-articles for="{ID}"></related-articles>', snippet(service.address), "")
    complaints: list[str] = []
    page = browser.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(looked_at.origin)
    page.locator("related-articles a").first.wait_for()
    assert [text for text in complaints if "favicon" not in text] == []
    nav = page.locator("related-articles nav")
    assert nav.locator("ol").evaluate("list => getComputedStyle(list).listStyleType") == "none", "its styles are in force"


def test_another_script_under_the_hash_does_not_run(browser: Browser, looked_at: Site, service: Served) -> None:
    whole = snippet(service.address)
    looked_at.pages["/"] = page_with(f'<related-articles for="{ID}"></related-articles>', whole.replace("sha384-", "sha384-AAAA", 1))
    page = opened(browser, looked_at.origin)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("""customElements.get("related-articles") === undefined""")
    integrity = re.search(r'integrity="(sha384-[^"]+)"', whole)
    assert integrity
    assert integrity[1] == "sha384-" + base64.b64encode(hashlib.sha384(WIDGET.read_bytes()).digest()).decode()


def test_without_scripts_the_fragment_is_the_list(browser: Browser, looked_at: Site, service: Served) -> None:
    with service.client() as client:
        fragment = client.get(f"/v1/articles/{ID}/related?format=html&limit=4").text
    looked_at.pages["/"] = page_with(f'<related-articles for="{ID}">{fragment}</related-articles>', snippet(service.address))
    page = opened(browser, looked_at.origin, scripts=False)
    section = page.get_by_role("navigation", name="Read more")
    assert section.get_by_role("link").all_inner_texts() == titles(service)


@pytest.mark.parametrize("fault", ["slow", "down", "unknown", "no JSON"])
@pytest.mark.parametrize("fallback", ["", '<ul><li><a href="/by-hand">By hand</a></ul>'])
def test_without_the_service_it_keeps_its_fallback_or_goes(browser: Browser, looked_at: Site, fault: str, fallback: str) -> None:
    with site() as broken:
        broken.pages["/static/related-articles.js"] = (JAVASCRIPT, WIDGET.read_text(encoding="utf-8"))
        asked = f"/v1/articles/{ID}/related"
        if fault != "unknown":
            broken.pages[asked] = ("application/json", '{"items": [{"title": "Late", "url": "https://example.org/late"}]}')
        if fault == "no JSON":
            broken.pages[asked] = (HTML, "<h1>Bad gateway</h1>")
        broken.slow_s[asked] = 3.0 if fault == "slow" else 0.0
        source = broken.origin if fault != "down" else "http://127.0.0.1:9"
        script = f'<script type="module" src="{source}/static/related-articles.js"></script>'
        looked_at.pages["/"] = page_with(f'<related-articles for="{ID}">{fallback}</related-articles>', script)
        page = opened(browser, looked_at.origin)
        element = page.locator("related-articles")
        if fallback:
            page.wait_for_timeout(1500)
            assert page.get_by_role("link").all_inner_texts() == ["By hand"]
        else:
            page.wait_for_function("""document.querySelector("related-articles").offsetHeight == 0""")
        assert "error" not in element.inner_text().lower()
        assert page.evaluate("moved") == 0


def test_room_is_kept_while_the_reader_sees_it(browser: Browser, looked_at: Site) -> None:
    with site() as broken:
        broken.pages["/static/related-articles.js"] = (JAVASCRIPT, WIDGET.read_text(encoding="utf-8"))
        script = f'<script type="module" src="{broken.origin}/static/related-articles.js"></script>'
        looked_at.pages["/"] = page_with('<related-articles for="x"></related-articles>', ROOM + script, "")
        page = opened(browser, looked_at.origin)
        page.wait_for_timeout(1200)
        assert broken.asked[-1] == "/v1/articles/x/related"
        assert page.evaluate("moved") == 0
        assert page.get_by_role("navigation").count() == 0, "what is empty is not told to those who listen"


def test_a_narrow_page(browser: Browser, looked_at: Site, service: Served) -> None:
    looked_at.pages["/"] = page_with(f'<related-articles for="{ID}"></related-articles>', snippet(service.address))
    page = opened(browser, looked_at.origin, width=320)
    page.locator("related-articles a").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.evaluate("moved") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(browser: Browser, looked_at: Site, service: Served, scheme: Literal["light", "dark"]) -> None:
    style = "<style>:root { color-scheme: light dark }</style>"
    element = f'<main><h1>An article</h1><related-articles for="{ID}"></related-articles></main>'
    looked_at.pages["/"] = HTML, f"<!doctype html><html lang=en><title>A page</title>{style}{snippet(service.address)}{element}"
    page = browser.new_page(color_scheme=scheme)
    page.goto(looked_at.origin)
    page.locator("related-articles a").first.wait_for()
    assert violations(page) == []
    page.keyboard.press("Tab")
    focused = page.evaluate("""document.activeElement.shadowRoot.activeElement.textContent""")
    assert focused == titles(service)[0], "the first link is the first stop of the keyboard"


def test_what_goes_on_a_page_can_be_had_alone(service: Served) -> None:
    with service.client() as client:
        alone = client.get("/v1/widget?format=html")
        assert alone.headers["content-type"] == HTML
        assert alone.text == client.get("/v1/widget").json()["html"]
        assert client.get("/v1/widget?format=xml").json()["code"] == "invalid_request"


def test_the_list_takes_two_requests(browser: Browser, looked_at: Site, service: Served, capsys: pytest.CaptureFixture[str]) -> None:
    looked_at.pages["/"] = page_with(f'<related-articles for="{ID}"></related-articles>', snippet(service.address))
    page = opened(browser, looked_at.origin)
    page.locator("related-articles a").first.wait_for()
    entries = page.evaluate("performance.getEntriesByType('resource').map(of => [of.name, of.startTime, of.responseEnd])")
    asked = [(name.partition("?")[0], begun, ended) for name, begun, ended in entries if name.startswith(service.address)]
    (script, begun, script_there), (related, list_asked, there) = asked
    assert script == f"{service.address}/static/related-articles.js"
    assert related == f"{service.address}/v1/articles/{ID}/related"
    assert begun < script_there <= list_asked < there, "the list is asked for as soon as the script is there"
    with capsys.disabled():
        print(f"\nwidget: the list is there {there - begun:.0f} ms after the script was asked for")


def test_it_is_small(capsys: pytest.CaptureFixture[str]) -> None:
    raw = WIDGET.read_bytes()
    packed = len(gzip.compress(raw, 9))
    with capsys.disabled():
        print(f"\nwidget: {len(raw)} bytes, {packed} compressed")
    assert len(raw) < 5000
