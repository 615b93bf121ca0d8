"""The HTTP service, through the real app factory: answers, refusals, and what must not happen."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.build import build_index
from recommender import Recommender
from recommender.errors import IndexNotFound
from recommender.features.ranker import RANKER, Ranker
from recommender.lists.selection import Selection
from recommender.release.manifest import current_folder
from recommender.types import Vectors
from service.app import create_app
from service.http import answer_cache
from service.http.response_models import Problem, RelatedAnswer, SimilarityAnswer
from service.middleware.request_context import MAX_BODY
from service.settings import Settings
from tests.conftest import client_of, shared
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    Problem.model_validate(body)
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == answer.headers["x-request-id"]
    assert len(answer.content) < 3000
    return body


def test_a_list_by_id_is_the_librarys(client: TestClient, recommender: Recommender) -> None:
    for record in records():
        answer = client.get(f"/v1/articles/{record['id']}/related?limit=7")
        assert answer.status_code == 200
        body = answer.json()
        RelatedAnswer.model_validate(body)
        expected = recommender.related(record["id"], 7).as_dict()
        assert {**expected, "request_id": body["request_id"]} == body


def test_a_list_by_url_or_by_id_in_the_query(client: TestClient) -> None:
    expected = client.get("/v1/articles/harbour-0/related").json()["items"]
    assert len(expected) == 5
    assert client.get("/v1/related", params={"url": "https://example.org/harbour/0"}).json()["items"] == expected
    assert client.get("/v1/related", params={"id": "harbour-0"}).json()["items"] == expected
    assert_problem(client.get("/v1/related", params={"url": "https://example.org/nothing"}), 404, "article_not_found")
    assert_problem(client.get("/v1/related", params={"url": "u", "id": "harbour-0"}), 422, "invalid_request")
    assert_problem(client.get("/v1/related"), 422, "invalid_request")


def test_head_is_get_without_the_body(client: TestClient) -> None:
    for route in ("/v1/articles/harbour-0/related", "/v1/related?id=harbour-0", "/v1/index", "/livez", "/readyz", "/"):
        answer = client.head(route)
        assert (answer.status_code, answer.content) == (200, b""), route


def test_the_service_outlives_the_release_it_serves(tmp_path: Path) -> None:
    """More builds than releases are kept, while the first text has not come yet."""

    def build(n: int) -> None:
        build_index([str(write_jsonl(tmp_path / "a.jsonl", records(n)))], tmp_path / "index", HashEmbedder())

    build(10)
    with client_of(tmp_path / "index", HashEmbedder()) as client:
        for n in range(11, 16):
            build(n)
        assert client.get("/v1/articles/harbour-0/related").status_code == 200
        assert client.get("/").status_code == 200
        assert client.post("/v1/related", json={"text": "ship"}).status_code == 200


def test_lists_by_id_wait_for_no_thread(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a thread was asked for")

    monkeypatch.setattr("anyio.to_thread.run_sync", refuse)
    for route in ("/v1/articles/harbour-0/related", "/v1/related?id=harbour-0", "/v1/index", "/livez", "/readyz"):
        assert client.get(route).status_code == 200, route
    assert client.get("/").status_code == 500  # the page searches the archive, and does wait for one


def test_what_is_under_embargo_is_nowhere(tmp_path: Path) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    secret = {"id": "secret", "title": "Harbour secret", "text": "Ship pier crane.", "url": "https://example.org/s", "published": tomorrow}
    lines = [{**record, "read_more": ["secret"]} for record in records(8)]
    build_index([str(write_jsonl(tmp_path / "a.jsonl", [*lines, secret]))], tmp_path / "index", HashEmbedder())
    queries: list[dict[str, str]] = [{}, {"q": "secret"}, {"id": "harbour-0"}, {"id": "secret"}]
    with client_of(tmp_path / "index", HashEmbedder()) as client:
        for query in queries:
            assert "Harbour secret" not in client.get("/", params=query).text
        assert client.get("/", params={"id": "secret"}).status_code == 404
        assert_problem(client.get("/v1/articles/secret/related"), 404, "article_not_found")
        assert_problem(client.get("/v1/related", params={"url": secret["url"]}), 404, "article_not_found")
        assert "secret" not in client.get("/v1/articles/harbour-0/related?limit=50").text


def test_a_draft_as_json(client: TestClient, recommender: Recommender) -> None:
    stored = recommender.catalogue.article(recommender.catalogue.row("garden-2"))
    answer = client.post("/v1/related?limit=3", json={"title": stored.title, "text": stored.text})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    RelatedAnswer.model_validate(body)
    assert body["article_id"] is None
    assert [item["id"] for item in body["items"]] == list(recommender.related("garden-2", 3).ids)


def test_a_draft_as_a_pasted_page(client: TestClient) -> None:
    page = "Ship at the pier\n\nCaptain ferry dock, cargo tide crane anchor sailor buoy.\n\nRead more:\n\nSoil seed rose compost\n"
    answer = client.post("/v1/related", content=page, headers={"content-type": "text/plain; charset=utf-8"})
    assert answer.status_code == 200
    first = answer.json()["items"][0]
    assert first["section"] == "harbour"
    assert "Soil" not in first["reason"]["passage"]["query"]


def test_the_customers_sample_page_over_http(not_compiled: Path) -> None:
    page = shared("sample-page.txt").read_bytes()
    with client_of(not_compiled) as client:
        answer = client.post("/v1/related", content=page, headers={"content-type": "text/plain"})
    assert answer.status_code == 200
    RelatedAnswer.model_validate(answer.json())
    assert len(answer.json()["items"]) == 5


def test_similarity(client: TestClient, recommender: Recommender) -> None:
    a, b, c = "ship pier crane", "ship pier dock", "vote ballot poll"
    pair = client.post("/v1/similarity", json={"a": a, "b": b}).json()
    SimilarityAnswer.model_validate(pair)
    assert pair["score"] == pytest.approx(recommender.similarity(a, b), abs=1e-4)
    matrix = client.post("/v1/similarity", json={"texts": [a, b, c]}).json()
    SimilarityAnswer.model_validate(matrix)
    assert [row[place] for place, row in enumerate(matrix["scores"])] == [1.0, 1.0, 1.0]
    assert matrix["scores"][0][1] == matrix["scores"][1][0] == pair["score"] > matrix["scores"][0][2]


def test_the_index_and_health(client: TestClient, recommender: Recommender) -> None:
    about = client.get("/v1/index").json()
    manifest = recommender.release.manifest
    assert (about["index_version"], about["n_articles"], about["n_chunks"]) == (manifest.release, 40, manifest.n_chunks)
    assert about["model"] == {"name": "hash", "sha256": "f" * 64, "dim": 32}
    assert about["age_s"] >= 0
    assert client.get("/livez").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready", "index_version": manifest.release}


def test_a_degraded_index_says_why(tmp_path: Path) -> None:
    for number in (10, 20):
        build_index([str(write_jsonl(tmp_path / "a.jsonl", records(number)))], tmp_path / "index", HashEmbedder())
    (current_folder(tmp_path / "index") / "catalogue.db").write_bytes(b"broken")
    with client_of(tmp_path / "index", HashEmbedder()) as client:
        body = client.get("/readyz").json()
        assert body["status"] == "degraded"
        assert "catalogue.db" in body["detail"]
        assert client.get("/v1/articles/harbour-0/related").status_code == 200


def test_no_index_no_app(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFound):
        create_app(Settings(index=tmp_path))


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=51",
        "limit=1e3",
        "limit=" + "9" * 5000,
        "limit=",
        "limit=two",
        "limit=1_0",
        "limit=5.0",
        "limit=%205",
        "limit=1&limit=2",
        "Limit=3",
        "q=%00",
    ],
)
def test_wrong_parameters_are_named(client: TestClient, query: str) -> None:
    body = assert_problem(client.get(f"/v1/articles/harbour-0/related?{query}"), 422, "invalid_request")
    assert body["errors"][0]["pointer"].startswith("/query/" + query.partition("=")[0])


def test_a_typo_gets_the_nearest_name(client: TestClient) -> None:
    assert (
        "did you mean 'limit'?" in assert_problem(client.get("/v1/articles/harbour-0/related?limitt=3"), 422, "invalid_request")["detail"]
    )


@pytest.mark.parametrize(
    "id_", ["nothing", "a/b", "a%2Fb", "a..b", "%00", "\u0301", "😀", "'; DROP TABLE article; --", "<script>", "x" * 512]
)
def test_unknown_ids(client: TestClient, id_: str) -> None:
    answer = client.get(f"/v1/articles/{id_ if '%' in id_ else quote(id_, safe='/')}/related")
    assert "in index 20" in assert_problem(answer, 404, "article_not_found")["detail"]


def test_a_huge_id_is_refused_and_not_sent_back(client: TestClient) -> None:
    assert_problem(client.get(f"/v1/articles/{'x' * 60_000}/related"), 414, "uri_too_long")
    body = assert_problem(client.get(f"/v1/articles/{'x' * 6_000}/related"), 422, "invalid_request")
    assert "x" * 101 not in str(body)


def test_two_spellings_of_an_id_are_one(tmp_path: Path) -> None:
    lines = [*records(5), {"id": "a/caf\u00e9", "title": "Café", "text": "Ship pier crane."}]
    build_index([str(write_jsonl(tmp_path / "a.jsonl", lines))], tmp_path / "index", HashEmbedder())
    with client_of(tmp_path / "index", HashEmbedder()) as client:
        for id_ in ("a/caf\u00e9", "a/cafe\u0301"):
            for answer in (client.get(f"/v1/articles/{quote(id_)}/related"), client.get("/v1/related", params={"id": id_})):
                assert answer.status_code == 200
                assert answer.json()["article_id"] == "a/caf\u00e9"


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("route", ["/v1/related", "/v1/similarity"])
@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", JSON, 400, "bad_request"),
        (b"", JSON, 400, "bad_request"),
        (b"[" * 20_000, JSON, 400, "bad_request"),
        (b"\xff\xfe", JSON, 400, "bad_request"),
        (b"[]", JSON, 422, "invalid_request"),
        (b"null", JSON, 422, "invalid_request"),
        (b'{"text": NaN, "a": NaN, "b": 1}', JSON, 422, "invalid_request"),
        (b'{"textt": "x"}', JSON, 422, "invalid_request"),
        (b'{"text": "\\ud83d", "a": "\\ud83d", "b": "x"}', JSON, 422, "bad_encoding"),
        (b'{"text": "' + b"x" * 200_001 + b'"}', JSON, 422, "invalid_request"),
        (b"<a/>", {"content-type": "application/xml"}, 415, "unsupported_media_type"),
        (b"text", {}, 415, "unsupported_media_type"),
        (b'{"text": "' + b"x" * MAX_BODY + b'"}', JSON, 413, "content_too_large"),
    ],
)
def test_bodies_that_cannot_be_used(
    client: TestClient, route: str, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    assert_problem(client.post(route, content=content, headers=headers), status, code)


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        ({}, "empty_text"),
        ({"text": " \u200b"}, "empty_text"),
        ({"title": "...", "text": "!"}, "empty_text"),
        ({"text": 3}, "invalid_request"),
    ],
)
def test_drafts_without_words(client: TestClient, draft: dict[str, Any], code: str) -> None:
    assert_problem(client.post("/v1/related", json=draft), 422, code)


@pytest.mark.parametrize(
    "sent", [{}, {"a": "x"}, {"a": "x", "b": "y", "texts": ["x", "y"]}, {"texts": ["x"]}, {"texts": ["x"] * 33}, {"texts": "xy"}]
)
def test_similarity_wants_a_pair_or_a_list(client: TestClient, sent: dict[str, Any]) -> None:
    assert_problem(client.post("/v1/similarity", json=sent), 422, "invalid_request")


def test_similarity_of_nothing(client: TestClient) -> None:
    for nothing in (" ", "...", "<p></p>"):
        assert_problem(client.post("/v1/similarity", json={"a": "x", "b": nothing}), 422, "empty_text")


def test_a_body_of_many_faults_gets_a_short_answer(client: TestClient) -> None:
    body = assert_problem(client.post("/v1/related", json={f"k{number}": 1 for number in range(20_000)}), 422, "invalid_request")
    assert len(body["errors"]) == 20


def test_pages_without_text(client: TestClient) -> None:
    too_long = b"word " * 40_001
    for content, code in ((b"", "empty_text"), (b"...\n\n!", "empty_text"), (b"Caf\xe9", "bad_encoding"), (too_long, "text_too_long")):
        assert_problem(client.post("/v1/related", content=content, headers={"content-type": "text/plain"}), 422, code)


def test_a_body_of_unknown_length_is_stopped_at_the_limit(client: TestClient) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1 << 16
            yield b"x" * (1 << 16)

    assert_problem(client.post("/v1/related", content=endless(), headers=JSON), 413, "content_too_large")


def test_a_client_that_gives_up_is_no_fault_of_ours(index_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    sent: list[object] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: object) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/v1/related", "raw_path": b"/v1/related", "query_string": b"", "scheme": "http",
        "http_version": "1.1", "headers": [(b"host", b"test"), (b"content-type", b"application/json")],
        "server": ("test", 80), "client": ("test", 1),
    }  # fmt: skip
    app = create_app(Settings(index=index_dir), HashEmbedder())
    asyncio.run(app(scope, receive, send))
    app.state.serving.close()
    assert sent == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_unknown_routes_and_methods(client: TestClient) -> None:
    assert_problem(client.get("/nothing"), 404, "not_found")
    assert_problem(client.get("/static/nothing"), 404, "not_found")
    refused = client.delete("/v1/index")
    assert_problem(refused, 405, "method_not_allowed")
    assert "GET" in refused.headers["allow"]


def test_a_bug_is_500_and_tells_nothing(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret path")

    monkeypatch.setattr(Recommender, "related_at", fail)
    body = assert_problem(client.get("/v1/articles/harbour-0/related"), 500, "internal_error")
    assert "secret" not in str(body)


def test_a_model_that_is_not_the_indexs_is_503_and_lists_by_id_go_on(index_dir: Path) -> None:
    class Other(HashEmbedder):
        sha256 = "e" * 64

    with client_of(index_dir, Other()) as client:
        refused = client.post("/v1/related", json={"text": "ship"})
        body = assert_problem(refused, 503, "model_error")
        assert str(index_dir) not in str(body)
        assert refused.headers["retry-after"]
        assert client.get("/v1/articles/harbour-0/related").status_code == 200


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_whatever_a_draft_says_the_answer_is_a_list_or_a_problem(client: TestClient, title: str, text: str) -> None:
    answer = client.post("/v1/related", json={"title": title, "text": text})
    if answer.status_code == 200:
        RelatedAnswer.model_validate(answer.json())
    else:
        assert_problem(answer, 422, answer.json()["code"])


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    for route in ("/", "/livez", "/nothing", "/v1/index", "/static/page.css"):
        headers = client.get(route).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]


def test_the_page_shows_our_list_beside_the_hand_made_one(client: TestClient, recommender: Recommender) -> None:
    article = recommender.catalogue.article(recommender.catalogue.row("harbour-0"))
    page = client.get("/", params={"id": "harbour-0"}).text
    ours = recommender.related("harbour-0", 10)
    by_hand = recommender.catalogue.read_more(recommender.catalogue.row("harbour-0"))
    assert article.title in page
    for item in ours:
        assert item.title in page
        assert f"{item.score:.2f}" in page
        assert item.passages
        assert item.passages.target[:40] in page
    hand_column = page[page.index("Made by hand") :]
    assert len(by_hand) == 2
    assert all(card.title in hand_column for card in by_hand)


def test_the_page_finds_articles_by_title_and_says_when_there_are_none(client: TestClient) -> None:
    page = client.get("/", params={"q": "garden"}).text
    assert page.count('href="/?q=garden') >= 10
    assert "No title has these words" in client.get("/", params={"q": "100%_\\"}).text
    missing = client.get("/", params={"id": "<b>nothing</b>"})
    assert missing.status_code == 404
    assert "<b>nothing" not in missing.text


def test_the_page_knows_what_was_put_and_withdrawn_since_the_build(index_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(index_dir, tmp_path / "index", ignore=shutil.ignore_patterns("live.db*"))
    with client_of(tmp_path / "index", HashEmbedder()) as client:
        client.put("/v1/articles/new", json={"title": "Ferry garden news", "text": "ship pier crane cargo tide captain dock ferry"})
        assert client.delete("/v1/articles/garden-2").status_code == 204
        found = client.get("/", params={"q": "garden"}).text
        assert "Ferry garden news" in found
        assert 'id=garden-2"' not in found
        assert client.get("/", params={"id": "garden-2"}).status_code == 404
        assert client.get("/", params={"id": "new"}).status_code == 200
        pin = {"pins": [{"article_id": "new", "slot": 1}], "reason": "r", "owner": "o"}
        assert client.put("/v1/articles/harbour-0/overrides", json=pin).status_code == 200
        assert "Ferry garden news" in client.get("/", params={"id": "harbour-0"}).text, "a line without passages"


def test_the_page_of_the_api_needs_no_other_host(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(sources) == 3
    assert "<script>" not in page.text, "its policy allows no script in the page"
    for source in sources:
        assert source.startswith("/")
        assert client.get(source).status_code == 200
    assert "script-src 'self';" in page.headers["content-security-policy"]


def test_the_metrics_name_the_release_that_serves_and_no_other(index_dir: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    shutil.copytree(index_dir, index)
    with client_of(index, HashEmbedder()) as client:
        before = client.get("/v1/index").json()["index_version"]
        client.get("/metrics")
        after = build_index([str(write_jsonl(tmp_path / "b.jsonl", records(9)))], index, HashEmbedder()).release
        client.post("/v1/index/reload")
        told = client.get("/metrics").text
        assert f'readmore_release{{release="{before}"}} 0.0' in told
        assert f'readmore_release{{release="{after}"}} 1.0' in told


def test_the_schema_is_the_one_that_was_agreed(client: TestClient) -> None:
    """After a change that is meant, `curl .../openapi.json | python -m json.tool > docs/openapi.json` writes it anew."""
    agreed = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_bytes())
    assert client.get("/openapi.json").json() == agreed


def test_the_schema_names_every_route(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {
        "/v1/articles",
        "/v1/articles/{article_id}",
        "/v1/articles/{article_id}/overrides",
        "/v1/articles/{article_id}/related",
        "/v1/articles/batch",
        "/v1/related/batch",
        "/v1/related",
        "/v1/similarity",
        "/v1/index",
        "/v1/index/reload",
        "/v1/widget",
        "/livez",
        "/readyz",
    }
    assert set(schema["paths"]["/v1/related"]["post"]["requestBody"]["content"]) == {"application/json", "text/plain"}


def test_lists_by_id_need_neither_model_nor_faiss(not_compiled: Path) -> None:
    """In a process of its own: what has been imported when a list has been served."""
    script = f"""
import sys
from pathlib import Path
from types import SimpleNamespace
from fastapi.testclient import TestClient
from recommender.types import Vectors
from service.app import create_app
from service import logs
from service.settings import Settings
logs.configure("info")
with TestClient(create_app(Settings(index={str(not_compiled)!r}))) as client:
    assert client.get("/v1/articles/for/related").json()["items"]
    assert client.get("/?id=for").status_code == 200
    assert client.get("/readyz").status_code == 200
    heavy = {{"torch", "transformers", "sentence_transformers", "faiss"}}
    print(sorted(heavy & set(sys.modules)))
    assert client.post("/v1/related", json={{"text": "a loop over a list"}}).json()["items"]
    print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['sentence_transformers', 'torch', 'transformers']"]


def test_texts_do_not_hold_up_lists_by_id(index_dir: Path) -> None:
    """While the model works on a text, lists by id are answered."""
    working, done = threading.Event(), threading.Event()

    class Slow(HashEmbedder):
        def embed(self, texts: Sequence[str]) -> Vectors:
            working.set()
            assert done.wait(30)
            return super().embed(texts)

    with client_of(index_dir, Slow()) as client:
        draft = threading.Thread(target=client.post, args=("/v1/related",), kwargs={"json": {"text": "ship"}})
        draft.start()
        assert working.wait(30)
        assert client.get("/v1/articles/harbour-0/related").status_code == 200
        assert client.get("/livez").status_code == 200
        done.set()
        draft.join()


def test_requests_do_not_write_to_the_index(index_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(index_dir, tmp_path / "index")
    for path in [*(tmp_path / "index").rglob("*"), tmp_path / "index"]:
        path.chmod(0o555 if path.is_dir() else 0o444)

    def seen() -> dict[Path, int]:  # of what is put since, SQLite keeps files of its own
        return {path: path.stat().st_mtime_ns for path in (tmp_path / "index").rglob("*") if not path.name.startswith("live.db")}

    before = seen()
    with client_of(tmp_path / "index", HashEmbedder()) as client:
        assert client.get("/v1/articles/harbour-0/related").status_code == 200
        assert client.post("/v1/related", json={"text": "ship"}).status_code == 200
    assert seen() == before
    for path in [tmp_path / "index", *(tmp_path / "index").rglob("*")]:
        path.chmod(0o755)


def test_parameters_shape_the_list_as_in_python(client: TestClient, recommender: Recommender) -> None:
    by_hand = {
        "mode=background": Selection(mode="background"),
        "mode=latest": Selection(mode="latest"),
        "half_life_days=30": Selection(half_life_days=30),
        "diversity=0.7": Selection(diversity=0.7),
        "min_score=0.3": Selection(min_score=0.3),
        "published_after=2015-01-01T00:00:00Z&published_before=2020-01-01T00:00:00Z": Selection(
            published_after=datetime(2015, 1, 1, tzinfo=UTC), published_before=datetime(2020, 1, 1, tzinfo=UTC)
        ),
    }
    plain = client.get("/v1/articles/harbour-4/related").json()["items"]
    for query, wanted in by_hand.items():
        answer = client.get(f"/v1/articles/harbour-4/related?limit=5&{query}").json()
        expected = recommender.related("harbour-4", 5, wanted)
        assert answer["items"] == expected.as_dict()["items"], query
        assert answer["items"] != plain, query
        assert client.get(f"/v1/related?id=harbour-4&{query}").json()["items"] == answer["items"]
    nothing = client.get("/v1/articles/harbour-4/related?min_score=1").json()
    assert (nothing["items"], nothing["reason"]) == ([], "below_threshold")
    nothing = client.get("/v1/articles/harbour-4/related?published_after=2100-01-01T00:00:00Z").json()
    assert (nothing["items"], nothing["reason"]) == ([], "filtered_out")


@pytest.mark.parametrize(
    "query",
    [
        "mode=newest",
        "diversity=1.5",
        "diversity=nan",
        "min_score=-1",
        "half_life_days=0",
        "published_after=soon",
        "published_after=2020-01-01T00:00:00",
    ],
)
def test_parameters_out_of_range_are_422_and_named(client: TestClient, query: str) -> None:
    for answer in (client.get(f"/v1/articles/harbour-4/related?{query}"), client.post(f"/v1/related?{query}", json={"text": "Ship pier."})):
        assert answer.status_code == 422
        assert query.split("=")[0] in answer.json()["detail"]


def test_an_answer_by_id_is_not_sent_twice(client: TestClient) -> None:
    for url in ("/v1/articles/harbour-4/related?limit=3&diversity=0.5", "/v1/related?id=harbour-4"):
        first = client.get(url)
        tag = first.headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = client.get(url, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert (again.headers["etag"], again.headers["cache-control"]) == (tag, first.headers["cache-control"])
        assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200
        assert client.head(url).headers["etag"] == tag
    reordered = client.get("/v1/articles/harbour-4/related?diversity=0.5&limit=3").headers["etag"]
    assert reordered == client.get("/v1/articles/harbour-4/related?limit=3&diversity=0.5").headers["etag"]
    tags = [
        client.get(f"/v1/articles/{id_}/related{query}").headers["etag"] for id_ in ("harbour-4", "garden-2") for query in ("", "?limit=4")
    ]
    assert len(set(tags)) == 4
    unknown = client.get("/v1/articles/nothing/related", headers={"If-None-Match": "*"})
    assert_problem(unknown, 404, "article_not_found")


def test_new_weights_make_a_new_tag(index_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(index_dir, tmp_path / "index")
    url = "/v1/articles/harbour-4/related"
    tags = []
    for weights in ({"words": 1.0}, {"words": 2.0}):
        (tmp_path / "index" / RANKER).write_text(Ranker(weights, 1.0, 0.0).to_json())
        with client_of(tmp_path / "index", HashEmbedder()) as fresh:
            tags.append(fresh.get(url).headers["etag"])
    assert tags[0] != tags[1]


def test_lists_that_count_ages_have_another_tag_a_minute_later(index_dir: Path) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(minutes=2)

    with client_of(index_dir, HashEmbedder()) as fresh:
        for query, n_tags in (("", 1), ("?half_life_days=3", 2), ("?mode=latest", 2), ("?max_age_days=9", 2)):
            tags = {fresh.get(f"/v1/articles/harbour-4/related{query}").headers["etag"]}
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(answer_cache, "datetime", Later)
                patch.setattr(answer_cache, "time", SimpleNamespace(time=lambda: time.time() + 120))
                tags.add(fresh.get(f"/v1/articles/harbour-4/related{query}").headers["etag"])
            assert len(tags) == n_tags, query


def test_filters_by_section_language_and_what_is_on_the_page(tmp_path: Path) -> None:
    langs = ["en", "en-GB", "de", None, "EN-us"]
    lines = [{**record, "lang": langs[number % 5], "text": "Ship pier."} for number, record in enumerate(records(40))]
    by_id = {line["id"]: line for line in lines}
    build_index([str(write_jsonl(tmp_path / "a.jsonl", lines))], tmp_path / "index", HashEmbedder())
    with client_of(tmp_path / "index", HashEmbedder()) as client:

        def ids(query: str) -> list[str]:
            answer = client.get(f"/v1/articles/harbour-0/related?limit=50&min_score=0&{query}")
            assert answer.status_code == 200, answer.text
            return [item["id"] for item in answer.json()["items"]]

        everything = ids("lang=any")
        assert len(everything) == 39
        filters: dict[str, Callable[[dict[str, Any]], bool]] = {
            "lang=any&section=harbour": lambda line: line["section"] == "harbour",
            "lang=any&section=harbour&section=garden": lambda line: line["section"] in ("harbour", "garden"),
            "lang=en": lambda line: (line["lang"] or "").lower()[:2] == "en",
            "lang=en-GB": lambda line: line["lang"] == "en-GB",
            "lang=de&section=harbour": lambda line: line["lang"] == "de" and line["section"] == "harbour",
            f"lang=any&exclude={everything[0]}&exclude={everything[2]}": lambda line: line["id"] not in (everything[0], everything[2]),
            "section=nothing": lambda line: False,
        }
        for query, keeps in filters.items():
            assert ids(query) == [id_ for id_ in everything if keeps(by_id[id_])], query
        assert client.get("/v1/articles/harbour-0/related?section=nothing").json()["reason"] == "filtered_out"
        sent = client.post("/v1/related?section=harbour&limit=50", json={"title": "Ship", "text": "Ship pier."}).json()
        assert {by_id[item["id"]]["section"] for item in sent["items"]} == {"harbour"}
        assert_problem(client.get("/v1/articles/harbour-0/related?section="), 422, "invalid_request")
        assert_problem(client.get("/v1/articles/harbour-0/related?" + "exclude=a&" * 101), 422, "invalid_request")
        assert_problem(client.get("/v1/articles/harbour-0/related?mode=latest&mode=mixed"), 422, "invalid_request")


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00", "9999-12-31T23:59:59", "2020-01-01T00:00:00"])
def test_a_draft_says_of_which_zone_its_date_is(client: TestClient, moment: str) -> None:
    assert_problem(client.post("/v1/related", json={"text": "Ship pier.", "published": moment}), 422, "invalid_request")
    assert client.post("/v1/related", json={"text": "Ship pier.", "published": f"{moment}Z"}).status_code == 200
