"""A build that is killed at any moment leaves the last good release serving, and the next build goes on."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from index.build import build_index
from recommender import Recommender
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

BUILD_FOREVER = """
import sys
from pathlib import Path
from index import build
from tests.support.hash_embedder import HashEmbedder

build.BLOCK = 16
print("ready", flush=True)
while True:
    for source in sys.argv[2:]:
        print(build.build_index([source], Path(sys.argv[1]), HashEmbedder(), delete_missing=True).release, flush=True)
"""


def kill_at_random_moments(folder: Path, kills: int) -> None:
    sizes = (20, 45)
    sources = [str(write_jsonl(folder / f"{size}.jsonl", records(size))) for size in sizes]
    index_dir = folder / "index"
    build_index(sources[:1], index_dir, HashEmbedder())
    lists = {}
    for size, source in zip(sizes, sources, strict=True):
        build_index([source], folder / f"whole-{size}", HashEmbedder())
        with Recommender.open(folder / f"whole-{size}") as whole:
            lists[size] = {record["id"]: whole.related(record["id"], 10).items for record in records(size)}
    chance = random.Random(kills)
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-c", BUILD_FOREVER, str(index_dir), *sources], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.0, 0.8))
        process.kill()
        process.communicate()
        with Recommender.open(index_dir) as opened:
            assert opened.release.degraded is None
            size = opened.release.manifest.n_articles
            assert {id_: opened.related(id_, 10).items for id_ in lists[size]} == lists[size]
    report = build_index(sources[1:], index_dir, HashEmbedder(), delete_missing=True)
    assert report.n_articles == sizes[1]
    assert not list((index_dir / "releases").glob(".staging-*")), "what a killed build staged is removed by the next"


def test_20_kills(tmp_path: Path) -> None:
    kill_at_random_moments(tmp_path, 20)


@pytest.mark.long
def test_200_kills(tmp_path: Path) -> None:
    kill_at_random_moments(tmp_path, 200)
