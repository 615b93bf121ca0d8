"""What readers and validation make of an archive, good and bad."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.ingest.readers import sources
from index.ingest.record import Record, Reject
from index.ingest.validation import to_article
from recommender.errors import InputError, InvalidArticle
from recommender.text.cleaning import clean_line, clean_text
from recommender.types import Article
from tests.support.archive import write_jsonl

GOOD = {"id": "a", "title": "T", "text": "Some words."}


def read_line(tmp_path: Path, line: str | bytes) -> Record | Reject:
    path = tmp_path / "a.jsonl"
    path.write_bytes(line if isinstance(line, bytes) else line.encode())
    [entry] = sources.read(str(path), {})
    assert isinstance(entry, Record | Reject)
    return entry


def article(**fields: Any) -> tuple[Article, list[Reject]]:
    return to_article(Record("a.jsonl", 1, {**GOOD, **fields}))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('{"id": "a", "title": "T", "text": "half', "bad_json"),
        ("[1, 2]", "bad_json"),
        ("null", "bad_json"),
        ("[" * 20_000, "bad_json"),
        ('{"id": ' + "9" * 5000 + "}", "bad_json"),
        ('{"id": "a", "title": "Caf\xe9", "text": "x"}'.encode("cp1252"), "bad_encoding"),
    ],
)
def test_lines_that_cannot_be_read(tmp_path: Path, line: str | bytes, code: str) -> None:
    entry = read_line(tmp_path, line)
    assert isinstance(entry, Reject)
    assert (entry.file, entry.line, entry.code) == (str(tmp_path / "a.jsonl"), 1, code)
    assert " - " in entry.reason, "says what to do"


def test_a_byte_order_mark_and_blank_lines_are_no_fault(tmp_path: Path) -> None:
    entry = read_line(tmp_path, b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\n\n  \n")
    assert isinstance(entry, Record)
    assert entry.fields == GOOD


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"text": ""}, "empty_text"),
        ({"text": " \n\t "}, "empty_text"),
        ({"text": "\u200b\u200b\ufeff"}, "empty_text"),
        ({"text": "<p><br/></p>\n<img src='x'>"}, "empty_text"),
        ({"text": None}, "wrong_type"),
        ({"text": float("nan")}, "wrong_type"),
        ({"text": ["a"]}, "wrong_type"),
        ({"title": 3}, "wrong_type"),
        ({"id": None}, "missing_id"),
        ({"id": 1.5}, "wrong_type"),
        ({"id": True}, "wrong_type"),
        ({"id": " "}, "bad_id"),
        ({"id": "x" * 513}, "bad_id"),
        ({"text": "half a pair \ud83d"}, "bad_encoding"),
        ({"id": "\ud83d"}, "bad_encoding"),
    ],
)
def test_articles_that_cannot_be_used(fields: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidArticle) as caught:
        article(**fields)
    assert caught.value.code == code
    assert " - " in str(caught.value), "says what to do"


def test_a_missing_field_names_those_that_are_there() -> None:
    with pytest.raises(InvalidArticle, match="no field 'text'; the fields are id, headline, body - name it with --map text=FIELD"):
        to_article(Record("a.jsonl", 1, {"id": "a", "headline": "T", "body": "Words."}))


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("url", "javascript:alert(1)", "bad_url"),
        ("url", "/relative", "bad_url"),
        ("url", "http://", "bad_url"),
        ("url", "http://[half", "bad_url"),
        ("url", "https://example.org/a\u0000b", "bad_url"),
        ("url", "https://example.org/" + "x" * 9000, "bad_url"),
        ("published", "2026-13-45", "bad_date"),
        ("published", "yesterday", "bad_date"),
        ("published", "3026-01-01", "bad_date"),
        ("published", 2_020, "bad_date"),
        ("section", 4, "wrong_type"),
        ("title", "x" * 1001, "title_too_long"),
        ("read_more", "a, b", "wrong_type"),
        ("read_more", [{"id": "a"}], "wrong_type"),
    ],
)
def test_a_field_that_cannot_be_used_is_dropped_and_told_of(field: str, value: Any, code: str) -> None:
    kept, dropped = article(**{field: value})
    assert getattr(kept, field) in (None, (), "")
    assert [(entry.field, entry.code, entry.id) for entry in dropped] == [(field, code, "a")]


@pytest.mark.parametrize(
    ("given_date", "stored"),
    [
        ("2018-09-11", "2018-09-11T00:00:00+00:00"),
        ("2018-09-11T10:41:00Z", "2018-09-11T10:41:00+00:00"),
        ("2018-09-11T10:41:00+04:00", "2018-09-11T06:41:00+00:00"),
        ("2018-09-11 10:41", "2018-09-11T10:41:00+00:00"),
    ],
)
def test_dates_are_kept_in_utc(given_date: str, stored: str) -> None:
    kept, dropped = article(published=given_date)
    assert dropped == []
    assert kept.published is not None
    assert kept.published.isoformat() == stored


def test_texts_are_cleaned_and_markup_in_titles_stays_text() -> None:
    kept, _ = article(
        id=" cafe\u0301 ", title="</script><img src=x\nonerror=alert(1)>", text="One\r\n\x00two\u200b\n\n\n\nthree", read_more=["b", 7]
    )
    assert kept.id == "café"
    assert kept.title == "</script><img src=x onerror=alert(1)>"
    assert kept.text == "One\ntwo\n\nthree"
    assert kept.read_more == ("b", "7")


@given(st.text())
def test_cleaning_is_idempotent_and_storable(text: str) -> None:
    try:
        cleaned = clean_text(text)
    except InvalidArticle as error:
        assert error.code == "bad_encoding"
        return
    assert clean_text(cleaned) == cleaned
    assert "\x00" not in cleaned
    assert "\n" not in clean_line(text)


@given(
    st.dictionaries(
        st.sampled_from(["id", "title", "text", "url", "published", "section", "lang", "read_more"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    )
)
def test_whatever_stands_in_the_fields_an_article_or_an_error_comes_out(fields: dict[str, Any]) -> None:
    try:
        kept, _ = to_article(Record("a.jsonl", 1, fields))
    except InvalidArticle as error:
        assert error.code in {"missing_id", "wrong_type", "bad_id", "empty_text", "bad_encoding"}
    else:
        kept.text.encode()
        assert kept.id
        assert kept.text


def test_other_names_are_mapped(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"slug": "a", "headline": "T", "body": "Words.", "title": "not this"}])
    [entry] = sources.read(str(path), {"id": "slug", "title": "headline", "text": "body"})
    assert isinstance(entry, Record)
    kept, _ = to_article(entry)
    assert (kept.id, kept.title, kept.text) == ("a", "T", "Words.")


def test_sources_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no reader for archive\.xls - give --format, or a file ending in \.jsonl"):
        list(sources.read("archive.xls", {}))
    with pytest.raises(InputError, match=r"gone\.jsonl cannot be read \(No such file"):
        list(sources.read(str(tmp_path / "gone.jsonl"), {}))


def test_the_topics_inside_python() -> None:
    entries = list(sources.read("pydoc-topics", {}))
    articles = [to_article(entry)[0] for entry in entries if isinstance(entry, Record)]
    by_id = {kept.id: kept for kept in articles}
    assert len(articles) == len(entries) >= 75
    assert 90 <= sum(len(kept.read_more) for kept in articles) <= 200
    assert all(target in by_id for kept in articles for target in kept.read_more)
    assert all(kept.id not in kept.read_more for kept in articles)
    assert by_id["for"].title == 'The "for" statement'
    assert set(by_id["compound"].read_more) >= {"for", "while"}
    assert "***" not in by_id["lists"].text


def test_a_pasted_page_is_an_article(tmp_path: Path) -> None:
    (tmp_path / "bridge.txt").write_text(
        "Bridge reopens\n\nCars are back.\n\nRead more:\n\nWhy it closed\n\nUpdated: May 4, 2024 9:05 AM", encoding="utf-8"
    )
    [entry] = sources.read(str(tmp_path / "bridge.txt"), {})
    assert isinstance(entry, Record)
    kept, dropped = to_article(entry)
    assert (kept.id, kept.title, kept.text, kept.read_more, dropped) == (
        "bridge",
        "Bridge reopens",
        "Cars are back.",
        ("Why it closed",),
        [],
    )
    assert kept.published is not None
