"""What bad input gets from the build command: exit code, line of `rejects.jsonl`, and an old release that still serves."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recommender import Recommender
from recommender.release.manifest import CURRENT, current_folder
from tests.conftest import Command
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

GOOD = {"id": "good", "title": "Good", "text": "A ferry left the harbour."}


@pytest.fixture
def index(tmp_path: Path, command: Command) -> Iterator[Path]:
    """A release of 12 articles; whatever a test does, a release must serve at its end."""
    source = write_jsonl(tmp_path / "first.jsonl", records(12))
    assert command(source, "--out", tmp_path / "index") == (0, ANY_TEXT)
    yield tmp_path / "index"
    with Recommender.open(tmp_path / "index") as opened:
        assert opened.release.degraded is None
        assert opened.related(records(12)[0]["id"], 3).items


class _AnyText(str):
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str)


ANY_TEXT = _AnyText()


def rejects(index: Path) -> list[tuple[int, str | None, str, str | None]]:
    lines = [json.loads(line) for line in (index / "rejects.jsonl").read_text(encoding="utf-8").splitlines()]
    return [(line["line"], line["id"], line["code"], line["field"]) for line in lines]


def article(**changed: Any) -> dict[str, Any]:
    return {"id": "odd", "title": "Odd", "text": "A bridge over the river.", **changed}


def raw(**changed: Any) -> str:
    """As JSON that Python writes and standards do not allow."""
    return json.dumps(article(**changed))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (article(text=""), (2, "odd", "empty_text", None)),
        (article(text=" \n\t\u00a0 "), (2, "odd", "empty_text", None)),
        (article(text="\u200b\ufeff\u2060"), (2, "odd", "empty_text", None)),
        (article(text="<p>\n<br/></p>"), (2, "odd", "empty_text", None)),
        ('{"id": "odd", "title": "Odd", "text": "A bri', (2, None, "bad_json", None)),
        ("[1, 2]", (2, None, "bad_json", None)),
        (article(text=None), (2, "odd", "wrong_type", None)),
        (article(text=[3]), (2, "odd", "wrong_type", None)),
        (article(title=7), (2, "odd", "wrong_type", None)),
        (raw(text=float("nan")), (2, "odd", "wrong_type", None)),
        ({"id": "odd", "title": "Odd"}, (2, "odd", "wrong_type", None)),
        (article(id=None), (2, None, "missing_id", None)),
        (article(id="good"), (2, "good", "duplicate_id", None)),
        (article(text="half \ud83d of a pair"), (2, "odd", "bad_encoding", None)),
        (article(url="javascript:alert(1)"), (2, "odd", "bad_url", "url")),
        (article(url="file:///etc/passwd"), (2, "odd", "bad_url", "url")),
        (article(published="2026-13-45"), (2, "odd", "bad_date", "published")),
        (article(published="3026-01-01"), (2, "odd", "bad_date", "published")),
        (article(published=7), (2, "odd", "bad_date", "published")),
    ],
)
def test_a_bad_article_is_written_down_and_the_rest_goes_on(
    tmp_path: Path, index: Path, command: Command, line: Any, expected: tuple[int, str | None, str, str | None]
) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", [GOOD, line])
    assert command(source, "--out", index, "--max-rejects", "50%") == (0, ANY_TEXT)
    assert rejects(index) == [expected]
    with Recommender.open(index) as opened:
        assert opened.catalogue.find_row("good") is not None
        kept = expected[3] is not None
        assert (opened.catalogue.find_row("odd") is not None) is kept
        if kept:
            assert getattr(opened.catalogue.article(opened.catalogue.row("odd")), str(expected[3])) is None


@pytest.mark.parametrize(
    ("content", "field", "expected"),
    [
        ("\ufeff" + json.dumps(article()), "text", "A bridge over the river."),
        (json.dumps(article(text="A\x00 bri\x07dge\r\nover.")), "text", "A bridge\nover."),
        (json.dumps(article(title="</script><img src=x onerror=alert(1)>")), "title", "</script><img src=x onerror=alert(1)>"),
        (json.dumps(article(title="Q&amp;A &#8211; caf\u0065\u0301")), "title", "Q&A \u2013 caf\u00e9"),
    ],
)
def test_what_can_be_cleaned_is_kept(tmp_path: Path, index: Path, command: Command, content: str, field: str, expected: str) -> None:
    (tmp_path / "a.jsonl").write_text(content + "\n", encoding="utf-8")
    assert command(tmp_path / "a.jsonl", "--out", index) == (0, ANY_TEXT)
    assert rejects(index) == []
    with Recommender.open(index) as opened:
        assert getattr(opened.catalogue.article(opened.catalogue.row("odd")), field) == expected


@pytest.mark.parametrize(
    ("name", "content", "code", "message"),
    [
        ("a.jsonl", b"", 3, r"error: no article in .*a\.jsonl - give a file with at least one; the index is as it was"),
        (
            "a.json",
            b"",
            3,
            r"error: .*a\.json cannot be read from 1 on \(bad_json\): .*; export it again .*; the index is as it was",
        ),
        ("a.csv", b"id:text\n1:a\n", 3, r"error: .*a\.csv has the columns 'id:text' when it is separated by ','.* - a first line with .*"),
        ("a.csv", b"id;words\n1;a\n", 3, r"error: 1 of 1 articles are rejected \(1 wrong_type\).*"),
        (
            "a.rss",
            b"<!DOCTYPE rss [<!ENTITY a 'b'>]><rss/>",
            3,
            r"error: .*a\.rss cannot be read from 1 on \(bad_xml\): .* declares entities .*",
        ),
        ("a.xls", b"x", 3, r"error: no reader for .*a\.xls - give --format, or a file ending in \.jsonl, .*"),
        ("a.parquet", b"PAR1", 3, r"error: .*a\.parquet cannot be read as Parquet .* - export it again"),
        ("a.jsonl", "F\u00e4hre".encode("windows-1252"), 3, r"error: 1 of 1 articles are rejected \(1 bad_encoding\).*"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_of_one_line(
    tmp_path: Path, index: Path, command: Command, name: str, content: bytes, code: int, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    before = (index / CURRENT).read_text()
    found, said = command(tmp_path / name, "--out", index)
    assert found == code
    assert re.fullmatch(message, said.rstrip("\n")), said
    assert said.count("\n") == 1
    assert (index / CURRENT).read_text() == before
    assert not (index / "unfinished.json").exists()


def test_rejects_have_limits(tmp_path: Path, index: Path, command: Command) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", [*({**GOOD, "id": str(number)} for number in range(19)), "{"])
    assert command(source, "--out", index, "--strict")[0] == 3
    assert command(source, "--out", index, "--max-rejects", "4%")[0] == 3
    assert command(source, "--out", index)[0] == 0


def test_one_id_twice_names_both_lines(tmp_path: Path, index: Path, command: Command) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", [GOOD, {**GOOD, "text": "Another."}])
    code, said = command(source, "--out", index, "--on-duplicate", "error")
    assert code == 3
    assert said == f"error: {source}:2 has the id 'good' of {source}:1 - give each article its own, or --on-duplicate last\n"
    assert command(source, "--out", index, "--on-duplicate", "last", "--max-rejects", "50%")[0] == 0
    with Recommender.open(index) as opened:
        assert opened.catalogue.article(opened.catalogue.row("good")).text == "Another."


def test_the_same_article_under_two_ids_is_shown_once(tmp_path: Path, index: Path, command: Command) -> None:
    twin = {**records(12)[3], "id": "twin", "url": None}
    assert command(write_jsonl(tmp_path / "a.jsonl", [twin]), "--out", index)[0] == 0
    with Recommender.open(index) as opened:
        for record in records(12):
            assert len({"twin", records(12)[3]["id"]} & set(opened.related(record["id"], 12).ids)) <= 1
        assert (
            len(opened.catalogue.duplicates(opened.catalogue.row(records(12)[3]["id"])))
            + len(opened.catalogue.duplicates(opened.catalogue.row("twin")))
            == 1
        )


def test_an_article_of_10_mb_is_capped_and_counted(tmp_path: Path, index: Path, command: Command, capsys: Any) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", [article(text="A bridge over the river. " * 400_000)])
    assert command(source, "--out", index)[0] == 0
    with Recommender.open(index) as opened:
        row = opened.catalogue.row("odd")
        offsets = opened.catalogue.layout().offsets
        assert 100 < offsets[row + 1] - offsets[row] < 20_000
        start, text = opened.catalogue.chunk(int(offsets[row + 1]) - 1)
        assert start + len(text) <= 200_000


def test_a_source_that_breaks_off_fails_the_build(tmp_path: Path, index: Path, command: Command) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text(json.dumps(GOOD) + '\n{"id": "odd", "te', encoding="utf-8")
    code, said = command(source, "--out", index, "--delete-missing", "--max-rejects", "50%")
    assert code == 3
    assert said == (
        f"error: {source} ends too early at 2 (bad_json), and --delete-missing would remove all that it lacks"
        " - give the whole file; the index is as it was\n"
    )
    code, said = command(source, "--out", index, "--max-rejects", "50%")
    assert code == 3
    assert re.fullmatch(rf"error: {source} cannot be read from 2 on \(bad_json\): .* --allow-truncated; the index is as it was\n", said)
    with Recommender.open(index) as opened:
        assert opened.catalogue.find_row("good") is None
    assert command(source, "--out", index, "--max-rejects", "50%", "--allow-truncated")[0] == 0
    assert command(source, "--out", index, "--max-rejects", "50%", "--allow-truncated", "--delete-missing")[0] == 3
    with Recommender.open(index) as opened:
        assert opened.catalogue.find_row("good") is not None


def test_a_build_that_was_cut_short_is_resumed_as_it_was_asked_for(tmp_path: Path, index: Path, command: Command) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", [{**GOOD, "title": None, "headline": "Mapped"}])
    embed = HashEmbedder.embed

    def interrupted(self: HashEmbedder, texts: Any) -> Any:
        if any("Mapped" in text for text in texts):
            raise KeyboardInterrupt
        return embed(self, texts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HashEmbedder, "embed", interrupted)
        assert command(source, "--out", index, "--map", "title=headline")[0] == 130
    assert command("--resume", "--out", index)[0] == 0
    with Recommender.open(index) as opened:
        assert opened.catalogue.article(opened.catalogue.row("good")).title == "Mapped"
    code, said = command("--resume", "--out", index)
    assert (code, said) == (3, f"error: no build to resume in {index} (FileNotFoundError) - give its sources, without --resume\n")


def mounted(folder: Path, options: str) -> bool:
    folder.mkdir()
    return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("size_kb", [900, 1300, 1600])
def test_a_full_disk_is_5_and_the_old_release_stays(tmp_path: Path, command: Command, size_kb: int) -> None:
    """A real file system, too small for the second release, at whichever file it fails."""
    disk = tmp_path / "disk"
    if not mounted(disk, f"size={size_kb}k"):
        pytest.skip("file systems cannot be mounted here")
    try:
        index = disk / "index"
        assert command(write_jsonl(tmp_path / "a.jsonl", records(5)), "--out", index)[0] == 0
        before = current_folder(index)
        code, said = command(write_jsonl(tmp_path / "b.jsonl", records(300)), "--out", index)
        assert code == 5
        assert re.fullmatch(
            r"error: .* cannot be written \(.*(full|No space left).*\) - free space or give another folder; the index is as it was\n", said
        )
        assert current_folder(index) == before
        with Recommender.open(index) as opened:
            assert opened.release.degraded is None
            assert opened.release.manifest.n_articles == 5
        assert not list((index / "releases").glob(".staging-*"))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_read_only_folder_is_5_and_the_old_release_stays(tmp_path: Path, command: Command) -> None:
    disk = tmp_path / "disk"
    if not mounted(disk, "size=8m"):
        pytest.skip("file systems cannot be mounted here")
    try:
        index = disk / "index"
        assert command(write_jsonl(tmp_path / "a.jsonl", records(5)), "--out", index)[0] == 0
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        code, said = command(write_jsonl(tmp_path / "b.jsonl", records(9)), "--out", index)
        assert code == 5
        assert re.fullmatch(r"error: .* cannot be written \(Read-only file system\) - free space or give another folder; .*\n", said)
        with Recommender.open(index) as opened:
            assert opened.release.manifest.n_articles == 5
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize(("size", "code", "said"), [("1KiB", 2, "needs at least 1024 MiB"), ("many", 2, "is no size such as 2GiB")])
def test_memory_that_no_build_can_do_with(tmp_path: Path, command: Command, size: str, code: int, said: str) -> None:
    answered, told = command(write_jsonl(tmp_path / "a.jsonl", records(5)), "--out", tmp_path / "index", "--memory", size)
    assert (answered, said in told) == (code, True)
    assert not (tmp_path / "index").exists()


def test_too_many_articles_without_a_date_publish_nothing(tmp_path: Path, index: Path, command: Command) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", [GOOD, {**GOOD, "id": "dated", "published": "2020-03-01"}])
    before = (index / CURRENT).read_text()
    code, message = command(source, "--out", index, "--max-undated", "20%")
    assert (code, (index / CURRENT).read_text()) == (3, before)
    assert "3 of 14 articles have no date, --max-undated allows 0.2 of them" in message
    assert command(source, "--out", index, "--max-undated", "30%") == (0, ANY_TEXT)
