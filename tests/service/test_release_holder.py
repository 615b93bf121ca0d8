"""The swap from one release to the next, under requests; and releases that are not fit to serve."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from index.build import build_index
from index.release.publish import set_current
from recommender import Recommender
from recommender.errors import IndexNotFound
from recommender.features.ranker import RANKER, SHIPPED, Ranker
from recommender.release import manifest
from recommender.release.manifest import CATALOGUE, CURRENT, VECTORS, current_folder
from recommender.terms.word_dictionary import TRIE
from service.release_holder import ReleaseHolder
from tests.conftest import client_of
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

ASKED = records(12)[0]["id"]


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Two releases with other lists; the second is current."""
    for size in (12, 40):
        build_index([str(write_jsonl(tmp_path / "a.jsonl", records(size)))], tmp_path / "index", HashEmbedder(), delete_missing=True)
    return tmp_path / "index"


def releases(index: Path) -> dict[str, list[dict[str, Any]]]:
    """Name -> the list of one article."""
    found = {}
    for folder in sorted((index / "releases").iterdir()):
        set_current(folder, index)
        with Recommender.open(index) as opened:
            found[folder.name] = opened.related(ASKED, 5).as_dict()["items"]
    assert len({orjson.dumps(items) for items in found.values()}) == 2
    return found


def wait_until(true: Any) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def damage_one_byte(index: Path, name: str) -> None:
    """As a failing disk does it: no size and no error tells."""
    path = current_folder(index) / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", [CATALOGUE, VECTORS, "lexical/terms.npy"])
def test_damage_in_a_large_release_is_found_while_it_serves(index: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "AT_ONCE", 0)
    older, newer = sorted(folder.name for folder in (index / "releases").iterdir())
    damage_one_byte(index, name)
    serving = ReleaseHolder(index, HashEmbedder())
    try:
        with serving.held() as opened:
            wait_until(lambda: opened.damage)
            assert opened.release.name == newer
            assert f"{name} has another sha256" in str(serving.fault)
        assert serving.reload() == older
        assert f"{name} has another sha256" in str(serving.fault)
        with serving.held() as opened:
            assert opened.damage is None
            assert len(opened.related(ASKED, 5)) == 5
    finally:
        serving.close()


def test_a_large_release_without_damage_serves_at_once(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "AT_ONCE", 0)
    may_read = threading.Event()
    read = manifest.file_entry
    monkeypatch.setattr(manifest, "file_entry", lambda path: [path.name == TRIE or may_read.wait(30), read(path)][1])
    with Recommender.open(index, HashEmbedder()) as opened:
        assert len(opened.related(ASKED, 5)) == 5, "nothing but sizes and the trie of words was read so far"
        may_read.set()
        [verifying] = [thread for thread in threading.enumerate() if thread.name == "verify"]
        verifying.join()
        assert (opened.damage, opened.degraded) == (None, None)


def test_the_trie_of_a_large_release_is_read_before_it_serves(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library that maps it does not check its bounds: damage could end the process."""
    monkeypatch.setattr(manifest, "AT_ONCE", 0)
    older = min(folder.name for folder in (index / "releases").iterdir())
    damage_one_byte(index, f"words/{TRIE}")
    with Recommender.open(index, HashEmbedder()) as opened:
        assert opened.release.name == older
        assert f"{TRIE} has another sha256" in str(opened.degraded)


def test_a_large_release_that_cannot_even_be_opened_gives_way_at_once(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "AT_ONCE", 0)
    path = current_folder(index) / CATALOGUE
    older = min(folder.name for folder in (index / "releases").iterdir())
    path.write_bytes(b"\0" * path.stat().st_size)
    with Recommender.open(index, HashEmbedder()) as opened:
        assert opened.release.name == older
        assert f"{CATALOGUE} has another sha256" in str(opened.degraded)


def test_100_swaps_under_requests_mix_nothing_and_fail_nothing(index: Path) -> None:
    lists = releases(index)
    answers: list[tuple[int, Any]] = []
    stop = threading.Event()
    with client_of(index, HashEmbedder()) as client:

        def ask() -> None:
            while not stop.is_set():
                answer = client.get(f"/v1/articles/{ASKED}/related")
                answers.append((answer.status_code, answer.json()))

        askers = [threading.Thread(target=ask) for _ in range(3)]
        for asker in askers:
            asker.start()
        for turn in range(100):
            name = sorted(lists)[turn % 2]
            set_current(index / "releases" / name, index)
            answer = client.post("/v1/index/reload")
            assert (answer.status_code, answer.json()) == (202, {"index_version": name, "degraded": None})
            assert client.get("/v1/index").json()["index_version"] == name
        stop.set()
        for asker in askers:
            asker.join()
    assert {status for status, _ in answers} == {200}
    assert {body["index_version"] for _, body in answers} == set(lists), "both served"
    for _, body in answers:
        assert body["items"] == lists[body["index_version"]]


def test_a_change_of_current_is_seen_by_itself(index: Path) -> None:
    with client_of(index, HashEmbedder()) as client:
        report = build_index([str(write_jsonl(index.parent / "b.jsonl", records(9)))], index, HashEmbedder())
        wait_until(lambda: client.get("/v1/index").json()["index_version"] == report.release)


def test_fitted_weights_are_taken_up(index: Path) -> None:
    with client_of(index, HashEmbedder()) as client:
        before = client.get(f"/v1/articles/{ASKED}/related").json()["items"]
        (index / RANKER).write_text(Ranker({"words": -1.0}, 1.0, 0.0).to_json())
        wait_until(lambda: client.get(f"/v1/articles/{ASKED}/related").json()["items"] != before)
        assert SHIPPED.weights != {"words": -1.0}


@pytest.mark.parametrize("damage", ["catalogue", "pointer"])
def test_a_damaged_release_is_refused_and_the_old_one_serves_on(index: Path, damage: str) -> None:
    with client_of(index, HashEmbedder()) as client:
        before = client.get(f"/v1/articles/{ASKED}/related").json()
        report = build_index([str(write_jsonl(index.parent / "b.jsonl", records(9)))], index, HashEmbedder())
        wait_until(lambda: client.get("/v1/index").json()["index_version"] == report.release)
        set_current(index / "releases" / before["index_version"], index)
        wait_until(lambda: client.get("/v1/index").json()["index_version"] == before["index_version"])
        if damage == "catalogue":
            path = index / "releases" / report.release / CATALOGUE
            path.write_bytes(path.read_bytes()[:-1])
            set_current(index / "releases" / report.release, index)
        else:
            (index / CURRENT).write_text("nothing")
        answer = client.post("/v1/index/reload").json()
        assert answer["index_version"] == before["index_version"]
        assert (CATALOGUE if damage == "catalogue" else CURRENT) in answer["degraded"]
        assert client.get("/readyz").json()["status"] == "degraded"
        assert client.get(f"/v1/articles/{ASKED}/related").json()["items"] == before["items"]
        set_current(index / "releases" / before["index_version"], index)
        wait_until(lambda: client.get("/readyz").json()["status"] == "ready")


def test_a_release_is_closed_when_its_last_request_has_ended(index: Path) -> None:
    serving = ReleaseHolder(index, HashEmbedder())
    with serving.held() as old:
        report = build_index([str(write_jsonl(index.parent / "b.jsonl", records(9)))], index, HashEmbedder())
        assert serving.reload() == report.release
        assert old.related(ASKED).items, "who holds it reads on"
        with serving.held() as new:
            assert new.release.name == report.release
    with pytest.raises(Exception, match="closed"):
        old.related(ASKED)
    serving.close()


def test_the_model_is_not_loaded_again_for_the_next_release(index: Path) -> None:
    class Counted(HashEmbedder):
        """Counts how often it is asked for its canaries, which every opening does."""

    embedder = Counted()
    serving = ReleaseHolder(index)
    serving._recommender.texts.__dict__["embedder"] = embedder
    build_index([str(write_jsonl(index.parent / "b.jsonl", records(9)))], index, HashEmbedder())
    serving.reload()
    with serving.held() as new:
        assert new.embedder is embedder
    serving.close()


def test_no_index_no_service(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFound):
        ReleaseHolder(tmp_path)


@pytest.fixture
def process(index: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "scripts/serve.py", "--index", str(index), "--port", "0"]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        address = next(line for line in started.stdout if "http://" in line).split()[-1]
        yield started, address
        started.terminate()
        assert started.wait(10) == 0 or started.returncode == -signal.SIGTERM


def test_a_signal_reloads(index: Path, process: tuple[subprocess.Popen[str], str]) -> None:
    started, address = process

    def version() -> str:
        with urllib.request.urlopen(f"{address}/v1/index") as answer:
            return str(orjson.loads(answer.read())["index_version"])

    before = current_folder(index).name
    wait_until(lambda: version() == before)
    other = next(name for name in sorted(folder.name for folder in (index / "releases").iterdir()) if name != before)
    set_current(index / "releases" / other, index)
    os.kill(started.pid, signal.SIGHUP)
    wait_until(lambda: version() == other)
