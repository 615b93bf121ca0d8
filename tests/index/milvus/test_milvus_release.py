"""A release whose vectors are in Milvus, from the build to the answers: on a real server, which is then taken away."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index.build import build_index
from index.maintenance.release_rollback import roll_back
from index.maintenance.verify import verify_index
from index.milvus.milvus_writer import serving
from index.wings import wings_at
from recommender import Article, Recommender, SentenceTransformerEmbedder
from recommender.errors import IndexUnusable, InputError, VectorsUnavailable
from recommender.lists.selection import Selection, select
from recommender.release.manifest import MILVUS, VECTORS, current_folder, verify
from recommender.vectors.milvus_client import ARTICLES, TOKEN, VARIABLE, Milvus
from tests.conftest import client_of, shared
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder
from tests.support.milvus_server import Running, milvus_server
from tests.support.served import ROOT

DRAFT = {"title": "A ferry", "text": "The ferry left the harbour. The captain saw the storm. " * 5}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with milvus_server(tmp_path_factory.mktemp("milvus")) as running:
        yield running


@pytest.mark.cluster
def test_a_release_in_milvus_answers_as_one_on_disk_and_lists_go_on_without_it(server: Running, tmp_path: Path) -> None:
    vectors = server.server.replace("http", "milvus") + "/archive"
    source = str(write_jsonl(tmp_path / "a.jsonl", records(90)))
    first = build_index([source], tmp_path / "index", HashEmbedder(), wings=wings_at(vectors=vectors)).release
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
    second = build_index([source], tmp_path / "index", HashEmbedder(), wings=wings_at(vectors=vectors)).release
    assert serving(milvus) == milvus.address.collection(second)
    with pytest.raises(InputError, match="no address of vectors"):
        roll_back(tmp_path / "index", first)
    assert current_folder(tmp_path / "index").name == second
    roll_back(tmp_path / "index", first, vectors)
    assert serving(milvus) == milvus.address.collection(first)
    assert verify_index(tmp_path / "index", vectors=vectors).faults == ()
    milvus.ask("delete", milvus.address.collection(second), ids=[0])
    milvus.ask("flush", milvus.address.collection(second))
    lacking = verify_index(tmp_path / "index", second, vectors=vectors)
    assert [fault.code for fault in lacking.faults] == ["vectors"]
    assert "holds 89 articles" in lacking.faults[0].found
    line = milvus.ask("get", milvus.address.collection(second), ids=[17], partition_names=[ARTICLES])[0]
    milvus.ask("upsert", milvus.address.collection(second), [{**line, "id": 0}], partition_name=ARTICLES)
    assert any(
        "where the catalogue has article" in fault.found for fault in verify_index(tmp_path / "index", second, vectors=vectors).faults
    )
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
    with pytest.raises(VectorsUnavailable, match="see that it runs"):
        build_index([source], tmp_path / "index", HashEmbedder(), wings=wings_at(vectors="milvus://127.0.0.1:9/archive"))
    assert not (tmp_path / "index").exists()


@pytest.mark.cluster
def test_a_server_with_a_password_and_tls(tmp_path: Path) -> None:
    """By processes of their own, as gRPC reads what certificates it trusts once."""
    source = write_jsonl(tmp_path / "a.jsonl", records(30))
    with milvus_server(tmp_path / "server", guarded=True) as server:
        plain = server.server.replace("http://127.0.0.1", "milvus://localhost") + "/archive"
        address = plain.replace("milvus:", "milvus+tls:")
        trusting = {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(server.certificate)}

        def ran(script: str, *arguments: str, vectors: str = address, **environment: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, ROOT / "scripts" / script, *arguments],
                env={**os.environ, "PYTHONPATH": str(ROOT), VARIABLE: vectors, **environment},
                capture_output=True,
                text=True,
                check=False,
            )

        build = ("build_index.py", str(source), "--out", str(tmp_path / "index"))
        for wrong in (ran(*build, **trusting), ran(*build, vectors=plain, READMORE_VECTORS_TOKEN="root:Milvus"), ran(*build)):
            assert wrong.returncode == 5
            assert TOKEN in wrong.stderr
        wrong = ran(*build, **trusting, READMORE_VECTORS_TOKEN="root:secret-word")
        assert wrong.returncode == 5
        assert "secret-word" not in wrong.stderr
        built = ran(*build, **trusting, READMORE_VECTORS_TOKEN="root:Milvus")
        assert built.returncode == 0, built.stderr
        draft = tmp_path / "draft.txt"
        draft.write_text(f"{DRAFT['title']}\n\n{DRAFT['text']}", encoding="utf-8")
        asked = ("related.py", "--index", str(tmp_path / "index"), "--text", str(draft))
        assert ran(*asked, **trusting, READMORE_VECTORS_TOKEN="root:Milvus").returncode == 0
        assert ran(*asked, **trusting).returncode != 0
    for path in (tmp_path / "index").rglob("*"):
        assert not path.is_file() or b"root:Milvus" not in path.read_bytes()


def found_by(recommender: Recommender) -> list[tuple[set[int], list[int]]]:
    """Of every article as a text that was never seen: the ten nearest in meaning, and its list."""
    texts, found = recommender.texts, []
    for row in range(recommender.release.manifest.n_articles):
        with recommender.live.reading() as view:
            query = texts.stored_query(row)
            near = texts.neighbours(query, view)
            candidates, _ = texts.candidates(query, near, view)
            chosen = select(candidates, query.published, recommender.ranker, Selection(), 5)
        found.append((set(near.in_meaning[:10].tolist()), candidates["article"][chosen.places].tolist()))
    return found


@pytest.mark.long
@pytest.mark.cluster
def test_all_articles_of_a_real_archive_get_the_lists_that_faiss_gives(
    server: Running, model: SentenceTransformerEmbedder, tmp_path: Path
) -> None:
    vectors = server.server.replace("http", "milvus") + "/digitalgov"
    source = str(shared("digitalgov.jsonl"))
    build_index([source], tmp_path / "index", model)
    with Recommender.open(tmp_path / "index", model) as here:
        exact = found_by(here)
    build_index([source], tmp_path / "index", model, wings=wings_at(vectors=vectors))
    with Recommender.open(tmp_path / "index", model, vectors=vectors) as there:
        assert there.release.manifest.vectors == MILVUS
        found = found_by(there)
    recall = float(np.mean([len(true & of) / 10 for (true, _), (of, _) in zip(exact, found, strict=True)]))
    same = float(np.mean([true == of for (_, true), (_, of) in zip(exact, found, strict=True)]))
    print(f"{len(found):,} articles: recall@10 {recall:.4f}, the same list {same:.4f}")
    assert recall >= 0.97
    assert same >= 0.99
