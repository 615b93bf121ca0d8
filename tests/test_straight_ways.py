"""A list by id passes few files and calls of ours, by the library and over HTTP."""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from index.build import build_index
from recommender import Recommender
from service.app import create_app
from service.settings import Settings
from tests.conftest import ROOT, shared
from tests.support.hash_embedder import HashEmbedder

MOST_FILES, MOST_CALLS = 15, 150
"""Most of our files and calls for a list that is not cached."""

OURS = tuple(f"{ROOT / package}/" for package in ("recommender", "index", "service"))
WARM, MEASURED = 10, 40

Calls = Counter[tuple[str, str]]
"""File and function -> how often it was called."""


@contextmanager
def counted() -> Iterator[Calls]:
    """Count the calls of our functions, steps of generators and comprehensions included."""
    calls: Calls = Counter()

    def profile(frame: Any, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(OURS):
            calls[code.co_filename.removeprefix(f"{ROOT}/"), code.co_qualname] += 1

    sys.setprofile(profile)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def check(of_lists: list[Calls]) -> None:
    files = max((sorted({file for file, _ in calls}) for calls in of_lists), key=len)
    calls = max(of_lists, key=lambda calls: calls.total())
    assert len(files) <= MOST_FILES, f"{len(files)} files: {files}"
    assert calls.total() <= MOST_CALLS, f"{calls.total()} calls: {calls.most_common()}"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive") / "index"
    build_index([str(shared("chameleon.jsonl"))], folder, HashEmbedder())
    return folder


@pytest.fixture(scope="module")
def ids(archive: Path) -> list[str]:
    with Recommender.open(archive) as recommender:
        return [recommender.catalogue.card(row).id for row in range(WARM + MEASURED)]


def test_a_list_by_id_in_the_library(archive: Path, ids: list[str]) -> None:
    with Recommender.open(archive) as recommender:
        of_lists = []
        for article_id in ids:
            with counted() as calls:
                assert len(recommender.related(article_id)) == 5
            of_lists.append(calls)
    check(of_lists[WARM:])


def test_a_list_by_id_over_http(archive: Path, ids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    get = requests_to(archive)
    of_lists = []
    for article_id in ids:
        status, calls = get(f"/v1/articles/{article_id}/related")
        assert status == 200
        of_lists.append(calls)
    check(of_lists[WARM:])


def test_a_request_for_no_article_is_resolved_once(archive: Path) -> None:
    get = requests_to(archive)
    for _ in range(2):
        status, calls = get("/v1/articles/nothing/related")
    assert status == 404
    by_name = Counter({name: n for (_, name), n in calls.items()})
    assert by_name["Recommender.related_at"] == by_name["Recommender._stored"] == by_name["LiveArticles._begin"] == 1, by_name


def requests_to(index_dir: Path) -> Callable[[str], tuple[int, Calls]]:
    """Return a function that requests a path of a service. It returns the status, and the calls of ours."""
    app = create_app(Settings(index=index_dir))

    async def get(path: str) -> tuple[int, Calls]:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
        scope |= {"headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 80), "scheme": "http"}
        with counted() as calls:
            await app(scope, receive, send)
        return sent[0]["status"], calls

    return lambda path: asyncio.run(get(path))
