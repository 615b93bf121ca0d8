"""What builds write fits together; see `tests.support.release_contents`."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.build import build_index
from index.lists.list_file_writer import ListWriter
from index.vectors import vector_writer
from recommender import Recommender
from recommender.errors import IndexDamaged
from recommender.features.article_features import FACTS, OFFSETS, SPANS
from recommender.release.list_codec import PLACES, StoredLists, pack
from recommender.release.manifest import CATALOGUE, MANIFEST, VECTORS, Manifest, current_folder, file_entry
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder
from tests.support.release_contents import check_contents


@pytest.fixture
def copy(index_dir: Path, tmp_path: Path) -> Path:
    shutil.copytree(index_dir, tmp_path / "index")
    return current_folder(tmp_path / "index")


@pytest.mark.parametrize("exact", [10, 10_000])
def test_what_builds_write_fits_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exact: int) -> None:
    """With near-duplicates, an article of a title alone, and a second build that folds in what was put."""
    monkeypatch.setattr(vector_writer, "EXACT", exact)
    monkeypatch.setattr("index.build.EXACT", exact)
    lines = records(60)
    lines += [{**lines[0], "id": "copy"}, {"id": "title", "title": "A ferry and a storm", "text": ""}]
    index = tmp_path / "index"
    build_index([str(write_jsonl(tmp_path / "a.jsonl", lines))], index, HashEmbedder())
    check_contents(current_folder(index))
    build_index(
        [str(write_jsonl(tmp_path / "b.jsonl", [*records(70, seed=3)[60:], {"id": "copy", "withdrawn": True}]))], index, HashEmbedder()
    )
    check_contents(current_folder(index))


def test_what_the_real_model_builds_fits_together(demo_index: Path) -> None:
    check_contents(current_folder(demo_index))


def sign(folder: Path) -> None:
    """Write the hashes of changed files into the manifest: only what they hold is wrong."""
    path = folder / MANIFEST
    manifest = Manifest.from_json(path.read_text(), path)
    path.write_text(replace(manifest, files={name: file_entry(folder / name) for name in manifest.files}).to_json())


def in_array(name: str, place: Any, value: Any) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        array = np.load(folder / name)
        array[place] = value
        np.save(folder / name, array)

    return damage


def in_list(row: int, target: int) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / "other").mkdir()
        with closing(StoredLists(folder)) as stored, closing(ListWriter(folder / "other", len(stored))) as writer:
            for other in range(len(stored)):
                found = stored.read(other)
                if other == row:
                    found["article"][2] = target
                writer.add(other, pack(found))
            writer.finish(folder)
        (folder / "other").rmdir()

    return damage


def in_catalogue(sql: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        with closing(sqlite3.connect(folder / CATALOGUE)) as catalogue, catalogue:
            catalogue.execute(sql)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        in_array(VECTORS, 3, 2.0),
        in_array(VECTORS, 5, np.nan),
        in_array(FACTS, 1, (0, 0, 0, 0, 0.0, (0, 0), False)),
        in_array(FACTS, 1, (0, 1, 999, 0, 0.0, (0, 0), False)),
        in_array(FACTS, 1, (0, 1, 1, 0, 0.0, (np.nan, 0), False)),
        in_array(SPANS, (0, 1), 1 << 20),
        in_array(OFFSETS, -1, 0),
        in_array(PLACES, 2, (0, 1)),
        in_array("words/numbers.npy", 0, 1),
        in_array("words/places.npy", slice(None), 0),
        in_array("lexical/keys.npy", -1, 1 << 60),
        in_array("lexical/keys.npy", 0, 3),
        in_array("lexical/terms.npy", 0, 1 << 30),
        in_array("lexical/rows.npy", 0, 40),
        in_array("lexical/starts.npy", -1, 0),
        in_array("lexical/mention_rows.npy", 0, 40),
        in_list(4, 999),
        in_list(6, -1),
        in_list(8, 8),
        in_catalogue("INSERT INTO read_more VALUES (0, 99, 777)"),
        in_catalogue("UPDATE article SET canonical = 777 WHERE row = 1"),
    ],
)
def test_what_does_not_fit_is_seen(copy: Path, damage: Callable[[Path], None]) -> None:
    check_contents(copy)
    damage(copy)
    sign(copy)
    with pytest.raises((AssertionError, IndexError, IndexDamaged)):
        check_contents(copy)


def test_a_list_that_is_cut_is_an_error_that_names_its_article(copy: Path) -> None:
    in_array(PLACES, 2, (0, 100))(copy)
    sign(copy)
    with Recommender.open(copy.parents[1], HashEmbedder()) as opened, pytest.raises(IndexDamaged, match="the list of row 2 cannot be read"):
        opened.related_to_row(2)
