"""Lists as files: the same that the service answers, whole or not at all."""

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.build import build_index
from index.export_lists import COLUMNS, LONGEST_NAME, MANIFEST, as_text, export, page_name
from index.live import upserts
from recommender import Recommender
from recommender.errors import InputError
from recommender.lists.selection import Selection
from tests.index.live.test_upserts import to_article
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder


def expected(recommender: Recommender, limit: int) -> dict[str, list[dict[str, Any]]]:
    ids = [recommender.catalogue.card(row).id for row in range(recommender.release.manifest.n_articles)]
    return {id_: recommender.related(id_, limit).as_dict()["items"] for id_ in ids}


def test_jsonl_holds_what_the_library_answers(recommender: Recommender, tmp_path: Path) -> None:
    assert export(recommender, tmp_path / "a.jsonl", "jsonl", 3) == 40
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {line["article_id"]: line["items"] for line in lines} == expected(recommender, 3)
    assert {line["index_version"] for line in lines} == {recommender.release.name}


def test_what_was_put_and_withdrawn_since_the_build_counts(tmp_path: Path) -> None:
    index = tmp_path / "index"
    *built, new = records(20)
    build_index([str(write_jsonl(tmp_path / "a.jsonl", built))], index, HashEmbedder())
    with Recommender.open(index, HashEmbedder()) as recommender:
        anew = replace(to_article(built[3]), text=built[0]["text"])
        for one in (to_article(new), anew, replace(anew, id="later", published=datetime.now(UTC) + timedelta(days=1))):
            upserts.put(index, recommender, one)
        upserts.withdraw(index, recommender, built[7]["id"])
        export(recommender, tmp_path / "a.jsonl", "jsonl", 5)
        found = {line["article_id"]: line["items"] for line in map(json.loads, (tmp_path / "a.jsonl").read_text("utf-8").splitlines())}
        assert found.keys() == {one["id"] for one in [*built, new]} - {built[7]["id"]}
        assert found == {id_: recommender.related(id_, 5).as_dict()["items"] for id_ in found}
        assert new["id"] in {item["id"] for items in found.values() for item in items}


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_tables_have_a_row_a_line(recommender: Recommender, tmp_path: Path, file_format: str) -> None:
    path = tmp_path / f"a.{file_format}"
    export(recommender, path, file_format, 4)
    if file_format == "csv":
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        rows = pq.read_table(path).to_pylist()
    wanted = [
        {"article_id": id_, **{name: item[name] for name in COLUMNS[1:]}}
        for id_, items in expected(recommender, 4).items()
        for item in items
    ]
    if file_format == "csv":
        wanted = [{name: "" if value is None else str(value) for name, value in row.items()} for row in wanted]
    assert rows == wanted


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r"], ids=ascii)
def test_no_sign_begins_a_formula_in_csv(tmp_path: Path, sign: str) -> None:
    """The narrow signs, and the wide ones of East Asian text, which Excel takes for the narrow ones."""
    for apostrophes in ("", "'", "''"):
        cell = f"{apostrophes}{sign}1+1"
        assert as_text(cell) == f"'{cell}"
    assert as_text(f"a{sign}1") == f"a{sign}1"
    title = f"{sign}SUM(1)"
    lines = [{**record, "title": title, "id": f"{sign.strip() or 'x'}{number}"} for number, record in enumerate(records(6))]
    build_index([str(write_jsonl(tmp_path / "a.jsonl", lines))], tmp_path / "index", HashEmbedder())
    with Recommender.open(tmp_path / "index", HashEmbedder()) as recommender:
        export(recommender, tmp_path / "a.csv", "csv", 3)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cleaned = title.strip()
    begins = "'" if cleaned == title else ""
    assert {row["title"] for row in rows} == {f"{begins}{cleaned}"}
    assert {row["article_id"] for row in rows} <= {f"{begins}{line['id']}" for line in lines}
    assert rows


def test_a_page_an_article(recommender: Recommender, tmp_path: Path) -> None:
    assert export(recommender, tmp_path / "pages", "pages", 5) == 40
    manifest = json.loads((tmp_path / "pages" / MANIFEST).read_text())
    lists = {id_: json.loads((tmp_path / "pages" / name).read_text())["items"] for id_, name in manifest["files"].items()}
    assert lists == expected(recommender, 5)
    assert len(list((tmp_path / "pages").iterdir())) == 41
    assert manifest["index_version"] == recommender.release.name


def test_an_export_replaces_an_export_and_nothing_else(recommender: Recommender, tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    export(recommender, pages, "pages")
    (pages / "stale.json").write_text("{}")
    export(recommender, pages, "pages")
    assert not (pages / "stale.json").exists()
    other = tmp_path / "site"
    other.mkdir()
    (other / "index.html").write_text("mine")
    with pytest.raises(InputError, match="holds files that no export made"):
        export(recommender, other, "pages")
    assert (other / "index.html").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pages", "site"], "no draft is left"


def test_a_failed_export_leaves_the_last_one(recommender: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export(recommender, tmp_path / "a.jsonl", "jsonl")
    before = (tmp_path / "a.jsonl").read_bytes()

    def fail(row: int) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(recommender, "related_to_row", fail)
    with pytest.raises((KeyboardInterrupt, TypeError)):
        export(recommender, tmp_path / "a.jsonl", "jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_what_is_under_embargo_is_in_no_file(tmp_path: Path) -> None:
    ahead = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    lines = [*records(8), {"id": "secret", "title": "Secret ferry", "text": "A ferry in the harbour.", "published": ahead}]
    build_index([str(write_jsonl(tmp_path / "a.jsonl", lines))], tmp_path / "index", HashEmbedder())
    with Recommender.open(tmp_path / "index") as opened:
        assert export(opened, tmp_path / "lists.jsonl", "jsonl", 9) == 8
    assert "ecret" not in (tmp_path / "lists.jsonl").read_text()


def test_the_least_score_is_kept_to(recommender: Recommender, tmp_path: Path) -> None:
    export(recommender, tmp_path / "a.jsonl", "jsonl", 5, Selection(min_score=0.5))
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert len(lines) == 40
    assert all(item["score"] >= 0.5 for line in lines for item in line["items"])


@given(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=300))
def test_any_id_has_a_file_of_its_own(article_id: str) -> None:
    name = page_name(article_id)
    assert len(name.encode()) <= LONGEST_NAME + len(".json")
    assert not {"/", "\0", "\\"} & set(name)
    assert name not in {".", "..", MANIFEST}
    assert not name.startswith(".")
    if len(name) <= LONGEST_NAME and not name.removesuffix(".json").isalnum():
        assert unquote(name.removesuffix(".json")) == article_id
