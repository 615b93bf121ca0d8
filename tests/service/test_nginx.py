"""The shipped nginx site in front of the service, both real: what an editor does reaches readers in time, what a key guards stays guarded.

The same test of changes runs at the default `cache_s` with `-m long`; its figures stand in docs/benchmarks.md.
"""

import random
import re
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2 as httpx
import orjson
import pytest

from service.settings import hashed
from tests.conftest import ADMIN_KEY
from tests.service.routes.test_articles import FERRY
from tests.service.test_service import assert_problem
from tests.support.archive import SUBJECTS, records
from tests.support.nginx_server import Nginx, nginx_before
from tests.support.served import Served, served

LIST = "/v1/articles/harbour-0/related"
TRUSTED = ("--trusted-proxies", "127.0.0.1")


@contextmanager
def site(index: Path, folder: Path, *flags: str) -> Iterator[tuple[Served, Nginx]]:
    with served(index, *TRUSTED, *flags) as service, nginx_before(service.address, folder / "nginx") as nginx:
        yield service, nginx


@pytest.fixture
def index(index_dir: Path, tmp_path: Path) -> Path:
    shutil.copytree(index_dir, tmp_path / "index", ignore=shutil.ignore_patterns("live.db*"))
    return tmp_path / "index"


Body = tuple[int, str]


@dataclass
class Version:
    """An answer of the service while nobody changed it.

    Attributes:
        ended: When it was another, on the monotonic clock.
    """

    body: Body
    ended: float = float("inf")


@dataclass
class Watched:
    """Addresses that readers look at through nginx, and all that the service itself ever answered there."""

    urls: list[str]
    history: dict[str, list[Version]] = field(default_factory=dict)
    seen: list[tuple[float, str, Body, str]] = field(default_factory=list)

    def note(self, service: httpx.Client, changed: float) -> None:
        """Ask the service itself.

        Args:
            changed: When the last change was acknowledged.
        """
        for url in self.urls:
            versions = self.history.setdefault(url, [])
            body = body_of(service.get(url))
            if not versions or versions[-1].body != body:
                if versions:
                    versions[-1].ended = changed
                versions.append(Version(body))

    def read(self, nginx: Nginx, stop: threading.Event) -> None:
        with nginx.client() as reader:
            while not stop.is_set():
                for url in self.urls:
                    began = time.monotonic()
                    answer = reader.get(url)
                    if answer.status_code != 504:  # on a busy machine the service misses nginx's deadline, which is outdated for nobody
                        self.seen.append((began, url, body_of(answer), answer.headers.get("x-cache", "")))
                    time.sleep(0.01)

    def lags(self) -> list[float]:
        """Return the ages of outdated answers: seconds from the change to the request."""
        ages = []
        for began, url, body, _ in self.seen:
            ended = [version.ended for version in self.history[url] if version.body == body]
            assert ended, f"{url} was never answered so: {body}"
            ages.append(began - max(ended))
        return [age for age in ages if age > 0]


def body_of(answer: httpx.Response) -> Body:
    return answer.status_code, re.sub(r'"request_id":"\w+"', "", answer.text)


class Editor:
    """Withdraws, pins, blocks and puts, at random."""

    def __init__(self, client: httpx.Client, listed: list[str], chance: random.Random) -> None:
        self._client = client
        self._listed = listed
        self._chance = chance
        self._there = [record["id"] for record in records()]
        self._gone: list[str] = []
        self._n_put = 0

    def change(self) -> str:
        """Return the kind of the change, when it is acknowledged."""
        kind = self._chance.choice(["withdraw", "pin", "block", "hide", "put", "put again", "take back"])
        on = self._chance.choice(self._listed)
        if kind == "withdraw" and len(self._there) > 20:
            answer = self._client.delete(f"/v1/articles/{self._taken(self._there, self._gone)}")
        elif kind == "put again" and self._gone:
            answer = self._put(self._taken(self._gone, self._there))
        elif kind in ("pin", "block", "hide"):
            other = self._chance.choice(self._items(on) if kind == "block" and self._items(on) else self._there)
            words: dict[str, dict[str, Any]] = {
                "pin": {"pins": [{"article_id": other, "slot": self._chance.randint(1, 4)}]},
                "block": {"blocks": [{"article_id": other}]},
                "hide": {"everywhere": True},
            }
            answer = self._client.put(f"/v1/articles/{other if kind == 'hide' else on}/overrides", json=words[kind])
        elif kind == "take back":
            answer = self._client.delete(f"/v1/articles/{on}/overrides")
        else:
            self._n_put += 1
            self._there.append(f"new-{self._n_put}")
            answer = self._put(self._there[-1])
        assert answer.status_code in (200, 201, 204, 410), answer.text  # 410: overrides of what was withdrawn
        return kind

    def _taken(self, source: list[str], target: list[str]) -> str:
        target.append(source.pop(self._chance.randrange(len(source))))
        return target[-1]

    def _put(self, article_id: str) -> httpx.Response:
        words = SUBJECTS[self._chance.choice(list(SUBJECTS))].split()
        text = " ".join(self._chance.choices(words, k=30))
        return self._client.put(f"/v1/articles/{article_id}", json={**FERRY, "title": f"Put {article_id}", "text": text, "url": None})

    def _items(self, article_id: str) -> list[str]:
        answer = self._client.get(f"/v1/articles/{article_id}/related")
        return [item["id"] for item in answer.json().get("items", ())]


@pytest.mark.parametrize(
    ("cache_s", "changes", "pause_s"), [(6, 12, 0.3), pytest.param(None, 100, 1.5, marks=pytest.mark.long, id="100 changes")]
)
def test_every_change_is_seen_in_time(index: Path, tmp_path: Path, cache_s: int | None, changes: int, pause_s: float) -> None:
    """A request that is sent `cache_s` after a change, or later, never gets the answer from before it."""
    flags = () if cache_s is None else ("--cache-s", str(cache_s))
    limit_s = cache_s or 60
    listed = ["harbour-0", "garden-2", "election-1", "new-1"]
    paths = [f"/v1/articles/{id_}/related" for id_ in listed]
    queries = ["", "?limit=50", "?format=html&limit=9", "?format=jsonld", "?limit=4&fields=title,url", "?fallback=true&min_score=0.9"]
    urls = [path + query for path in paths for query in queries]
    urls += [f"/v1/related?url={quote('https://example.org/harbour/0', safe='')}", "/v1/related?id=garden-2&limit=50"]
    watched, stop = Watched(urls), threading.Event()
    kinds: Counter[str] = Counter()
    with site(index, tmp_path, *flags) as (service, nginx), service.client() as direct:
        editor = Editor(direct, listed[:3], random.Random(8))
        watched.note(direct, time.monotonic())
        readers = [threading.Thread(target=watched.read, args=(nginx, stop)) for _ in range(2)]
        for reader in readers:
            reader.start()
        try:
            for _ in range(changes):
                time.sleep(pause_s)
                kinds[editor.change()] += 1
                watched.note(direct, time.monotonic())
            time.sleep(limit_s + 2)
        finally:
            stop.set()
            for reader in readers:
                reader.join(30)
        timeouts = nginx.errors.count("upstream timed out")
    lags = watched.lags()
    late = [lag for lag in lags if lag > limit_s]
    cached = Counter(cache for *_, cache in watched.seen)
    n_versions = sum(map(len, watched.history.values())) - len(urls)
    print(
        f"{changes} changes {dict(kinds)} of {n_versions} answers; {len(watched.seen)} read {dict(cached)}; {len(lags)} outdated, ", end=""
    )
    print(f"at most {max(lags):.1f} s; {len(late)} later than {limit_s} s; {timeouts} timeouts")
    assert n_versions > changes
    assert cached["HIT"] > len(watched.seen) / 2, "it is the cache that is looked at"
    assert lags, "something outdated was seen, so the watch sees it"
    assert not late, (len(late), max(late))


def test_what_changes_by_itself_changes_on_time(index: Path, tmp_path: Path) -> None:
    """After the end of an embargo or a pin, no request gets the list from before it."""
    with site(index, tmp_path) as (service, nginx), service.client() as direct, nginx.client() as reader:
        now = datetime.now(UTC).replace(microsecond=0)
        embargo, until = now + timedelta(seconds=6), now + timedelta(seconds=9)
        soon = {**FERRY, "title": "Soon", "published": embargo.isoformat()}
        assert direct.put("/v1/articles/soon", json=soon).status_code == 201
        pins = [{"article_id": "garden-2", "slot": 1, "until": until.isoformat()}]
        assert direct.put("/v1/articles/harbour-0/overrides", json={"pins": pins}).status_code == 200
        cached: set[str] = set()
        n_before = n_after = 0
        while (began := datetime.now(UTC)) < until + timedelta(seconds=1):
            answer = reader.get(f"{LIST}?limit=50")
            ended = datetime.now(UTC)
            ids = [item["id"] for item in answer.json()["items"]]
            cached.add(answer.headers["x-cache"])
            for moment, is_new in ((embargo, "soon" in ids), (until, ids[0] != "garden-2")):
                assert is_new or began < moment, f"{(began - moment).total_seconds()} s late, {dict(answer.headers)}"
                assert not is_new or ended >= moment
                n_before, n_after = n_before + (not is_new), n_after + is_new
            time.sleep(0.05)
        assert n_before > 0 < n_after
        assert "HIT" in cached


def test_what_a_key_reads_nobody_else_gets(index: Path, tmp_path: Path) -> None:
    urls = [LIST, f"{LIST}?format=html", "/v1/related?id=harbour-0", "/v1/articles/harbour-0", "/v1/widget", "/v1/index"]
    with site(index, tmp_path, "--read-keys", hashed("reader")) as (_, nginx), nginx.client() as reader:
        for url in urls:
            for headers in ({"Authorization": "Bearer reader"}, {"X-API-Key": "reader"}):
                for _ in range(2):
                    answer = reader.get(url, headers=headers)
                    assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-store"), url
                    assert answer.headers["x-cache"] == "BYPASS"
            for headers in ({}, {"X-API-Key": "wrong"}, {"X-API-Key": "0"}):
                refused = reader.get(url, headers=headers)
                assert_problem(refused, 401, "key_needed")
                assert refused.headers["cache-control"] == "private, no-store"
        script = [reader.get("/static/related-articles.js") for _ in range(2)]
        assert [answer.headers["x-cache"] for answer in script] == ["MISS", "HIT"]
        assert "private" not in script[0].headers["cache-control"]


def test_a_key_sees_the_service_where_reading_is_open(index: Path, tmp_path: Path) -> None:
    with site(index, tmp_path) as (service, nginx), service.client() as direct, nginx.client() as reader:
        assert [reader.get(LIST).headers["x-cache"] for _ in range(2)] == ["MISS", "HIT"]
        assert direct.put("/v1/articles/harbour-0/overrides", json={"pins": [{"article_id": "garden-2", "slot": 1}]}).status_code == 200
        for headers in ({"Authorization": "Bearer any"}, {"X-API-Key": "any"}):
            answer = reader.get(LIST, headers=headers)
            assert answer.headers["x-cache"] == "BYPASS"
            assert answer.json()["items"][0]["id"] == "garden-2"
        tag = answer.headers["etag"]
        assert reader.get(LIST).headers["etag"] != tag, "what a key holder got was not kept for others"


def test_a_reader_cannot_choose_the_address_that_is_counted(index: Path, tmp_path: Path) -> None:
    with site(index, tmp_path, "--rate", "5/minute") as (_, nginx), nginx.client("127.0.0.2") as one, nginx.client("127.0.0.3") as other:
        forged = [{"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}"} for number in range(8)]
        assert [one.get("/v1/index", headers=headers).status_code for headers in forged] == [200] * 5 + [429] * 3
        assert [other.get("/v1/index").status_code for _ in range(6)] == [200] * 5 + [429], "each address has a count of its own"


def test_the_site_is_named_as_its_readers_name_it(index: Path, tmp_path: Path) -> None:
    with site(index, tmp_path) as (_, nginx), nginx.client() as reader:
        for host in ("www.example.org", "gazette.example:8080"):
            for forged in ({}, {"X-Forwarded-Proto": "gopher", "X-Forwarded-Host": "evil.example"}):
                answer = reader.get("/v1/widget", headers={"Host": host, **forged})
                assert answer.json()["src"] == f"http://{host}/static/related-articles.js"
                assert answer.headers["cache-control"] == "no-store"


def test_a_page_of_another_site_gets_what_a_server_asked_for_first(index: Path, tmp_path: Path) -> None:
    origins = ("https://www.example.org", "https://sport.example.org")
    with site(index, tmp_path, "--cors-origins", ",".join(origins)) as (_, nginx), nginx.client() as reader:
        for url in (f"{LIST}?limit=4&fields=title,url", "/static/related-articles.js"):
            assert "access-control-allow-origin" in reader.get(url).headers or url.startswith("/v1")
            for origin in origins * 2:
                answer = reader.get(url, headers={"Origin": origin})
                assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)
            assert answer.headers["x-cache"] == "HIT"


def test_texts_and_writes_go_through_and_may_take_their_time(index: Path, tmp_path: Path) -> None:
    admin = {"X-API-Key": ADMIN_KEY}
    with site(index, tmp_path) as (service, nginx), nginx.client(headers=admin) as client:
        assert client.post("/v1/related", json={"title": "Ship", "text": "Ship pier. " * 15_000}).status_code == 200
        assert client.post("/v1/related", content=b"Ship pier.", headers={"content-type": "text/plain"}).status_code == 200
        line = orjson.dumps({"id": "a/related", **FERRY})
        assert client.post("/v1/articles/batch", content=line, headers={"content-type": "application/x-ndjson"}).status_code == 200
        assert client.get("/v1/related?id=a/related").status_code == 200
        with paused(service, 1.5), nginx.client() as reader:
            began = time.monotonic()
            assert reader.get("/v1/articles/garden-6/related").status_code == 504
            assert time.monotonic() - began < 1.5, "a page does not wait"
            assert client.put("/v1/articles/slow", json={**FERRY, "url": None}).status_code == 201
        assert client.delete("/v1/articles/slow").status_code == 204
        assert client.get("/v1/articles/slow/related").status_code == 410


def test_without_the_service_readers_get_the_last_list_for_some_time(index: Path, tmp_path: Path) -> None:
    with site(index, tmp_path, "--cache-s", "4") as (service, nginx), service.client() as direct, nginx.client() as reader:
        before = reader.get(LIST).json()
        with paused(service, 5):
            time.sleep(4)
            answer = reader.get(LIST)
            assert (answer.headers["x-cache"], answer.json()) == ("STALE", before)
        until = datetime.now(UTC) + timedelta(seconds=8)
        assert direct.put("/v1/articles/soon", json={**FERRY, "url": None, "published": until.isoformat()}).status_code == 201
        assert reader.get(f"{LIST}?limit=4").status_code == 200
        service.process.kill()
        service.process.wait(20)
        while datetime.now(UTC) < until:
            time.sleep(0.1)
        assert reader.get(LIST).status_code == 200
        assert reader.get(f"{LIST}?limit=4").status_code == 502, "no longer than until the list would have changed"


@contextmanager
def paused(service: Served, seconds: float) -> Iterator[None]:
    """The service does not answer for some time."""
    service.process.send_signal(signal.SIGSTOP)
    wakes = threading.Timer(seconds, service.process.send_signal, (signal.SIGCONT,))
    wakes.start()
    try:
        yield
    finally:
        wakes.join()
