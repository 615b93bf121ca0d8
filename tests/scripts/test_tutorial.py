"""The tutorial, as a reader goes through it: every command in one shell, the files it shows, and a browser where it says to look."""

import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as TooLate

from tests.support.browser import follow
from tests.support.shell import ROOT, Shell, free_ports, fresh_checkout, until_it_listens

TUTORIAL = ROOT / "docs" / "tutorial.md"
PIECE = re.compile(r"^## (?P<heading>[^\n]+)$|^```(?P<language>\w*)\n(?P<block>.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`([\w/]+\.(?:html|json))`")
CAPTAINS = "Ferry captains vote to strike over night sailings"
BRIDGE = "Swing bridge reopens, a day later than planned"
HASH = re.compile(r'sha384-[^"…]+')


@dataclass(frozen=True, slots=True)
class Step:
    """What a reader does next.

    Attributes:
        what: "look" at the end of a section, "run" a block, or the path of a file that the block is written to.
        shown: What the tutorial says is printed; None if it does not say.
    """

    section: str
    what: str
    block: str = ""
    shown: str | None = None


def steps(text: str) -> list[Step]:
    """The tutorial's blocks in order, and a look around where a section ends."""
    found: list[Step] = []
    section, end = "", 0
    for piece in PIECE.finditer(text):
        before, end = text[end : piece.start()].strip(), piece.end()
        if piece["heading"]:
            found.append(Step(section, "look"))
            section = piece["heading"]
        elif piece["language"] == "sh":
            found.append(Step(section, "run", piece["block"]))
        elif not before:  # directly under a command: what it prints
            found[-1] = Step(section, "run", found[-1].block, piece["block"])
        else:
            found.append(Step(section, NAMED.findall(before.split("\n\n")[-1])[-1], piece["block"]))
    return [*found, Step(section, "look")]


@pytest.fixture
def checkout(tmp_path: Path, demo_index: Path) -> Path:
    return fresh_checkout(tmp_path, demo_index, "var/index")


@pytest.fixture
def ports() -> tuple[int, int]:
    """The service's and the site's."""
    return free_ports()


@pytest.fixture
def shell(checkout: Path, ports: tuple[int, int]) -> Iterator[Shell]:
    opened = Shell(checkout, {"PYTHONPATH": str(ROOT), "READMORE_PORT": str(ports[0])})
    yield opened
    opened.end()


def test_the_tutorial_does_what_it_says(browser: Browser, checkout: Path, shell: Shell, ports: tuple[int, int]) -> None:
    service, site = (f"http://127.0.0.1:{port}" for port in ports)
    text = TUTORIAL.read_text(encoding="utf-8").replace("http://127.0.0.1:8000", service)
    text = text.replace("http://127.0.0.1:8080", site).replace("8080", str(ports[1]))
    page = browser.new_page()

    def on_the_service() -> None:
        page.goto(service)
        page.get_by_role("navigation", name="Articles").get_by_role("link", name="Ferries stay in port").click()
        assert page.get_by_role("heading", name="Made by hand").is_visible()

    def on_a_page() -> None:
        until_it_listens(ports[1])
        page.goto(f"{site}/strike.html")
        assert titles_under(page)[0] == CAPTAINS

    def at_the_desk() -> None:
        pin(browser, service, (checkout / "key.txt").read_text().split()[1])
        page.reload()
        assert titles_under(page)[:2] == [BRIDGE, CAPTAINS]

    def when_all_is_stopped() -> None:
        assert titles_under(page)[0] == BRIDGE
        with pytest.raises(ConnectionRefusedError):
            until_it_refuses(ports[0])

    looks: dict[str, Callable[[], None]] = {
        "5. Serve": on_the_service,
        "6. On a page": on_a_page,
        "7. The editor's word": at_the_desk,
        "9. Build again": when_all_is_stopped,
    }
    looked, integrity = [], ""
    for step in steps(text):
        if step.what == "run":
            printed = shell.run(step.block, step.shown)
            integrity = next(iter(HASH.findall(printed)), integrity)
        elif step.what == "look":
            if step.section in looks:
                looked.append(step.section)
                looks[step.section]()
        else:
            path = checkout / step.what
            path.parent.mkdir(exist_ok=True)
            path.write_text(step.block.replace("sha384-…", integrity), encoding="utf-8")
    assert looked == list(looks)


def titles_under(page: Page) -> list[str]:
    """Of the four links; on a machine with much else to do the service may answer too late for the page, which then shows none."""
    links = page.locator("related-articles a")
    for _ in range(20):
        try:
            links.nth(3).wait_for(timeout=3_000)
        except TooLate:
            page.reload()
        else:
            return links.all_inner_texts()
    raise AssertionError("the page shows no list")


def pin(browser: Browser, service: str, key: str) -> None:
    """What section 7 has an editor do."""
    desk: Page = browser.new_context(http_credentials={"username": "Ann", "password": key}).new_page()
    desk.goto(f"{service}/desk")
    desk.get_by_label("Find an article").fill("102")
    follow(desk.get_by_role("button", name="Find"))
    follow(desk.get_by_role("link", name="Ferries stay in port"))
    form = desk.get_by_role("form", name="Pin another article")
    form.get_by_label("Pin another article, by id or URL").fill("113")
    follow(form.get_by_role("button", name="Pin it"))
    desk.get_by_text("It is pinned.").wait_for()
    assert "Ann" in desk.get_by_role("region", name="Change history").inner_text()


def until_it_refuses(port: int) -> None:
    while True:
        socket.create_connection(("127.0.0.1", port)).close()
        time.sleep(0.05)
