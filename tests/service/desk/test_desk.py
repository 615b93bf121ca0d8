"""The desk in a real browser, before a real service: find, pin, move, block, undo; a draft; the archive's health; who may come in."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import httpx2 as httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, ViewportSize

from index.live import upserts
from index.maintenance.archive_stats import measured
from index.updates import judgements
from recommender import Recommender
from recommender.features.ranker import SHIPPED
from service.desk.page import FORM
from service.settings import hashed
from tests.conftest import ADMIN_KEY
from tests.support.browser import HTML, follow, site, violations
from tests.support.hash_embedder import HashEmbedder
from tests.support.served import Served, served

ID = "harbour-4"
READ_KEY = "a reader's key"
HERE = {"Sec-Fetch-Site": "same-origin"}

SLOW_MS = 30_000
DAY = (datetime.now(UTC) + timedelta(days=30)).date()


@pytest.fixture(scope="module")
def service(index_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    index = tmp_path_factory.mktemp("desk") / "index"
    shutil.copytree(index_dir, index, ignore=shutil.ignore_patterns("live.db*"))
    with served(index, "--read-keys", hashed(READ_KEY)) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_said(service: Served) -> Iterator[None]:
    yield
    with service.client() as client:
        for article_id in (ID, "garden-2", "harbour-8"):
            client.delete(f"/v1/articles/{article_id}/overrides")


@pytest.fixture
def desk(browser: Browser, service: Served) -> Iterator[Page]:
    with at_the_desk(browser, service) as page:
        yield page


@contextmanager
def at_the_desk(browser: Browser, service: Served, *, scripts: bool = True, scheme: Literal["light", "dark"] = "light") -> Iterator[Page]:
    """A page for Ann, who has an admin key; it opens no dialog, asks no other host, and complains of nothing."""
    context = browser.new_context(
        http_credentials={"username": "Ann", "password": ADMIN_KEY},
        java_script_enabled=scripts,
        color_scheme=scheme,
        base_url=service.address,
        viewport=ViewportSize(width=1200, height=900),
    )
    page = context.new_page()
    page.set_default_timeout(SLOW_MS)
    strange: list[str] = []

    def dialog(opened: Dialog) -> None:
        strange.append(opened.message)
        opened.dismiss()

    def request(asked: Request) -> None:
        if not asked.url.startswith(service.address):
            strange.append(asked.url)

    def console(said: ConsoleMessage) -> None:
        if said.type == "error" and "status of 4" not in said.text:
            strange.append(said.text)

    page.on("dialog", dialog)
    page.on("request", request)
    page.on("console", console)
    yield page
    context.close()
    assert strange == []


def address(article_id: str = ID) -> str:
    return f"/desk/article?{urlencode({'id': article_id})}"


def ours(page: Page) -> list[str]:
    return page.locator(".lines > li > a").all_inner_texts()


def line(page: Page, title: str) -> Any:
    return page.locator(".lines > li").filter(has=page.get_by_role("link", name=title, exact=True))


def readers_see(service: Served, article_id: str = ID, limit: int = 5) -> list[str]:
    """Titles, as the route of the readers gives them."""
    with service.client() as client:
        return [item["title"] for item in client.get(f"/v1/articles/{article_id}/related?limit={limit}").json()["items"]]


def test_search_pin_move_unpin_undo(desk: Page, service: Served) -> None:
    desk.goto("/desk")
    desk.get_by_label("Find an article").fill("harbour buoy number 4")
    follow(desk.get_by_role("button", name="Find"))
    follow(desk.get_by_role("link", name="Harbour buoy number 4"))
    before = readers_see(service, limit=10)
    assert ours(desk) == before, "the list is what readers see"
    desk.get_by_label("Pin another article, by id").fill("https://example.org/garden/2")
    desk.get_by_role("form", name="Pin another article").get_by_label("Reason").fill("it explains")
    follow(desk.get_by_role("button", name="Pin it"))
    assert desk.get_by_role("status").inner_text() == "It is pinned."
    pinned = "Garden bee number 2"
    assert readers_see(service) == ours(desk)[:5] == [pinned, *before[:4]]
    line(desk, pinned).get_by_label("Slot").fill("3")
    follow(line(desk, pinned).get_by_role("button", name="Move"))
    assert readers_see(service) == ours(desk)[:5] == [*before[:2], pinned, *before[2:4]]
    follow(line(desk, pinned).get_by_role("button", name="Unpin"))
    assert readers_see(service) == ours(desk)[:5] == before[:5]
    follow(desk.get_by_role("button", name="Undo the last change"))
    assert readers_see(service)[2] == pinned
    told = desk.locator(".trail li").all_inner_texts()
    assert [text.split("\n")[0] for text in told] == [
        "garden-2 pinned in slot 3",
        "garden-2 pinned no more",
        "garden-2 pinned in slot 3",
        "garden-2 pinned in slot 1",
    ]
    assert "it explains" in told[3]
    assert "undo" in told[0]
    assert all("Ann" in text for text in told)
    with service.client() as client:
        assert client.get(f"/v1/articles/{ID}/overrides").json()["owner"] == "Ann", "one source of truth"


def test_a_line_is_dragged_to_a_slot(desk: Page, service: Served) -> None:
    desk.goto(address())
    titles = ours(desk)
    carried = {"dataTransfer": desk.evaluate_handle("new DataTransfer()")}
    target = desk.locator(".lines > li").first
    desk.locator(".handle").nth(3).dispatch_event("dragstart", carried)
    target.dispatch_event("dragover", carried)
    with desk.expect_navigation():
        target.dispatch_event("drop", carried)
    assert readers_see(service)[:2] == [titles[3], titles[0]]


def test_block_here_with_a_reason_and_an_end(desk: Page, service: Served) -> None:
    desk.goto(address())
    gone = ours(desk)[0]
    line(desk, gone).get_by_text("Reason and end").click()
    line(desk, gone).get_by_label("Reason").fill("out of date")
    line(desk, gone).get_by_label("Last day").fill(DAY.isoformat())
    follow(line(desk, gone).get_by_role("button", name="Block here"))
    assert gone not in readers_see(service, limit=50)
    until = f"until {DAY:%-d %B %Y}"
    assert until in desk.get_by_role("region", name="Not shown here").inner_text()
    assert until in desk.locator(".trail li").first.inner_text()
    with service.client() as client:
        said = client.get(f"/v1/articles/{ID}/overrides").json()
    assert said["blocks"][0]["until"] == f"{DAY + timedelta(days=1)}T00:00:00Z", "the day counts to its end"
    assert said["reason"] == "out of date"
    follow(desk.get_by_role("button", name="Unblock"))
    assert readers_see(service)[0] == gone


def test_block_a_section_here(desk: Page, service: Served) -> None:
    desk.goto(address())
    sections = {item.split()[0] for item in readers_see(service, limit=50)}
    assert "Harbour" in sections
    follow(line(desk, ours(desk)[0]).get_by_role("button", name="Block section harbour here"))
    assert "Harbour" not in {title.split()[0] for title in readers_see(service, limit=50)}
    follow(desk.get_by_role("button", name="Undo the last change"))
    assert "Harbour" in {title.split()[0] for title in readers_see(service, limit=50)}


def test_block_everywhere_until_a_day(desk: Page, service: Served) -> None:
    desk.goto(address("harbour-16"))
    gone = ours(desk)[0]
    elsewhere = [id_ for id_ in ("harbour-0", "harbour-12", "harbour-20", "harbour-28") if gone in readers_see(service, id_, 50)]
    line(desk, gone).get_by_text("Reason and end").click()
    line(desk, gone).get_by_label("Last day").fill(DAY.isoformat())
    follow(line(desk, gone).get_by_role("button", name="Block everywhere"))
    assert elsewhere
    assert all(gone not in readers_see(service, id_, 50) for id_ in [*elsewhere, "harbour-16"])
    desk.get_by_label("Find an article").fill(gone)
    follow(desk.get_by_role("button", name="Find"))
    follow(desk.get_by_role("link", name=gone))
    assert f"No list shows this article until {DAY:%-d %B %Y}." in desk.get_by_role("main").inner_text()
    follow(desk.get_by_role("button", name="Show it in lists again"))
    assert all(gone in readers_see(service, id_, 50) for id_ in elsewhere)


def test_the_hand_made_list_beside_ours(desk: Page, service: Served) -> None:
    desk.goto(address())
    with service.client() as client:
        names = client.get(f"/v1/articles/{ID}").json()["read_more"]
        items = [item["id"] for item in client.get(f"/v1/articles/{ID}/related?limit=10").json()["items"]]
    both = len(set(names) & set(items))
    assert f"{both} in both lists, {10 - both} only in ours, {len(names) - both} only by hand." in desk.get_by_role("main").inner_text()
    assert desk.get_by_role("region", name="Made by hand").get_by_role("listitem").count() == len(names) > 0
    desk.locator("summary").filter(has_text="What speaks for it").first.click()
    assert desk.locator("table").first.is_visible()
    assert "closeness in" in desk.locator("table").first.inner_text()
    only_by_hand = desk.get_by_role("region", name="Made by hand").get_by_role("button", name=re.compile("^Pin"))
    if both < len(names):
        follow(only_by_hand.first)
        assert any(item["source"] == "pinned" for item in related(service))


def related(service: Served) -> list[dict[str, Any]]:
    with service.client() as client:
        found: list[dict[str, Any]] = client.get(f"/v1/articles/{ID}/related?limit=10").json()["items"]
        return found


def test_a_draft_shows_where_links_fit_and_leaves_no_trace(desk: Page, service: Served) -> None:
    secret = "Zanzibarian crane cargo tide captain dock ferry."
    text = f"Ship pier crane cargo tide captain.\n\n{secret}\n\nNothing of that matters here, they say."
    desk.goto("/desk/draft")
    desk.get_by_label("Title").fill("A <b>ship</b> is late")
    desk.get_by_label("Text", exact=True).fill(text)
    follow(desk.get_by_role("button", name="Show its list"))
    marked = desk.locator("mark").all_inner_texts()
    assert marked
    assert all(sentence in text for sentence in marked)
    ranks = sorted(int(rank) for rank in desk.locator("a.rank").all_inner_texts())
    with service.client() as client:
        answer = client.post("/v1/related?limit=10", json={"title": "A <b>ship</b> is late", "text": text}).json()["items"]
    assert desk.locator("[id^=line-] > a").all_inner_texts() == [item["title"] for item in answer]
    assert ranks == [item["rank"] for item in answer]
    for item in answer:
        assert item["reason"]["passage"]["query"] in marked
    assert not any("Zanzibarian" in said for said in service.log)
    desk.get_by_label("Text", exact=True).fill(" ")
    desk.get_by_label("Title").fill("")
    follow(desk.get_by_role("button", name="Show its list"))
    assert "Nothing was done" in desk.get_by_role("alert").inner_text()


def test_judgements_are_kept_and_fitted_on(desk: Page, service: Served) -> None:
    desk.goto(address())
    titles = ours(desk)
    line(desk, titles[1]).get_by_label("Judge this line").check()
    follow(desk.get_by_role("button", name="Reject what is ticked"))
    assert desk.get_by_role("status").inner_text() == "Rejected."
    line(desk, titles[0]).get_by_label("Judge this line").check()
    follow(desk.get_by_role("button", name="Accept what is ticked"))
    assert line(desk, titles[0]).locator(".both", has_text="accepted").count() == 1
    assert line(desk, titles[1]).locator(".both", has_text="rejected").count() == 1
    assert ours(desk) == titles, "no list changes"
    follow(desk.get_by_role("button", name="Reject what is ticked"))
    assert "no line is ticked" in desk.get_by_role("alert").inner_text()
    desk.goto(address())
    line(desk, titles[0]).get_by_label("Judge this line").check()
    follow(desk.get_by_role("button", name="Forget what is ticked"))
    assert line(desk, titles[0]).locator(".both", has_text="accepted").count() == 0


def test_the_health_of_the_archive(desk: Page, index_dir: Path) -> None:
    desk.goto("/desk/health")
    for _ in range(200):
        if not desk.get_by_role("link", name="Look again").count():
            break
        desk.wait_for_timeout(100)
        desk.reload()
    with Recommender.open(index_dir, HashEmbedder()) as recommender:
        lists = {row: recommender.related_to_row(row, 5).ids for row in range(40)}
        ids = {recommender.catalogue.card(row).id for row in lists}
        found = measured(recommender.release.folder, SHIPPED)
    shown = [target for ids_ in lists.values() for target in ids_]
    assert found.n_lists.sum() == len(shown)
    orphans = ids - set(shown)
    assert f"In nobody’s list: {len(orphans)}" in (desk.get_by_role("main").text_content() or "")
    most = max(map(shown.count, ids))
    assert desk.get_by_role("region", name="In most lists").get_by_role("listitem").first.inner_text().count(f"in {most} lists") == 1
    desk.get_by_label("Years", exact=True).fill("50")
    follow(desk.get_by_role("button", name="Count again"))
    assert "Lists of nothing newer than 50 years: 0" in (desk.get_by_role("main").text_content() or "")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(browser: Browser, service: Served, scheme: Literal["light", "dark"]) -> None:
    with at_the_desk(browser, service, scheme=scheme) as page:
        page.goto(address())
        follow(line(page, ours(page)[2]).get_by_role("button", name="Pin"))
        follow(line(page, ours(page)[1]).get_by_role("button", name="Block here"))
        page.locator("details").evaluate_all("all => all.forEach(of => of.open = true)")
        assert violations(page) == []
        for path in ("/desk?q=harbour", "/desk?q=nothing+like+it", "/desk/draft", "/desk/health", address("nobody")):
            page.goto(path)
            assert violations(page) == [], path
        page.goto("/desk/draft")
        page.get_by_label("Text", exact=True).fill("Ship pier crane cargo tide captain. Dock ferry anchor sailor lighthouse.")
        follow(page.get_by_role("button", name="Show its list"))
        page.locator("details").evaluate_all("all => all.forEach(of => of.open = true)")
        assert violations(page) == []
        page.set_viewport_size({"width": 320, "height": 800})
        for path in (address(), "/desk/health", "/desk/draft"):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, path


def test_with_the_keyboard_alone(desk: Page, service: Served) -> None:
    desk.goto("/desk")
    tab_to(desk, "q")
    desk.keyboard.type(ID)
    desk.keyboard.press("Enter")
    desk.wait_for_url("**/desk?q=*")
    tab_to(desk, None, "Harbour buoy number 4")
    desk.keyboard.press("Enter")
    desk.wait_for_url("**/desk/article?*")
    third = ours(desk)[2]
    tab_to(desk, None, third)
    for _ in range(20):
        desk.keyboard.press("Tab")
        if desk.evaluate("document.activeElement.name") == "slot":
            break
    desk.keyboard.press("Control+A")
    desk.keyboard.type("1")
    with desk.expect_navigation():
        desk.keyboard.press("Enter")
    assert readers_see(service)[0] == third


def tab_to(page: Page, name: str | None, text: str | None = None) -> None:
    for _ in range(120):
        page.keyboard.press("Tab")
        focused = page.evaluate("[document.activeElement.name || null, document.activeElement.textContent]")
        if (name is not None and focused[0] == name) or (text is not None and focused[1] == text):
            return
    raise AssertionError(f"the keyboard does not come to {name or text}")


def test_without_scripts(browser: Browser, service: Served) -> None:
    with at_the_desk(browser, service, scripts=False) as page:
        page.goto(address())
        before = ours(page)
        assert page.locator(".handle").count() == 0
        line(page, before[4]).get_by_label("Slot").fill("1")
        follow(line(page, before[4]).get_by_role("button", name="Pin"))
        assert readers_see(service)[0] == before[4] == ours(page)[0]
        follow(page.get_by_role("button", name="Undo the last change"))
        assert readers_see(service) == before[:5]
        follow(page.get_by_role("button", name="Accept the whole list"))
        assert page.locator(".both", has_text="accepted").count() == len(before)


def test_who_may_come_in(service: Served) -> None:
    with httpx.Client(base_url=service.address) as anybody:
        paths = ("/desk", address(), "/desk/draft", "/desk/health", "/desk/static/desk.css", "/desk/nothing")
        for path in paths:
            refused = anybody.get(path)
            assert refused.status_code == 401, path
            assert refused.headers["www-authenticate"].startswith('Basic realm="Readmore desk"')
        for user in (("Ann", READ_KEY), ("Ann", ""), ("", "x"), (ADMIN_KEY, "x")):
            assert anybody.get("/desk", auth=user).status_code == 401
        for value in (f"Bearer {ADMIN_KEY}", "Basic", "Basic %%%", "Basic QQ==", "Basic /////w=="):
            assert anybody.get("/desk", headers={"Authorization": value}).status_code == 401
        assert anybody.get("/desk", headers={"X-API-Key": ADMIN_KEY}).status_code == 401
        assert anybody.get("/desk", auth=("Ann", ADMIN_KEY)).status_code == 200
        assert anybody.get("/desk", auth=("", ADMIN_KEY)).status_code == 200, "a name may be left out"
        assert anybody.delete(f"/v1/articles/{ID}/overrides", auth=("Ann", ADMIN_KEY)).status_code == 401, "Basic opens nothing else"
        shown = anybody.get(address(), auth=("Ann", ADMIN_KEY))
        assert shown.headers["cache-control"] == "no-store"
        assert "unsafe" not in shown.headers["content-security-policy"]


def test_what_does_not_come_from_the_desk_is_refused(service: Served, browser: Browser) -> None:
    fields = {"on": ID, "target": "garden-2", "slot": "1", "action": "pin"}
    host = service.address.partition("://")[2]
    elsewhere: list[dict[str, str]] = [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": service.address},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://{host}.evil.example"},
    ]
    with httpx.Client(base_url=service.address, auth=("Ann", ADMIN_KEY)) as ann:
        for headers in elsewhere:
            for path in ("/desk/change", "/desk/judge", "/desk/draft"):
                assert ann.post(path, data=fields, headers=headers).status_code == 403, headers
        assert ann.post("/desk/change", data=fields, headers={"Origin": service.address}).status_code == 303
    with service.client() as client:
        assert client.delete(f"/v1/articles/{ID}/overrides").status_code == 204
    with site() as evil:
        inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
        evil.pages["/"] = HTML, f'<form action="{service.address}/desk/change" method="post">{inputs}<button>Win</button></form>'
        page = browser.new_context(http_credentials={"username": "Ann", "password": ADMIN_KEY}).new_page()
        page.goto(f"{service.address}/desk")
        assert page.get_by_text("You are Ann").count() == 1
        page.goto(evil.origin)
        with page.expect_navigation() as sent:
            page.get_by_role("button").click()
        assert sent.value.status == 403
        page.context.close()
    assert "Garden bee number 2" not in readers_see(service)


def test_what_cannot_be_is_said_and_not_done(service: Served) -> None:
    long_ago = {"on": ID, "target": "garden-2", "slot": "1", "action": "pin", "until": "2001-01-01"}
    with httpx.Client(base_url=service.address, auth=("Ann", ADMIN_KEY), headers=HERE, timeout=30) as ann:
        before = readers_see(service, limit=50)
        for fields, status in (
            (long_ago, 422),
            ({"on": ID, "target": "nobody", "slot": "1", "action": "pin"}, 404),
            ({"on": ID, "target": ID, "slot": "1", "action": "pin"}, 422),
            ({"on": ID, "target": "garden-2", "action": "pin"}, 422),
            ({"on": ID, "target": "garden-2", "slot": "51", "action": "pin"}, 422),
            ({"on": ID, "action": "block_section"}, 422),
            ({"on": "nobody", "action": "undo"}, 404),
            ({"on": ID, "target": "x" * 600, "action": "show"}, 404),
            ({"on": ID, "action": "explode"}, 422),
            ({"on": ID, "action": "hide", "target": "nobody"}, 404),
        ):
            answer = ann.post("/desk/change", data=fields)
            assert answer.status_code == status, fields
        assert ann.post("/desk/change", json=long_ago).status_code == 415
        for body in (b"on=\xff", b"on=%FF"):
            assert ann.post("/desk/change", content=body, headers={"Content-Type": FORM}).status_code == 400
        assert ann.post("/desk/judge", data={"on": ID, "action": "accept", "line": "nobody"}).status_code == 404
        assert ann.get("/desk/article?id=nobody").status_code == 404
        assert readers_see(service, limit=50) == before


def test_lists_that_editors_judged_are_fitted_on_and_not_measured(index_dir: Path, tmp_path: Path) -> None:
    from index.ranker_training import fit

    index = tmp_path / "index"
    shutil.copytree(index_dir, index, ignore=shutil.ignore_patterns("live.db*"))
    upserts.create(index)
    with Recommender.open(index, HashEmbedder()) as recommender:
        before = fit(recommender)
        assert before.n_judged == 0
        hand = recommender.catalogue.hand_made_lists()
        older = next(id_ for id_ in hand if id_ not in before.held_back)
        new = next(id_ for id_ in recommender.related(older, 10).ids if id_ not in hand[older])
        verdicts = {new: True, hand[older][0]: False, "gone": True}
        judgements.judge(index, older, verdicts, "Ann", None)
        judgements.judge(index, "gone", {new: True}, "Ann", None)
        held_back = next(iter(before.held_back))
        judgements.judge(index, held_back, {"garden-2": True}, "Ann", None)
        after = fit(recommender)
    assert (after.n_judged, after.held_back) == (1, before.held_back)
    assert after.ranker.weights != before.ranker.weights
    assert judgements.judged(index, older) == {older: verdicts}
    judgements.judge(index, older, {new: None}, "Ann", None)
    assert new not in judgements.judged(index)[older]


def test_of_two_who_change_at_once_both_count(service: Served) -> None:
    with httpx.Client(base_url=service.address, auth=("Ann", ADMIN_KEY), headers=HERE, timeout=30) as ann:
        for target in ("garden-2", "garden-6", "garden-10"):
            ann.post("/desk/change", data={"on": ID, "target": target, "slot": "1", "action": "pin"})
    ids = [item["id"] for item in related(service)]
    assert ids[:3] == ["garden-10", "garden-6", "garden-2"], "what stands in the way goes down"


def test_the_trail_is_that_of_the_service(service: Served) -> None:
    with service.client() as client:
        client.put(f"/v1/articles/{ID}/overrides", json={"blocks": [{"section": "railway"}], "everywhere": True, "owner": "the CMS"})
        shown = httpx.get(f"{service.address}{address()}", auth=("Ann", ADMIN_KEY)).text
    assert "section railway blocked" in shown
    assert "the CMS" in shown
    assert "No list shows this article" in shown
