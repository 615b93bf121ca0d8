#!/usr/bin/env python3
"""Take the pictures of docs/ in a real browser, in light and dark mode: `make pictures`."""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

from playwright.sync_api import Browser, HttpCredentials, Page, ViewportSize

from recommender.embedding.openvino import ENCODERS
from recommender.errors import InputError, StorageError
from scripts import command
from scripts.chromium import chromium
from scripts.local_server import ROOT, running
from service.settings import hashed, new_key

EXAMPLES = """\
  pictures.py --topics var/demo --gazette var/gazette --out docs
  pictures.py --topics var/demo --gazette var/gazette --out docs --only map --only report
"""
Scheme = Literal["light", "dark"]
SCALE = 1.25
"""Picture pixels per page pixel, for sharp pictures on most screens."""

ARTICLE, PINNED = "102", "113"
TOPIC = "Execution model"
EDITOR = "Harbour desk"


@dataclass(frozen=True, slots=True)
class Scene:
    """The services and files that the pictures show.

    Attributes:
        service: Address of a service of the gazette's index, without any pins yet.
        key: Its admin key.
        site: Address of another site, which serves `folder`.
        topics: Index of Python's help topics.
        folder: For intermediate files.
    """

    service: str
    key: str
    site: str
    topics: Path
    folder: Path

    def page_of(self, script: str, *arguments: str) -> str:
        """Return the address of a page that another script makes of the help topics. The page is made once."""
        path = self.folder / f"{script}.html"
        if not path.exists():
            line = [sys.executable, f"scripts/{script}.py", "--index", str(self.topics.resolve()), *arguments, str(path)]
            subprocess.run(line, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        return path.as_uri()


def home(page: Page, scene: Scene) -> None:
    page.goto(f"{scene.service}/?id={ARTICLE}")


def widget(page: Page, scene: Scene) -> None:
    """Show the page on which the tutorial embeds a list."""
    tutorial = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    found = re.search(r"^```html\n(<!doctype html>.*?)^```$", tutorial, re.DOTALL | re.MULTILINE)
    tag = re.match(r"<script .*?</script>", page.request.get(f"{scene.service}/v1/widget?format=html").text())
    if not found or not tag:
        raise InputError("the tutorial shows no page, or the service no script - see docs/tutorial.md and /v1/widget")
    html = re.sub(r"<script .*?</script>", lambda _: tag[0], found[1])
    (scene.folder / "strike.html").write_text(html, encoding="utf-8")
    page.goto(f"{scene.site}/strike.html")
    page.locator("related-articles a").first.wait_for()


def desk(page: Page, scene: Scene) -> None:
    """Show a list with a pinned line, and the reason for the first line."""
    pins = {"pins": [{"article_id": PINNED, "slot": 2}], "reason": "commuters went round by the bridge", "owner": EDITOR}
    address, headers = f"{scene.service}/v1/articles/{ARTICLE}/overrides", {"Authorization": f"Bearer {scene.key}"}
    if not page.request.get(address, headers=headers).json()["pins"]:  # one pin makes one entry in the audit trail
        page.request.put(address, headers=headers, data=pins, fail_on_status_code=True)
    page.goto(f"{scene.service}/desk/article?id={ARTICLE}")


def map_(page: Page, scene: Scene) -> None:
    page.goto(scene.page_of("map", "--out"))
    page.get_by_label("Find words of a title").fill(TOPIC)
    page.locator("#found").get_by_role("button", name=TOPIC).click()
    page.reload()  # the address names the article; reloading drops the words


def report(page: Page, scene: Scene) -> None:
    page.goto(scene.page_of("evaluate", "--report"))


PICTURES: dict[str, tuple[Callable[[Page, Scene], None], ViewportSize]] = {
    "list": (home, {"width": 960, "height": 540}),
    "widget": (widget, {"width": 640, "height": 560}),
    "desk": (desk, {"width": 960, "height": 640}),
    "map": (map_, {"width": 960, "height": 600}),
    "report": (report, {"width": 960, "height": 700}),
}
"""Name -> the scene of a picture, and its size before `SCALE`."""


def main(arguments: argparse.Namespace) -> None:
    if not arguments.out.is_dir():
        raise StorageError(f"{arguments.out} is no folder - give one that is there")
    with TemporaryDirectory() as folder:
        index = Path(folder) / "gazette"
        shutil.copytree(arguments.gazette, index, ignore=shutil.ignore_patterns("live.db*", "cache", ENCODERS))
        key = new_key()
        site = (sys.executable, "-m", "http.server", "{port}", "--bind", "127.0.0.1", "--directory", folder)
        service = (sys.executable, "scripts/serve.py", "--index", str(index), "--port", "{port}", "--admin-keys", hashed(key))
        with (
            running(site, "/") as (site_address, *_),
            running([*service, "--cors-origins", site_address]) as (address, *_),
            chromium() as browser,
        ):
            scene = Scene(address, key, site_address, arguments.topics, Path(folder))
            for name in arguments.only or PICTURES:
                for scheme in get_args(Scheme):
                    print(taken(browser, name, scheme, scene, arguments.out))


def taken(browser: Browser, name: str, scheme: Scheme, scene: Scene, folder: Path) -> str:
    """Take a picture. Return its file name and size."""
    show, size = PICTURES[name]
    credentials: HttpCredentials = {"username": EDITOR, "password": scene.key}
    context = browser.new_context(viewport=size, device_scale_factor=SCALE, color_scheme=scheme, http_credentials=credentials)
    page = context.new_page()
    show(page, scene)
    path = folder / f"{name}{'-dark' if scheme == 'dark' else ''}.png"
    page.screenshot(path=path, animations="disabled")
    context.close()
    return f"{path}: {path.stat().st_size:,} bytes"


if __name__ == "__main__":
    parser = command.parser("pictures.py", __doc__, EXAMPLES)
    parser.add_argument("--topics", type=Path, required=True, metavar="DIR", help="index of Python's help topics")
    parser.add_argument("--gazette", type=Path, required=True, metavar="DIR", help="index of examples/wordpress.xml")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the pictures")
    parser.add_argument("--only", action="append", default=[], choices=PICTURES, help="this picture alone; may be repeated")
    command.run(main, parser)
