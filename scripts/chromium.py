"""Start a real browser, for tests and pictures."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from recommender.errors import InputError


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Debian's Chromium without a window.

    Raises:
        InputError: Chromium is not installed.
    """
    path = shutil.which("chromium")
    if path is None:
        raise InputError("chromium is not installed - run make programs")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
