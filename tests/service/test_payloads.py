"""What an archive and its editors write is text wherever it is shown: hostile strings in every field and channel, in a real browser.

Whatever happens that a page of ours would not do by itself is heard: a dialog, a request to another host, a variable set, another window.
"""

import csv
import json
import random
import re
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Browser, Dialog, Error, Page, Route, ViewportSize

from index.build import build_index
from index.export_lists import lists as all_lists
from recommender import Recommender
from recommender.evaluation.measures import Group
from recommender.lists.selection import Selection
from recommender.text.cleaning import clean_line
from scripts import evaluate, export
from scripts import map as atlas
from scripts.archive_map.map_contents import N_LINES
from scripts.archive_map.map_page import write_page
from scripts.report import add_up, write_report
from tests.conftest import ADMIN_KEY
from tests.scripts.archive_map.test_map import in_a_ring, made, spot
from tests.scripts.report.test_report import article, report
from tests.scripts.report.test_report_browser import begun, votes_of
from tests.service.routes.test_widget import ARTICLE, WIDGET, snippet
from tests.support.archive import write_jsonl
from tests.support.browser import HTML, JAVASCRIPT, Site, follow, site
from tests.support.hash_embedder import HashEmbedder
from tests.support.payloads import FORMULAS, GROUPS, NO_ADDRESSES, ODD_ADDRESSES, PAYLOADS
from tests.support.served import HEADERS, Served, served

NAME = '"><img src=x onerror=alert(1)>'
"""Of the folder that the index is in: the report names it."""

ENDS = ("ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe")
TOPICS = {root: [root + end for end in ENDS] for root in ("har", "vel", "mon", "tor", "sil", "lun", "kes", "pol")}
"""What articles are about and in which words, so that the list of one article shows an eighth of all."""

MOST = 50
"""Lines of the longest list."""

WEB = re.compile("https?://", re.IGNORECASE)

PLAIN_ADDRESSES = {address for address in ODD_ADDRESSES if not set(address) & set(' <>"')}
"""Those that report and map make links of, at least."""

TELL = """() => {
  Object.defineProperty(window, "owned", {set: (number) => happened(`owned ${number}`)});
  window.print = (number) => happened(`print ${number}`);
}"""

TOUCH = """() => {
  const touch = (root) => {
    for (const of of root.querySelectorAll("*")) {
      if (of.localName === "details") of.open = true;
      for (const name of ["focus", "mouseover", "pointerover", "animationstart", "toggle"]) of.dispatchEvent(new Event(name));
      const address = of.getAttribute("href") ?? of.getAttribute("xlink:href");
      if (address !== null && !/^(#|https?:|\\/(?!\\/))/i.test(address)) of.dispatchEvent(new MouseEvent("click", {bubbles: true}));
      for (const inner of [of.shadowRoot, of.contentDocument]) if (inner) touch(inner);
    }
  };
  touch(document);
}"""
"""Does to every element what runs the code that it may hold."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A window of the browser.

    Attributes:
        happened: What no page of ours does by itself.
    """

    page: Page
    happened: list[str]

    def touched(self) -> None:
        self.page.evaluate(TOUCH)


@contextmanager
def watched(browser: Browser, *ours: str, **options: Any) -> Iterator[Watched]:
    """A window in which nothing but what begins with one of `ours` can be loaded."""
    happened: list[str] = []
    context = browser.new_context(viewport=ViewportSize(width=1200, height=900), **options)
    context.set_default_timeout(120_000)

    def asked(route: Route) -> None:
        if route.request.url.startswith(ours):
            route.continue_()
        else:
            happened.append(route.request.url)
            route.abort()

    def opened(page: Page) -> None:
        page.on("websocket", lambda socket: happened.append(socket.url))
        if len(context.pages) > 1:
            happened.append(f"window {page.url}")

    def dialog(shown: Dialog) -> None:
        happened.append(f"dialog {shown.message}")
        with suppress(Error):  # it went with its frame
            shown.dismiss()

    context.route("**/*", asked)
    context.on("page", opened)
    context.on("dialog", dialog)
    context.expose_function("happened", lambda what: happened.append(what))
    context.add_init_script(f"({TELL})()")
    yield Watched(context.new_page(), happened)
    context.close()


@contextmanager
def harmless(browser: Browser, *ours: str, **options: Any) -> Iterator[Watched]:
    """Such a window, in which nothing happens."""
    with watched(browser, *ours, **options) as window:
        yield window
        window.touched()
        window.page.wait_for_timeout(300)
        assert window.happened == []


def hostile_records() -> list[dict[str, Any]]:
    """An article for every payload, with it in every field; others at every address; and for each topic one whose list shows all of it."""
    chance = random.Random(3)

    def text(topic: str, *payloads: str) -> str:
        words = [" ".join(chance.choices(TOPICS[topic], k=7)) for _ in range(6)]
        around = list(zip(words[:3], words[3:], strict=True))
        return "\n\n".join(f"{before} {payload} {behind}." for payload in payloads for before, behind in around)

    topics = list(TOPICS)
    found: list[dict[str, Any]] = []
    for number, payload in enumerate(PAYLOADS):
        topic = topics[number % len(topics)]
        fields = {"id": payload, "title": payload, "text": text(topic, payload), "section": payload, "lang": "en"}
        linked = [*(PAYLOADS[(number + place * len(topics)) % len(PAYLOADS)] for place in (1, 2)), f"gone {payload}"]
        found.append({**fields, "url": f"https://example.org/{number}?{clean_line(payload)}", "read_more": linked})
        if number < len(topics):
            found.append({**fields, "id": f"twin {payload}", "url": f"https://example.org/twin/{number}"})
    for number, address in enumerate((*NO_ADDRESSES, *ODD_ADDRESSES)):
        topic = topics[number % len(topics)]
        found.append({"id": f"at {number}", "title": f"At {address}", "text": text(topic, "at"), "section": topic, "url": address})
    for place, topic in enumerate(topics):
        own = PAYLOADS[place :: len(topics)]
        fields = {"id": page_of(topic), "title": " ".join(own)[:900], "text": text(topic, *own[::4]), "section": " ".join(own)[:500]}
        found.append({**fields, "url": f"https://example.org/{topic}?{clean_line(' '.join(own))}", "read_more": own, "lang": "en"})
    return found


def page_of(topic: str) -> str:
    """Id of the article whose list shows all others of the topic."""
    return clean_line(f"{topic} {' '.join(PAYLOADS[list(TOPICS).index(topic) :: len(TOPICS)])}"[:500])


PAGES = tuple(map(page_of, TOPICS))


@pytest.fixture(scope="module")
def foreign() -> Iterator[Site]:
    """A site that is not the service's."""
    with site() as running:
        yield running


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("payloads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("index.lists.floor.FEWEST", 1 << 20)  # lists show every payload, also those that are close to nothing
        done = build_index([str(write_jsonl(folder / "archive.jsonl", hostile_records()))], folder / NAME, HashEmbedder())
    assert done.rejected == {}
    assert done.dropped_fields == {"bad_url": len(NO_ADDRESSES)}, "an address that is none of the web is dropped, and told"
    return folder / NAME


@pytest.fixture(scope="module")
def service(index: Path, foreign: Site) -> Iterator[Served]:
    """Where every eighth article was put again, and editors have said every payload of some article."""
    blocks = "".join(
        f"[[block]]\non = {json.dumps(id_)}\nhide = {json.dumps(f'filed {id_}')}\nreason = {json.dumps(id_)}\n" for id_ in PAGES
    )
    (index.parent / "overrides.toml").write_text(blocks, encoding="utf-8")
    with served(index, "--cors-origins", foreign.origin, "--overrides", str(index.parent / "overrides.toml")) as running:
        with running.client() as client:
            refused = {f"at {number}" for number in range(len(NO_ADDRESSES))}
            lines = [json.dumps(record) for record in hostile_records()[::8] if record["id"] not in refused]
            for place in range(0, len(lines), 5):
                body, kind = "\n".join(lines[place : place + 5]), {"Content-Type": "application/x-ndjson"}
                answer = client.post("/v1/articles/batch", content=body, headers=kind)
                assert {line["status"] for line in answer.json()["results"]} == {"updated"}
            for place, id_ in enumerate(PAGES):
                blocks_so_far: list[dict[str, str]] = []
                for payload in PAYLOADS[place :: len(PAGES)]:
                    blocks_so_far += [{"section": f"gone {payload}"}, {"article_id": f"gone {payload}"}]
                    said = {"blocks": blocks_so_far, "reason": payload, "owner": payload}
                    assert client.put(path_of(id_, "/overrides"), json=said).status_code == 200
        yield running


@pytest.fixture(scope="module")
def lists(service: Served) -> dict[str, list[dict[str, Any]]]:
    """The lists of the pages, as the service answers them; they show every payload."""
    with service.client() as client:
        found = {id_: client.get("/v1/related", params={"id": id_, "limit": MOST}).json()["items"] for id_ in PAGES}
    shown = [of["title"] for items in found.values() for item in items for of in (item, *item.get("also", ()))]
    assert {title_of(payload) for payload in PAYLOADS} <= set(shown)
    assert any("also" in item for items in found.values() for item in items)
    return found


def title_of(payload: str) -> str:
    """As it is stored: an archive's titles may have entities, which are read once."""
    return clean_line(unescape(payload))


def linked(items: list[dict[str, Any]]) -> list[list[str]]:
    """Text and address of the links that a list has."""
    return [[item["title"], item["url"]] for item in items if item["url"]]


def links(page: Page, selector: str) -> list[list[str]]:
    found: list[list[str]] = page.locator(selector).evaluate_all("all => all.map((of) => [of.textContent, of.getAttribute('href')])")
    return found


def texts(page: Page, selector: str) -> list[str]:
    return page.locator(selector).all_text_contents()


def path_of(article_id: str, tail: str = "") -> str:
    return f"/v1/articles/{quote(article_id, safe='')}{tail}"


def test_there_are_enough_of_them_and_most_are_stored_as_they_are(service: Served) -> None:
    assert len({clean_line(payload) for payload in PAYLOADS}) == len(PAYLOADS) > 100
    with service.client() as client:
        stored = [client.get("/v1/articles/" + quote(clean_line(payload), safe="")).json() for payload in PAYLOADS]
        for payload, article_ in zip(PAYLOADS, stored, strict=True):
            assert (article_["id"], article_["section"]) == (clean_line(payload), clean_line(payload))
            assert article_["title"] == title_of(payload)
            assert clean_line(payload) in clean_line(article_["text"])
            assert article_["url"].endswith(f"?{clean_line(payload)}")
        assert sum(article_["title"] == payload for article_, payload in zip(stored, PAYLOADS, strict=True)) > 150
        for number, address in enumerate((*NO_ADDRESSES, *ODD_ADDRESSES)):
            assert client.get(f"/v1/articles/at {number}").json()["url"] == (address if address in ODD_ADDRESSES else None)
        for address in NO_ADDRESSES:
            refused = client.put("/v1/articles/refused", json={"text": "har ba", "url": address})
            assert (refused.status_code, refused.json()["code"]) == (422, "bad_url")


def test_json(browser: Browser, service: Served) -> None:
    """Opened as if they were pages, whatever an address ends in."""
    paths = [f"/v1/related?{urlencode({'id': id_, 'limit': MOST, 'explain': 'true'})}" for id_ in PAGES]
    paths += [path_of(id_, tail) for id_ in PAGES for tail in ("", "/overrides", "/related")]
    paths += [path_of(clean_line(payload)) for payload in PAYLOADS if payload.endswith(".html")]
    paths += [path_of(f"no {payload}") for payload in PAYLOADS[::8]] + [f"/{quote(payload, safe='')}" for payload in PAYLOADS[::20]]
    with harmless(browser, service.address, extra_http_headers=HEADERS) as window, service.client() as client:
        for path in paths:
            window.page.goto(service.address + path)
            told, wanted = json.loads(window.page.locator("pre").text_content() or ""), client.get(path).json()
            assert {**told, "request_id": ""} == {**wanted, "request_id": ""}
            window.touched()


def test_html_fragment(browser: Browser, service: Served, foreign: Site, lists: dict[str, list[dict[str, Any]]]) -> None:
    """Included on the server, put in by a script, and opened by itself."""
    paths = [f"/v1/related?{urlencode({'id': id_, 'limit': MOST, 'format': 'html'})}" for id_ in lists]
    with service.client() as client:
        included = "".join(client.get(path).text for path in paths)
    script = """for (const address of ADDRESSES) {
      const part = document.querySelector("main").appendChild(document.createElement("section"));
      fetch(address).then((answer) => answer.text()).then((fragment) => { part.innerHTML = fragment; });
    }""".replace("ADDRESSES", json.dumps([service.address + path for path in paths]))
    foreign.pages["/included"] = HTML, f"<!doctype html><title>A page</title><main>{included}</main>"
    foreign.pages["/put-in"] = HTML, f"<!doctype html><title>A page</title><main></main><script>{script}</script>"
    wanted = [link for items in lists.values() for link in linked(items)]
    with harmless(browser, foreign.origin, service.address) as window:
        for path in ("/included", "/put-in"):
            window.page.goto(foreign.origin + path)
            window.page.wait_for_function(f"document.querySelectorAll('nav').length == {len(PAGES)}")
            assert links(window.page, "nav a") == wanted
            window.touched()
        for path, items in zip(paths, lists.values(), strict=True):
            window.page.goto(service.address + path)
            assert links(window.page, "nav a") == linked(items)
            window.touched()


def test_json_ld(browser: Browser, service: Served, foreign: Site, lists: dict[str, list[dict[str, Any]]]) -> None:
    with service.client() as client:
        answers = [client.get("/v1/related", params={"id": id_, "limit": MOST, "format": "jsonld"}).text for id_ in lists]
    scripts = "".join(f'<script type="application/ld+json">{answer}</script>' for answer in answers)
    foreign.pages["/"] = HTML, f"<!doctype html><title>A page</title>{scripts}<p>An article."
    with harmless(browser, foreign.origin) as window:
        window.page.goto(foreign.origin)
        told = [json.loads(text)["itemListElement"] for text in texts(window.page, "script")]
        assert [[(of["name"], of.get("url")) for of in list_] for list_ in told] == [
            [(item["title"], item["url"]) for item in items] for items in lists.values()
        ]
        assert texts(window.page, "body") == ["An article."]


def test_widget(browser: Browser, service: Served, foreign: Site, lists: dict[str, list[dict[str, Any]]]) -> None:
    elements = [
        f'<related-articles for="{escape(id_)}" limit="{MOST}" heading="{escape(id_)}"><p>By hand</p></related-articles>' for id_ in lists
    ]
    foreign.pages["/"] = HTML, f"<!doctype html><title>A page</title>{snippet(service.address)}{ARTICLE}{''.join(elements)}"
    with harmless(browser, foreign.origin, service.address) as window:
        window.page.goto(foreign.origin)
        window.page.wait_for_function(ALL_SHOWN, polling=1000)
        for place, (id_, items) in enumerate(lists.items()):
            of = f"related-articles >> nth={place} >>"
            assert links(window.page, f"{of} a") == linked(items)
            assert texts(window.page, f"{of} h2") == [id_]


ALL_SHOWN = """() => {
  const waiting = [...document.querySelectorAll("related-articles")].filter((of) => !of.shadowRoot?.querySelector("a"));
  for (const of of waiting) of.setAttribute("limit", of.getAttribute("limit"));
  return waiting.length == 0;
}"""
"""Asks again where the service did not answer in time."""


def test_widget_of_a_service_that_sends_what_ours_does_not(browser: Browser, foreign: Site) -> None:
    items = [{"title": payload, "url": f"https://example.org/{payload}"} for payload in PAYLOADS]
    items += [{"title": f"At {address}", "url": address} for address in (*NO_ADDRESSES, *ODD_ADDRESSES)]
    foreign.pages["/static/related-articles.js"] = JAVASCRIPT, WIDGET.read_text(encoding="utf-8")
    foreign.pages["/v1/articles/x/related"] = "application/json", json.dumps({"items": items})
    script = '<script type="module" src="/static/related-articles.js"></script>'
    foreign.pages["/"] = HTML, f'<!doctype html><title>A page</title>{script}{ARTICLE}<related-articles for="x"></related-articles>'
    with harmless(browser, foreign.origin) as window:
        window.page.goto(foreign.origin)
        window.page.wait_for_function(ALL_SHOWN, polling=1000)
        assert links(window.page, "related-articles a") == linked([item for item in items if WEB.match(item["url"])])


def test_first_page(browser: Browser, service: Served, lists: dict[str, list[dict[str, Any]]]) -> None:
    with harmless(browser, service.address) as window:
        for id_, items in lists.items():
            window.page.goto(f"{service.address}/?{urlencode({'id': id_, 'q': PAYLOADS[9]})}")
            assert texts(window.page, "section[aria-labelledby=ours] li > a") == [item["title"] for item in items[:10]]
            by_hand = PAYLOADS[PAGES.index(id_) :: len(PAGES)]
            assert texts(window.page, "section[aria-labelledby=hand] li > a") == list(map(title_of, by_hand))
            window.touched()
        for payloads in GROUPS.values():
            window.page.goto(f"{service.address}/?{urlencode({'q': ' '.join(payloads)[:200], 'id': ' '.join(payloads)[:200]})}")
            assert window.page.locator("#q").input_value() == " ".join(payloads)[:200].translate(NO_CONTROLS)
            window.touched()


NO_CONTROLS = {ord("\r"): None, ord("\n"): None, 0: "\ufffd"}
"""What browsers make of a value of one line."""

LINES = """all => all.map((of) => {
  const form = of.querySelector("form.change");
  return {
    title: of.querySelector("a").textContent, id: of.querySelector("code").textContent, section: form.elements.section?.value ?? null,
    target: form.elements.target.value, label: form.getAttribute("aria-label"), ticked: of.querySelector("[name=line]").value,
    passages: [...of.querySelectorAll("blockquote")].map((quoted) => quoted.textContent),
  };
})"""


@contextmanager
def at_the_desk(browser: Browser, service: Served) -> Iterator[Watched]:
    login = {"username": PAYLOADS[9], "password": ADMIN_KEY}
    with harmless(browser, service.address, http_credentials=login, base_url=service.address) as window:
        yield window


def desk_of(article_id: str, limit: int = MOST) -> str:
    return f"/desk/article?{urlencode({'id': article_id, 'limit': limit})}"


def test_desk_shows_what_is_there(browser: Browser, service: Served, lists: dict[str, list[dict[str, Any]]]) -> None:
    with at_the_desk(browser, service) as window:
        page = window.page
        for place, (id_, items) in enumerate(lists.items()):
            page.goto(desk_of(id_))
            wanted = [
                {
                    "title": item["title"],
                    "label": f"Change: {item['title']}",
                    "section": item["section"],
                    **dict.fromkeys(("id", "target", "ticked"), item["id"]),
                    "passages": [item["reason"]["passage"][side] for side in ("query", "target")] if "reason" in item else [],
                }
                for item in items
            ]
            assert page.locator(".lines > li").evaluate_all(LINES) == wanted
            own = PAYLOADS[place :: len(PAGES)]
            assert texts(page, "section[aria-labelledby=hand] li > a") == list(map(title_of, own))
            said = texts(page, "section[aria-labelledby=said] li")
            assert [text.split("\n")[0] for text in said] == [
                *(f"{kind}gone {clean_line(payload)}" for payload in own for kind in ("Section ", "")),
                f"filed {id_}: the file of overrides says so",
            ]
            told = texts(page, ".trail .card")
            for text, payload in zip(told, reversed(own), strict=True):
                shown = payload.translate({0: None, ord("\r"): "\n"})
                assert f" · {shown} · key " in text
                assert text.endswith(f" · {shown}")
            assert page.locator("header .card").text_content() == f"You are {PAYLOADS[9]}."
            window.touched()


def test_desk_changes_what_it_names(browser: Browser, service: Served, lists: dict[str, list[dict[str, Any]]]) -> None:
    id_, items = next(iter(lists.items()))
    reason = " ".join(PAYLOADS)[:1000].translate(NO_CONTROLS)
    with service.client() as client:
        before = client.get(path_of(id_, "/overrides")).json()
    with at_the_desk(browser, service) as window:
        page = window.page
        for payload in (*GROUPS["attributes"][:4], *GROUPS["entities"][:2]):
            page.goto(desk_of(id_))
            form = page.get_by_role("form", name="Pin another article")
            form.get_by_label("by id or URL").fill(payload)
            form.get_by_label("Reason").fill(reason)
            follow(form.get_by_role("button"))
            assert texts(page, "[role=status]") == ["It is pinned."]
            assert texts(page, ".lines > li code")[0] == clean_line(payload)
            assert texts(page, ".trail li")[0].endswith(clean_line(reason))
        page.goto(desk_of(id_))
        follow(page.locator("form.change button[value=block_section]").last)
        assert texts(page, "[role=status]") == ["The section is blocked on this list."]
        page.goto(desk_of(id_))
        page.locator("[name=line]").evaluate_all("all => all.forEach((of) => { of.checked = true; })")
        ticked = texts(page, ".lines > li code")
        follow(page.get_by_role("button", name="Reject what is ticked"))
        rejected = texts(page, "section[aria-labelledby=said] li:has-text('Rejected, and') a")
        assert sorted(rejected) == sorted(ticked[10:])
    with service.client() as client:
        restored = {name: before[name] for name in ("pins", "blocks", "reason", "owner")}
        assert client.put(path_of(id_, "/overrides"), json=restored).status_code == 200
        assert client.get("/v1/related", params={"id": id_, "limit": MOST}).json()["items"] == items


def test_desk_search_draft_and_health(browser: Browser, service: Served, lists: dict[str, list[dict[str, Any]]]) -> None:
    with at_the_desk(browser, service) as window:
        page = window.page
        for payloads in GROUPS.values():
            many = " ".join(payloads)
            page.goto(f"/desk?{urlencode({'q': many})}")
            assert page.locator("#q").input_value() == many.translate(NO_CONTROLS)
            page.goto(f"/desk?{urlencode({'q': payloads[0]})}")
            assert texts(page, ".found a")[0] == title_of(payloads[0])
            page.goto(desk_of(many[:500]))
            shown = many[:500].translate({0: None, ord("\r"): "\n"})
            assert texts(page, "[role=alert]") == [f"There is no article “{shown}”."]
            window.touched()
        page.goto("/desk/draft")
        text = "\n\n".join(f"{' '.join(words)} {' '.join(PAYLOADS[place :: len(TOPICS)])}." for place, words in enumerate(TOPICS.values()))
        title = " ".join(PAYLOADS)[:900].translate(NO_CONTROLS)
        page.locator("#title").fill(title)
        page.locator("#section").fill(title[:500])
        page.locator("#text").fill(text)
        follow(page.get_by_role("button", name="Show its list"))
        assert texts(page, "strong") == [clean_line(title)]
        assert clean_line(page.locator(".text").evaluate(WITHOUT_NUMBERS)) == clean_line(text)
        assert page.locator("mark").count() > 0
        known = {item["title"] for items in lists.values() for item in items} | {title_of(" ".join(PAYLOADS[n::5])[:900]) for n in range(5)}
        assert set(texts(page, "[id^=line-] > a")) <= known
        window.touched()
        page.goto("/desk/health")
        while page.get_by_role("link", name="Look again").count():
            page.wait_for_timeout(200)
            page.reload()
        shown_titles = set(texts(page, ".found li > a"))
        assert len(shown_titles) > 30
        assert len(shown_titles & known) > 20


WITHOUT_NUMBERS = "of => [...of.childNodes].filter((part) => part.nodeName !== 'A').map((part) => part.textContent).join('')"


def test_report(browser: Browser, service: Served, index: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    evaluate.main(Namespace(index=index, report=path, votes=None, similarity=None, pool="all", as_of=False, without_named=False, json=True))
    with harmless(browser, path.as_uri(), "blob:") as window:
        page = window.page
        page.goto(path.as_uri())
        assert texts(page, "h1") == [f"{NAME}: our lists and the hand-made ones"]
        assert {title_of(payload) for payload in PAYLOADS} <= set(texts(page, "#pairs h3"))
        assert {clean_line(payload) for payload in PAYLOADS} <= set(texts(page, "#pairs code")) & set(texts(page, "#pairs .section"))
        quoted = " ".join(texts(page, "#pairs blockquote"))
        assert sum(clean_line(payload) in quoted for payload in PAYLOADS) > 60
        assert page.locator("script, style").count() == 2
        begun(page)
        asked = page.evaluate(VOTES)
        file, saved = votes_of(page, tmp_path)
        told = ({of[0] for of in asked}, {line for of in asked for line in of[1]})
        assert [len({title_of(payload) for payload in PAYLOADS} & titles) > 150 for titles in told] == [True, True]
        assert len({clean_line(payload) for payload in PAYLOADS} & {vote["article"] for vote in saved["votes"]}) > 150
        assert add_up([file]).n_articles == len(asked)


VOTES = """() => {
  const told = [];
  while (!document.querySelector("#trial").hidden) {
    const lines = [...document.querySelectorAll("#trial li > span")].map((of) => of.textContent);
    told.push([document.querySelector("#asked").textContent, lines]);
    for (const vote of [1, 2]) document.querySelector("#answers button").click();
  }
  return told;
}"""


def test_report_of_hostile_names(browser: Browser, tmp_path: Path) -> None:
    """Methods, groups, plots: what an archive does not name."""
    sections = PAYLOADS[:: len(PAYLOADS) // 12][:12]
    addresses = (*NO_ADDRESSES, *ODD_ADDRESSES)
    articles = (article(number, sections[number // 10], addresses[number % len(addresses)]) for number in range(120))
    plain = report(*articles, name=NAME)
    named = replace(
        plain,
        methods={"dense": plain.methods["dense"], NAME: plain.methods[NAME], **dict.fromkeys(PAYLOADS, plain.methods[NAME])},
        protocol={payload: payload for payload in PAYLOADS},
        sections=tuple(Group(payload, 12, 0.3, 0.2, 0.4) for payload in PAYLOADS),
        years=tuple(Group(payload, 12, 0.3, 0.2, 0.4) for payload in PAYLOADS),
        facts=dict.fromkeys(PAYLOADS, plain.facts[NAME]),
    )
    write_report(tmp_path / "report.html", named)
    parsed = [payload.translate({0: None, ord("\r"): "\n"}) for payload in PAYLOADS]
    with harmless(browser, (tmp_path / "report.html").as_uri()) as window:
        page = window.page
        page.goto((tmp_path / "report.html").as_uri())
        drawn = "//*[@id='{}']/ancestor::figure//tbody/tr/th"
        assert texts(page, drawn.format("methods"))[2:] == parsed
        assert {of.translate({0: None, ord("\r"): "\n"}) for of in sections} <= set(texts(page, drawn.format("sections")))
        for what in ("section", "year"):
            assert texts(page, f"section[aria-labelledby=by-{what}] tbody th") == parsed
        assert texts(page, "dl > dd")[: len(PAYLOADS)] == parsed
        assert texts(page, "section[aria-labelledby=beyond] thead th")[1:] == parsed
        assert page.locator("script, style").count() == 2
        linked_to = {address for _, address in links(page, "#pairs a")}
        assert linked_to >= PLAIN_ADDRESSES
        assert all(map(WEB.match, linked_to))


def test_map(browser: Browser, service: Served, index: Path, tmp_path: Path) -> None:
    path = tmp_path / "map.html"
    atlas.main(Namespace(index=index, out=path, parquet=None, limit=20_000))
    with harmless(browser, path.as_uri()) as window:
        page = window.page
        page.goto(path.as_uri())
        titles = page.evaluate("JSON.parse(document.querySelector('#archive').textContent).titles")
        assert {title_of(payload) for payload in PAYLOADS} <= set(titles)
        for number in range(100, 100 + len(PAYLOADS) // 10 + 1):
            page.get_by_label("Find words of a title").fill(str(number))
            wanted = [title for title in titles if str(number) in title]
            page.wait_for_function(ARE_FOUND, arg=wanted)
            page.locator("#found li > button").first.click()
            assert texts(page, "#chosen") == wanted[:1]
            assert set(texts(page, "#list li > button")) <= set(titles)


ARE_FOUND = """(wanted) => {
  const found = [...document.querySelectorAll("#found li > button")].map((of) => of.textContent);
  return found.length == wanted.length && found.every((title, place) => title == wanted[place]);
}"""


def test_map_of_hostile_addresses(browser: Browser, tmp_path: Path) -> None:
    titles = [clean_line(payload) for payload in PAYLOADS]
    contents, places = made(titles, [*NO_ADDRESSES, *ODD_ADDRESSES], titles), in_a_ring(len(titles))
    write_page(tmp_path / "map.html", contents, places)
    with harmless(browser, (tmp_path / "map.html").as_uri()) as window:
        page = window.page
        page.goto((tmp_path / "map.html").as_uri())
        assert [text.removesuffix(" (1)") for text in texts(page, "#legend li")][:8] == titles[:8]
        linked_to: set[str] = set()
        for place in range(0, len(titles), N_LINES):
            page.mouse.move(*spot(page, place, places))
            assert texts(page, "#tip") == [titles[place]]
            page.mouse.click(*spot(page, place, places))
            assert texts(page, "#chosen") == [titles[place]]
            assert texts(page, "#list li > button") == [titles[other] for other in contents.lines[place]]
            linked_to |= {address for _, address in links(page, "a")}
        assert linked_to >= PLAIN_ADDRESSES
        assert all(map(WEB.match, linked_to))
        page.get_by_label("Colour by").select_option("date")
        assert page.locator("script, style").count() == 3


def test_csv(browser: Browser, index: Path, foreign: Site, tmp_path: Path) -> None:
    path = tmp_path / "lists.csv"
    export.main(Namespace(index=index, out=path, format=None, limit=5, min_score=0.0))
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert not [cell for row in rows for cell in row.values() if re.match(r"[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]", cell)]
    read = [{name: re.sub(r"^'('*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])", r"\1", cell) for name, cell in row.items()} for row in rows]
    names = ("id", "title", "url", "section")
    with Recommender.open(index, HashEmbedder()) as recommender:
        found = all_lists(recommender, 5, Selection())
        wanted = [{"article_id": of.article_id, **{name: getattr(item, name) or "" for name in names}} for of in found for item in of]
    assert [{name: row[name] for name in ("article_id", *names)} for row in read] == wanted
    assert {clean_line(payload) for payload in FORMULAS} <= {row["article_id"] for row in read}
    foreign.pages["/lists.csv"] = "text/csv; charset=utf-8", path.read_bytes().decode()
    foreign.headers["X-Content-Type-Options"] = "nosniff"
    with harmless(browser, foreign.origin) as window:
        with window.page.expect_download() as download, pytest.raises(Error, match="Download is starting"):
            window.page.goto(f"{foreign.origin}/lists.csv")
        assert Path(download.value.path()).read_bytes() == path.read_bytes(), "it is kept, not shown"


SINKS = {
    "elements": ("<div>{}</div>",),
    "ends of elements": (
        "<title>{}</title>",
        "<textarea>{}</textarea>",
        "<select><option>{}</select>",
        "<!-- {} -->",
        "<svg><![CDATA[{}]]></svg>",
    ),
    "attributes": ('<input title="{}">', "<input title='{}'>", "<input title={}>"),
    "scripts": (
        '<script>const x = "{}";</script>',
        "<script>const x = '{}';</script>",
        "<script>const x = `{}`;</script>",
        "<script>/* {} */</script>",
        "<script>// {}</script>",
    ),
    "styles": ('<style>p{content:"{}"}</style>', "<style>p{content:'{}'}</style>", "<style>p{color:{}}</style><p>", '<p style="color:{}">'),
    "no addresses of the web": ('<a href="{}">go</a>', '<img src="{}">', '<iframe src="{}"></iframe>'),
    "odd addresses of the web": ('<img src="{}">', "<a href='{}'>go</a>"),
    "mutations": ("<div>{}</div>", "<div id=x></div><script>x.innerHTML = `{}`; document.body.innerHTML = x.innerHTML</script>"),
    "entities": (
        "<div id=x>{}</div><script>x.innerHTML = x.textContent</script>",
        '<div title="{}"><script>document.body.innerHTML = `<p title="${document.querySelector("div").title}">`</script>',
    ),
}
"""Where a careless page would put them, by what they attack; elsewhere between tags."""


def test_where_they_are_no_text_they_are_heard(browser: Browser) -> None:
    pages = [sink.replace("{}", payload) for name, of in GROUPS.items() for payload in of for sink in SINKS.get(name, ("<div>{}</div>",))]
    sandbox = "allow-scripts allow-same-origin allow-modals allow-forms"
    frames = "".join(f'<iframe sandbox="{sandbox}" srcdoc="{escape(page)}"></iframe>' for page in pages)
    with site() as careless:
        careless.pages["/"] = HTML, f"<!doctype html><title>Careless</title>{frames}"
        with watched(browser, careless.origin, "blob:") as window:
            window.page.goto(careless.origin, wait_until="commit")
            for _ in range(100):
                window.page.wait_for_timeout(500)
                window.touched()
                if are_heard(window.happened):
                    break
            before = 0
            while len(window.happened) > before:  # Chromium crashes if it is closed among dialogs
                before = len(window.happened)
                window.page.wait_for_timeout(1000)
    assert are_heard(window.happened), window.happened


def are_heard(happened: list[str]) -> bool:
    """Whether every kind of sign is there, most of the payloads, and a good part of each group; not all work in all places and browsers."""
    told = "\n".join(happened)
    heard = {payload for payload in PAYLOADS if re.findall(r"1\d\d\d", payload)[0] in told}
    shares = [len(heard.intersection(of)) / len(of) for name, of in GROUPS.items() if name not in ELSEWHERE]
    return len(heard) > 140 and min(shares) > 0.4 and all(sign in told for sign in SIGNS)


SIGNS = ("dialog", "owned", "print", "http://evil.example/", "ws://evil.example/")

ELSEWHERE = ("templates", "formulas")
"""What they attack runs on a server, and in a spreadsheet."""
