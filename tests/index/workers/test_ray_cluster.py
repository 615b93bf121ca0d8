"""A build on the nodes of a Ray cluster makes the release that one machine makes, whatever dies in between."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from index.build import build_index
from index.encoder.openvino_export import compile_model, fastest_embedder
from index.release.resume import UNFINISHED
from index.wings import wings_at
from index.workers import ray_files
from recommender.embedding.openvino import ENCODERS, encoder_folder
from recommender.embedding.sentence_transformer import BUNDLED_SHA256, bundled_embedder
from recommender.errors import ClusterUnavailable
from recommender.release.catalogue import immutable_uri
from recommender.release.list_codec import StoredLists
from recommender.release.manifest import CATALOGUE, FLOAT, MANIFEST, current_folder
from tests.conftest import shared
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder
from tests.support.ray_nodes import ADDRESS, HEAD, OTHER, Nodes, ray_nodes
from tests.support.served import ROOT

BUILD = """
import json, sys, time
from pathlib import Path
from index import build
from index.encoder import openvino_export
from index.ingest import checking
from index.lists import inputs
from index.vectors import embed_ahead
from index.wings import wings_at
from index.workers import ray_files

def progress(stage, done, total):
    print(stage, done, flush=True)

if __name__ == "__main__":
    source, out, address, block = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    if block:
        embed_ahead.BLOCK, inputs.BLOCK, checking.TOGETHER = block, block, 4 * block
    ray_files.seen = lambda folder: "another machine"  # so that nodes ask for its files
    embedder, begin = openvino_export.fastest_embedder(out), time.monotonic()
    report = build.build_index([source], out, embedder, wings=wings_at(ray=address), progress=progress)
    told = {"embedded": report.n_embedded, "chunks": report.n_chunks, "articles": report.n_articles, "stages": report.seconds}
    print(json.dumps({**told, "seconds": time.monotonic() - begin}), flush=True)
"""


class Build:
    """A build on the nodes, in a process of its own.

    Args:
        block: Chunks and articles that are worked on together; 0: as many as always.
        address: Empty for a build by processes of this machine.
    """

    def __init__(self, nodes: Nodes, source: Path, index_dir: Path, block: int = 0, address: str = ADDRESS) -> None:
        (index_dir.parent / "build.py").write_text(BUILD, encoding="utf-8")
        command = (sys.executable, index_dir.parent / "build.py", source, index_dir, address, str(block))
        self.process = nodes.popen(*command, stdout=subprocess.PIPE, text=True)

    def until(self, stage: str, done: int) -> None:
        """Wait for a stage to have done so much."""
        for line in self.process.stdout:
            said = line.split()
            if said[0] == stage and int(said[1]) >= done:
                return
        pytest.fail(f"the build ended before {stage} {done}")

    def report(self) -> dict[str, Any]:
        """Wait for the end."""
        with self.process.stdout as lines:
            *_, last = lines
        assert self.process.wait() == 0
        return dict(json.loads(last))

    def kill(self) -> None:
        self.process.kill()
        self.process.stdout.close()
        self.process.wait()


def archive(path: Path) -> Path:
    """Articles of several chunks, some of them HTML, and records that are none."""
    lines: list[dict[str, Any] | str] = []
    for number, record in enumerate(records(150)):
        if number % 3 == 0:
            record["text"] = "\n\n".join(f"{record['text']} Part {part} of {number}." for part in range(6))
        if number % 5 == 0:
            paragraphs = "".join(f"<p>{paragraph}</p>" for paragraph in record.pop("text").split("\n\n"))
            record["html"] = f"{paragraphs}<p>Read more: <a href='https://example.org/harbour/{number % 8}'>The port</a></p>"
        lines.append(record)
        lines += ["{bad"] if number % 97 == 0 else []
        lines += [{**record, "title": "again"}, {"id": f"empty-{number}", "text": ""}] if number % 80 == 0 else []
        lines += [{**record, "id": f"other-{number}", "url": "nowhere"}] if number % 90 == 0 else []
    return write_jsonl(path, lines)


def told(index_dir: Path) -> dict[str, Any]:
    """All that a release says, article by article, and what the build left out; not when it was made."""
    release = current_folder(index_dir)
    of_files = {path.relative_to(release).as_posix(): path.read_bytes() for path in release.rglob("*") if path.is_file()}
    of_files |= {name: (index_dir / name).read_bytes() for name in ("rejects.jsonl", "links.jsonl")}
    del of_files[MANIFEST], of_files[CATALOGUE]
    with closing(sqlite3.connect(immutable_uri(release / CATALOGUE), uri=True)) as catalogue:
        tables = [name for (name,) in catalogue.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: list(catalogue.execute(f"SELECT * FROM {name}")) for name in tables}
    with closing(StoredLists(release)) as lists:
        return {**of_files, **rows, "related": [lists.read(row).tobytes() for row in range(len(lists))]}


def assert_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, of_name in expected.items():
        assert found[name] == of_name, name


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of an index in which nothing was built yet; the model is compiled."""
    folder = tmp_path_factory.mktemp("compiled")
    compile_model(bundled_embedder(), encoder_folder(folder, BUNDLED_SHA256, FLOAT))
    return folder


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with ray_nodes() as running:
        yield running


STALLED = """
from index.workers import ray_cluster as of_cluster
from index.workers.ray_cluster import Cluster
from recommender.errors import ClusterUnavailable
from tests.support import ray_nodes

if __name__ == "__main__":
    of_cluster.WINDOW = 100  # bytes
    with Cluster(ray_nodes.ADDRESS) as cluster:
        assert len(list(of_cluster._windows(range(7, 40)))) > 1
        assert list(cluster.everywhere(ray_nodes.itself, ray_nodes.nothing, range(7, 40))) == list(range(7, 40))
        try:
            list(cluster.everywhere(ray_nodes.itself, ray_nodes.broken, range(3)))
        except ClusterUnavailable as error:
            print(error)
    with Cluster(ray_nodes.ADDRESS, patience_s=5) as cluster:
        try:
            list(cluster.everywhere(ray_nodes.never, ray_nodes.nothing, range(3)))
        except ClusterUnavailable as error:
            print(error)
    of_cluster.code = lambda: "of another version"
    with Cluster(ray_nodes.ADDRESS) as cluster:
        try:
            list(cluster.everywhere(ray_nodes.itself, ray_nodes.nothing, range(3)))
        except ClusterUnavailable as error:
            print(error)
"""


@pytest.mark.cluster
def test_work_that_does_not_go_on_and_nodes_of_another_version_are_given_up(nodes: Nodes) -> None:
    stalled = nodes.popen(sys.executable, "-c", STALLED, stdout=subprocess.PIPE, text=True)
    said, _ = stalled.communicate(timeout=300)
    assert said.count("\n") == 3, said
    failed, away, other = said.splitlines()
    assert failed.startswith("node ")
    assert "cannot work (ZeroDivisionError: division by zero) - mend it" in failed
    assert away.startswith("ray_nodes: nothing came from the cluster for 5 s, after ")
    assert "--resume" in away
    assert "has another version of Readmore than the machine that builds" in other


HEADLESS = """
import psutil
from index.workers.ray_cluster import Cluster
from recommender.errors import ClusterUnavailable
from tests.support import ray_nodes

if __name__ == "__main__":
    try:
        with Cluster("auto") as cluster:
            head = next(of for of in psutil.Process().children(recursive=True) if of.name() == "gcs_server")
            for found in cluster.everywhere(ray_nodes.itself, ray_nodes.nothing, range(3000)):
                if found == 20:
                    head.kill()
    except ClusterUnavailable as error:
        print(error)
"""


@pytest.mark.cluster
def test_a_head_that_dies_is_missed_before_ray_ends_the_build() -> None:
    done = subprocess.run([sys.executable, "-c", HEADLESS], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "the head of the cluster at 127.0.0.1:" in done.stdout
    assert "is gone" in done.stdout


@pytest.mark.cluster
@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere"])
def test_a_cluster_that_is_not_there(tmp_path: Path, address: str) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", records(3))
    with pytest.raises(ClusterUnavailable, match=f"no Ray cluster can be joined at {address} .* start this machine as one of its nodes"):
        build_index([str(source)], tmp_path / "index", HashEmbedder(), wings=wings_at(ray=address))
    assert (tmp_path / "index" / UNFINISHED).exists(), "it may be there soon"


AUTO = """
import sys
from pathlib import Path
from index.build import build_index
from index.encoder.openvino_export import fastest_embedder
from index.wings import wings_at

def progress(stage, done, total):
    print(stage, done, flush=True)
    if stage == "lists" and done == 1:
        sys.stdin.readline()

if __name__ == "__main__":
    source, out = sys.argv[1], Path(sys.argv[2])
    build_index([source], out, fastest_embedder(out), wings=wings_at(ray="auto"), progress=progress)
"""


@pytest.mark.cluster
def test_a_ray_of_its_own_listens_on_loopback_and_leaves_nothing(compiled: Path, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", records(12))
    for name in ("ray", "one"):
        shutil.copytree(compiled / ENCODERS, tmp_path / name / ENCODERS)
    (tmp_path / "auto.py").write_text(AUTO, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    command = [sys.executable, tmp_path / "auto.py", source, tmp_path / "ray"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with psutil.Popen(command, env=environment, cwd=ROOT, text=True, **pipes) as build:
        while build.stdout.readline() != "lists 1\n":
            assert build.poll() is None
        processes = [build, *build.children(recursive=True)]
        listening = [of for process in processes for of in process.net_connections() if of.status == psutil.CONN_LISTEN]
        folder = next(
            Path(argument.partition("=")[2]) for process in processes for argument in process.cmdline() if "--temp-dir=" in argument
        )
        build.communicate("go on\n", timeout=120)
    assert len(listening) > 3
    assert {of.laddr.ip.removeprefix("::ffff:") for of in listening} == {"127.0.0.1"}
    assert not folder.exists()
    assert not psutil.wait_procs(processes, 30)[1]
    build_index([str(source)], tmp_path / "one", fastest_embedder(tmp_path / "one"))
    assert_equal(told(tmp_path / "ray"), told(tmp_path / "one"))


@pytest.mark.cluster
def test_whatever_dies_the_release_is_that_of_one_machine(nodes: Nodes, compiled: Path, tmp_path: Path) -> None:
    source = archive(tmp_path / "a.jsonl")
    new_index = tmp_path / "index"
    shutil.copytree(compiled / ENCODERS, new_index / ENCODERS)
    build = Build(nodes, source, new_index, 16)
    build.until("embed", 64)
    build.kill()
    assert list(new_index.glob("cache/*.parts/*.parquet"))

    build = Build(nodes, source, new_index, 16)
    build.until("embed", 32)
    actor = nodes.at_work(HEAD)[0]
    actor.kill()
    build.until("lists", 16)
    assert nodes.at_work(OTHER)
    nodes.kill(OTHER)
    report = build.report()
    assert 0 < report["embedded"] <= report["chunks"]
    assert not list(new_index.glob("cache/*.parts"))
    assert not list(nodes.folder.glob(f"{ray_files.PREFIX}*")), "neither of this build nor of the one that was killed"

    one = tmp_path / "one"
    shutil.copytree(compiled / ENCODERS, one / ENCODERS)
    expected = build_index([str(source)], one, fastest_embedder(one))
    assert expected.n_articles == report["articles"] == len(told(new_index)["article"]) == 152
    assert_equal(told(new_index), told(one))


@pytest.mark.long
def test_reuters_with_a_node_killed_half_way(nodes: Nodes, compiled: Path, tmp_path: Path) -> None:
    source, one, two = shared("reuters21578.jsonl"), tmp_path / "one", tmp_path / "two"
    shutil.copytree(compiled / ENCODERS, one / ENCODERS)
    by_one = Build(nodes, source, one, address="").report()
    shutil.copytree(one / ENCODERS, two / ENCODERS)
    build = Build(nodes, source, two)
    build.until("embed", by_one["chunks"] // 2)
    assert nodes.at_work(OTHER)
    nodes.kill(OTHER)
    by_nodes = build.report()
    n_articles = len({row[1] for row in told(two)["article"]})
    # Integers are made of the model once, by the first.
    alone, together = (sum(of["stages"].values()) - of["stages"]["quantize"] for of in (by_one, by_nodes))
    n_twice = by_nodes["articles"] - n_articles
    print(f"\n{n_articles} articles, {n_twice} of them twice; {alone:.0f} s by one machine, {together:.0f} s by nodes")
    print(json.dumps([by_one, by_nodes], indent=1))
    assert by_nodes["articles"] == by_one["articles"] == n_articles
    assert_equal(told(two), told(one))
