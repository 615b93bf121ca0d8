"""Releases go to a store and come from it, whole or not at all: a folder, and a real S3 server."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from index.build import build_index
from index.live import upserts
from index.release.publish import set_current
from index.remote import pull_release, push_release
from index.remote.bundle import Parcel
from index.remote.store import OBJECTS, Store
from index.storage.build_lock import build_lock
from recommender import Article, Recommender
from recommender.embedding.openvino import ENCODER, ENCODERS, FILES, CompiledEmbedder, EncoderCard, embedder_of, encoder_folder
from recommender.errors import IndexBusy, IndexDamaged, IndexNotFound, InputError, StorageError
from recommender.features.ranker import RANKER, SHIPPED
from recommender.release.manifest import CATALOGUE, CURRENT, FLOAT, MANIFEST, RELEASES, current_folder, open_release
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder
from tests.support.s3_server import BUCKET, S3Server, s3_server
from tests.support.served import ROOT, served

NOW = timedelta(0)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of two releases, the older of 12 articles, the newer, which is current, of 40; with an encoder and fitted weights."""
    folder = tmp_path_factory.mktemp("built")
    for size in (12, 40):
        build_index([str(write_jsonl(folder / "a.jsonl", records(size)))], folder / "index", HashEmbedder(), delete_missing=True)
    index = folder / "index"
    model = open_release(index).manifest.model
    encoder = encoder_folder(index, model.sha256, FLOAT)
    encoder.mkdir(parents=True)
    for name in FILES:
        (encoder / name).write_text(f"the {name} of a model")
    hashes = {name: hashlib.sha256((encoder / name).read_bytes()).hexdigest() for name in FILES}
    card = EncoderCard(model.name, model.sha256, model.dim, model.max_tokens, model.max_tokens, FLOAT, 1.0, hashes)
    (encoder / ENCODER).write_text(card.to_json())
    (index / RANKER).write_text(SHIPPED.to_json())
    return index


@pytest.fixture
def builder(built: Path, tmp_path: Path) -> Path:
    """That index, to work with; the older release is current."""
    index = Path(shutil.copytree(built, tmp_path / "builder"))
    serve(index, "older")
    return index


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3") / "buckets") as running:
        yield running


@pytest.fixture(params=["a folder", "S3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store, of both kinds."""
    if request.param == "a folder":
        return Store(f"file://{tmp_path}/store")
    for name, value in request.getfixturevalue("server").environment.items():
        monkeypatch.setenv(name, value)
    return Store(f"s3://{BUCKET}/{tmp_path.name}")


@pytest.fixture
def folder_store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def serve(index: Path, which: str) -> str:
    """Make a release current."""
    older, newer = sorted(path for path in (index / RELEASES).iterdir() if path.is_dir())[:2]
    folder = {"older": older, "newer": newer}[which]
    set_current(folder, index)
    return folder.name


def serve_again(index: Path, number: int) -> str:
    """Make a release current that differs from the one that serves by its manifest alone."""
    sound, name = open_release(index), f"20990101T00000{number}Z-0000"
    folder = Path(shutil.copytree(sound.folder, index / RELEASES / name))
    (folder / MANIFEST).write_text(replace(sound.manifest, release=name).to_json())
    set_current(folder, index)
    return name


def lists(index: Path) -> dict[str, Any]:
    """Every list of the release that serves, which is the one that CURRENT names."""
    with Recommender.open(index) as opened:
        assert opened.release.degraded is None
        ids = sorted(opened.catalogue.article(row).id for row in range(opened.release.manifest.n_articles))
        return {article_id: opened.related(article_id, 10).items for article_id in ids}


def different(index: Path) -> set[str]:
    """Sha256 of every content that the release which serves consists of."""
    return set(Parcel.of_index(index, open_release(index).manifest).objects)


def test_what_is_pulled_is_what_was_pushed_and_only_what_changed_travels(builder: Path, store: Store, tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    with pytest.raises(IndexNotFound, match=r"no release in .* - push one"):
        pull_release.pull(store, machine)
    assert not machine.exists()
    upserts.create(builder)
    older = different(builder)
    first = push_release.push(builder, store)
    assert (first.before, first.sent) == (None, len(older))
    assert store.objects().keys() == older
    fetched = pull_release.pull(store, machine)
    assert (fetched.before, fetched.fetched, fetched.fetched_bytes) == (None, len(older), first.sent_bytes)
    assert lists(machine) == lists(builder)
    assert {path.name for path in machine.iterdir()} == {CURRENT, RELEASES, ENCODERS, RANKER, "build.lock"}
    before, name = current_folder(machine), serve(builder, "newer")
    changed = different(builder) - older
    assert 0 < len(changed) < len(different(builder))
    assert push_release.push(builder, store).sent == len(changed)
    taken = pull_release.pull(store, machine)
    assert (taken.before, taken.release, taken.fetched) == (before.name, name, len(changed))
    assert lists(machine) == lists(builder)
    assert len(list((machine / RELEASES).iterdir())) == 2
    again = pull_release.pull(store, machine)
    assert (again.before, again.release, again.fetched) == (name, name, 0)
    assert push_release.push(builder, store).sent == 0
    serve(builder, "older")  # and the way back takes nothing
    push_release.push(builder, store)
    assert pull_release.pull(store, machine).fetched == 0
    assert current_folder(machine).name == before.name


def test_what_two_releases_share_lies_on_the_disk_once(builder: Path, folder_store: Store, tmp_path: Path) -> None:
    sound = open_release(builder)
    push_release.push(builder, folder_store)
    pull_release.pull(folder_store, tmp_path / "machine")
    serve_again(builder, 1)
    assert push_release.push(builder, folder_store).sent == 1
    assert pull_release.pull(folder_store, tmp_path / "machine").fetched == 1, "the manifest"
    older, newer = sorted((tmp_path / "machine" / RELEASES).iterdir())
    assert all((older / name).samefile(newer / name) for name in sound.manifest.files)
    assert not (tmp_path / "machine" / pull_release.FETCHED).exists()
    assert lists(tmp_path / "machine") == lists(builder)


def test_weights_and_encoders_travel_without_a_new_release(builder: Path, folder_store: Store, tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    push_release.push(builder, folder_store)
    pull_release.pull(folder_store, machine)
    release = current_folder(machine).stat().st_ino
    (builder / RANKER).write_text(replace(SHIPPED, slope=9.0).to_json())
    assert push_release.push(builder, folder_store).sent == 1
    assert pull_release.pull(folder_store, machine).fetched == 1
    assert (machine / RANKER).read_text() == (builder / RANKER).read_text()
    encoder = next((machine / ENCODERS).iterdir())
    (encoder / FILES[0]).write_text("damaged")
    pull_release.pull(folder_store, machine)
    assert current_folder(machine).stat().st_ino == release, "what is sound stays in its place"
    assert (encoder / FILES[0]).read_bytes() == (builder / ENCODERS / encoder.name / FILES[0]).read_bytes()


def test_the_real_encoder_embeds_where_it_was_pulled(demo_index: Path, folder_store: Store, tmp_path: Path) -> None:
    push_release.push(demo_index, folder_store)
    pull_release.pull(folder_store, tmp_path / "machine")
    model = open_release(tmp_path / "machine").manifest.model
    there, here = (embedder_of(index, model) for index in (demo_index, tmp_path / "machine"))
    assert isinstance(here, CompiledEmbedder)
    assert (here.embed(["A ferry left the harbour."]) == there.embed(["A ferry left the harbour."])).all()


def test_a_service_takes_up_what_is_pulled(builder: Path, folder_store: Store, tmp_path: Path) -> None:
    push_release.push(builder, folder_store)
    pull_release.pull(folder_store, tmp_path / "machine")
    with served(tmp_path / "machine") as service, service.client() as client:
        new = serve(builder, "newer")
        push_release.push(builder, folder_store)
        pull_release.pull(folder_store, tmp_path / "machine")
        end = time.monotonic() + 30
        while client.get("/v1/index").json()["index_version"] != new:
            assert time.monotonic() < end
            assert client.get("/v1/articles/harbour-0/related").status_code == 200
        assert client.get("/v1/articles/harbour-36/related").status_code == 200


PULL_FOREVER = """
import shutil, sys
from pathlib import Path
from index.remote import pull_release
from index.remote.store import Store
from recommender.release.manifest import current_folder

pull_release.BLOCK = 4096
index = Path(sys.argv[1])
stores = [Store(url) for url in sys.argv[2:]]
print("ready", flush=True)
while True:
    for store in stores:
        for folder in (index / "releases").iterdir():
            if folder != current_folder(index):
                shutil.rmtree(folder)
        pull_release.pull(store, index)
"""


def kill_at_random_moments(builder: Path, folder: Path, kills: int) -> None:
    machine, expected, stores = folder / "machine", {}, []
    for which in ("older", "newer"):
        name = serve(builder, which)
        expected[name] = lists(builder)
        stores.append(Store(str(folder / which)))
        push_release.push(builder, stores[-1])
    pull_release.pull(stores[0], machine)
    chance = random.Random(kills)
    for _ in range(kills):
        command = [sys.executable, "-c", PULL_FOREVER, str(machine), *(store.url for store in stores)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0.0, 0.4))
            process.kill()
        assert lists(machine) == expected[current_folder(machine).name]
    pull_release.pull(stores[1], machine)
    assert lists(machine) == lists(builder)
    assert not list((machine / RELEASES).glob(".*"))
    assert not (machine / pull_release.FETCHED).exists()


def test_a_pull_that_is_killed_leaves_what_serves(builder: Path, tmp_path: Path) -> None:
    kill_at_random_moments(builder, tmp_path, 6)


@pytest.mark.long
def test_a_pull_that_is_killed_200_times(builder: Path, tmp_path: Path) -> None:
    kill_at_random_moments(builder, tmp_path, 200)


def test_a_pull_goes_on_where_it_was_cut_short(builder: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push_release.push(builder, store)
    monkeypatch.setattr(pull_release, "BLOCK", 20_000)
    asked: list[tuple[str, int | None]] = []
    breaks_at = [5, 17]
    read = Store.read

    def breaks(self: Store, name: str, start: int | None = None, stop: int | None = None) -> bytes:
        if start is not None:
            if len(asked) in breaks_at:
                breaks_at.remove(len(asked))
                raise StorageError("the cable was pulled")
            asked.append((name, start))
        return read(self, name, start, stop)

    monkeypatch.setattr(Store, "read", breaks)
    for _ in range(2):
        with pytest.raises(StorageError, match="cable"):
            pull_release.pull(store, tmp_path / "machine")
    pull_release.pull(store, tmp_path / "machine")
    assert len(asked) == len(set(asked)) > 30, "nothing is fetched twice"
    assert lists(tmp_path / "machine") == lists(builder)


@pytest.mark.parametrize("how", ["flip", "cut", "gone"])
def test_what_is_damaged_in_the_store_is_named_and_not_served(builder: Path, folder_store: Store, tmp_path: Path, how: str) -> None:
    machine = tmp_path / "machine"
    push_release.push(builder, folder_store)
    pull_release.pull(folder_store, machine)
    before = lists(machine)
    serve(builder, "newer")
    push_release.push(builder, folder_store)
    victim = Path(folder_store.url) / OBJECTS / open_release(builder).manifest.files[CATALOGUE].sha256
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(bytes(content) if how == "flip" else content[:-100])
    if how == "gone":
        victim.unlink()
    for _ in range(2):
        with pytest.raises(IndexDamaged, match=rf"{victim.name} (is missing|has another size or sha256) .* push again"):
            pull_release.pull(folder_store, machine)
        assert lists(machine) == before
    if how == "flip":
        victim.unlink()  # as the message says
    assert push_release.push(builder, folder_store).sent == 1
    pull_release.pull(folder_store, machine)
    assert lists(machine) == lists(builder)


def test_a_release_that_was_damaged_here_is_made_whole(builder: Path, folder_store: Store, tmp_path: Path) -> None:
    push_release.push(builder, folder_store)
    pull_release.pull(folder_store, tmp_path / "machine")
    path = current_folder(tmp_path / "machine") / CATALOGUE
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert pull_release.pull(folder_store, tmp_path / "machine").fetched == 1
    assert lists(tmp_path / "machine") == lists(builder)


def test_a_push_that_dies_changes_nothing_and_is_taken_up(
    builder: Path, folder_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_release.push(builder, folder_store)
    older, there = folder_store.current(), set(folder_store.objects())
    serve(builder, "newer")
    upload, left = Store.upload, [4]

    def dies(self: Store, source: Path, name: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        upload(self, source, name)

    monkeypatch.setattr(Store, "upload", dies)
    with pytest.raises(KeyboardInterrupt):
        push_release.push(builder, folder_store)
    monkeypatch.undo()
    assert folder_store.current() == older
    assert pull_release.pull(folder_store, tmp_path / "machine").release == older
    assert push_release.push(builder, folder_store).sent == len(different(builder) - there) - 4


def test_two_pushes_at_once_mix_nothing(builder: Path, folder_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of one, the other begins and ends, and removes all that it may."""
    other = Path(shutil.copytree(builder, tmp_path / "other"))
    serve(other, "newer")
    upload, left = Store.upload, [5]

    def disturbed(self: Store, source: Path, name: str) -> None:
        upload(self, source, name)
        left[0] -= 1
        if left[0] == 0:
            push_release.push(other, Store(self.url), NOW)
            assert pull_release.pull(self, tmp_path / "machine").release == open_release(other).name

    monkeypatch.setattr(Store, "upload", disturbed)
    push_release.push(builder, folder_store, NOW)
    assert pull_release.pull(folder_store, tmp_path / "machine").release == open_release(builder).name
    assert lists(tmp_path / "machine") == lists(builder)


def test_only_what_no_release_needs_is_removed_and_only_when_it_is_old(builder: Path, store: Store, tmp_path: Path) -> None:
    store.write(f"{OBJECTS}/left-by-a-push-that-died", b"left")
    needed: dict[str, set[str]] = {}
    for number in range(4):
        name = serve_again(builder, number)
        needed[name] = different(builder)
        assert push_release.push(builder, store).removed == 0
    assert len(store.names()) == 4
    time.sleep(1.1)  # S3 tells the time in seconds
    assert push_release.push(builder, store, NOW).removed == 2
    assert store.names() == sorted(needed, reverse=True)[:3]
    assert store.objects().keys() == set.union(*(needed[name] for name in store.names()))
    pull_release.pull(store, tmp_path / "machine")


@pytest.mark.parametrize(
    "name", ["../CURRENT", "releases/other/manifest.json", "encoders/a/../../x", "live.db", "/etc/passwd", "ranker.json/"]
)
def test_a_list_writes_nowhere_else(builder: Path, name: str) -> None:
    parcel = Parcel.of_index(builder, open_release(builder).manifest)
    assert Parcel.from_json(parcel.to_json(), "here") == parcel
    forged = replace(parcel, files={**parcel.files, name: parcel.manifest})
    with pytest.raises(IndexDamaged, match="which is no file of an index"):
        Parcel.from_json(forged.to_json(), "here")
    with pytest.raises(IndexDamaged, match="cut or changed"):
        Parcel.from_json(parcel.to_json().replace(b'"bytes": ', b'"bytes": 1'), "here")


def test_live_articles_of_the_machine_are_neither_hidden_nor_numbered_below(builder: Path, folder_store: Store, tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    push_release.push(builder, folder_store)
    pull_release.pull(folder_store, machine)

    def put(index: Path, *ids: str) -> None:
        with Recommender.open(index, HashEmbedder()) as opened:
            for article_id in ids:
                upserts.put(index, opened, Article(article_id, "Ferry", f"The ferry of {article_id} left the harbour."))

    put(machine, "mine")
    put(builder, "theirs", "theirs too")
    build_index([str(write_jsonl(tmp_path / "b.jsonl", records(12)))], builder, HashEmbedder())
    push_release.push(builder, folder_store)
    pull_release.pull(folder_store, machine)
    with Recommender.open(machine, HashEmbedder()) as opened:
        assert [opened.article(article_id).title for article_id in ("mine", "theirs", "theirs too")] == ["Ferry"] * 3
    for path in builder.glob("live.db*"):
        path.unlink()
    shutil.copy(machine / "live.db", builder / "live.db")
    put(machine, "hidden")
    put(builder, "other")
    build_index([str(write_jsonl(tmp_path / "c.jsonl", records(12)))], builder, HashEmbedder())
    push_release.push(builder, folder_store)
    before = current_folder(machine)
    with pytest.raises(InputError, match=r"would hide 1 live articles, 'hidden' the first"):
        pull_release.pull(folder_store, machine)
    assert current_folder(machine) == before
    with Recommender.open(machine, HashEmbedder()) as opened:
        assert [opened.article(article_id).title for article_id in ("mine", "hidden")] == ["Ferry"] * 2


def test_a_machine_without_live_articles_counts_on_from_the_release(builder: Path, folder_store: Store, tmp_path: Path) -> None:
    with Recommender.open(builder, HashEmbedder()) as opened:
        for number in range(3):
            upserts.put(builder, opened, Article(f"live-{number}", "Ferry", f"The ferry {number} left the harbour."))
    build_index([str(write_jsonl(tmp_path / "b.jsonl", records(12)))], builder, HashEmbedder())
    push_release.push(builder, folder_store)
    pull_release.pull(folder_store, tmp_path / "machine")
    with Recommender.open(tmp_path / "machine", HashEmbedder()) as opened:
        assert upserts.put(tmp_path / "machine", opened, Article("first", "Ferry", "The first ferry of this machine left the harbour."))
        assert opened.related("first", 5).items


@pytest.mark.parametrize("free", [0, 1 << 40], ids=["seen before", "seen when it is full"])
def test_a_full_disk_keeps_what_serves(
    builder: Path, folder_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", str(disk)], capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        push_release.push(builder, folder_store)
        pull_release.pull(folder_store, disk / "machine")
        before = lists(disk / "machine")
        serve(builder, "newer")
        push_release.push(builder, folder_store)
        if free:
            usage = shutil.disk_usage(disk)
            monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free))
        message = "cannot be written .*No space left" if free else "bytes free, the release takes"
        with pytest.raises(StorageError, match=message):
            pull_release.pull(folder_store, disk / "machine")
        assert lists(disk / "machine") == before
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_neither_runs_beside_a_build_and_a_damaged_release_is_not_pushed(builder: Path, folder_store: Store) -> None:
    with build_lock(builder), pytest.raises(IndexBusy):
        push_release.push(builder, folder_store)
    path = current_folder(builder) / CATALOGUE
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(IndexDamaged, match="nothing was pushed"):
        push_release.push(builder, folder_store)
    assert not Path(folder_store.url).exists()


def test_the_commands_say_what_is_wrong(builder: Path, server: S3Server, tmp_path: Path) -> None:
    url = f"s3://{BUCKET}/commands"

    def run(script: str, *arguments: object, **environment: str) -> tuple[int, str]:
        command = [sys.executable, f"scripts/{script}.py", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **server.environment, **environment}, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    assert run("pull", url, "--index", tmp_path / "m") == (7, f"error: no release in {url} - push one: readmore push --index DIR {url}\n")
    code, said = run("push", url, "--index", builder, "--json")
    assert (code, json.loads(said)["release"]) == (0, current_folder(builder).name)
    code, said = run("pull", url, "--index", tmp_path / "m")
    assert code == 0
    assert said.startswith(f"{current_folder(builder).name} is current now, in place of none; fetched ")
    code, said = run("pull", url, "--index", tmp_path / "m", AWS_SECRET_ACCESS_KEY="another")
    assert code == 5
    assert said.startswith(f"error: {url}/CURRENT is not permitted (Forbidden) - check the key")
    code, said = run("push", "s3://no-such-bucket/x", "--index", builder)
    assert (code, "make the bucket" in said) == (5, True)
    code, said = run("pull", "nonsense://x/y", "--index", tmp_path / "m")
    assert (code, "Protocol not known" in said) == (3, True)
    code, said = run("pull", url, "--index", tmp_path / "m", AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="1")
    assert (code, "check that it is up" in said) == (5, True)
    assert lists(tmp_path / "m") == lists(builder)
