"""Articles and the editors' word over HTTP: effective with the next answer, in both directions, in every form of the list."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from index.build import build_index
from recommender import Recommender
from service.http.response_models import ArticleAnswer, BatchAnswer, BatchReport, OverrideAnswer, RelatedAnswer
from tests.conftest import client_of
from tests.service.test_service import assert_problem
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

FERRY = {
    "title": "Harbour ferry strike",
    "text": "Ship pier crane cargo tide captain dock ferry anchor sailor lighthouse buoy.\n\nThe ferry captain said more.",
    "url": "https://example.org/ferry",
    "published": "2026-01-02T03:04:05Z",
    "section": "harbour",
}
NAUGHTY = [
    "a/b",
    "ünï/çødé",
    "<script>alert(1)</script>",
    "' OR 1=1; --",
    "𝒯𝑒𝓈𝓉🚢",
    "田中さん",
    "null",
    "a?b#c&d=e",
    "back\\slash",
    "x" * 512,
]


@pytest.fixture
def client(index_dir: Path, tmp_path: Path) -> Iterator[TestClient]:
    shutil.copytree(index_dir, tmp_path / "index", ignore=shutil.ignore_patterns("live.db*"))
    with client_of(tmp_path / "index", HashEmbedder()) as opened:
        yield opened


def ids(client: TestClient, article_id: str, **parameters: Any) -> list[str]:
    answer = client.get(f"/v1/articles/{article_id}/related", params={"limit": 50, **parameters})
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def test_an_article_is_there_at_once_and_gone_at_once(client: TestClient) -> None:
    before = client.get("/v1/articles/harbour-0/related?limit=50")
    created = client.put("/v1/articles/ferry", json=FERRY)
    assert (created.status_code, created.json()["status"]) == (201, "created")
    assert client.put("/v1/articles/ferry", json=FERRY).status_code == 200
    assert "harbour-0" in ids(client, "ferry")
    after = client.get("/v1/articles/harbour-0/related?limit=50", headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200, "the tag that a cache holds does not hold any more"
    assert "ferry" in [item["id"] for item in after.json()["items"]]
    stored = client.get("/v1/articles/ferry").json()
    ArticleAnswer.model_validate(stored)
    assert {name: stored[name] for name in FERRY} == FERRY
    assert client.get("/v1/related", params={"url": FERRY["url"]}).json()["article_id"] == "ferry"
    assert client.get("/v1/index").json()["n_live"] == 1
    assert client.delete("/v1/articles/ferry").status_code == 204
    assert client.delete("/v1/articles/ferry").status_code == 204
    for route in ("/v1/articles/ferry", "/v1/articles/ferry/related", "/v1/related?id=ferry"):
        assert_problem(client.get(route), 410, "article_withdrawn")
    assert "ferry" not in ids(client, "harbour-0")
    assert_problem(client.delete("/v1/articles/nobody"), 404, "article_not_found")


def test_an_article_of_the_release_is_withdrawn_from_all_lists(client: TestClient) -> None:
    holders = [id_ for id_ in ids(client, "harbour-0") if "harbour-0" in ids(client, id_)]
    assert holders
    assert client.delete("/v1/articles/harbour-0").status_code == 204
    assert all("harbour-0" not in ids(client, id_) for id_ in holders)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"text": " "}, "empty_text"),
        ({"url": "javascript:alert(1)"}, "bad_url"),
        ({"published": "yesterday"}, "bad_date"),
        ({"published": "2999-01-01"}, "bad_date"),
        ({"titel": "x"}, "invalid_request"),
        ({"id": "another"}, "invalid_request"),
        ({"text": 3}, "invalid_request"),
    ],
)
def test_what_a_build_would_drop_or_refuse_is_refused(client: TestClient, change: dict[str, Any], code: str) -> None:
    assert_problem(client.put("/v1/articles/ferry", json={**FERRY, **change}), 422, code)
    assert_problem(client.get("/v1/articles/ferry"), 404, "article_not_found")


@pytest.mark.parametrize("name", NAUGHTY)
def test_naughty_strings_come_back_as_they_went(client: TestClient, name: str) -> None:
    path = f"/v1/articles/{quote(name, safe='')}"
    body = {**FERRY, "title": name, "text": f"{FERRY['text']} {name}", "section": name}
    assert client.put(path, json=body).status_code == 201
    stored = client.get(path).json()
    assert (stored["id"], stored["title"], stored["section"], stored["text"]) == (name, name, name, body["text"])
    found = next(item for item in client.get("/v1/articles/harbour-0/related?limit=50").json()["items"] if item["id"] == name)
    assert found["title"] == name
    assert client.get("/v1/related", params={"id": name}).json()["article_id"] == name
    html = client.get("/v1/articles/harbour-0/related?limit=50&format=html").text
    assert "<script" not in html
    assert client.delete(path).status_code == 204
    assert name not in ids(client, "harbour-0")


def test_a_batch_reports_line_by_line(client: TestClient) -> None:
    lines = [
        json.dumps({**FERRY, "id": "one"}),
        "",
        json.dumps({**FERRY, "id": "two", "text": ""}),
        '{"id": "three"',
        json.dumps({"id": "harbour-0", "withdrawn": True}),
        json.dumps({"id": "nobody", "withdrawn": True}),
        json.dumps(FERRY),
        json.dumps({**FERRY, "id": "one", "title": "Harbour ferry strike ends"}),
    ]
    answer = client.post("/v1/articles/batch", content="\n".join(lines), headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 200
    BatchReport.model_validate(answer.json())
    told = [(line["line"], line["id"], line["status"], line.get("code")) for line in answer.json()["results"]]
    assert told == [
        (1, "one", "created", None),
        (3, "two", "error", "empty_text"),
        (4, None, "error", "bad_request"),
        (5, "harbour-0", "withdrawn", None),
        (6, "nobody", "error", "article_not_found"),
        (7, None, "error", "missing_id"),
        (8, "one", "updated", None),
    ]
    many = client.post("/v1/articles/batch", content="{}\n" * 101, headers={"content-type": "application/x-ndjson"})
    assert_problem(many, 422, "invalid_request")
    assert_problem(client.post("/v1/articles/batch", json={}), 415, "unsupported_media_type")


def test_overrides_count_with_the_next_answer(client: TestClient) -> None:
    route = "/v1/articles/harbour-0/overrides"
    assert client.get(route).json()["pins"] == []
    said = {"pins": [{"article_id": "garden-2", "slot": 1}], "blocks": [{"section": "railway"}], "reason": "it explains", "owner": "desk"}
    answer = client.put(route, json=said)
    assert answer.status_code == 200
    OverrideAnswer.model_validate(answer.json())
    items = client.get("/v1/articles/harbour-0/related?limit=50").json()["items"]
    assert (items[0]["id"], items[0]["source"]) == ("garden-2", "pinned")
    assert not any(item["section"] == "railway" for item in items)
    assert_problem(client.put(route, json={"pins": [{"article_id": "nobody", "slot": 1}]}), 422, "invalid_request")
    assert_problem(client.put(route, json={"pins": [{"article_id": "garden-2", "slot": 51}]}), 422, "invalid_request")
    twice = {"pins": [{"article_id": "garden-2", "slot": 1}, {"article_id": "garden-6", "slot": 1}]}
    assert_problem(client.put(route, json=twice), 422, "invalid_override")
    assert client.delete(route).status_code == 204
    assert client.delete(route).status_code == 204
    told = client.get(route).json()
    assert told["pins"] == []
    assert [(entry["action"], len(entry["key"])) for entry in told["history"]] == [("delete", 8), ("put", 8)]
    assert ids(client, "harbour-0")[0] != "garden-2"
    assert_problem(client.put("/v1/articles/nobody/overrides", json={}), 404, "article_not_found")


@pytest.mark.parametrize("kind", ["article_id", "section"])
def test_a_block_of_nothing_that_can_be_seen_is_refused(client: TestClient, kind: str) -> None:
    refused = client.put("/v1/articles/harbour-0/overrides", json={"blocks": [{kind: "\u001c\u0003"}]})
    assert_problem(refused, 422, "invalid_request")


@pytest.mark.parametrize("depth", [33, 150, 100_000])
def test_deeply_nested_json_is_refused(client: TestClient, depth: int) -> None:
    """No body that is taken is deeper than four levels, and the parser gives up at two hundred."""
    nested = '{"text": ' + "[" * depth + "]" * depth + "}"
    headers = {"content-type": "application/json"}
    for method, path in (
        ("POST", "/v1/related"),
        ("POST", "/v1/similarity"),
        ("PUT", "/v1/articles/x"),
        ("PUT", "/v1/articles/harbour-0/overrides"),
    ):
        assert client.request(method, path, content=nested, headers=headers).status_code in (400, 422)
    line = '{"id": "x", "text": ' + "[" * depth + "]" * depth + "}"
    told = client.post("/v1/articles/batch", content=line, headers={"content-type": "application/x-ndjson"}).json()["results"]
    assert [of["status"] for of in told] == ["error"]


def test_several_seeds(client: TestClient, recommender: Recommender) -> None:
    one = client.post("/v1/related?limit=20", json={"positive": ["harbour-0"]}).json()
    RelatedAnswer.model_validate(one)
    assert [(item["id"], item["score"]) for item in one["items"]] == [
        (item.id, item.score) for item in recommender.related("harbour-0", 20)
    ]
    both = client.post("/v1/related?limit=50", json={"positive": ["harbour-0", "garden-2"], "negative": ["harbour-4"]}).json()["items"]
    alone = {id_: {item.id: item.score for item in recommender.related(id_, 50)} for id_ in ("harbour-0", "garden-2", "harbour-4")}
    assert both
    for item in both:
        of = [alone[id_].get(item["id"], 0.0) for id_ in ("harbour-0", "garden-2", "harbour-4")]
        assert item["score"] == pytest.approx((of[0] + of[1]) / 2 - of[2], abs=2e-4)
        assert item["id"] not in alone
    assert_problem(client.post("/v1/related", json={"positive": ["nobody"]}), 404, "article_not_found")
    assert_problem(client.post("/v1/related", json={"positive": []}), 422, "invalid_request")


def test_many_lists_at_once(client: TestClient) -> None:
    answer = client.post("/v1/related/batch?limit=3", json={"ids": ["harbour-0", "nobody", "garden-2"]}).json()
    BatchAnswer.model_validate(answer)
    assert [result["status"] for result in answer["results"]] == [200, 404, 200]
    assert [item["id"] for item in answer["results"][2]["items"]] == ids(client, "garden-2", limit=3)
    assert_problem(client.post("/v1/related/batch", json={"ids": ["a"] * 101}), 422, "invalid_request")


def test_forms_of_a_list(client: TestClient) -> None:
    route = "/v1/articles/harbour-0/related"
    whole = client.get(f"{route}?limit=10").json()["items"]
    assert [item["id"] for item in client.get(f"{route}?limit=4&offset=3").json()["items"]] == [item["id"] for item in whole[3:7]]
    few = client.get(f"{route}?fields=title,url").json()["items"]
    assert [set(item) for item in few] == [{"id", "title", "url"}] * 5
    assert "did you mean 'title'" in assert_problem(client.get(f"{route}?fields=titel"), 422, "invalid_request")["detail"]
    told = client.get(f"{route}?explain=true").json()["items"][0]["reason"]["features"]
    assert len(told) > 5
    assert client.get(f"{route}?format=jsonld").json()["itemListElement"][0]["name"] == whole[0]["title"]
    html = client.get(f"{route}?format=html&limit=2")
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    assert html.text.count("<li>") == 2
    assert_problem(client.get(f"{route}?offset=60&limit=50"), 422, "out_of_range")
    assert client.head(route).headers["content-length"] == str(len(client.get(route).content))


def test_a_kept_answer_is_the_answer(client: TestClient) -> None:
    first, second = (client.get("/v1/articles/harbour-0/related") for _ in range(2))
    assert first.json().pop("request_id") != second.json().pop("request_id")
    assert second.json()["request_id"] == second.headers["x-request-id"]
    assert first.json()["items"] == second.json()["items"]
    assert first.headers["etag"] == second.headers["etag"]
    assert "readmore_kept_answers_total" in client.get("/metrics").text


@pytest.mark.parametrize("end", ["related", "overrides"])
def test_ids_that_end_like_a_route(tmp_path: Path, end: str) -> None:
    """A folder of documentation has a page `content/related`. By ?id= everything can be done with it."""
    built, put = f"content/{end}", f"new/{end}"
    lines = [
        *records(8),
        {"id": built, "title": "Built", "text": "Ship pier crane."},
        {"id": "content", "title": "Content", "text": "Ship."},
    ]
    build_index([str(write_jsonl(tmp_path / "a.jsonl", lines))], tmp_path / "index", HashEmbedder())
    with client_of(tmp_path / "index", HashEmbedder()) as client:
        assert client.put("/v1/articles", params={"id": put}, json={**FERRY, "title": "Put"}).status_code == 201
        for id_, title in ((built, "Built"), (put, "Put")):
            assert client.get("/v1/articles", params={"id": id_}).json()["title"] == title
            for path in ("/v1/related", f"/v1/articles/{id_}/related", f"/v1/articles/{quote(id_, safe='')}/related"):
                assert client.get(path, params={"id": id_} if path == "/v1/related" else {}).json()["article_id"] == id_
            assert client.put(f"/v1/articles/{id_}/overrides", json={"pins": [{"article_id": "garden-2", "slot": 1}]}).status_code == 200
            assert client.get("/v1/related", params={"id": id_}).json()["items"][0]["id"] == "garden-2"
        client.put("/v1/articles/content/overrides", json={"reason": "stays"})
        escaped = f"/v1/articles/{quote(built, safe='')}"
        for method in ("GET", "PUT", "DELETE") if end == "overrides" else ("GET", "HEAD"):
            answer = client.request(method, escaped, json=FERRY if method == "PUT" else None)
            assert answer.status_code == 400, "it is not taken for the list, or the overrides, of the article `content`"
            assert method == "HEAD" or "?id=" in assert_problem(answer, 400, "ambiguous_path")["detail"]
        assert client.get("/v1/articles/content/overrides").json()["reason"] == "stays"
        for id_ in (built, put):
            assert client.delete("/v1/articles", params={"id": id_}).status_code == 204
            assert_problem(client.get("/v1/articles", params={"id": id_}), 410, "article_withdrawn")
            assert_problem(client.get("/v1/related", params={"id": id_}), 410, "article_withdrawn")
        assert client.get("/v1/articles/content").status_code == 200
    for refused in ({}, {"id": ""}, {"id": "x" * 513}, {"id": ["a", "b"]}, {"id": "a", "url": "b"}):
        assert_problem(client.get("/v1/articles", params=refused), 422, "invalid_request")
