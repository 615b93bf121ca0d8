"""A build over a serving release equals one from scratch; what no source names stays, unless it is to go."""

import json
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from index.build import build_index
from index.build_report import ArchiveChanges, BuildReport
from recommender import Recommender
from recommender.errors import IndexDamaged, InputError
from recommender.release.manifest import CATALOGUE, current_folder
from recommender.text.chunking import chunk_article
from recommender.types import Article, Chunk
from tests.conftest import shared
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

Lines = Mapping[str, dict[str, Any]]


def build(index_dir: Path, lines: list[Any], **options: Any) -> BuildReport:
    source = write_jsonl(index_dir.parent / "archive.jsonl", lines)
    return build_index([str(source)], index_dir, options.pop("embedder", HashEmbedder()), max_rejects=1.0, **options)


def contents(index_dir: Path) -> dict[str, Any]:
    """All that a release says of its articles, and how readers see it; rows of the tables, but for the name of the release."""
    with closing(sqlite3.connect(current_folder(index_dir) / CATALOGUE)) as catalogue:
        tables = [name for (name,) in catalogue.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: catalogue.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in tables}
    with Recommender.open(index_dir) as opened:
        return {**rows, "lists": {record[1]: opened.related(record[1], 30).as_dict()["items"] for record in rows["article"]}}


def changed(archive: Lines, chance: random.Random) -> dict[str, dict[str, Any]]:
    """An archive a day later: some articles rewritten, some new, some gone."""
    later = {id_: dict(record) for id_, record in archive.items()}
    for id_ in chance.sample(sorted(later), 4):
        later[id_]["text"] += f"\n\nThe ferry of {chance.randint(1, 99)} lighthouses was late, the council said."
    for id_ in chance.sample(sorted(later), 3):
        del later[id_]
    for record in records(60, seed=chance.randint(1, 10**6))[: chance.randint(1, 6)]:
        later[f"new-{chance.randint(1, 10**6)}"] = {**record, "id": f"new-{chance.randint(1, 10**6)}", "url": None}
    return {record["id"]: record for record in later.values()}


@pytest.mark.parametrize("seed", range(4))
def test_a_build_over_a_release_equals_one_from_scratch(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    archive: Lines = {record["id"]: record for record in records(40)}
    build(tmp_path / "index", list(archive.values()))
    for day in range(3):
        before, archive = archive, changed(archive, chance)
        deleted = before.keys() - archive.keys()
        only_changes = [record for id_, record in archive.items() if before.get(id_) != record]
        chance.shuffle(only_changes)
        report = build(tmp_path / "index", [*only_changes, *({"id": id_, "withdrawn": True} for id_ in sorted(deleted))])
        scratch = build(tmp_path / f"scratch-{day}", list(archive.values()))
        assert contents(tmp_path / "index") == contents(tmp_path / f"scratch-{day}")
        assert report.n_embedded < scratch.n_embedded / 2
        assert (report.n_withdrawn, report.changes.n_deleted) == (len(deleted), len(deleted))
        assert report.changes.n_new == len(archive.keys() - before.keys())
        assert report.changes.n_changed == len(only_changes) - report.changes.n_new
        assert report.changes.n_kept == len(archive) - len(only_changes)


def test_the_order_of_the_sources_does_not_matter(tmp_path: Path) -> None:
    lines = records(30)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    build(tmp_path / "a" / "index", lines)
    build(tmp_path / "b" / "index", lines[::-1])
    assert contents(tmp_path / "a" / "index") == contents(tmp_path / "b" / "index")


def test_what_is_missing_goes_only_when_it_is_to(tmp_path: Path) -> None:
    build(tmp_path / "index", records(12))
    kept = build(tmp_path / "index", records(12)[:5])
    assert (kept.n_articles, kept.changes) == (12, ArchiveChanges(n_kept=7))
    gone = build(tmp_path / "index", records(12)[:5], delete_missing=True)
    assert (gone.n_articles, gone.changes) == (5, ArchiveChanges(n_deleted=7))


def test_a_withdrawn_article_goes_and_may_come_back(tmp_path: Path) -> None:
    lines = records(12)
    build(tmp_path / "index", lines)
    report = build(tmp_path / "index", [{"id": lines[0]["id"], "withdrawn": True}])
    assert (report.n_articles, report.n_withdrawn, report.rejected.total()) == (11, 1, 0)
    with Recommender.open(tmp_path / "index") as opened:
        assert opened.catalogue.find_row(lines[0]["id"]) is None
        assert all(lines[0]["id"] not in opened.related(line["id"], 11).ids for line in lines[1:])
    assert build(tmp_path / "index", lines[:1]).n_articles == 12
    late = {"id": "late", "title": "Late", "text": "A ferry."}
    assert build(tmp_path / "index", [late, {"id": "late", "withdrawn": True}]).n_articles == 12, "what is withdrawn further on in a source"


def test_an_archive_of_which_nothing_is_left_is_not_published(tmp_path: Path) -> None:
    lines = records(3)
    build(tmp_path / "index", lines)
    with pytest.raises(InputError, match="no article would be left"):
        build(tmp_path / "index", [{"id": line["id"], "withdrawn": True} for line in lines])
    with Recommender.open(tmp_path / "index") as opened:
        assert opened.release.manifest.n_articles == 3


def test_a_list_finds_an_article_that_comes_later(tmp_path: Path) -> None:
    lines = records(6)
    lines[0]["read_more"] = ["The day the last ferry left"]
    assert build(tmp_path / "index", lines).n_links_unknown == 1
    late = {"id": "late", "title": "The day the last ferry left", "text": "It left for good."}
    assert build(tmp_path / "index", [late]).n_links_unknown == 0
    with Recommender.open(tmp_path / "index") as opened:
        assert opened.catalogue.hand_made_lists()[lines[0]["id"]] == ("late",)


def test_a_changed_list_is_a_change(tmp_path: Path) -> None:
    lines = records(6)
    build(tmp_path / "index", lines)
    lines[0]["read_more"] = [lines[3]["id"], "“quoted” \\ Ünïcode"]
    assert build(tmp_path / "index", lines).changes == ArchiveChanges(n_changed=1)
    assert build(tmp_path / "index", lines).changes == ArchiveChanges()


@pytest.mark.parametrize(("rule", "title", "loser"), [("first", "One", 2), ("last", "Two", 1)])
def test_one_id_twice(tmp_path: Path, rule: Any, title: str, loser: int) -> None:
    lines = [{"id": "a", "title": name, "text": f"{name} ferry left the harbour."} for name in ("One", "Two")]
    report = build(tmp_path / "index", lines, on_duplicate=rule)
    assert (report.n_articles, dict(report.rejected)) == (1, {"duplicate_id": 1})
    [reject] = [json.loads(line) for line in (tmp_path / "index" / "rejects.jsonl").read_text().splitlines()]
    assert (reject["line"], reject["id"], reject["code"]) == (loser, "a", "duplicate_id")
    with Recommender.open(tmp_path / "index") as opened:
        assert opened.catalogue.article(0).title == title


def test_one_id_twice_may_stop_the_build(tmp_path: Path) -> None:
    lines = [{"id": "a", "title": "T", "text": "Ferry."}] * 2
    with pytest.raises(InputError, match=r"archive.jsonl:2 has the id 'a' of .*archive.jsonl:1 - give each article its own, or"):
        build(tmp_path / "index", lines, on_duplicate="error")


def test_a_release_that_cannot_be_read_keeps_nothing_in_silence(tmp_path: Path) -> None:
    lines = records(6)
    build(tmp_path / "index", lines)
    catalogue = current_folder(tmp_path / "index") / CATALOGUE
    catalogue.write_bytes(catalogue.read_bytes()[:-1])
    with pytest.raises(IndexDamaged, match="give the whole archive and --delete-missing"):
        build(tmp_path / "index", lines[:2])
    assert build(tmp_path / "index", lines, delete_missing=True).n_articles == 6


@pytest.mark.long
def test_a_changed_percent_of_an_archive_costs_a_tenth_of_the_first_build(tmp_path: Path) -> None:
    """The commands as they are run, on a real archive with the real model: ratio of their whole times, and lists as from scratch."""
    lines = [json.loads(line) for line in shared("digitalgov.jsonl").read_text(encoding="utf-8").splitlines()]
    source = write_jsonl(tmp_path / "archive.jsonl", lines)

    def seconds(index_dir: Path) -> float:
        begin = time.perf_counter()
        command = [sys.executable, "scripts/build_index.py", str(source), "--out", str(index_dir), "--json"]
        done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
        print(json.loads(done.stdout))
        return time.perf_counter() - begin

    first = seconds(tmp_path / "index")
    for number in range(0, len(lines), 100):
        lines[number]["text"] += "\n\nThis paragraph was added a day later, about the ferry and its captain."
    write_jsonl(source, lines)
    second = seconds(tmp_path / "index")
    shutil.copytree(tmp_path / "index" / "cache", tmp_path / "scratch" / "cache")
    seconds(tmp_path / "scratch")
    assert contents(tmp_path / "index") == contents(tmp_path / "scratch")
    print(f"first {first:.1f} s, second {second:.1f} s, ratio {second / first:.3f}")
    assert second <= 0.1 * first


def test_texts_that_stay_are_not_cut_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their chunks are taken over; a changed title or text, a new article, or another model, is cut."""
    lines = records(30)
    cut: list[str] = []

    def noted(article: Article, embedder: HashEmbedder) -> list[Chunk]:
        cut.append(article.id)
        return chunk_article(article, embedder)

    monkeypatch.setattr("index.archive.reading.chunk_article", noted)

    def built(embedder: HashEmbedder, *more: dict[str, object]) -> None:
        cut.clear()
        build_index([str(write_jsonl(tmp_path / "a.jsonl", [*lines, *more]))], tmp_path / "index", embedder)

    built(HashEmbedder())
    assert len(cut) == 30
    lines[3]["text"] += " One more sentence about ships."
    lines[7]["title"] += " again"
    lines[9]["section"] = "another"
    built(HashEmbedder(), {"id": "new", "title": "New", "text": "A ship came."})
    assert sorted(cut) == sorted([lines[3]["id"], lines[7]["id"], "new"])
    lines = lines[:2]  # the others stay, unnamed
    built(HashEmbedder())
    assert cut == []
    with Recommender.open(tmp_path / "index") as opened:
        for row in range(31):
            article = opened.catalogue.article(row)
            assert opened.catalogue.find_row(article.id) == row
            spans = opened.catalogue.layout().offsets[row : row + 2]
            texts = [opened.catalogue.chunk(chunk)[1] for chunk in range(*spans.tolist())]
            assert texts == [chunk.text for chunk in chunk_article(article, HashEmbedder())]

    class Other(HashEmbedder):
        sha256 = "e" * 64

    built(Other())
    assert len(cut) == 31
