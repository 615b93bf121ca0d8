"""A release whose vectors are in Milvus, from the build to the answers: on a real server, which is then taken away."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from index.build import build_index
from index.milvus_writer import serving
from index.releases import roll_back
from recommender import Article, Recommender
from recommender.errors import IndexUnusable, InputError, VectorsAway
from recommender.manifest import MILVUS, VECTORS, current_folder, verify
from recommender.milvus import Milvus
from tests.archive import records, write_jsonl
from tests.conftest import client_of
from tests.hash_embedder import HashEmbedder
from tests.milvus_server import Running, milvus_server

DRAFT = {"title": "A ferry", "text": "The ferry left the harbour. The captain saw the storm. " * 5}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with milvus_server(tmp_path_factory.mktemp("milvus")) as running:
        yield running


@pytest.mark.cluster
def test_a_release_in_milvus_answers_as_one_on_disk_and_lists_go_on_without_it(server: Running, tmp_path: Path) -> None:
    vectors = server.server.replace("http", "milvus") + "/archive"
    source = str(write_jsonl(tmp_path / "a.jsonl", records(90)))
    first = build_index([source], tmp_path / "index", HashEmbedder(), vectors=vectors).release
    build_index([source], tmp_path / "exact", HashEmbedder())
    folder = current_folder(tmp_path / "index")
    assert verify(folder).manifest.vectors == MILVUS
    assert not (folder / VECTORS).exists()
    draft = Article("", DRAFT["title"], DRAFT["text"])
    with Recommender.open(tmp_path / "index", HashEmbedder(), vectors=vectors) as there, Recommender.open(tmp_path / "exact") as here:
        for row in range(90):
            assert there.related_to_row(row).ids == here.related_to_row(row).ids, "stored lists are computed on the build's machine"
    with Recommender.open(tmp_path / "exact", HashEmbedder()) as here:
        expected = list(here.related_to(draft).ids)
    milvus = Milvus(server.address("archive"), 60, 240)
    assert serving(milvus) == milvus.address.collection(first)
    second = build_index([source], tmp_path / "index", HashEmbedder(), vectors=vectors).release
    assert serving(milvus) == milvus.address.collection(second)
    with pytest.raises(InputError, match="no address of vectors"):
        roll_back(tmp_path / "index", first)
    assert current_folder(tmp_path / "index").name == second
    roll_back(tmp_path / "index", first, vectors)
    assert serving(milvus) == milvus.address.collection(first)
    milvus.close()
    with Recommender.open(tmp_path / "index", HashEmbedder()) as told_nothing, pytest.raises(IndexUnusable, match="READMORE_VECTORS"):
        told_nothing.related_to(draft)
    with client_of(tmp_path / "index", HashEmbedder(), vectors=vectors) as client:
        answer = client.post("/v1/related", json=DRAFT)
        assert [item["id"] for item in answer.json()["items"]] == expected
        by_id = client.get("/v1/articles/harbour-0/related").json()["items"]
        assert client.get("/readyz").json()["status"] == "ready"
        server.kill()
        away = client.post("/v1/related", json=DRAFT)
        assert (away.status_code, away.json()["code"]) == (503, "vectors_away")
        assert int(away.headers["Retry-After"]) > 0
        assert client.get("/v1/articles/harbour-0/related").json()["items"] == by_id
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert "Milvus at" in ready.json()["detail"]
        server.start()
        while client.post("/v1/related", json=DRAFT).status_code == 503:  # it is well before it has loaded everything
            pass
        assert [item["id"] for item in client.post("/v1/related", json=DRAFT).json()["items"]] == expected
        assert client.get("/readyz").json()["status"] == "ready"


@pytest.mark.cluster
def test_a_build_without_its_server_says_so_before_it_begins(tmp_path: Path) -> None:
    source = str(write_jsonl(tmp_path / "a.jsonl", records(5)))
    with pytest.raises(VectorsAway, match="see that it runs"):
        build_index([source], tmp_path / "index", HashEmbedder(), vectors="milvus://127.0.0.1:9/archive")
    assert not (tmp_path / "index").exists()
