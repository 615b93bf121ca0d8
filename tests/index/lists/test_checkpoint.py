"""Lists that were computed when a build was cut short are not computed again, and are those of a build in one go."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index.build import build_index
from index.lists import inputs, nearest, related_lists
from index.lists.checkpoint import INPUTS, UNFINISHED_LISTS
from index.lists.list_file_writer import ListWriter
from recommender.release.list_codec import StoredLists
from recommender.release.manifest import current_folder
from recommender.types import Rows
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

N = 90


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "BLOCK", 16)


@pytest.fixture
def worked_on(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """The rows that each pass works on."""
    seen: dict[str, list[int]] = {"near": [], "lists": []}
    for module, name, into in ((nearest, "_neighbours", "near"), (related_lists, "_lists", "lists")):
        work = getattr(module, name)

        def noted(opened: inputs.BuildInputs, rows: Rows, work: object = work, into: str = into) -> object:
            seen[into] += rows.tolist()
            return work(opened, rows)  # type: ignore[operator]

        monkeypatch.setattr(module, name, noted)
    return seen


def stored(index_dir: Path) -> Iterator[bytes]:
    opened = StoredLists(current_folder(index_dir))
    yield from (opened.read(row).tobytes() for row in range(len(opened)))
    opened.close()


def interrupted_after(n: int, monkeypatch: pytest.MonkeyPatch, source: Path, index_dir: Path) -> None:
    """A build that Ctrl-C ends after so many lists."""
    added: list[int] = []

    def add(self: ListWriter, row: int, packed: bytes) -> None:
        if len(added) == n:
            raise KeyboardInterrupt
        added.append(row)
        whole(self, row, packed)

    whole = ListWriter.add
    with monkeypatch.context() as patch:
        patch.setattr(ListWriter, "add", add)
        with pytest.raises(KeyboardInterrupt):
            build_index([str(source)], index_dir, HashEmbedder())


def test_a_build_goes_on_where_the_last_one_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worked_on: dict[str, list[int]]) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", records(N))
    build_index([str(source)], tmp_path / "whole", HashEmbedder())
    interrupted_after(40, monkeypatch, source, tmp_path / "index")
    worked_on["near"].clear()
    worked_on["lists"].clear()
    build_index([str(source)], tmp_path / "index", HashEmbedder())
    assert worked_on["near"] == []
    assert 0 < len(worked_on["lists"]) <= N - 40 + inputs.BLOCK
    assert list(stored(tmp_path / "index")) == list(stored(tmp_path / "whole"))
    assert not (tmp_path / "index" / UNFINISHED_LISTS).exists()
    assert not list((tmp_path / "index" / "releases").glob(".staging-*"))


def test_what_is_near_is_not_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worked_on: dict[str, list[int]]) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", records(N))
    work, n_blocks = nearest._neighbours, 3

    def cut_short(opened: inputs.BuildInputs, rows: Rows) -> object:
        if len(worked_on["near"]) >= n_blocks * inputs.BLOCK:
            raise KeyboardInterrupt
        return work(opened, rows)

    with monkeypatch.context() as patch:
        patch.setattr(nearest, "_neighbours", cut_short)
        with pytest.raises(KeyboardInterrupt):
            build_index([str(source)], tmp_path / "index", HashEmbedder())
    worked_on["near"].clear()
    build_index([str(source)], tmp_path / "index", HashEmbedder())
    assert sorted(worked_on["near"]) == list(range(n_blocks * inputs.BLOCK, N))
    build_index([str(source)], tmp_path / "whole", HashEmbedder())
    assert list(stored(tmp_path / "index")) == list(stored(tmp_path / "whole"))


@pytest.mark.parametrize("change", ["text", "published", "read_more", "boot"])
def test_lists_of_another_archive_are_not_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worked_on: dict[str, list[int]], change: str
) -> None:
    lines = records(N)
    interrupted_after(40, monkeypatch, write_jsonl(tmp_path / "a.jsonl", lines), tmp_path / "index")
    lines[5] |= {
        "text": {"text": lines[5]["text"].replace(".", "!")},
        "published": {"published": "1999-01-01T00:00:00Z"},
        "read_more": {"read_more": [lines[30]["id"]]},
        "boot": {},
    }[change]
    if change == "boot":
        (tmp_path / "boot").write_text("another start of the machine", encoding="ascii")
        monkeypatch.setattr("index.lists.checkpoint.BOOT", tmp_path / "boot")
    source = write_jsonl(tmp_path / "b.jsonl", lines)
    worked_on["near"].clear()
    build_index([str(source)], tmp_path / "index", HashEmbedder())
    assert sorted(worked_on["near"]) == list(range(N))
    build_index([str(source)], tmp_path / "whole", HashEmbedder())
    assert list(stored(tmp_path / "index")) == list(stored(tmp_path / "whole"))


def test_a_list_that_was_being_written_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    writer = ListWriter(tmp_path, 4)
    writer.add(2, b"two")
    writer._file.write(b"half of a l")
    writer.close()
    again = ListWriter(tmp_path, 4)
    np.testing.assert_array_equal(again.done, [False, False, True, False])
    again.add(0, b"nought")
    again.finish(tmp_path / "out")
    again.close()
    assert (tmp_path / "out" / "lists.bin").read_bytes() == b"twonought"


def test_what_a_crash_left_without_its_note_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worked_on: dict[str, list[int]]
) -> None:
    """As when the one before was killed while it took lists up, or removed them."""
    source = write_jsonl(tmp_path / "a.jsonl", records(N))
    interrupted_after(40, monkeypatch, source, tmp_path / "index")
    (tmp_path / "index" / UNFINISHED_LISTS / INPUTS).unlink()
    (tmp_path / "index" / UNFINISHED_LISTS / "meaning.npy").unlink()
    worked_on["near"].clear()
    build_index([str(source)], tmp_path / "index", HashEmbedder())
    assert sorted(worked_on["near"]) == list(range(N))
    assert not (tmp_path / "index" / UNFINISHED_LISTS).exists()


def test_lists_of_other_near_duplicates_are_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worked_on: dict[str, list[int]]
) -> None:
    text = " ".join(f"Engineer {number} found {number * 7} cracks in the old harbour bridge of the city." for number in range(20))
    twins = [{"id": f"twin-{day}", "title": "Bridge", "text": text, "published": f"2020-01-0{day}"} for day in (1, 2)]
    source = write_jsonl(tmp_path / "a.jsonl", [*records(N), *twins])
    interrupted_after(40, monkeypatch, source, tmp_path / "index")
    worked_on["near"].clear()
    worked_on["lists"].clear()
    build_index([str(source)], tmp_path / "index", HashEmbedder(), canonical="newest")
    assert worked_on["near"] == []
    assert sorted(worked_on["lists"]) == list(range(N + 2))
    build_index([str(source)], tmp_path / "whole", HashEmbedder(), canonical="newest")
    assert list(stored(tmp_path / "index")) == list(stored(tmp_path / "whole"))
