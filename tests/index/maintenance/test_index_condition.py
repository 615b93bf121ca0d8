"""What is wrong with an index at work: within seconds each tool says so, with its reason and the right status, and the log has it once.

Each row of the table in docs/operations.md is a state that is brought about for real, and its cells are what is answered then.
"""

import hashlib
import json
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from index.build import build_index
from index.live import upserts
from index.maintenance.health_checks import checks
from index.maintenance.verify import verify_index
from recommender import Article, Recommender
from recommender.embedding.openvino import ENCODER, FILES, EncoderCard, encoder_folder
from recommender.errors import ReadmoreError
from recommender.live.database import LIVE_DB
from recommender.live.withdrawn import WITHDRAWN, read_ids
from recommender.release.manifest import FLOAT, RELEASES, current_folder, open_release
from scripts.command import EXIT_CODES
from scripts.doctor import _raise_first
from tests.conftest import client_of
from tests.scripts.test_bad_input import mounted
from tests.service.routes.test_articles import FERRY
from tests.service.test_release_holder import wait_until
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder
from tests.support.served import Served, served

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"
HEAD = "| state |"
READ_ONLY = "folder read-only"
SOON_S = 5.0

ALL = records(40)


@dataclass(frozen=True)
class Row:
    """A row of the table: what is answered in a state."""

    state: str
    readyz: str
    verify: str
    doctor: str
    put: str
    delete: str
    draft: str
    by_id: str


def table() -> dict[str, Row]:
    lines = OPERATIONS.read_text(encoding="utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(HEAD))
    found = {}
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        row = Row(*(cell.strip().replace("`", "") for cell in line.strip("|").split("|")))
        found[row.state] = row
    return found


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    if not mounted(folder, "size=24m"):
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def index(disk: Path, tmp_path: Path) -> Path:
    """An index of two releases, with an encoder, on a file system of its own."""
    index = disk / "index"
    for size in (30, 40):
        build_index([str(write_jsonl(tmp_path / "a.jsonl", ALL[:size]))], index, HashEmbedder())
    model = open_release(index).manifest.model
    folder = encoder_folder(index, model.sha256, FLOAT)
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(f"the {name} of a model")
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    card = EncoderCard(model.name, model.sha256, model.dim, model.max_tokens, model.max_tokens, FLOAT, 1.0, hashes)
    (folder / ENCODER).write_text(card.to_json())
    return index


def remove_live(index: Path) -> None:
    for path in index.glob(f"{LIVE_DB}*"):
        path.unlink()


def cut_live(index: Path) -> None:
    content = (index / LIVE_DB).read_bytes()
    (index / LIVE_DB).write_bytes(content[: len(content) // 2])


def garbage_live(index: Path) -> None:
    (index / LIVE_DB).write_bytes(b"\xa5 no database" * 5000)


def take_away(*, all_of_them: bool) -> Callable[[Path], None]:
    def action(index: Path) -> None:
        (index.parent / "away").mkdir()
        for folder in list((index / RELEASES).iterdir()) if all_of_them else [current_folder(index)]:
            folder.rename(index.parent / "away" / folder.name)

    return action


def bring_back(index: Path) -> None:
    for folder in (index.parent / "away").iterdir():
        folder.rename(index / RELEASES / folder.name)


def damage_encoder(index: Path) -> None:
    path = next((index / "encoders").iterdir()) / FILES[1]
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def fill(index: Path) -> None:
    with (index.parent / "filler").open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"\0" * 4096)
            except OSError:
                return


def remount(options: str) -> Callable[[Path], None]:
    def action(index: Path) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(index.parent)], check=True)

    return action


STATES: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "live.db removed": (remove_live, lambda index: None),
    "live.db cut": (cut_live, remove_live),
    "live.db garbage": (garbage_live, remove_live),
    "release folder gone, another release is there": (take_away(all_of_them=False), bring_back),
    "release folder gone, no other": (take_away(all_of_them=True), bring_back),
    "encoder file damaged": (damage_encoder, lambda index: shutil.rmtree(index / "encoders")),
    "disk full": (fill, lambda index: (index.parent / "filler").unlink()),
    READ_ONLY: (remount("ro"), remount("rw")),
}
"""State -> what brings it about, and what mends it, where that is a matter of a moment."""


def exit_code(error: ReadmoreError | None) -> int:
    return 0 if error is None else next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def doctor_says(index: Path) -> int:
    found = list(checks(index, HashEmbedder))
    try:
        _raise_first(found)
    except ReadmoreError as error:
        return exit_code(error)
    return 0


def verify_says(index: Path) -> str:
    found = verify_index(index)
    codes = dict.fromkeys(fault.code for fault in found.faults)
    return f"7: {', '.join(codes)}" if codes else "0, and a note" if found.notes else "0"


def wait_for(client: httpx.Client, status: str) -> dict[str, str]:
    began = time.monotonic()
    while True:
        told: dict[str, str] = client.get("/readyz").json()
        if told["status"] == status:
            return told
        assert time.monotonic() - began < SOON_S, f"not {status} within {SOON_S} s: {told}"
        time.sleep(0.05)


def lines_of(service: Served) -> list[dict[str, str]]:
    return [json.loads(line) for line in service.log if line.startswith("{")]


def test_the_table_has_every_state() -> None:
    assert list(table()) == list(STATES)


@pytest.mark.parametrize("state", STATES)
def test_each_tool_tells_the_truth(index: Path, state: str) -> None:
    row, (break_it, mend) = table()[state], STATES[state]
    with served(index) as service, service.client() as client:
        assert client.put("/v1/articles/tug", json={**FERRY, "url": None, "title": "Tug"}).status_code == 201
        assert client.delete(f"/v1/articles/{ALL[8]['id']}").status_code == 204
    assert verify_says(index) == "0"
    if state == READ_ONLY:  # no file system becomes so while somebody writes to it, but by a fault of the disk
        break_it(index)
    with served(index) as service, service.client() as client:
        assert client.get(f"/v1/articles/{ALL[0]['id']}/related").status_code == 200
        if state != READ_ONLY:
            wait_for(client, "ready")
            break_it(index)
        told = wait_for(client, "degraded")
        assert row.readyz in told["detail"]
        reloaded = client.post("/v1/index/reload")
        assert reloaded.status_code == 202
        assert row.readyz in reloaded.json()["degraded"]
        assert (verify_says(index), str(doctor_says(index))) == (row.verify, row.doctor)
        for number in range(3):
            late = client.put(f"/v1/articles/late-{number}", json={**FERRY, "url": None, "text": f"{FERRY['text']} {number}"})
            answers = {
                "draft": client.post("/v1/related", json={"text": "ship pier crane"}),
                "by_id": client.get(f"/v1/articles/{ALL[number]['id']}/related"),
                "delete": client.delete(f"/v1/articles/{ALL[4]['id']}"),
                "put": late,
            }
            for name, answer in answers.items():
                assert answer.status_code == int(getattr(row, name)[:3]), (name, answer.text)
                assert answer.status_code != 503 or "retry-after" in answer.headers
            assert client.get(f"/v1/articles/{ALL[8]['id']}").status_code == 410, "what was withdrawn stays withdrawn"
        logged = [line.get("detail", line["event"]) for line in lines_of(service) if line["level"] in ("error", "warning")]
        assert any(row.readyz in reason or (LIVE_DB in state and LIVE_DB in reason) for reason in logged), logged
        assert len(logged) == len(set(logged)) <= 4, "each reason once, however many ask"
        mend(index)
        if state in MENDED:
            wait_for(client, "ready")
            assert client.put("/v1/articles/late", json={**FERRY, "url": None}).status_code == 201


@pytest.mark.long
@pytest.mark.parametrize("names", [("wal",), ("shm",)])
def test_a_log_that_is_removed_under_the_service_is_told_until_a_restart(index: Path, names: tuple[str, ...]) -> None:
    with served(index) as service, service.client() as client:
        assert client.put("/v1/articles/tug", json={**FERRY, "url": None, "title": "Tug"}).status_code == 201
        wait_for(client, "ready")
        time.sleep(1.5)  # it has looked since
        for name in names:
            (index / f"{LIVE_DB}-{name}").unlink()
        began = time.monotonic()
        while "under the running service - restart" not in client.get("/readyz").text:
            assert time.monotonic() - began < SOON_S
            time.sleep(0.05)
        for number in range(6):  # whether it is written or not
            client.put(f"/v1/articles/late-{number}", json={**FERRY, "url": None, "text": f"{FERRY['text']} {number}"})
            assert client.get(f"/v1/articles/{ALL[0]['id']}/related").status_code == 200
            time.sleep(0.5)
        assert "under the running service - restart" in client.get("/readyz").text
    with served(index) as service, service.client() as client:
        wait_for(client, "ready")
        assert client.put("/v1/articles/late", json={**FERRY, "url": None}).status_code == 201


def test_a_log_that_is_made_anew_after_an_error_is_no_lost_one(index: Path) -> None:
    """After an error all connections are closed, and SQLite removes the log with the last of them."""
    with served(index) as service, service.client() as client:
        assert client.put("/v1/articles/tug", json={**FERRY, "url": None, "title": "Tug"}).status_code == 201
        wait_for(client, "ready")
        for name in ("away", "article"):
            with closing(sqlite3.connect(index / LIVE_DB, isolation_level=None)) as other:
                other.execute(f"ALTER TABLE {'article' if name == 'away' else 'away'} RENAME TO {name}")
            for _ in range(12):
                client.put("/v1/articles/late", json={**FERRY, "url": None})
                client.get("/v1/articles/tug/related")
                assert "under the running service" not in client.get("/readyz").text
                time.sleep(0.2)
        wait_for(client, "ready")


def leave_free(index: Path, n_pages: int) -> None:
    """Fill the disk but for some pages of 4 kB."""
    fill(index)
    with (index.parent / "filler").open("r+b") as file:
        file.truncate((index.parent / "filler").stat().st_size - n_pages * 4096)


@pytest.mark.parametrize("n_pages", [0, 1, 2, 3, 5, 8, 13, 21, 34, 55])
def test_a_withdrawal_on_a_disk_that_fills_up(index: Path, n_pages: int) -> None:
    """At whichever write it fails: either it is not done, or done; its text is wiped as soon as there is room."""
    secret = "a name that must go"
    with client_of(index, HashEmbedder()) as client:
        body = {"title": "Ferry", "text": f"The ferry left, said {secret}. " * 300}
        assert client.put("/v1/articles/ferry", json=body).status_code == 201
        leave_free(index, n_pages)
        status = client.delete("/v1/articles/ferry").status_code
        assert status in (204, 503)
        assert client.get("/v1/articles/ferry").status_code == (410 if status == 204 else 200)
        told = client.post("/v1/index/reload").json()["degraded"]
        assert "is on a full disk" in told
        if status == 204 and secret.encode() in raw(index):
            assert "is still in" in told
        (index.parent / "filler").unlink()
        if status == 503:
            assert client.delete("/v1/articles/ferry").status_code == 204
        wait_until(lambda: client.get("/readyz").json()["status"] == "ready")
        assert secret.encode() not in raw(index)
        assert read_ids(index / WITHDRAWN) == {"ferry"}


def raw(index: Path) -> bytes:
    return b"".join(path.read_bytes() for path in index.glob(f"{LIVE_DB}*"))


def test_what_a_reader_keeps_from_being_wiped_is_wiped_after_it(index: Path) -> None:
    secret = "a name that must go"
    with client_of(index, HashEmbedder()) as client:
        client.put("/v1/articles/ferry", json={"title": "Ferry", "text": f"The ferry left, said {secret}. " * 300})
        with closing(sqlite3.connect(index / LIVE_DB, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM state").fetchone()
            assert client.delete("/v1/articles/ferry").status_code == 204
            assert client.get("/v1/articles/ferry").status_code == 410
            assert secret.encode() in raw(index)
            assert "is being read" in client.post("/v1/index/reload").json()["degraded"]
        wait_until(lambda: client.get("/readyz").json()["status"] == "ready")
        assert secret.encode() not in raw(index)


def test_a_withdrawal_whose_process_died_is_wiped_at_the_next_start(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "a name that must go"
    with Recommender.open(index, HashEmbedder()) as opened:
        upserts.put(index, opened, Article("ferry", "Ferry", f"The ferry left, said {secret}. " * 300))
        with closing(sqlite3.connect(index / LIVE_DB)) as reader:  # keeps the log from being emptied when the last writer goes
            reader.execute("SELECT * FROM state").fetchone()
            monkeypatch.setattr(upserts, "wipe", lambda index_dir: None)
            upserts.withdraw(index, opened, "ferry")
            monkeypatch.undo()
            assert secret.encode() in raw(index)
            upserts.create(index)
            assert secret.encode() not in raw(index)


def test_a_disk_that_refuses_for_another_reason_is_told_until_it_takes_writes(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quota, say: there is room, and not for us."""
    with client_of(index, HashEmbedder()) as client:

        def refused(*given: Any) -> None:
            raise OSError(122, "Disk quota exceeded")

        with monkeypatch.context() as patch:
            patch.setattr("index.live.upserts.note_withdrawn", refused)
            patch.setattr("index.maintenance.index_condition.os.posix_fallocate", refused)
            assert client.put("/v1/articles/ferry", json=FERRY).status_code == 503
            assert "Disk quota exceeded" in client.post("/v1/index/reload").json()["degraded"]
            time.sleep(1.5)
            assert client.get("/readyz").json()["status"] == "degraded"
        wait_until(lambda: client.get("/readyz").json()["status"] == "ready")


def test_a_service_that_nobody_may_write_to_does_not_mind_the_disk(index: Path) -> None:
    fill(index)
    with client_of(index, HashEmbedder(), admin_keys=()) as client:
        assert client.get("/readyz").json()["status"] == "ready"
    with client_of(index, HashEmbedder()) as client:
        assert client.get("/readyz").json()["status"] == "degraded"


MENDED = ("release folder gone, another release is there", "release folder gone, no other", "encoder file damaged", "disk full")
"""States that end by what mends them; a lost `live.db` is told until the next build."""
