"""A build: what goes in, what is reported, what is published, and what is not."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index import build as build_module
from index.build import STAGES, build_index
from index.build_report import BuildReport
from index.release.publish import KEPT
from recommender import Recommender
from recommender.errors import IndexBusy, InputError, StorageError, TooManyRejects
from recommender.release.manifest import file_entry, release_folders
from recommender.text.chunking import MAX_TEXT, TokenSpans
from recommender.types import Vectors
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder


def build(folder: Path, lines: list[Any], **options: Any) -> BuildReport:
    return build_index(
        [str(write_jsonl(folder / "archive.jsonl", lines))], folder / "index", options.pop("embedder", HashEmbedder()), **options
    )


def rejects(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "index" / "rejects.jsonl").read_text(encoding="utf-8").splitlines()]


def all_lists(index_dir: Path) -> dict[str, Any]:
    with Recommender.open(index_dir, HashEmbedder()) as opened:
        ids = [opened.catalogue.card(row).id for row in range(opened.release.manifest.n_articles)]
        return {id_: opened.related(id_, 20).items for id_ in ids}


def test_the_report_counts_what_was_done(tmp_path: Path) -> None:
    report = build(tmp_path, [*records(), {"id": "long", "title": "Long", "text": "word " * 50_000}])
    assert (report.n_read, report.n_articles, report.rejected.total()) == (41, 41, 0)
    assert report.n_truncated == 0
    assert report.n_capped == 1
    assert report.n_links == sum(len(record["read_more"]) for record in records())
    assert list(report.seconds) == [stage for stage in STAGES if stage != "vectors"], "no server holds the vectors"
    with Recommender.open(tmp_path / "index") as opened:
        assert (opened.release.name, opened.release.manifest.n_chunks) == (report.release, report.n_chunks)
        assert report.bytes == sum(file_entry(opened.release.folder / name).bytes for name in opened.release.manifest.files)


def test_truncation_is_counted_for_a_model_whose_tokens_do_not_add_up(tmp_path: Path) -> None:
    class Uneven(HashEmbedder):
        """Spends a token more on every line end, as some tokenizers do."""

        def token_spans(self, text: str) -> TokenSpans:
            spans = super().token_spans(text)
            return spans if "\n" not in text else super().token_spans(text.replace("\n", "."))

    assert (
        build(tmp_path, [{"id": "a", "title": "A title", "text": "one two three four five six seven " * 40}], embedder=Uneven()).n_truncated
        > 0
    )


def test_bad_lines_are_left_out_and_written_down_with_their_reasons(tmp_path: Path) -> None:
    good = records(60)
    lines = [
        *good[:10],
        '{"id": "half", "title": "T", "te',
        {"id": "empty", "title": "T", "text": " \u200b "},
        good[3],
        {**good[10], "url": "javascript:alert(1)", "published": "2026-13-45"},
        *good[11:],
    ]
    report = build(tmp_path, lines)
    file = str(tmp_path / "archive.jsonl")
    found = rejects(tmp_path)
    assert [(line["file"], line["line"], line["id"], line["code"], line["field"]) for line in found] == [
        (file, 11, None, "bad_json", None),
        (file, 12, "empty", "empty_text", None),
        (file, 13, good[3]["id"], "duplicate_id", None),
        (file, 14, good[10]["id"], "bad_url", "url"),
        (file, 14, good[10]["id"], "bad_date", "published"),
    ]
    assert f"{file}:13" in found[2]["reason"]
    assert f"{file}:4" in found[2]["reason"]
    assert (report.n_read, report.n_articles) == (63, 60)
    assert dict(report.rejected) == {"bad_json": 1, "empty_text": 1, "duplicate_id": 1}
    assert dict(report.dropped_fields) == {"bad_url": 1, "bad_date": 1}
    with Recommender.open(tmp_path / "index") as opened:
        kept = opened.catalogue.article(opened.catalogue.row(good[10]["id"]))
        assert (kept.url, kept.published) == (None, None)
        assert opened.catalogue.article(opened.catalogue.row(good[3]["id"])).text == good[3]["text"]


@pytest.mark.parametrize(
    ("lines", "options", "error", "message"),
    [
        ([], {}, InputError, "no article in"),
        (["", "  "], {}, InputError, "no article in"),
        ([*records(9), "{"], {}, TooManyRejects, r"1 of 10 articles are rejected \(1 bad_json\), --max-rejects allows 0.05"),
        ([*records(30), "{"], {"strict": True}, TooManyRejects, "--strict allows none"),
        ([{"text": "b"}, "{"], {}, TooManyRejects, r"the first, .*:1: no field 'id'; .* --map id=FIELD - see .*rejects\.jsonl"),
    ],
)
def test_nothing_is_published_and_the_old_release_stays(
    tmp_path: Path, lines: list[Any], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    build(tmp_path, records(12))
    before = all_lists(tmp_path / "index")
    with pytest.raises(error, match=message):
        build(tmp_path, lines, **options)
    assert all_lists(tmp_path / "index") == before
    assert len(list((tmp_path / "index" / "releases").iterdir())) == 1, "nothing staged is left behind"


def test_more_rejects_are_allowed_when_asked_for(tmp_path: Path) -> None:
    assert build(tmp_path, [*records(9), "{"], max_rejects=0.1).n_articles == 9


def test_hand_made_lists_are_found_by_id_url_and_title(tmp_path: Path) -> None:
    lines = records(8)
    for record in lines:
        record["read_more"] = []
    lines[0]["read_more"] = [lines[5]["title"], lines[1]["id"], lines[0]["id"], lines[4]["url"], "no such thing", lines[1]["id"]]
    report = build(tmp_path, lines)
    assert (report.n_links, report.n_links_unknown) == (3, 1)
    with Recommender.open(tmp_path / "index") as opened:
        assert opened.catalogue.hand_made_lists() == {lines[0]["id"]: (lines[5]["id"], lines[1]["id"], lines[4]["id"])}
        assert opened.catalogue.article(opened.catalogue.row(lines[0]["id"])).read_more == (lines[5]["id"], lines[1]["id"], lines[4]["id"])


def test_what_was_embedded_once_is_not_embedded_again(tmp_path: Path) -> None:
    first = build(tmp_path, records())
    assert (first.n_embedded, first.n_reused) == (first.n_chunks, 0)
    before = all_lists(tmp_path / "index")
    embedder = HashEmbedder()
    second = build(tmp_path, records(), embedder=embedder)
    assert (second.n_embedded, second.n_reused) == (0, second.n_chunks)
    assert embedder.n_embedded == 16, "only the canaries: is it the serving release's model, and for the manifest"
    assert all_lists(tmp_path / "index") == before
    changed = records()
    changed[4]["text"] += "\n\nA last sentence about a lighthouse."
    third = build(tmp_path, changed)
    assert 0 < third.n_embedded < 12


def test_a_build_goes_on_where_a_killed_one_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "BLOCK", 16)

    class Killed(HashEmbedder):
        def embed(self, texts: Sequence[str]) -> Vectors:
            if self.n_embedded >= 64:
                raise KeyboardInterrupt
            return super().embed(texts)

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, records(), embedder=Killed())
    report = build(tmp_path, records())
    assert report.n_reused >= 60
    assert report.n_embedded == report.n_chunks - report.n_reused


@pytest.mark.parametrize(
    "damage",
    [lambda file: file.write_bytes(b"not a database at all" * 100), lambda file: flip_vectors(file), lambda file: damage_pages(file)],
)
def test_a_damaged_cache_costs_time_and_nothing_else(tmp_path: Path, damage: Any) -> None:
    build(tmp_path, records())
    before = all_lists(tmp_path / "index")
    [cache] = (tmp_path / "index" / "cache").glob("*.db")
    damage(cache)
    report = build(tmp_path, records())
    assert report.n_embedded > 0
    assert all_lists(tmp_path / "index") == before


def flip_vectors(cache: Path) -> None:
    """Change a byte in many stored vectors, which SQLite does not notice."""
    import sqlite3

    connection = sqlite3.connect(cache)
    connection.execute("UPDATE embedding SET vector = zeroblob(length(vector))")
    connection.commit()
    connection.close()


def damage_pages(cache: Path) -> None:
    """Overwrite all but the first page, which is read on opening."""
    content = bytearray(cache.read_bytes())
    for place in range(4096, len(content), 4096):
        content[place : place + 200] = b"\xff" * 200
    cache.write_bytes(bytes(content))


def test_the_same_weights_with_other_vectors_have_a_cache_of_their_own(tmp_path: Path) -> None:
    class Other(HashEmbedder):
        def embed(self, texts: Sequence[str]) -> Vectors:
            return np.ascontiguousarray(super().embed(texts)[:, ::-1])

    first = build(tmp_path, records())
    second = build(tmp_path, records(), embedder=Other())
    assert second.n_embedded == first.n_chunks
    assert build(tmp_path, records()).n_embedded == 0


def test_an_article_of_which_the_model_knows_no_word_is_left_out(tmp_path: Path) -> None:
    odd = {"id": "odd", "title": "", "text": "..." + "\ufffd" * MAX_TEXT + " words"}

    class Deaf(HashEmbedder):
        def token_spans(self, text: str) -> TokenSpans:
            return super().token_spans(text) if "..." not in text else np.empty((0, 2), dtype=np.int64)

    report = build(tmp_path, [*records(30), odd], embedder=Deaf())
    assert (report.n_articles, dict(report.rejected)) == (30, {"empty_text": 1})


def test_a_mapped_name_that_no_article_has_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no article has a field 'headlin'; the fields are id, title, text, .* - check --map"):
        build(tmp_path, records(5), names={"title": "headlin"})


def test_articles_without_a_title_are_counted(tmp_path: Path) -> None:
    lines = [{**record, "title": None} if number < 3 else record for number, record in enumerate(records(9))]
    assert build(tmp_path, lines).n_without_title == 3


def test_old_releases_are_pruned(tmp_path: Path) -> None:
    names = [build(tmp_path, records(5 + number)).release for number in range(KEPT + 2)]
    left = [folder.name for folder in release_folders(tmp_path / "index")]
    assert left == names[: -KEPT - 1 : -1]
    assert (tmp_path / "index" / "CURRENT").read_text().strip() == names[-1]


def test_the_second_of_two_builds_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    """A real second process holds the index."""
    (tmp_path / "index").mkdir()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from index.storage.build_lock import build_lock\n"
            f"with build_lock(Path({str(tmp_path / 'index')!r})): print('held', flush=True); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(IndexBusy, match=rf"is locked by pid {holder.pid} since 20\d\d-.*Z - wait"):
        build(tmp_path, records(5))
    holder.communicate()
    assert build(tmp_path, records(5)).n_articles == 5


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_does_not_take_the_release_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    build(tmp_path, records(12))
    before = all_lists(tmp_path / "index")

    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match=r"cannot be written .* - free space or give another folder; the index is as it was"):
        build(tmp_path, records(20))
    assert all_lists(tmp_path / "index") == before
