"""Services on several machines and one PostgreSQL: real processes, real sockets, a real server that is killed."""

import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import psycopg
import pytest

from index.build import build_index
from index.remote.pull_release import pull
from index.remote.push_release import push
from index.remote.store import Store
from index.wings import wings_at
from recommender.live.database import LIVE_DB
from recommender.release.manifest import current_folder
from tests.service.routes.test_articles import FERRY
from tests.service.test_process import wait_until
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder
from tests.support.machines import rows
from tests.support.milvus_server import milvus_server
from tests.support.postgres_server import PASSWORD, WRITTEN, Running
from tests.support.served import Served, served

SOON_S = 1.0
"""Within that, what was said on one machine is to be seen on another; nobody's processor is that busy for so long in every try."""
TRIES = 5
MORE = 8
"""Writes of each that have to be acknowledged before the next blow."""


@pytest.fixture
def address(postgres: Running) -> str:
    """A journal in which nothing was said yet."""
    return postgres.make(uuid4().hex)


@contextmanager
def two_services(index_dir: Path, tmp_path: Path, address: str, *flags: str) -> Iterator[tuple[Served, Served]]:
    """Two with folders of their own, of one release."""
    with ExitStack() as stack:
        folders = [tmp_path / name for name in ("one", "two")]
        for folder in folders:
            if not folder.exists():
                shutil.copytree(index_dir, folder, ignore=shutil.ignore_patterns(f"{LIVE_DB}*"))
        one, two = (stack.enter_context(served(folder, "--live", address, *flags)) for folder in folders)
        yield one, two


def related(client: httpx.Client, article_id: str) -> list[str]:
    return [item["id"] for item in client.get(f"/v1/articles/{article_id}/related?limit=50").json().get("items", ())]


def told(client: httpx.Client, article_id: str) -> list[dict[str, Any]]:
    """Who said what of an article, the last first."""
    history: list[dict[str, Any]] = client.get(f"/v1/articles/{article_id}/overrides").json()["history"]
    return history


def status(client: httpx.Client, article_id: str) -> int:
    return client.get(f"/v1/articles/{article_id}/related").status_code


def test_what_is_said_through_one_is_in_the_answers_of_the_other(index_dir: Path, tmp_path: Path, address: str) -> None:
    took: dict[str, list[float]] = {"put": [], "withdrawn": [], "pinned": []}
    with two_services(index_dir, tmp_path, address) as services, services[0].client() as here, services[1].client() as there:
        older = related(here, "harbour-0")
        for number in range(TRIES):
            name = f"ferry-{number}"
            assert here.put(f"/v1/articles/{name}", json={**FERRY, "url": f"https://example.org/{name}"}).status_code == 201
            took["put"].append(wait_until(lambda name=name: status(there, name) == 200 and related(there, name)))
            assert all(name in related(client, "harbour-0") for client in (here, there)), "both ways"
            pin = {"pins": [{"article_id": name, "slot": 1}]}
            assert there.put("/v1/articles/garden-2/overrides", json=pin).status_code == 200
            assert related(there, "garden-2")[0] == name, "at once where it was said"
            took["pinned"].append(wait_until(lambda name=name: related(here, "garden-2")[0] == name))
            assert there.delete(f"/v1/articles/{name}").status_code == 204
            assert status(there, name) == 410
            took["withdrawn"].append(wait_until(lambda name=name: status(here, name) == 410))
        assert related(here, "harbour-0") == related(there, "harbour-0") == older
        assert there.delete("/v1/articles/garden-2/overrides").status_code == 204
        wait_until(lambda: told(here, "garden-2")[0]["action"] == "delete")
        assert told(here, "garden-2") == told(there, "garden-2")
        assert [entry["action"] for entry in told(there, "garden-2")] == ["delete", *["put"] * TRIES]
    print({what: [round(seconds, 3) for seconds in of] for what, of in took.items()})
    assert all(min(of) < SOON_S for of in took.values()), took


class Writer(threading.Thread):
    """Puts, withdraws and pins through one service until it is told to stop; what is refused it tries again, as a newsroom's system does.

    Attributes:
        said: Id -> title that was acknowledged last; None: it was withdrawn.
        pinned: Reasons of overrides that were acknowledged at the first try.
        refused: Answers and faults of the connection that were no acknowledgement.
    """

    def __init__(self, service: Served, name: str) -> None:
        super().__init__()
        self.said: dict[str, str | None] = {}
        self.pinned: list[str] = []
        self.refused: list[str] = []
        self.n_said = 0
        self.stop = threading.Event()
        self._service, self._own, self._chance = service, name, random.Random(name)

    def run(self) -> None:
        with self._service.client() as client:
            number = 0
            while not self.stop.is_set():
                number += 1
                article_id = f"{self._own}-{self._chance.randrange(8)}"
                kind = self._chance.random()
                if kind < 0.2 and self.said.get(article_id):
                    self._until_it_is_said(client, "DELETE", f"/v1/articles/{article_id}", None)
                    self.said[article_id] = None
                elif kind < 0.4:
                    reason = f"{self._own} {number}"
                    body = {"pins": [{"article_id": "garden-2", "slot": 1}], "reason": reason}
                    if self._until_it_is_said(client, "PUT", "/v1/articles/harbour-4/overrides", body) == 1:
                        self.pinned.append(reason)
                else:
                    title = f"Ferry {self._own} {number}"
                    url = f"https://example.org/{article_id}"
                    self._until_it_is_said(client, "PUT", f"/v1/articles/{article_id}", {**FERRY, "title": title, "url": url})
                    self.said[article_id] = title

    def _until_it_is_said(self, client: httpx.Client, method: str, path: str, body: Any) -> int:
        """How many tries it took."""
        for tries in range(1, 1000):
            try:
                answer = client.request(method, path, json=body)
            except httpx.HTTPError as error:
                self.refused.append(repr(error))
                continue
            if answer.status_code < 300:
                self.n_said += 1
                return tries
            told = answer.json()
            self.refused.append(f"{answer.status_code} {told['code']} {answer.headers.get('retry-after')} {told['detail']}")
            time.sleep(0.05)
        raise AssertionError(self.refused[-1])


class Reader(threading.Thread):
    """Reads lists of a service until it is told to stop."""

    def __init__(self, service: Served) -> None:
        super().__init__()
        self.n, self.wrong = 0, list[str]()
        self.stop = threading.Event()
        self._service = service

    def run(self) -> None:
        with self._service.client() as client:
            while not self.stop.is_set():
                for path in ("/v1/articles/harbour-4/related", "/v1/articles/garden-6", "/v1/articles/harbour-4/overrides", "/readyz"):
                    self.n += 1
                    answer = client.get(path)
                    if answer.status_code != 200:
                        self.wrong.append(f"{path} {answer.status_code} {answer.text}")


@contextmanager
def at_work(*threads: Writer | Reader) -> Iterator[None]:
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.stop.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()


def test_no_acknowledged_write_is_lost_when_postgresql_dies(index_dir: Path, tmp_path: Path, postgres: Running, address: str) -> None:
    with two_services(index_dir, tmp_path, address) as services:
        lose_nothing(services, [tmp_path / "one", tmp_path / "two"], postgres, address)


def lose_nothing(
    services: tuple[Served, Served],
    folders: list[Path],
    postgres: Running,
    address: str,
    before: Mapping[str, str | None] = MappingProxyType({}),
) -> None:
    """Write through both and read from both while PostgreSQL dies twice; in the end all have what was acknowledged, each once."""
    writers = [Writer(service, name) for service, name in zip(services, ("a", "b"), strict=True)]
    readers = [Reader(service) for service in services]
    with at_work(*writers, *readers), services[0].client() as client:
        for die in (postgres.stop, postgres.kill):
            n_said = [writer.n_said for writer in writers]
            wait_until(lambda before=n_said: all(of.n_said > n + MORE for of, n in zip(writers, before, strict=True)))
            n_refused = [len(writer.refused) for writer in writers]
            die()
            wait_until(lambda before=n_refused: all(len(of.refused) > n for of, n in zip(writers, before, strict=True)))
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
            assert "PostgreSQL at 127.0.0.1" in ready.json()["detail"]
            postgres.start()
            wait_until(lambda: client.get("/readyz").json()["status"] == "ready")
        n_said = [writer.n_said for writer in writers]
        wait_until(lambda before=n_said: all(of.n_said > n + MORE for of, n in zip(writers, before, strict=True)))
    refused = [line for writer in writers for line in writer.refused]
    assert refused
    assert all(line.startswith("503 journal_away 5 PostgreSQL, which keeps what is put and said, does not answer") for line in refused)
    for reader in readers:
        assert reader.n > 100
        assert not reader.wrong
    for table in ("article", "override", "override_history"):
        wait_until(lambda table=table: rows(folders[0], table) == rows(folders[1], table))
    wanted = [row[0] for row in rows(folders[0], "article") if not row[3]]
    for folder in folders:
        wait_until(lambda folder=folder: [row[1] for row in rows(folder, "own")] == wanted)
    expected = {**before, **writers[0].said, **writers[1].said}
    with psycopg.connect(address) as connection:
        stored = connection.execute("SELECT id, title, sequence FROM readmore_article").fetchall()
        reasons = [body for (body,) in connection.execute("SELECT body::json->>'reason' FROM readmore_override_history")]
    assert {article_id: title for article_id, title, _ in stored} == expected
    assert len({sequence for *_, sequence in stored}) == len(stored)
    assert {row[1]: row[4] for row in rows(folders[0], "article")} == expected
    for reason in (*writers[0].pinned, *writers[1].pinned):
        assert reasons.count(reason) == 1
    for service in services:
        with service.client() as client:
            for article_id, title in expected.items():
                answer = client.get(f"/v1/articles/{article_id}")
                assert (answer.status_code, answer.json().get("title")) == ((410, "Gone") if title is None else (200, title))
    print(f"{len(expected)} articles, {len(reasons)} overrides, {len(refused)} refused; {sum(reader.n for reader in readers)} read")


def test_it_serves_while_postgresql_is_away_and_tells_no_password(index_dir: Path, tmp_path: Path, address: str, postgres: Running) -> None:
    index = shutil.copytree(index_dir, tmp_path / "index", ignore=shutil.ignore_patterns(f"{LIVE_DB}*"))
    with served(index, "--live", address) as service, service.client() as client:
        assert client.delete("/v1/articles/harbour-0").status_code == 204
    postgres.kill()
    with served(index, "--live", address) as service, service.client() as client:
        assert status(client, "harbour-0") == 410, "what was withdrawn is known, though nobody can be asked"
        assert status(client, "harbour-4") == 200
        ready = client.get("/readyz").json()
        assert ready["status"] == "degraded"
        for method, path, body in (("PUT", "ferry", FERRY), ("DELETE", "harbour-4", None), ("PUT", "harbour-4/overrides", {})):
            answer = client.request(method, f"/v1/articles/{path}", json=body)
            assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (503, "5", "journal_away")
            assert answer.headers["content-type"] == "application/problem+json"
        postgres.start()
        wait_until(lambda: client.get("/readyz").json()["status"] == "ready")
        assert client.put("/v1/articles/ferry", json=FERRY).status_code == 201
        said = "".join([*service.log, str(ready), answer.text])
    assert "PostgreSQL at 127.0.0.1" in said
    assert PASSWORD not in said
    assert WRITTEN not in said


def test_a_server_that_stands_still_is_away(index_dir: Path, tmp_path: Path, address: str, postgres: Running) -> None:
    index = shutil.copytree(index_dir, tmp_path / "index", ignore=shutil.ignore_patterns(f"{LIVE_DB}*"))
    with served(index, "--live", address) as service, service.client() as client:
        assert client.put("/v1/articles/ferry", json=FERRY).status_code == 201
        with postgres.frozen():
            wait_until(lambda: client.get("/readyz").json()["status"] == "degraded")
            assert client.put("/v1/articles/ferry", json={**FERRY, "title": "Another"}).json()["code"] == "journal_away"
            assert related(client, "harbour-0")
        wait_until(lambda: client.get("/readyz").json()["status"] == "ready")
        assert client.put("/v1/articles/ferry", json={**FERRY, "title": "Another"}).status_code == 200


def test_what_was_acknowledged_nowhere_and_is_in_the_journal_comes_after_a_restart(index_dir: Path, tmp_path: Path, address: str) -> None:
    """The service dies when the journal has the article, before its own copy has it."""
    index = shutil.copytree(index_dir, tmp_path / "index", ignore=shutil.ignore_patterns(f"{LIVE_DB}*"))
    with served(index, "--live", address, how=("-m", "tests.support.dies")) as dying:
        with dying.client() as client, pytest.raises(httpx.HTTPError):
            client.put("/v1/articles/ferry", json=FERRY)
        assert dying.process.wait(20) == -signal.SIGKILL
    assert not rows(index, "article")
    with served(index, "--live", address) as service, service.client() as client:
        wait_until(lambda: "ferry" in related(client, "harbour-0"))
        assert client.get("/v1/articles/ferry").json()["title"] == FERRY["title"]


@pytest.mark.cluster
def test_two_machines_with_one_postgresql_and_one_milvus(tmp_path: Path, postgres: Running, address: str) -> None:
    """Built by a third, pushed and pulled; then all that is said is everybody's, and drafts are answered from Milvus."""
    source = str(write_jsonl(tmp_path / "a.jsonl", records()))
    draft = {"title": "Boats wait", "text": FERRY["text"]}
    with milvus_server(tmp_path / "milvus") as milvus:
        vectors = milvus.server.replace("http", "milvus") + "/site"
        build_index([source], tmp_path / "built", HashEmbedder(), wings=wings_at(vectors=vectors, live=address))
        push(tmp_path / "built", Store(str(tmp_path / "store")))
        folders = [tmp_path / "one", tmp_path / "two"]
        for folder in folders:
            pull(Store(str(tmp_path / "store")), folder)
        took = []
        with two_services(tmp_path / "built", tmp_path, address, "--vectors", vectors) as services:
            with services[0].client() as here, services[1].client() as there:
                assert current_folder(folders[0]).name == current_folder(folders[1]).name
                older = [item["id"] for item in there.post("/v1/related?limit=50", json=draft).json()["items"]]
                assert older, "found in Milvus"
                for number in range(TRIES):
                    name = f"ferry-{number}"
                    assert here.put(f"/v1/articles/{name}", json={**FERRY, "url": f"https://example.org/{name}"}).status_code == 201
                    took.append(wait_until(lambda name=name: status(there, name) == 200 and related(there, name)))
                    assert name in related(there, "harbour-0"), "both ways"
                    assert name in [item["id"] for item in there.post("/v1/related?limit=50", json=draft).json()["items"]]
                    assert there.delete(f"/v1/articles/{name}").status_code == 204
                    wait_until(lambda name=name: status(here, name) == 410)
                assert [item["id"] for item in here.post("/v1/related?limit=50", json=draft).json()["items"]] == older
            assert min(took) < SOON_S, took
            print("in the answers of the other after", [round(seconds, 3) for seconds in took])
            lose_nothing(services, folders, postgres, address, before={f"ferry-{number}": None for number in range(TRIES)})
