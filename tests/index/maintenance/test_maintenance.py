"""Doctor, verification, rollback and the comparison of releases: on real releases, damaged in real ways."""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.build import build_index
from index.maintenance.diff import Ids, Limits, compare
from index.maintenance.health_checks import Check, checks
from index.maintenance.rank_overlap import jaccard, rank_biased_overlap
from index.maintenance.release_rollback import roll_back
from index.maintenance.verify import Verification, verify_index
from index.release.publish import KEPT
from index.storage.build_lock import build_lock
from recommender import Recommender
from recommender.embedding.sentence_transformer import BUNDLED_MODEL
from recommender.errors import IndexBusy, IndexDamaged, IndexNotFound, InputError
from recommender.features.ranker import RANKER
from recommender.release.manifest import CATALOGUE, CURRENT, MANIFEST, current_folder, release_folders, verify
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

ROOT = Path(__file__).resolve().parents[3]


def build(index_dir: Path, lines: Sequence[Any], **options: Any) -> str:
    index_dir.parent.mkdir(parents=True, exist_ok=True)
    source = write_jsonl(index_dir.parent / f"{index_dir.name}.jsonl", lines)
    return build_index([str(source)], index_dir, HashEmbedder(), delete_missing=True, **options).release


def run(script: str, *arguments: object) -> tuple[int, str, str]:
    command = [sys.executable, f"scripts/{script}.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def copy(index_dir: Path, tmp_path: Path) -> Path:
    shutil.copytree(index_dir, tmp_path / "index")
    return tmp_path / "index"


def faults(found: Verification) -> list[tuple[str, str]]:
    return [(fault.code, Path(fault.file).name) for fault in found.faults]


def files_of(index_dir: Path) -> list[Path]:
    return sorted(path for path in current_folder(index_dir).rglob("*") if path.is_file())


def test_a_sound_index_has_no_fault(index_dir: Path) -> None:
    found = verify_index(index_dir)
    assert (found.faults, found.serves, found.current) == ((), current_folder(index_dir).name, current_folder(index_dir).name)


@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "remove"])
def test_each_damaged_file_is_named(index_dir: Path, tmp_path: Path, damage: str) -> None:
    for number, original in enumerate(files_of(index_dir)):
        shutil.copytree(index_dir, tmp_path / str(number))
        path = tmp_path / str(number) / original.relative_to(index_dir)
        content = bytearray(path.read_bytes())
        if damage == "flip":
            content[len(content) // 2] ^= 1
        path.write_bytes({"flip": bytes(content), "cut": bytes(content[:-1]), "grow": bytes(content) + b"\n"}.get(damage, b""))
        if damage == "remove":
            path.unlink()
        found = verify_index(tmp_path / str(number))
        expected = {"flip": "sha256", "cut": "size", "grow": "size", "remove": "missing"}[damage]
        if path.name == MANIFEST:
            assert {name for _, name in faults(found)} == {MANIFEST} or damage == "grow", faults(found)
        else:
            assert faults(found) == [(expected, path.name)]
        shutil.rmtree(tmp_path / str(number))


def test_every_bad_file_is_named_not_only_the_first(copy: Path) -> None:
    paths = [path for path in files_of(copy) if path.name != MANIFEST][:4]
    for path in paths:
        path.write_bytes(path.read_bytes()[:-1])
    (current_folder(copy) / "stranger").write_text("?")
    (copy / RANKER).write_text("{")
    assert sorted(name for _, name in faults(verify_index(copy))) == sorted([*(path.name for path in paths), "stranger", RANKER])
    code, said, error = run("verify_index", "--index", copy, "--json")
    assert code == 7
    assert json.loads(said)["sound"] is False
    assert error.count("\n") == 1
    assert {Path(fault["file"]).name for of in json.loads(said)["releases"] for fault in of["faults"]} == {
        *(path.name for path in paths),
        "stranger",
    }


def test_a_release_that_stands_in_is_named(tmp_path: Path) -> None:
    names = [build(tmp_path / "index", records(5 + number)) for number in range(3)]
    catalogue = current_folder(tmp_path / "index") / CATALOGUE
    catalogue.write_bytes(catalogue.read_bytes()[:-1])
    found = verify_index(tmp_path / "index")
    assert (found.current, found.serves) == (names[2], names[1])
    assert [release.name for release in found.releases] == [names[2], names[1]]
    (tmp_path / "index" / CURRENT).write_text("nothing")
    found = verify_index(tmp_path / "index", all_releases=True)
    assert (found.current, found.serves, len(found.releases)) == (None, names[1], 3)
    assert "current" in [code for code, _ in faults(found)]


def test_rollback_and_back_again_while_somebody_reads(tmp_path: Path) -> None:
    index = tmp_path / "index"
    names = [build(index, records(5 + number)) for number in range(3)]
    with Recommender.open(index) as reader:
        assert (roll_back(index).before, current_folder(index).name) == (names[2], names[1])
        assert roll_back(index).after == names[0]
        with pytest.raises(InputError, match=f"no sound release older than {names[0]}"):
            roll_back(index)
        assert reader.release.manifest.n_articles == 7
        assert reader.related(records(7)[0]["id"]).items
        with Recommender.open(index) as opened:
            assert opened.release.manifest.n_articles == 5
    assert roll_back(index, names[2]).after == names[2]
    code, said, _ = run("rollback", "--index", index, "--json")
    assert (code, json.loads(said)) == (0, {"before": names[2], "after": names[1], "passed_over": []})


def test_a_damaged_release_is_never_gone_back_to(tmp_path: Path) -> None:
    index = tmp_path / "index"
    names = [build(index, records(5 + number)) for number in range(3)]
    (index / "releases" / names[1] / CATALOGUE).write_bytes(b"damaged")
    with pytest.raises(IndexDamaged, match=rf"release {names[1]} is not sound: .*{CATALOGUE}"):
        roll_back(index, names[1])
    assert current_folder(index).name == names[2]
    done = roll_back(index)
    assert (done.after, [of.name for of in done.passed_over]) == (names[0], [names[1]])
    with pytest.raises(InputError, match="has no release 'nothing'"):
        roll_back(index, "nothing")
    with pytest.raises(IndexNotFound):
        roll_back(tmp_path / "none")
    assert run("rollback", "--index", index, "--to", names[1])[0] == 7


def test_no_rollback_during_a_build(tmp_path: Path) -> None:
    build(tmp_path / "index", records(5))
    build(tmp_path / "index", records(6))
    with build_lock(tmp_path / "index"):
        with pytest.raises(IndexBusy):
            roll_back(tmp_path / "index")
        assert run("rollback", "--index", tmp_path / "index")[0] == 6


def test_a_build_after_a_rollback_keeps_what_served_and_goes_on_from_there(tmp_path: Path) -> None:
    index = tmp_path / "index"
    names = [build(index, records(5 + number)) for number in range(KEPT)]
    roll_back(index, names[0])
    report = build_index([str(write_jsonl(tmp_path / "one.jsonl", [{"id": "new", "title": "N", "text": "Ferry."}]))], index, HashEmbedder())
    assert report.n_articles == 6
    left = [folder.name for folder in release_folders(index)]
    assert len(left) == KEPT
    assert {names[0], report.release} <= set(left)


def endless_overlap(one: Sequence[str], other: Sequence[str], p: float) -> float:
    """The definition: (1 - p) times the sum of p^(d-1) A(d) over all depths; what is not seen agrees as the seen part does at its end."""
    shorter, longer = sorted((one, other), key=len)
    total = agreement = 0.0
    for depth in range(1, 300):
        if depth <= len(longer):
            seen, unseen = set(shorter[:depth]) & set(longer[:depth]), max(depth - len(shorter), 0)
            agreement = (len(seen) + unseen * len(set(shorter) & set(longer[: len(shorter)])) / len(shorter)) / depth
        total += (1 - p) * p ** (depth - 1) * agreement
    return total


lists = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=6)


@given(lists, lists)
def test_rank_biased_overlap(one: list[str], other: list[str]) -> None:
    found = rank_biased_overlap(one, other, 0.8)
    assert found == rank_biased_overlap(other, one, 0.8)
    assert 0 <= found <= 1
    assert (found == 1) == (one == other) or math.isclose(found, 1)
    assert rank_biased_overlap(one, one) == pytest.approx(1)
    if not set(one) & set(other) and (one or other):
        assert found == 0
    if one and other:
        assert found == pytest.approx(endless_overlap(one, other, 0.8))
    assert jaccard(one, other) == (len(set(one) & set(other)) / len(set(one) | set(other)) if one or other else 1)


def test_the_difference_of_two_indexes(tmp_path: Path) -> None:
    lines = records(30)
    build(tmp_path / "old", lines)
    changed = [dict(line) for line in lines if line["id"] != lines[7]["id"]]
    changed[0]["text"] += "\n\nAnother sentence, about a lighthouse."
    changed[1]["title"] = "Renamed"
    changed.append({"id": "new", "title": "New", "text": "A ferry and a pier.", "section": "harbour"})
    build(tmp_path / "new", changed)
    found = compare(tmp_path / "old", tmp_path / "new")
    assert (found.added.first, found.lost.first) == (("new",), (lines[7]["id"],))
    assert found.lost_share == pytest.approx(1 / 30)
    assert set(found.changed.first) == {lines[0]["id"], lines[1]["id"]}
    assert found.changed_fields == {"text": 1, "title": 1}
    with Recommender.open(tmp_path / "old") as old, Recommender.open(tmp_path / "new") as new:
        both = [line["id"] for line in lines if line["id"] != lines[7]["id"]]
        pairs = {id_: (old.related(id_, 5).ids, new.related(id_, 5).ids) for id_ in both}
    assert found.lists_changed.n == sum(one != other for one, other in pairs.values()) > 0
    assert found.n_common == 29
    assert found.overlap == pytest.approx(np.mean([jaccard(*pair) for pair in pairs.values()]))
    assert found.rank_biased_overlap == pytest.approx(np.mean([rank_biased_overlap(*pair) for pair in pairs.values()]))
    assert sum(found.new.sections.values()) == pytest.approx(1)
    assert found.notices == ()
    exact = Limits(found.lists_changed_share, found.lost_share, found.new.n_duplicates, found.largest_shift)
    assert exact.broken(found) == []
    assert len(Limits(0.0, 0.0, None, 0.0).broken(found)) == 3


def test_near_duplicates_that_either_release_knows_are_counted(tmp_path: Path) -> None:
    """A copy is rewritten in the words it had: the new release shows it beside the article that the old one knew it as."""
    lines = [{**line, "published": "2020-03-01T08:00:00Z"} for line in records(12)]
    lines.append({**lines[0], "id": "copy"})
    build(tmp_path / "old", lines)
    lines[-1] = {**lines[-1], "text": " ".join(sorted(lines[0]["text"].replace(".", "").split()))}
    build(tmp_path / "new", lines)
    found = compare(tmp_path / "old", tmp_path / "new")
    with Recommender.open(tmp_path / "new") as new:
        both = sum({lines[0]["id"], "copy"} <= set(new.related(line["id"], 5).ids) for line in lines)
    assert found.old.n_duplicates == 0
    assert found.new.n_duplicates == both > 0
    assert Limits(duplicates=both).broken(found) == []
    assert Limits(duplicates=both - 1).broken(found) == [f"lists with near-duplicates: {both}, the limit is {both - 1}"]


@pytest.mark.parametrize("name", ["lists_changed", "articles_lost", "section_shift"])
def test_a_limit_holds_what_it_says(index_dir: Path, name: str) -> None:
    within: dict[str, Any] = {name: 0.2}
    below: dict[str, Any] = {name: 0.19}
    same = compare(index_dir, index_dir)
    some = replace(same, lists_changed=Ids(8, ()), lost=Ids(8, ()), section_shifts={"a": 0.05, "b": -0.2})  # of 40 articles
    assert Limits(**within).broken(some) == []
    [line] = Limits(**below).broken(some)
    assert line.endswith(": 20.00%, the limit is 19.00%")


def test_an_index_does_not_differ_from_itself(index_dir: Path) -> None:
    found = compare(index_dir, current_folder(index_dir))
    assert (found.added.n, found.lost.n, found.changed.n, found.lists_changed.n) == (0, 0, 0, 0)
    assert (found.overlap, found.rank_biased_overlap, found.largest_shift) == (1.0, 1.0, 0.0)


def test_the_gate_exits_7_over_a_limit(tmp_path: Path) -> None:
    build(tmp_path / "old", records(12))
    build(tmp_path / "new", records(12)[1:])
    code, said, error = run("diff_index", "--index", tmp_path / "old", "--next", tmp_path / "new", "--max-articles-lost", "1%", "--json")
    assert code == 7
    assert json.loads(said)["broken"] == ["articles lost: 8.33%, the limit is 1.00%"]
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert run("diff_index", "--index", tmp_path / "old", "--next", tmp_path / "new", "--max-articles-lost", "10%")[0] == 0


def states(found: Sequence[Check]) -> set[tuple[str, str]]:
    return {(check.kind, check.state) for check in found}


def test_the_doctor_finds_nothing_at_a_good_index(index_dir: Path) -> None:
    found = list(checks(index_dir, HashEmbedder))
    assert not [check for check in found if check.state == "fail"]
    assert {kind for kind, _ in states(found)} == {"packages", "machine", "model", "index", "disk", "speed"}


def test_the_doctor_names_what_is_wrong_and_the_cure(copy: Path, tmp_path: Path) -> None:
    class Other(HashEmbedder):
        sha256 = "e" * 64

    assert ("model", "fail") in states(list(checks(copy, Other)))
    missing = [check for check in checks(tmp_path / "none", HashEmbedder) if check.kind == "index"]
    assert [(check.state, "readmore build" in check.cure) for check in missing] == [("fail", True)]
    catalogue = current_folder(copy) / CATALOGUE
    catalogue.write_bytes(catalogue.read_bytes()[:-1])
    [fault] = [check for check in checks(copy, HashEmbedder) if check.kind == "index" and check.state == "fail"]
    assert CATALOGUE in fault.found
    assert "readmore rollback" in fault.cure


def test_the_doctor_goes_on_where_an_index_cannot_be_opened(copy: Path) -> None:
    """Hashes right, and yet the files do not belong together: found, and everything else looked at all the same."""
    folder = current_folder(copy)
    (folder / MANIFEST).write_text(replace(verify(folder).manifest, n_chunks=1).to_json())
    found = list(checks(copy, HashEmbedder))
    assert [Path(check.found.split()[0]).name for check in found if check.state == "fail"] == [folder.name]
    assert ("disk", "ok") in states(found)


def test_the_doctor_as_a_command(copy: Path) -> None:
    """The index is of another model than the one that is named, and its own is not on this machine: 4."""
    code, said, error = run("doctor", "--index", copy, "--model", BUNDLED_MODEL, "--json")
    assert code == 4
    found = json.loads(said)
    assert {check["kind"] for check in found} >= {"packages", "machine", "model", "index", "disk", "speed"}
    assert "was built with" in error
    assert error.count("\n") == 1
    code, said, error = run("doctor", "--index", copy, "--json")
    assert (code, "the model 'hash' cannot be had" in error) == (4, True)
