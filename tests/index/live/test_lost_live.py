"""`live.db` is lost, cut, damaged, or put back from a backup: what is acknowledged then stays, what was withdrawn comes back nowhere."""

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from index.build import build_index
from index.journal.checks import check_followed
from index.live import upserts
from index.live.database import writing
from index.maintenance.release_rollback import roll_back
from index.maintenance.verify import verify_index
from index.release.publish import publish
from index.remote.pull_release import pull
from index.remote.push_release import push
from index.remote.store import Store
from index.updates import override_store
from recommender import Article, Recommender
from recommender.errors import ArticleWithdrawn, StorageError
from recommender.live.database import LIVE_DB, read_state
from recommender.live.withdrawn import WITHDRAWN, read_ids, read_withdrawn
from recommender.overrides import Override, Pin
from recommender.release.manifest import MANIFEST, Manifest, current_folder
from tests.conftest import client_of
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

ALL = records(20)
SOURCE_IDS = [record["id"] for record in ALL]
GONE = SOURCE_IDS[0]


@pytest.fixture
def index(tmp_path: Path) -> Path:
    build(tmp_path / "index")
    return tmp_path / "index"


def build(index: Path, lines: Any = ALL) -> Manifest:
    release = build_index([str(write_jsonl(index.parent / "a.jsonl", lines))], index, HashEmbedder()).release
    return manifest_of(index, release)


def manifest_of(index: Path, release: str) -> Manifest:
    path = index / "releases" / release / MANIFEST
    return Manifest.from_json(path.read_text(encoding="utf-8"), path)


def article(name: str, words: str = "left the harbour") -> Article:
    return Article(name, f"Ferry {name}", f"The ferry {name} {words} at noon.")


def put(index: Path, *names: str, words: str = "left the harbour") -> None:
    with Recommender.open(index, HashEmbedder()) as opened:
        for name in names:
            upserts.put(index, opened, article(name, words))


def withdraw(index: Path, *names: str) -> None:
    with Recommender.open(index, HashEmbedder()) as opened:
        for name in names:
            upserts.withdraw(index, opened, name)


def lose(index: Path) -> None:
    for path in index.glob(f"{LIVE_DB}*"):
        path.unlink()


def empty(index: Path) -> None:
    """Cut it to nothing, beside its log."""
    with (index / LIVE_DB).open("wb"):
        pass


def seen(index: Path, *names: str) -> dict[str, str | None]:
    """The text of each article; None: it was withdrawn."""
    found: dict[str, str | None] = {}
    with Recommender.open(index, HashEmbedder()) as opened:
        with opened.live.reading() as view:
            there = [article_id for article_id in SOURCE_IDS if article_id not in view.withdrawn]
        listed = {item.id for article_id in there for item in opened.related(article_id, 50)}
        for name in names:
            try:
                found[name] = opened.article(name).text
            except ArticleWithdrawn:
                found[name] = None
                assert name not in listed
    return found


def state(index: Path) -> Any:
    with writing(index) as connection:
        return read_state(connection)


def status(client: TestClient, *names: str) -> list[int]:
    return [client.get(f"/v1/articles/{name}").status_code for name in names]


def test_lost_put_seen_built_and_still_withdrawn(index: Path) -> None:
    """The sequence of the fault: three put, built, lost, five put."""
    body = {"title": "Ferry", "text": "The ferry left the harbour."}
    with client_of(index, HashEmbedder()) as client:
        assert [client.put(f"/v1/articles/old-{number}", json=body).status_code for number in range(3)] == [201] * 3
        assert [client.delete(f"/v1/articles/{name}").status_code for name in ("old-2", GONE)] == [204, 204]
    assert build(index).live_sequence == 5
    lose(index)
    new = [f"new-{number}" for number in range(5)]
    with client_of(index, HashEmbedder()) as client:
        assert state(index).sequence == 5, "counted on from the release"
        for name in new:
            assert client.put(f"/v1/articles/{name}", json=body).status_code == 201
            assert status(client, name) == [200]
        assert status(client, *new, "old-0", "old-1", "old-2", GONE) == [200] * 7 + [410] * 2
        told = client.get("/readyz").json()
        assert told["status"] == "degraded"
        assert "was lost before" in told["detail"]
    report = build_index([str(index.parent / "a.jsonl")], index, HashEmbedder())
    assert report.n_live == 5
    with client_of(index, HashEmbedder()) as client:
        assert status(client, *new, "old-0", "old-1", "old-2", GONE) == [200] * 7 + [410] * 2
        assert client.get("/readyz").json()["status"] == "ready"
    lose(index)
    with client_of(index, HashEmbedder()) as client:
        assert status(client, *new, "old-2", GONE) == [200] * 5 + [410] * 2


def test_what_was_withdrawn_since_the_last_build_stays_withdrawn(index: Path) -> None:
    put(index, "late")
    withdraw(index, GONE, "late")
    lose(index)
    assert seen(index, GONE, "late") == {GONE: None, "late": None}, "before anybody makes the file again"
    put(index, "other")
    assert seen(index, GONE, "late") == {GONE: None, "late": None}
    assert build(index).n_articles == len(ALL)  # without the one, with the other
    assert seen(index, GONE, "late") == {GONE: None, "late": None}
    assert read_ids(current_folder(index) / WITHDRAWN) == {GONE, "late"}


def test_what_was_put_again_is_withdrawn_no_more(index: Path) -> None:
    withdraw(index, GONE)
    build(index)
    put(index, GONE, words="came back")
    build(index)
    assert read_ids(current_folder(index) / WITHDRAWN) == frozenset()
    lose(index)
    put(index, "other")
    assert "came back" in str(seen(index, GONE)[GONE])
    build(index)
    assert seen(index, GONE)[GONE] is not None


def test_put_again_since_the_last_build_and_lost_it_stays_withdrawn(index: Path) -> None:
    """Its new text is lost, and its old one is not to come back."""
    withdraw(index, GONE)
    build(index)
    put(index, GONE)
    lose(index)
    assert seen(index, GONE) == {GONE: None}
    build(index)
    assert seen(index, GONE) == {GONE: None}
    put(index, GONE)
    assert seen(index, GONE)[GONE] is not None


def test_an_older_release_shows_nothing_that_was_withdrawn_since(index: Path) -> None:
    first = current_folder(index).name
    withdraw(index, GONE)
    put(index, "late")
    build(index)
    lose(index)
    roll_back(index, first)
    assert seen(index, GONE) == {GONE: None}
    put(index, "other")
    assert seen(index, GONE) == {GONE: None}
    build(index)
    assert seen(index, GONE) == {GONE: None}


def test_a_build_that_begins_without_the_file_knows_what_is_withdrawn(index: Path) -> None:
    withdraw(index, GONE)
    before = build(index)
    withdraw(index, SOURCE_IDS[4])
    lose(index)
    after = build(index)
    assert after.live_sequence >= before.live_sequence
    assert seen(index, GONE, SOURCE_IDS[4]) == {GONE: None, SOURCE_IDS[4]: None}


@pytest.mark.parametrize("put_meanwhile", [False, True])
def test_the_file_is_lost_while_a_build_runs(index: Path, monkeypatch: pytest.MonkeyPatch, put_meanwhile: bool) -> None:
    put(index, "a", "b", "c", "d")
    withdraw(index, GONE)

    def lost_before(*given: Any) -> Path:
        lose(index)
        if put_meanwhile:
            put(index, "meanwhile")  # its number is one that the release holds, of another file
        return publish(*given)

    monkeypatch.setattr("index.build.publish", lost_before)
    build(index)
    monkeypatch.undo()
    put(index, "after")
    found = seen(index, "a", "d", "after", GONE, *(["meanwhile"] if put_meanwhile else []))
    assert found.pop(GONE) is None
    assert all(found.values())
    build(index)
    assert all(seen(index, *found).values())
    assert seen(index, GONE) == {GONE: None}


def test_an_older_backup_in_its_place_hides_nothing_and_brings_nothing_back(index: Path) -> None:
    put(index, "a", GONE)
    withdraw(index, SOURCE_IDS[1])
    with closing(sqlite3.connect(index / LIVE_DB)) as source, closing(sqlite3.connect(index.parent / "backup.db")) as copy:
        source.backup(copy)
    put(index, "b", SOURCE_IDS[1])
    withdraw(index, GONE)
    put(index, "c")
    build(index)
    put(index, "d")
    lose(index)
    shutil.move(index.parent / "backup.db", index / LIVE_DB)
    expected = seen(index, "a", "b", "c", SOURCE_IDS[1], GONE)
    assert expected.pop(GONE) is None
    assert all(expected.values())
    put(index, "e")
    assert seen(index, "e")["e"], "its number is above those of the release"
    withdraw(index, "a")
    build(index)
    found = seen(index, "a", "b", "c", "e", SOURCE_IDS[1], GONE)
    assert [name for name, text in found.items() if text is None] == ["a", GONE]


@pytest.mark.parametrize("then", [upserts.create, build], ids=["the service starts", "a build runs"])
def test_an_older_backup_brings_nothing_back_that_was_withdrawn_since(index: Path, then: Callable[[Path], Any]) -> None:
    put(index, "a", "b", "c")
    withdraw(index, "c", SOURCE_IDS[1])
    build(index)
    put(index, "c")
    with closing(sqlite3.connect(index / LIVE_DB)) as source, closing(sqlite3.connect(index.parent / "backup.db")) as copy:
        source.backup(copy)
    withdraw(index, GONE, "a", "c")
    put(index, "d", SOURCE_IDS[1])
    lose(index)
    shutil.move(index.parent / "backup.db", index / LIVE_DB)
    then(index)
    names = (GONE, "a", "b", "c", SOURCE_IDS[1])
    assert [name for name, text in seen(index, *names).items() if text is None] == [GONE, "a", "c", SOURCE_IDS[1]]
    then(index)
    put(index, "a", "e")
    build(index)
    assert [name for name, text in seen(index, *names, "e").items() if text is None] == [GONE, "c", SOURCE_IDS[1]]


def test_withdrawn_ids_travel_with_the_release_and_an_article_of_this_machine_stays(index: Path, tmp_path: Path) -> None:
    machine, store = tmp_path / "machine", Store(str(tmp_path / "store"))
    push(index, store)
    pull(store, machine)
    put(machine, "mine", SOURCE_IDS[1])
    put(index, "theirs")
    withdraw(index, GONE, SOURCE_IDS[1])
    build(index)
    push(index, store)
    pull(store, machine)
    found = seen(machine, "mine", "theirs", SOURCE_IDS[1], GONE)
    assert found.pop(GONE) is None
    assert all(found.values())
    roll_back(machine)
    assert seen(machine, GONE) == {GONE: None}
    lose(machine)
    put(machine, "after")
    assert seen(machine, "after")["after"]
    assert seen(machine, GONE) == {GONE: None}


def test_a_release_from_before_there_were_lists_still_opens(index: Path) -> None:
    withdraw(index, GONE)
    build(index)
    folder = current_folder(index)
    manifest = manifest_of(index, folder.name)
    (folder / WITHDRAWN).unlink()
    files = {name: entry for name, entry in manifest.files.items() if name != WITHDRAWN}
    older = Manifest(**{**{name: getattr(manifest, name) for name in manifest.__slots__}, "files": files, "journal": ""})
    (folder / MANIFEST).write_text(older.to_json(), encoding="utf-8")
    with closing(sqlite3.connect(index / LIVE_DB)) as connection:
        for column in ("name", "began", "lost", "unwiped"):
            connection.execute(f"ALTER TABLE state DROP COLUMN {column}")
        connection.execute("DROP INDEX IF EXISTS place_score")
        connection.execute("ALTER TABLE place DROP COLUMN score")
        connection.execute("DROP TABLE computed")
        connection.execute("PRAGMA user_version = 2")
        connection.commit()
    assert read_withdrawn(index).release is None
    assert not verify_index(index).faults
    assert seen(index, GONE) == {GONE: None}
    put(index, "next")
    assert state(index).sequence == older.live_sequence + 1, "the count of before goes on"
    lose(index)
    put(index, "new")
    assert seen(index, "new")["new"]
    assert state(index).lost is not None


def test_a_file_without_a_field_of_articles_gets_it(index: Path) -> None:
    put(index, "before")
    with closing(sqlite3.connect(index / LIVE_DB)) as connection:
        connection.execute("ALTER TABLE article DROP COLUMN section")
    build(index)
    with Recommender.open(index, HashEmbedder()) as opened:
        assert opened.article("before").section is None
        upserts.put(index, opened, replace(article("new"), section="harbour"))
        assert opened.card(opened.row("new")).section == "harbour"


def test_a_damaged_list_is_not_believed(index: Path) -> None:
    withdraw(index, GONE)
    build(index)
    withdraw(index, SOURCE_IDS[1])
    build(index)
    damaged = current_folder(index) / WITHDRAWN
    damaged.write_text("[]", encoding="utf-8")
    roll_back(index)
    lose(index)
    assert seen(index, GONE, SOURCE_IDS[1]) == {GONE: None, SOURCE_IDS[1]: None}, "the list beside CURRENT knows the second"
    (index / WITHDRAWN).unlink()
    assert seen(index, GONE)[GONE] is None


@pytest.mark.parametrize("lose", [lose, empty])
def test_a_running_service_goes_on_with_what_it_knows(index: Path, lose: Callable[[Path], None]) -> None:
    with client_of(index, HashEmbedder()) as client:
        client.put("/v1/articles/ferry", json={"title": "Ferry", "text": "The ferry left the harbour."})
        client.delete(f"/v1/articles/{GONE}")
        late = client.put("/v1/articles/tug", json={"title": "Tug", "text": "The tug left the harbour."})
        assert late.status_code == 201
        asked = f"/v1/articles/{SOURCE_IDS[4]}/related"
        hidden = client.get(asked).json()["items"][0]["id"]
        assert client.put(f"/v1/articles/{hidden}/overrides", json={"everywhere": True}).status_code == 200
        before = client.get(asked)
        lose(index)
        after = client.get(asked, headers={"If-None-Match": before.headers["etag"]})
        assert after.status_code in (200, 304)
        assert status(client, GONE) == [410]
        assert hidden not in [item["id"] for item in client.get(asked).json()["items"]]
        assert client.put("/v1/articles/again", json={"title": "Ferry", "text": "The ferry came back."}).status_code == 201
        assert status(client, GONE, "again") == [410, 200]


def test_tags_of_a_file_that_was_lost_are_given_to_no_other_list(index: Path) -> None:
    def edition() -> str:
        with Recommender.open(index, HashEmbedder()) as opened:
            return opened.edition().name

    names = set[str]()
    for _ in range(3):
        put(index, "ferry")
        names.add(edition())
        lose(index)
        names.add(edition())
    assert len(names) == 4, "three files, and without one"


@pytest.mark.parametrize("damage", [b"no database" * 1000, None], ids=["garbage", "cut"])
def test_nothing_is_put_into_a_damaged_file(index: Path, damage: bytes | None) -> None:
    with client_of(index, HashEmbedder()) as client:
        client.put("/v1/articles/ferry", json={"title": "Ferry", "text": "The ferry left the harbour. " * 400})
        client.delete(f"/v1/articles/{GONE}")
        content = (index / LIVE_DB).read_bytes()
        (index / LIVE_DB).write_bytes(content[: len(content) // 2] if damage is None else damage)
        for answer in (
            client.put("/v1/articles/late", json={"title": "Ferry", "text": "The ferry came back."}),
            client.delete(f"/v1/articles/{SOURCE_IDS[1]}"),
            client.put(f"/v1/articles/{SOURCE_IDS[2]}/overrides", json={"everywhere": True}),
        ):
            assert (answer.status_code, answer.headers.get("retry-after")) == (503, "30"), answer.text
        assert status(client, GONE) == [410]
        assert client.get(f"/v1/articles/{SOURCE_IDS[3]}/related").status_code == 200


def test_a_part_that_cannot_be_read_is_no_bug(index: Path) -> None:
    """Its head is right, and pages in the middle are not: seen by the first who needs them."""
    put(index, *(f"ferry-{number}" for number in range(40)))
    with closing(sqlite3.connect(index / LIVE_DB)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [root] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'place'").fetchone()
        [size] = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray((index / LIVE_DB).read_bytes())
    content[(root - 1) * size : root * size] = b"\xff" * size
    (index / LIVE_DB).write_bytes(content)
    with client_of(index, HashEmbedder()) as client:
        answers = {client.get(f"/v1/articles/{name}/related").status_code for name in SOURCE_IDS}
        assert answers <= {200, 503}
        assert {client.get(f"/v1/articles/{name}/related").status_code for name in SOURCE_IDS} == {200}, "from then on those of the release"
        assert client.put("/v1/articles/late", json={"title": "Ferry", "text": "It came."}).status_code == 503
        assert client.post("/v1/index/reload").json()["degraded"]
    assert [fault.code for fault in verify_index(index).faults] == ["live"]


def test_a_log_without_its_file_is_not_taken_for_the_new_ones(index: Path) -> None:
    put(index, "tug")
    with closing(sqlite3.connect(index / LIVE_DB)) as reader:  # keeps the log
        put(index, "ferry")
        reader.execute("SELECT * FROM state").fetchone()
        assert (index / f"{LIVE_DB}-wal").stat().st_size
        (index / LIVE_DB).unlink()
        put(index, "other")
        assert seen(index, "other")["other"]
    assert (index / f"{LIVE_DB}.lost-wal").exists()
    with closing(sqlite3.connect(index / LIVE_DB)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_many_make_one_file(index: Path) -> None:
    put(index, "ferry")
    lose(index)
    threads = [threading.Thread(target=override_store.put, args=(index, name, Override((Pin("x", 1),)), None)) for name in SOURCE_IDS[:8]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with writing(index) as connection:
        assert connection.execute("SELECT count(*) FROM override").fetchone() == (8,)
    assert not list(index.glob(f".{LIVE_DB}*"))


def test_what_a_new_file_begins_with_was_not_said_alone(index: Path) -> None:
    """A machine that follows a journal may begin again beside releases that list what is withdrawn."""

    class AJournal:
        is_there = False

    withdraw(index, GONE)
    lose(index)
    upserts.create(index)
    assert seen(index, GONE) == {GONE: None}
    check_followed(index, AJournal())  # type: ignore[arg-type]


def test_the_list_is_told_by_hash_and_by_what_it_says(index: Path) -> None:
    withdraw(index, GONE)
    manifest = build(index)
    assert WITHDRAWN in manifest.files
    folder = current_folder(index)
    (folder / WITHDRAWN).write_text(json.dumps([GONE, SOURCE_IDS[3]]), encoding="utf-8")
    assert [(fault.code, Path(fault.file).name) for fault in verify_index(index).faults] == [("size", WITHDRAWN)]


def test_a_file_that_cannot_be_made_is_an_error_of_storage(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("index.live.creation.sync", refuses)
    with pytest.raises(StorageError, match="cannot be written"):
        upserts.create(index)
    assert not list(index.glob(f"*{LIVE_DB}*"))
