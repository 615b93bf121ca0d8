"""A file that is replaced is on the disk before its name points to it, and its name before anybody relies on it."""

import os
from pathlib import Path

import pytest

from index.storage.atomic import replace_file


def test_a_replaced_file_is_flushed_before_and_its_folder_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "CURRENT"
    path.write_text("old\n", encoding="utf-8")
    flushed: list[tuple[str, str]] = []
    flush = os.fsync

    def noted(descriptor: int) -> None:
        flush(descriptor)
        what = Path(f"/proc/self/fd/{descriptor}").resolve()
        flushed.append((what.read_text(encoding="utf-8") if what.is_file() else what.name, path.read_text(encoding="utf-8")))

    monkeypatch.setattr(os, "fsync", noted)
    replace_file(path, "new\n")
    assert flushed == [("new\n", "old\n"), (tmp_path.name, "new\n")]
    assert [entry.name for entry in tmp_path.iterdir()] == ["CURRENT"]
