"""A release is served whole or not at all: every damaged file is refused by name."""

import json
import random
import shutil
import threading
from pathlib import Path

import pytest

from index.build import build_index
from index.release.publish import set_current
from recommender import Recommender
from recommender.errors import FormatUnsupported, IndexDamaged, IndexNotFound, IndexUnusable
from recommender.release.manifest import CURRENT, Manifest, current_folder, verify
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

FILES = (
    "catalogue.db",
    "chunks.npy",
    "manifest.json",
    "facts.npy",
    "lists.bin",
    "lists.npy",
    "offsets.npy",
    "spans.npy",
    "lexical/keys.npy",
    "lexical/weights.npy",
    "words/trie.marisa",
    "words/places.npy",
    "withdrawn.json",
)
MUTATIONS = ("flip", "cut", "grow", "empty", "gone")


@pytest.fixture
def copy(index_dir: Path, tmp_path: Path) -> Path:
    """An index that may be broken."""
    shutil.copytree(index_dir, tmp_path / "index")
    return tmp_path / "index"


def damage(path: Path, how: str, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
        return
    if how == "flip":
        place = chance.randrange(len(content))
        content[place] ^= 1 << chance.randrange(8)
    elif how == "cut":
        del content[chance.randrange(1, len(content)) :]
    elif how == "grow":
        content += b"\0"
    else:
        content.clear()
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("number", range(len(FILES) * len(MUTATIONS)))
def test_every_damaged_file_is_refused_by_name(copy: Path, number: int) -> None:
    name, how = FILES[number % len(FILES)], MUTATIONS[number // len(FILES)]
    path = current_folder(copy) / name
    damage(path, how, random.Random(number))
    with pytest.raises(IndexUnusable) as caught:
        Recommender.open(copy)
    assert isinstance(caught.value, IndexDamaged)
    assert str(path) in str(caught.value)
    assert " - " in str(caught.value), "says what to do"


def two_releases(folder: Path) -> tuple[str, str]:
    """An index with an older and a newer release; their names."""
    names = []
    for number in (10, 20):
        source = str(write_jsonl(folder / "archive.jsonl", records(number)))
        names.append(build_index([source], folder / "index", HashEmbedder()).release)
    return names[0], names[1]


def test_whoever_reads_current_while_it_changes_finds_a_whole_name(tmp_path: Path) -> None:
    """The file is never written to: who has the old one open reads the old name, and its other link keeps it."""
    older, newer = two_releases(tmp_path)
    index = tmp_path / "index"
    (tmp_path / "link").hardlink_to(index / CURRENT)
    with (index / CURRENT).open(encoding="utf-8") as before:
        set_current(index / "releases" / older, index)
        assert before.read() == (tmp_path / "link").read_text(encoding="utf-8") == f"{newer}\n"
    assert (index / CURRENT).read_text(encoding="utf-8") == f"{older}\n"
    done = threading.Event()
    found = set[str]()

    def read() -> None:
        while not done.is_set():
            found.add((index / CURRENT).read_text(encoding="utf-8"))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(500):
        set_current(index / "releases" / (newer if number % 2 else older), index)
    done.set()
    reader.join()
    assert found == {f"{older}\n", f"{newer}\n"}


@pytest.mark.parametrize("name", FILES)
def test_the_newest_sound_release_serves_in_place_of_a_damaged_one(tmp_path: Path, name: str) -> None:
    older, newer = two_releases(tmp_path)
    (tmp_path / "index" / "releases" / newer / name).write_bytes(b"broken")
    with Recommender.open(tmp_path / "index") as opened:
        assert opened.release.name == older
        assert name in str(opened.release.degraded)
        assert len(opened.related("harbour-0")) == 5


@pytest.mark.parametrize("content", [b"", b"nothing\n", b"../../etc\n", b"..\n", b"\xff\xfe", b"x" * 300, b"a\0b", None])
def test_a_damaged_pointer_serves_the_newest_release_and_says_so(tmp_path: Path, content: bytes | None) -> None:
    two_releases(tmp_path)
    pointer = tmp_path / "index" / "CURRENT"
    pointer.unlink() if content is None else pointer.write_bytes(content)
    with Recommender.open(tmp_path / "index") as opened:
        assert opened.release.manifest.n_articles in (10, 20)
        assert str(pointer) in str(opened.release.degraded)


def test_a_sound_index_is_not_degraded(copy: Path) -> None:
    with Recommender.open(copy) as opened:
        assert opened.release.degraded is None


def test_no_index(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFound, match=rf"no index in {tmp_path} - build one: readmore build"):
        Recommender.open(tmp_path)


def test_another_format_is_refused_naming_both(copy: Path) -> None:
    folder = current_folder(copy)
    manifest = verify(folder).manifest
    fields = {name: getattr(manifest, name) for name in Manifest.__slots__}
    (folder / "manifest.json").write_text(Manifest(**{**fields, "format": 9}).to_json(), encoding="utf-8")
    with pytest.raises(FormatUnsupported, match="has format 9, this version of Readmore reads format 5"):
        Recommender.open(copy)


def test_counts_that_disagree_are_refused(copy: Path) -> None:
    """Every hash is right, and yet the files do not belong together."""
    folder = current_folder(copy)
    manifest = verify(folder).manifest
    fields = {name: getattr(manifest, name) for name in Manifest.__slots__}
    (folder / "manifest.json").write_text(Manifest(**{**fields, "n_chunks": 1}).to_json(), encoding="utf-8")
    with pytest.raises(IndexDamaged, match="the catalogue's counts are not the manifest's"):
        Recommender.open(copy)


def test_the_manifest_is_plain_json_and_round_trips(copy: Path) -> None:
    path = current_folder(copy) / "manifest.json"
    text = path.read_text(encoding="utf-8")
    assert Manifest.from_json(text, path).to_json() == text
    assert set(json.loads(text)["files"]) >= set(FILES) - {"manifest.json"}
