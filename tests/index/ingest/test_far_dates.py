"""Dates at both ends of the calendar, which in UTC lie outside of it: named where they enter, and no bug anywhere."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from index.build import build_index
from index.ingest.readers.sources import read_all
from index.ingest.record import Record
from recommender import Recommender
from recommender.errors import InvalidOverride
from recommender.overrides import end_of, read_overrides
from service.desk.audit_trail import last_day
from tests.conftest import ADMIN_KEY, client_of
from tests.service.routes.test_articles import FERRY
from tests.service.test_service import assert_problem
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

BEYOND = ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+00:01")
WITHIN = ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999+00:00", "9999-12-31T11:59:59-12:00")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dates")
    build_index([str(write_jsonl(folder / "a.jsonl", records(12)))], folder / "index", HashEmbedder())
    return folder / "index"


@pytest.fixture(scope="module")
def client(index: Path) -> Any:
    with client_of(index, HashEmbedder()) as opened:
        yield opened


def overrides_of(until: str) -> list[dict[str, Any]]:
    pin = {"article_id": "garden-2", "slot": 1, "until": until}
    return [{"pins": [pin]}, {"blocks": [{"section": "railway", "until": until}]}, {"everywhere": True, "everywhere_until": until}]


@pytest.mark.parametrize("until", BEYOND)
def test_an_end_outside_of_the_calendar_is_refused(client: TestClient, until: str) -> None:
    for body in overrides_of(until):
        said = assert_problem(client.put("/v1/articles/harbour-0/overrides", json=body), 422, "invalid_override")
        assert "which is no time" in said["detail"]


@pytest.mark.parametrize("until", WITHIN)
def test_an_end_at_its_edge_is_taken_and_shown(client: TestClient, until: str) -> None:
    for body in overrides_of(until):
        assert client.put("/v1/articles/harbour-0/overrides", json=body).status_code == 200
        assert client.get("/v1/articles/harbour-4/related").status_code == 200
        assert client.get("/desk/article?id=harbour-0", auth=("Ann", ADMIN_KEY)).status_code == 200
    assert client.delete("/v1/articles/harbour-0/overrides").status_code == 204


@pytest.mark.parametrize("moment", [*BEYOND, *WITHIN])
def test_other_dates_of_requests_are_answered(client: TestClient, moment: str) -> None:
    for name in ("published_after", "published_before"):
        assert client.get("/v1/articles/harbour-0/related", params={name: moment}).status_code == 200
    draft = {"text": "ship pier crane", "published": moment}
    assert client.post("/v1/related?mode=latest&max_age_days=1000000", json=draft).status_code in (200, 422)
    assert client.put("/v1/articles/ferry", json={**FERRY, "published": moment}).status_code in (200, 201, 422)
    page = f"A ferry\n\nUpdated {moment.replace('T', ' ')}\n\nThe ferry left the harbour."
    assert client.post("/v1/related", content=page, headers={"content-type": "text/plain"}).status_code == 200


@pytest.mark.parametrize("until", [*BEYOND, "23:59:59"])
def test_a_file_of_overrides_is_refused_by_name(tmp_path: Path, until: str) -> None:
    for given in (until, json.dumps(until)):
        file = tmp_path / "overrides.toml"
        file.write_text(f'[[pin]]\non = "harbour-0"\nshow = "garden-2"\nslot = 1\nuntil = {given}\n', encoding="utf-8")
        with pytest.raises(InvalidOverride, match=r"overrides\.toml, pin 1: until is .*, which is no time"):
            read_overrides(file)


def test_the_last_day_of_the_calendar_is_a_day() -> None:
    """People write it where they mean for good."""
    assert last_day(end_of(date(9999, 12, 31))) == " until 31 December 9999"


@pytest.mark.parametrize("moment", [*BEYOND, "99999-01-01T00:00:00Z", "0000-00-00T00:00:00Z"])
def test_a_date_of_an_archive_costs_the_article_nothing_but_the_date(tmp_path: Path, moment: str) -> None:
    entry = f"<id>odd</id><title>A ferry</title><updated>{moment}</updated><content>The ferry left the harbour.</content>"
    rss = f"<guid>odd-2</guid><title>A tug</title><description>The tug left the harbour.</description><pubDate>{moment}</pubDate>"
    sources = {
        "a.atom": f'<feed xmlns="http://www.w3.org/2005/Atom"><entry>{entry}</entry></feed>',
        "b.rss": f'<rss version="2.0"><channel><title>x</title><item>{rss}</item></channel></rss>',
        "c.jsonl": json.dumps({**records(1)[0], "id": "odd-3", "published": moment}),
        "d.csv": f"id,title,text,published\nodd-4,A pier,The pier is long.,{moment}\n",
        "e.md": f"---\nid: odd-5\ntitle: A crane\ndate: '{moment}'\n---\nThe crane is high.\n",
    }
    for name, content in sources.items():
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_text(content, encoding="utf-8")
    files = [str(tmp_path / "in" / name) for name in sources]
    assert all(isinstance(record, Record) for record in read_all(files, {}, None))
    report = build_index(files, tmp_path / "index", HashEmbedder())
    assert report.n_articles == 5
    with Recommender.open(tmp_path / "index") as opened:
        dates = {opened.catalogue.article(row).published for row in range(5)}
    assert dates == {None} or moment.startswith("99999"), "feedparser reads five digits of a year as four"
    assert report.dropped_fields["bad_date"] >= 3
