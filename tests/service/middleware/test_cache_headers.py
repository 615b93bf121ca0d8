"""How long caches may keep what the service answers, and what answers that are kept take."""

import gc
import re
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from index.build import build_index
from service.http import answer_cache
from service.http.answer_cache import KeptAnswers
from service.middleware.request_context import cache_control
from service.settings import hashed
from tests.conftest import client_of
from tests.service.routes.test_articles import FERRY
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

LIST = "/v1/articles/harbour-4/related"
LISTS = (LIST, f"{LIST}?format=html", f"{LIST}?format=jsonld&limit=3", "/v1/related?id=harbour-4", "/static/related-articles.js")
DEFAULT = "public, max-age=0, s-maxage=48, stale-while-revalidate=5, stale-if-error=600"


def seconds_of(header: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"([a-z-]+)=(\d+)", header)}


@pytest.mark.parametrize("cache_s", [0, 1, 2, 3, 11, 12, 60, 61, 3600, 604_800])
@pytest.mark.parametrize("left_s", [-5, 0, 0.5, 2.9, 3, 12, 59.9, 60, 61, 300, 700, 10_000, 1e9, float("inf")])
def test_the_sum_of_all_lifetimes_is_kept(cache_s: int, left_s: float) -> None:
    given = seconds_of(cache_control(cache_s, left_s))
    seen_s = given["s-maxage"] + 2 * given["stale-while-revalidate"] + 2  # a shared cache, then a browser, each stale for a while
    assert given["max-age"] == 0
    assert seen_s <= max(2, cache_s)
    assert given["s-maxage"] == 0 or seen_s <= left_s
    assert given["stale-if-error"] <= 600
    assert given["stale-if-error"] == 0 or seen_s + given["stale-if-error"] <= left_s
    if cache_s >= 12 and left_s >= cache_s:
        assert given["s-maxage"] >= 0.8 * cache_s - 3, "no shorter than it has to be"


def test_every_list_is_asked_for_again(client: TestClient) -> None:
    for url in LISTS:
        answer = client.get(url)
        assert answer.headers["cache-control"] == DEFAULT, url
        again = client.get(url, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content, again.headers["cache-control"]) == (304, b"", DEFAULT)
        assert "vary" not in answer.headers


def test_what_names_no_lifetime_is_not_kept(client: TestClient) -> None:
    unkept = [
        "/",
        "/v1/widget",
        "/v1/widget?format=html",
        "/v1/index",
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/nowhere",
    ]
    unkept += ["/v1/articles/nothing/related", "/v1/articles/harbour-4", f"{LIST}?limitt=3"]
    for url in unkept:
        assert client.get(url).headers["cache-control"] == "no-store", url
    client.delete("/v1/articles/none-such")
    assert client.post("/v1/related", json={"text": "ship"}).headers["cache-control"] == "no-store"
    assert client.get("/static/page.css").headers["cache-control"] == "no-cache", "it has a tag"


def test_operators_may_keep_lists_longer_and_shorter(index_dir: Path) -> None:
    for cache_s, fresh, stale in ((3600, 2998, 300), (10, 8, 0), (0, 0, 0)):
        with client_of(index_dir, HashEmbedder(), cache_s=cache_s) as client:
            given = seconds_of(client.get(LIST).headers["cache-control"])
            assert (given["s-maxage"], given["stale-while-revalidate"], given["max-age"]) == (fresh, stale, 0)


def test_with_read_keys_no_cache_keeps_anything(index_dir: Path) -> None:
    with client_of(index_dir, HashEmbedder(), read_keys=(hashed("reader"),)) as client:
        for url in (*LISTS[:-1], "/", "/v1/articles/harbour-4", "/static/page.css", "/nowhere", "/v1/widget", "/desk", "/openapi.json"):
            for headers in ({"Authorization": "Bearer reader"}, {"Authorization": "Bearer wrong"}, {}):
                assert client.get(url, headers=headers).headers["cache-control"] == "private, no-store", url
        for _ in range(2):
            assert client.get(LIST).headers["cache-control"] == "private, no-store", "a kept answer, too"
        assert client.get("/static/related-articles.js").headers["cache-control"] == DEFAULT
        assert client.get("/readyz").headers["cache-control"] == "no-store"


def test_lists_differ_by_site_where_sites_are_listed(index_dir: Path) -> None:
    with client_of(index_dir, HashEmbedder(), cors_origins=("https://www.example.org",)) as client:
        for url in LISTS:
            for headers in ({}, {"Origin": "https://www.example.org"}, {"Origin": "https://evil.example"}):
                answer = client.get(url, headers=headers)
                assert answer.headers["vary"] == "Origin"
                assert client.get(url, headers={**headers, "If-None-Match": answer.headers["etag"]}).headers["vary"] == "Origin"


def test_no_list_is_kept_beyond_the_end_of_an_embargo_a_pin_or_a_block(tmp_path: Path) -> None:
    def ahead(seconds: float) -> str:
        return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()

    def left(client: TestClient) -> float:
        """At most, when the answer was made."""
        given = seconds_of(client.get(LIST).headers["cache-control"])
        total = given["s-maxage"] + 2 * given["stale-while-revalidate"] + given["stale-if-error"] + 2
        return total if given["s-maxage"] < 48 or given["stale-if-error"] < 600 else float("inf")

    soon = {"id": "soon", "title": "Soon", "text": "A ferry.", "published": ahead(3000)}
    build_index([str(write_jsonl(tmp_path / "a.jsonl", [*records(8), soon]))], tmp_path / "index", HashEmbedder())
    with client_of(tmp_path / "index", HashEmbedder()) as client:
        assert left(client) == float("inf"), "far ahead"
        on = "/v1/articles/garden-2/overrides"
        changes: list[tuple[float, Callable[[str], Any]]] = [
            (500, lambda at: client.put(on, json={"pins": [{"article_id": "harbour-0", "slot": 1, "until": at}]})),
            (400, lambda at: client.put(on, json={"blocks": [{"section": "garden", "until": at}]})),
            (300, lambda at: client.put(on, json={"everywhere": True, "everywhere_until": at})),
            (40, lambda at: client.put("/v1/articles/later", json={**FERRY, "published": at})),
            (12, lambda at: client.put("/v1/articles/sooner", json={**FERRY, "published": at, "url": None})),
        ]
        for seconds, change in changes:
            assert change(ahead(seconds)).status_code in (200, 201)
            assert seconds - 10 < left(client) <= seconds
        assert seconds_of(client.get(LIST).headers["cache-control"])["s-maxage"] <= 10
    soon["published"] = ahead(15)
    build_index([str(write_jsonl(tmp_path / "a.jsonl", [*records(8), soon]))], tmp_path / "index", HashEmbedder())
    with client_of(tmp_path / "index", HashEmbedder()) as client:
        assert 5 < left(client) <= 15, "of the release itself"


def test_a_list_changes_its_tag_when_it_changes_by_itself(tmp_path: Path) -> None:
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=7)
    soon = {"id": "soon", "title": "Soon", "text": "A ferry ship pier.", "published": moment.isoformat()}
    build_index([str(write_jsonl(tmp_path / "a.jsonl", [*records(8), soon]))], tmp_path / "index", HashEmbedder())
    url = f"{LIST}?limit=50"
    with client_of(tmp_path / "index", HashEmbedder()) as one, client_of(tmp_path / "index", HashEmbedder()) as other:
        first = one.get(url)
        assert "soon" not in first.text
        tag = {"If-None-Match": first.headers["etag"]}
        while datetime.now(UTC) < moment - timedelta(seconds=2):
            time.sleep(0.1)
        if datetime.now(UTC) < moment - timedelta(seconds=1):
            whole = one.get(url, headers=tag)
            assert (whole.status_code, whole.headers["etag"]) == (200, first.headers["etag"]), "no 304 that a cache would keep too long"
        while datetime.now(UTC) < moment:
            time.sleep(0.01)
        after = one.get(url, headers=tag)
        assert after.status_code == 200
        assert "soon" in after.text
        assert after.headers["cache-control"] == DEFAULT
        assert other.get(url).headers["etag"] == after.headers["etag"], "all workers name it the same"
        with client_of(tmp_path / "index", HashEmbedder()) as later:
            assert later.get(url).headers["etag"] == after.headers["etag"], "one that began later, too"


@pytest.mark.parametrize("length", [0, 400])
def test_kept_answers_count_what_they_take(index_dir: Path, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    """By the interpreter's own count of memory, with short addresses and with some of 8 KiB."""
    made: list[Any] = []
    begin = KeptAnswers.__init__

    def noted(self: KeptAnswers, *args: Any, **named: Any) -> None:
        begin(self, *args, **named)
        made.append(self)

    monkeypatch.setattr(KeptAnswers, "__init__", noted)
    n = 300
    with client_of(index_dir, HashEmbedder()) as client:

        def ask(numbers: range) -> None:
            for number in numbers:
                excluded = "".join(f"&exclude={number}-{place}{'x' * length}" for place in range(18 if length else 1))
                assert client.get(f"{LIST}?limit=1&fields=title{excluded}").status_code == 200

        ask(range(20))
        (answers,) = made
        counted = answers._bytes
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        ask(range(20, 20 + n))
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        counted = answers._bytes - counted
        print(f"an answer takes {taken / n:.0f} bytes, {counted / n:.0f} are counted")
        assert taken / n > 18 * length
        assert 0.75 * taken < counted < 1.5 * taken
        monkeypatch.setattr(answer_cache, "MOST_BYTES", answers._bytes // 2)
        ask(range(1000, 1001))
        assert answers._bytes <= answer_cache.MOST_BYTES
        assert len(answers._kept) <= (n + 21) // 2 + 1
