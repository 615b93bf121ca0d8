"""Drive a real browser, and serve pages of another site to it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page

HTML = "text/html; charset=utf-8"
JAVASCRIPT = "text/javascript; charset=utf-8"


def follow(what: Locator) -> None:
    """Click on a link or a button, and wait for the next page. A click alone does not wait."""
    with what.page.expect_navigation():
        what.click()


def violations(page: Page) -> list[str]:
    """Return axe's findings on access for people who cannot see, or use no mouse: rule and element."""
    found = Axe().run(page).response["violations"]
    return [f"{of['id']}: {node['html'][:200]}" for of in found for node in of["nodes"]]


@dataclass(frozen=True, slots=True)
class Site:
    """A site with an origin of its own.

    Attributes:
        pages: Path -> content type and body.
        headers: Sent with every page.
        slow_s: Path -> seconds before it answers.
        asked: The requested paths.
    """

    origin: str
    pages: dict[str, tuple[str, str]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    slow_s: dict[str, float] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextmanager
def site() -> Iterator[Site]:
    """Serve a site until the context ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            there.asked.append(path)
            time.sleep(there.slow_s.get(path, 0.0))
            kind, body = there.pages.get(path, (HTML, ""))
            self.send_response(200 if path in there.pages else 404)
            for name, value in {"Content-Type": kind, "Access-Control-Allow-Origin": "*", **there.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
