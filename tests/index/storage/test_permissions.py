"""Who may read an index on the disk: its user alone, or a group that the folder names; whatever the umask."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.build import build_index
from index.encoder.openvino_export import new_encoder
from index.live import upserts
from index.remote.pull_release import pull
from index.remote.push_release import push
from index.remote.store import Store
from index.updates import override_store
from recommender import Article, Recommender
from recommender.errors import IndexDamaged
from recommender.live.database import LIVE_DB
from recommender.overrides import Override
from tests.conftest import client_of
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

GROUP, USER = 54_321, 54_322


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=["umask 000", "umask 022", "umask 077"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def use(index: Path) -> None:
    """Have everything made that an index holds: builds, a cache, an encoder, a live article, withdrawals, overrides, a service."""
    for size in (12, 20):
        build_index([str(write_jsonl(index.parent / "a.jsonl", [*records(size), "{"]))], index, HashEmbedder(), max_rejects=0.1)
    with new_encoder(index / "encoders" / "0000000000000000-float") as made:
        (made / "graph.bin").write_text("a graph")
    with Recommender.open(index, HashEmbedder()) as opened:
        upserts.put(index, opened, Article("ferry", "A ferry", "The ferry left the harbour."))
        upserts.withdraw(index, opened, "garden-2")
    override_store.put(index, "harbour-0", Override(everywhere=True), None)
    with client_of(index, HashEmbedder()) as client:
        assert client.get("/readyz").json()["status"] == "ready"


def modes(index: Path) -> dict[str, int]:
    return {str(path.relative_to(index)): stat.S_IMODE(path.stat().st_mode) for path in index.rglob("*")}


def different(index: Path, of_files: int, of_folders: int) -> dict[str, str]:
    """What has another mode than it should, as `ls` would show it."""
    expected = {name: of_folders if (index / name).is_dir() else of_files for name in modes(index)}
    return {name: oct(mode) for name, mode in modes(index).items() if mode != expected[name]}


def test_an_index_is_its_users_alone(tmp_path: Path, umask: None) -> None:
    index = tmp_path / "index"
    use(index)
    made = {LIVE_DB, "withdrawn.json", "rejects.jsonl", "links.jsonl", "build.lock", "cache", "releases", "encoders", "CURRENT"}
    assert made <= modes(index).keys()
    assert different(index, 0o600, 0o700) == {}
    assert stat.S_IMODE(index.stat().st_mode) == 0o700


def test_so_it_is_in_a_folder_that_all_may_read(tmp_path: Path, umask: None) -> None:
    index = tmp_path / "index"
    index.mkdir()
    index.chmod(0o755)
    use(index)
    assert different(index, 0o600, 0o700) == {}
    assert stat.S_IMODE(index.stat().st_mode) == 0o755, "the operator's"


@pytest.mark.parametrize(("given", "of_files", "of_folders"), [(0o2750, 0o640, 0o2750), (0o2770, 0o660, 0o2770), (0o2775, 0o660, 0o2770)])
def test_a_folder_with_the_setgid_bit_is_shared_with_its_group(
    tmp_path: Path, umask: None, given: int, of_files: int, of_folders: int
) -> None:
    index = tmp_path / "index"
    index.mkdir()
    os.chown(index, -1, GROUP)
    index.chmod(given)
    use(index)
    assert different(index, of_files, of_folders) == {}
    assert {path.stat().st_gid for path in index.rglob("*")} == {GROUP}


def test_what_is_pulled_is_private_too(tmp_path: Path, umask: None) -> None:
    use(tmp_path / "index")
    push(tmp_path / "index", Store(str(tmp_path / "store")))
    pull(Store(str(tmp_path / "store")), tmp_path / "machine")
    assert different(tmp_path / "machine", 0o600, 0o700) == {}


def test_a_file_of_an_older_version_is_made_private(tmp_path: Path) -> None:
    use(tmp_path / "index")
    (tmp_path / "index" / LIVE_DB).chmod(0o644)
    upserts.create(tmp_path / "index")
    assert stat.S_IMODE((tmp_path / "index" / LIVE_DB).stat().st_mode) == 0o600


def read(index: Path) -> str:
    try:
        with Recommender.open(index) as opened:
            return f"{len(opened.related('harbour-0', 5))} {opened.article('ferry').title}"
    except IndexDamaged as error:
        return str(error)


def as_another_user(index: Path, *groups: int) -> str:
    """What another user reads, in a process that has all modules already: where they lie may not be for others."""
    if os.geteuid() != 0:
        pytest.skip("only root may be another user")
    read(index)
    there, here = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setresgid(USER, USER, USER)
            os.setresuid(USER, USER, USER)
            os.write(here, read(index).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(here)
    with os.fdopen(there) as answer:
        return answer.read()


def test_another_user_reads_through_the_group_and_not_without(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        folder.chmod(folder.stat().st_mode | 0o011) if folder.stat().st_uid == os.geteuid() and folder != Path("/") else None
    index = tmp_path / "index"
    index.mkdir()
    os.chown(index, -1, GROUP)
    index.chmod(0o2750)
    use(index)
    assert as_another_user(index, GROUP) == "5 A ferry"
    assert "(PermissionError) - have this user read it, see 'Who may read an index'" in as_another_user(index)
