"""Lists that several processes compute are those that one computes; and no process outlives the build."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from index.build import build_index
from index.lists import inputs
from index.terms import analysis
from index.workers.processes import Processes
from recommender.release.catalogue import Catalogue
from recommender.release.manifest import CATALOGUE, current_folder
from recommender.terms.inverted_index import FOLDER
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder
from tests.support.served import ROOT

SLOW = """
import os, sys, time
from pathlib import Path
from index import build
from index.lists import nearest, inputs
from tests.support.hash_embedder import HashEmbedder

def slowly(opened, rows):
    (Path(sys.argv[2]) / f"process-{os.getpid()}").touch()
    time.sleep(600)

if __name__ == "__main__":
    build.ENOUGH, inputs.BLOCK, nearest._neighbours = 1, 8, slowly
    build.build_index([sys.argv[1]], Path(sys.argv[2]), HashEmbedder())
"""


def related(index_dir: Path) -> list[bytes]:
    with closing(Catalogue(current_folder(index_dir) / CATALOGUE)) as catalogue:
        return [catalogue.candidates(row).tobytes() for row in range(catalogue.counts()[2])]


def test_several_processes_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", records(60))
    build_index([str(source)], tmp_path / "one", HashEmbedder())
    monkeypatch.setattr("index.build.ENOUGH", 1)
    monkeypatch.setattr(analysis, "BLOCK", 1_000)
    monkeypatch.setattr(inputs, "BLOCK", 7)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    build_index([str(source)], tmp_path / "three", HashEmbedder())
    assert related(tmp_path / "three") == related(tmp_path / "one")
    assert len(related(tmp_path / "one")) == 60
    one, three = (current_folder(tmp_path / name) / FOLDER for name in ("one", "three"))
    assert len(list(one.iterdir())) == 14
    for path in one.iterdir():
        assert path.read_bytes() == (three / path.name).read_bytes(), path.name
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert not list(current_folder(tmp_path / "three").glob("terms"))


def test_processes_end_with_the_build(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", records(60))
    (tmp_path / "slow.py").write_text(SLOW)
    folder = tmp_path / "index"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"}
    build = subprocess.Popen([sys.executable, tmp_path / "slow.py", source, folder], env=environment, cwd=ROOT)
    try:
        wait_for(lambda: len(at_work(folder)) == 2)
    finally:
        build.send_signal(signal.SIGKILL)
        build.wait()
    wait_for(lambda: not at_work(folder))


def pid_and_shared(shared: str, block: int) -> tuple[int, int, str]:
    return block, os.getpid(), shared


def ferry() -> str:
    return "ferry"


def harbour() -> str:
    return "harbour"


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_processes_than_are_allowed_and_to_each_work_its_own(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with Processes(most) as processes:
        processes.start()
        one, two = (list(processes.everywhere(pid_and_shared, shared, range(30))) for shared in (ferry, harbour))
    assert [block for block, _, _ in one] == list(range(30)), "in order"
    assert ({shared for *_, shared in one}, {shared for *_, shared in two}) == ({"ferry"}, {"harbour"})
    pids = {pid for _, pid, _ in one + two}
    assert pids == {os.getpid()} if most == 1 else os.getpid() not in pids and len(pids) <= most


def at_work(folder: Path) -> list[Path]:
    """Processes of the build that are there, by what they left in the folder."""
    return [left for left in folder.glob("process-*") if Path("/proc", left.name.removeprefix("process-")).exists()]


def wait_for(condition: Callable[[], object]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("it does not come true")
