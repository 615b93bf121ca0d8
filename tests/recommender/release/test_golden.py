"""Releases that earlier versions wrote: every format that can be opened still gives the lists that it gave then."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recommender import Recommender
from recommender.errors import FormatUnsupported
from recommender.release.manifest import FORMAT, current_folder, verify
from tests.golden.make import ARTICLES, GOLDEN, INDEX, LISTS, build, lists
from tests.support.hash_embedder import HashEmbedder
from tests.support.release_contents import check_contents

FORMATS = sorted(GOLDEN.glob("format-*"))


def opened(folder: Path, tmp_path: Path) -> Path:
    shutil.unpack_archive(folder / INDEX, tmp_path / "golden")
    return tmp_path / "golden"


def leaves(answer: Any, path: str = "") -> dict[str, Any]:
    """Every value of a nested answer, by its path."""
    if isinstance(answer, dict | list):
        items = answer.items() if isinstance(answer, dict) else enumerate(answer)
        return {name: leaf for key, value in items for name, leaf in leaves(value, f"{path}/{key}").items()}
    return {path: answer}


def test_the_current_format_has_its_golden_release() -> None:
    assert f"format-{FORMAT}" in [folder.name for folder in FORMATS], "run python -m tests.golden.make"


@pytest.mark.parametrize("folder", FORMATS, ids=lambda folder: folder.name)
def test_a_golden_release_gives_its_lists(folder: Path, tmp_path: Path) -> None:
    expected = json.loads((folder / LISTS).read_text(encoding="utf-8"))
    assert len(expected[ARTICLES[0]["id"]]["items"]) == 2, "lists that are empty would tell nothing"
    index = opened(folder, tmp_path)
    answers = json.loads(json.dumps(lists(index)))
    draft, expected_draft = answers.pop("draft"), expected.pop("draft")
    assert answers == expected
    close, expected_close = leaves(draft), leaves(expected_draft)
    assert close.keys() == expected_close.keys()
    for path, value in expected_close.items():
        assert close[path] == (pytest.approx(value, abs=1e-3) if isinstance(value, float) else value), path
    if folder.name == f"format-{FORMAT}":
        check_contents(current_folder(index))


def test_a_build_writes_the_files_of_its_format(tmp_path: Path) -> None:
    """Another file, or another type of its numbers, is another format: raise `FORMAT`, then run `python -m tests.golden.make`."""
    golden = current_folder(opened(GOLDEN / f"format-{FORMAT}", tmp_path))
    new = current_folder(build(tmp_path))
    types = []
    for folder in (golden, new):
        files = sorted(verify(folder).manifest.files)
        arrays = {name: np.load(folder / name, mmap_mode="r") for name in files if name.endswith(".npy")}
        types.append({name: (arrays[name].dtype, arrays[name].shape) if name in arrays else None for name in files})
    assert types[0] == types[1]


@pytest.mark.parametrize("other", [FORMAT - 1, FORMAT + 1])
def test_another_format_is_refused_and_says_what_to_do(tmp_path: Path, other: int) -> None:
    index = opened(GOLDEN / f"format-{FORMAT}", tmp_path)
    folder = current_folder(index)
    manifest = verify(folder).manifest
    fields = {name: getattr(manifest, name) for name in type(manifest).__slots__}
    (folder / "manifest.json").write_text(type(manifest)(**{**fields, "format": other}).to_json(), encoding="utf-8")
    message = f"has format {other}, this version of Readmore reads format {FORMAT} - build the index again with this version"
    with pytest.raises(FormatUnsupported, match=message):
        Recommender.open(index, HashEmbedder())
    index.rename(tmp_path / "index")
    with pytest.raises(FormatUnsupported, match="give the whole archive and --delete-missing"):
        build(tmp_path)
