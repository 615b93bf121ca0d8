"""What hand-made lists name: exactly, nearly, or not at all."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.build import build_index
from index.release.read_more_links import title_key
from recommender import Recommender
from recommender.text.urls import url_key
from tests.support.archive import write_jsonl
from tests.support.hash_embedder import HashEmbedder

TARGETS = {
    "strike": "Ferry captains vote for a strike before Easter",
    "budget-2019": "City council passes the budget for 2019",
    "budget-2020": "City council passes the budget for 2020",
    "goat": "A goat on the bridge holds up the morning trains for an hour",
    "short": "Ferries",
    "storm": "Storm number 12 floods the lower town again",
    "north": "The mayor opens the north bridge to lorries",
    "south": "The mayor opens the south bridge to lorries",
}


def found(folder: Path, *names: str) -> tuple[str | None, ...]:
    """What a list's entries are taken for, one by one."""
    lines: list[dict[str, Any]] = [
        {"id": id_, "title": title, "text": f"{title}.", "url": f"https://news.example/{id_}"} for id_, title in TARGETS.items()
    ]
    lines += [
        {"id": f"reader-{n}", "title": "", "text": "A reader.", "url": f"https://news.example/2020/r{n}", "read_more": [name]}
        for n, name in enumerate(names)
    ]
    build_index([str(write_jsonl(folder / "archive.jsonl", lines))], folder / "index", HashEmbedder(), delete_missing=True)
    with Recommender.open(folder / "index") as opened:
        lists = opened.catalogue.hand_made_lists()
    return tuple(lists.get(f"reader-{n}", (None,))[0] for n in range(len(names)))


def test_entries_are_ids_urls_or_titles_however_they_are_spelled(tmp_path: Path) -> None:
    spellings = (
        "strike",
        "https://news.example/strike",
        "http://www.news.example/strike/?utm_source=mail&fbclid=1#comments",
        "/strike",
        "Ferry captains vote for a strike before Easter",
        "“FERRY  CAPTAINS” vote, for a strike before Easter!",
        "Ferry captains vote for strike before Easter",
        "Ferry captains vote for a strike bef...",
        "Ferry captains vote for a strike befor…",
    )
    assert found(tmp_path, *spellings) == ("strike",) * len(spellings)


def test_what_is_not_sure_is_not_guessed(tmp_path: Path) -> None:
    doubtful = (
        "City council passes the budget for 2021",
        "City council passes the budget",
        "City council passes the...",
        "Ferry captains vote against a strike of trains before the summer",
        "Ferrie",
        "Storm number 13 floods the lower town again",
        "The mayor opens the sorth bridge to lorries",
        "https://elsewhere.example/strike",
        "https://news.example/strikes",
        '" OR title_words MATCH "goat',
        "'); DROP TABLE article; --",
        "***",
        "",
    )
    assert found(tmp_path, *doubtful) == (None,) * len(doubtful)
    report = [line for line in (tmp_path / "index" / "links.jsonl").read_text(encoding="utf-8").splitlines() if "2021" in line]
    assert len(report) == 1
    assert '"found": null' in report[0]
    assert "City council passes the budget for 20" in report[0], "the nearest title is named"


def test_numbers_decide_between_titles_that_are_alike(tmp_path: Path) -> None:
    assert found(tmp_path, "City council passes the budget of 2020", "City council passes budget for 2019") == (
        "budget-2020",
        "budget-2019",
    )
    assert found(tmp_path, "A goat on the bridge holds up the morning train for an hour") == ("goat",)


def test_of_articles_of_one_title_the_newest_older_one_is_meant(tmp_path: Path) -> None:
    days = ("2020-01-01", "2020-01-03", "2020-01-05")
    lines: list[dict[str, Any]] = [
        {"id": f"weather-{day}", "title": "The weather today", "text": f"Rain {day}.", "published": day} for day in days
    ]
    lines += [
        {"id": f"reader-{day}", "title": "", "text": "Reader.", "published": day, "read_more": ["The weather today"]}
        for day in ("2020-01-04", "2020-01-09")
    ]
    lines.append({"id": "undated", "title": "", "text": "Reader.", "read_more": ["The weather today"]})
    build_index([str(write_jsonl(tmp_path / "a.jsonl", lines))], tmp_path / "index", HashEmbedder())
    with Recommender.open(tmp_path / "index") as opened:
        assert opened.catalogue.hand_made_lists() == {
            "reader-2020-01-04": ("weather-2020-01-03",),
            "reader-2020-01-09": ("weather-2020-01-05",),
            "undated": ("weather-2020-01-05",),
        }


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://news.example/a", True),
        ("http://www.NEWS.example:80/a/", True),
        ("https://news.example/a?utm_medium=x&gclid=1", True),
        ("https://news.example/%61#part", True),
        ("https://news.example/a?page=2", False),
        ("https://news.example/A", False),
        ("https://m.news.example/a", False),
        ("https://news.example:8443/a", False),
        ("https://news.example/a/b", False),
    ],
)
def test_when_two_urls_are_one_page(url: str, same: bool) -> None:
    assert (url_key(url) == "news.example/a") is same


@given(st.text())
def test_keys_are_made_of_anything(text: str) -> None:
    url_key(text)
    url_key(f"https://{text}")
    assert title_key(title_key(text)) == title_key(text)
    assert not set(title_key(text)) & set("\"'*():")


def test_sqlite_can_search_titles() -> None:
    """The full-text module that guessing needs is part of Python's SQLite here."""
    sqlite3.connect(":memory:").execute("CREATE VIRTUAL TABLE t USING fts5(key)")
