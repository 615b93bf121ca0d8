"""Structured files: JSON Lines, JSON, CSV, Parquet, compressed or not; written by other tools, and damaged."""

import codecs
import csv
import gzip
import io
import json
import os
import re
import tracemalloc
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from time import process_time
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from index.ingest import compressed as opened_module
from index.ingest.readers import csv_tsv, json_array, sources
from index.ingest.record import Entry, Record, Reject
from recommender.errors import InputError
from tests.support.archive import short

ARTICLES: list[dict[str, Any]] = [
    {"id": "a", "title": "Ferries, “late”; again", "text": 'One line.\n\nAnother, with "quotes"; and | bars.\tAnd tabs.'},
    {"id": "b", "title": "Fähren – spät", "text": "渡船は遅れた。\r\nÀ l'aube."},
    {"id": "c", "title": "Short", "text": "x"},
]


def read(path: Path, source_format: str | None = None) -> list[Entry]:
    return list(sources.read(str(path), {}, source_format))


def fields(path: Path) -> list[Any]:
    return [short(entry) for entry in read(path)]


def as_json_lines(articles: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(article, ensure_ascii=False) + "\n" for article in articles).encode()


def compress(content: bytes, ending: str) -> bytes:
    return {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}[ending](content)


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize(("name", "content"), [("a.jsonl", as_json_lines(ARTICLES)), ("a.json", json.dumps(ARTICLES).encode())])
def test_compressed_files_are_read_as_the_plain_ones(tmp_path: Path, name: str, content: bytes, ending: str) -> None:
    path = tmp_path / f"{name}{ending}"
    path.write_bytes(compress(content, ending))
    assert fields(path) == ARTICLES
    path.write_bytes(compress(content[:40], ending) + compress(content[40:], ending))
    assert fields(path) == ARTICLES, "two members in one file"


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_compressed_file_that_ends_too_early_gives_what_stands_before(tmp_path: Path, ending: str) -> None:
    articles = [{"id": str(n), "text": os.urandom(3000).hex()} for n in range(100)]
    whole = compress(as_json_lines(articles), ending)
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(whole[: len(whole) // 2])
    found = fields(path)
    assert 20 < len(found) < 80
    assert found[:-1] == articles[: len(found) - 1]
    assert found[-1] == (len(found), "bad_compression", True)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_compressed_file_of_which_nothing_can_be_read_is_named(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / f"{name}{ending}"
    path.write_bytes(b"no such thing")
    with pytest.raises(InputError, match=rf"{name}{ending} cannot be decompressed as {ending} \(.*\) - export it again, or correct"):
        read(path)


@pytest.mark.parametrize(("name", "begin", "end"), [("a.jsonl", b"", b"\n"), ("a.json", b"[", b","), ("a.csv", b"id,text\n", b"\n")])
def test_a_small_file_with_a_wrong_checksum_loses_no_article(tmp_path: Path, name: str, begin: bytes, end: bytes) -> None:
    rows = [b"1,a", b"2,b"] if name == "a.csv" else [b'{"id": "1", "text": "a"}', b'{"id": "2", "text": "b"}']
    whole = gzip.compress(begin + end.join(rows) + end)
    path = tmp_path / f"{name}.gz"
    path.write_bytes(whole[:-8] + bytes(4) + whole[-4:])
    found = fields(path)
    assert found[:2] == [{"id": "1", "text": "a"}, {"id": "2", "text": "b"}]
    assert [entry[1:] for entry in found[2:]] == [("bad_compression", True)]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_compressed_file_that_yields_nothing_for_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """Empty parts strung together: without a limit, each gigabyte of them is read to its end."""
    monkeypatch.setattr(opened_module, "MAX_BARREN", 20_000)
    empty, some = compress(b"", ending), compress(as_json_lines(ARTICLES), ending)
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(empty * 200_000)
    with pytest.raises(InputError, match=r"cannot be decompressed as .* hold nothing\) - export it again"):
        read(path)
    path.write_bytes(some + empty * 200_000 + some)
    assert fields(path) == [*ARTICLES, (4, "bad_compression", True)]
    path.write_bytes((some + empty * (15_000 // len(empty))) * 3)
    assert fields(path) == ARTICLES * 3, "what yields something now and then is read"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"id,title,text\n1,One,Ferry.\n2,Two"),
        ("a.csv", b'id,title,text\n1,One,Ferry.\n2,Two,"Fer'),
        ("a.tsv", b"id\ttitle\ttext\n1\tOne\tFerry.\n2\tTwo"),
        ("a.jsonl", b'{"id": "1", "text": "Ferry."}\n{"id": "2", "te'),
        ("a.json", b'[{"id": "1", "text": "Ferry."}, {"id": "2", "te'),
        ("a.json", b'{"articles": [{"id": "1", "text": "Ferry."}'),
        ("a.json", b'{"db": [{"data": {"posts": [{"id": "1", "html": "Ferry."}, {"id": "2", "ht'),
        ("feed.json", b'{"version": "https://jsonfeed.org/version/1", "items": [{"id": "1"'),
    ],
)
def test_a_file_that_breaks_off_says_so(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    last = read(path)[-1]
    assert isinstance(last, Reject)
    assert last.cut


def test_a_short_first_frame_does_not_hide_how_a_csv_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.zst"
    path.write_bytes(b"".join(compress(part.encode("windows-1252"), ".zst") for part in ("id;text\n", "1;Fähre\n")))
    assert fields(path) == [{"id": "1", "text": "Fähre"}]


def test_a_zstd_bomb_is_passed_over_without_copying_it_again_and_again(tmp_path: Path) -> None:
    def seconds(n_mb: int) -> float:
        path = tmp_path / "a.jsonl.zst"
        with path.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as writer:
            writer.write(b'{"id": "')
            for _ in range(n_mb):
                writer.write(b"x" * 1_000_000)
            writer.write(b'"}\n{"id": "b"}\n')
        assert path.stat().st_size < 20_000
        started = process_time()
        assert fields(path) == [(1, "too_large", False), {"id": "b"}]
        return process_time() - started

    def least(n_mb: int) -> float:  # what else the machine does only adds to it
        return min(seconds(n_mb) for _ in range(3))

    assert least(140) < 3 * least(70), "twice the bomb, about twice the time"


def test_a_line_too_long_is_left_out_and_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened_module, "MAX_RECORD", 10_000)
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wb") as file:
        file.write(b'{"id": "a"}\n{"id": "bomb", "text": "')
        for _ in range(40):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n{"id": "b"}\n')
    tracemalloc.start()
    found = fields(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [{"id": "a"}, (2, "too_large", False), {"id": "b"}]
    assert peak < 4_000_000


@pytest.mark.parametrize(
    ("begin", "unit", "end", "expected"),
    [
        (b'[{"id": "a"}, {"id": "', b"x" * 1_000_000, b'"}, {"id": "c"}]', [{"id": "a"}, (2, "too_large", True)]),
        (b'[{"id": "a"}, {"list": [', b"1," * 500_000, b'1]}, {"id": "c"}]', [{"id": "a"}, (2, "too_large", True)]),
        (b'{"n": 1, "unheard_of": [', b'{"id": "a"},' * 20_000, b'{"id": "a"}]}', [(1, "too_large", True)]),
    ],
)
def test_an_element_too_large_ends_the_reading_and_is_not_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: bytes, unit: bytes, end: bytes, expected: Any
) -> None:
    monkeypatch.setattr(json_array, "MAX_RECORD", 100_000)
    path = tmp_path / "a.json.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(begin)
        for _ in range(10):
            file.write(unit)
        file.write(end)
    tracemalloc.start()
    found = fields(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == expected
    assert peak < 4_000_000


def test_all_elements_together_may_be_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "MAX_RECORD", 100_000)
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"id": str(n), "text": "x" * 100} for n in range(5000)]))
    assert len([entry for entry in read(path) if isinstance(entry, Record)]) == 5000


def test_what_stands_before_the_articles_may_be_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "MAX_RECORD", 100_000)
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"media": ["x" * 50] * 20_000, "articles": [{"id": "a"}, {"id": "b"}]}))
    assert fields(path) == [{"id": "a"}, {"id": "b"}]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'[{"id": "a"}, {"id": 123456789012345678901}]', r"integer overflow - .* without NaN and numbers over 64 bits"),
        (b'[{"id": "a"}, {"id": ' + b"9" * 5000 + b"}]", r"integer overflow - .* without NaN and numbers over 64 bits"),
        (b'[{"id": "a"}, {"id": "caf\xe9"}]', r"^lexical error: invalid bytes in UTF8 string\. - the rest of the file was not read"),
        (b'{"id": "a"} {"id": "b"}\n', r"trailing garbage: .* - is it one article a line\? then --format jsonl"),
    ],
)
def test_the_cure_of_a_json_file(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    last = read(path)[-1]
    assert isinstance(last, Reject)
    assert (last.code, last.cut) == ("bad_json", True)
    assert re.search(reason, last.reason)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('[{"id": 1, "score": 1.5}, 3, {"id": 2}]', [{"id": 1, "score": 1.5}, (2, "bad_json", False), {"id": 2}]),
        ('\ufeff[{"id": "a"}]', [{"id": "a"}]),
        ('{"count": 2, "tags": ["x"], "articles": [{"id": "a", "parts": [{"id": "p"}]}, {"id": "b"}]}', "inner"),
        ('{"id": "a", "text": "One article.", "related": [{"id": "z"}]}', "itself"),
        ('[{"id": "a"}, {"id": "b"', [{"id": "a"}, (2, "bad_json", True)]),
        ('[{"id": "a"}, {"id": NaN}]', [{"id": "a"}, (2, "bad_json", True)]),
        ("", [(1, "bad_json", True)]),
        ("[]", []),
        ('{"id": "a", "related": [{"id": "z"}], "text": "One article."}', "itself"),
        ("[" * 20_000, [(1, "bad_json", True)]),
    ],
)
def test_json_files(tmp_path: Path, content: str, expected: Any) -> None:
    path = tmp_path / "a.json"
    path.write_text(content, encoding="utf-8")
    if expected == "inner":
        expected = [{"id": "a", "parts": [{"id": "p"}]}, {"id": "b"}]
    if expected == "itself":
        expected = [json.loads(content)]
    assert fields(path) == expected


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_csv_of_any_delimiter_encoding_and_quoting(tmp_path: Path, delimiter: str, encoding: str, quoting: Any) -> None:
    path = tmp_path / "a.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, ["id", "title", "text"], delimiter=delimiter, quoting=quoting)
        writer.writeheader()
        writer.writerows(ARTICLES)
    assert fields(path) == ARTICLES


nasty = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=30).filter(str.strip)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(nasty, nasty), min_size=2, max_size=6), st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]))
def test_any_text_comes_back_from_csv(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], delimiter: str, end: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerow(["id", "text"])
        writer.writerows(rows)
    assert [tuple(entry.values()) for entry in fields(path)] == rows


def test_the_delimiter_is_the_one_by_which_rows_are_alike(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id;title, or headline;text\n1;Ferries;Late, as ever, they came.\n2;Bridges, two;Open.\n")
    assert [of["title, or headline"] for of in fields(path)] == ["Ferries", "Bridges, two"]


def test_what_was_assumed_of_a_csv_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("id;text\n1;Fähre\n".encode("windows-1252"))
    with caplog.at_level("INFO"):
        assert fields(path) == [{"id": "1", "text": "Fähre"}]
    assert f"{path}: read as windows-1252, separated by ';', columns id, text" in caplog.text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            b"id,text\n1,a\n2,b,c\n3\n4,d\n",
            [{"id": "1", "text": "a"}, (3, "bad_row", False), (4, "bad_row", False), {"id": "4", "text": "d"}],
        ),
        (b'id,text\n1,"a\n2,b\n', [(2, "bad_row", True)]),
        (b"id,text\n1,a\n" + b"x" * 70_000 + b",y\n2,\xff\xfe\n", "encoding"),
        (b'id,text,read_more\n1,a,x | y\n2,b,"[""x"", ""y""]"\n3,c,\n', "lists"),
        (b"id,text\n\n1,a\n", [{"id": "1", "text": "a"}]),
        (b"sep=;\r\nid;text\r\n1;a\r\n", [{"id": "1", "text": "a"}]),
        (b",id,text,,\n0,1,a,,\n", [{"id": "1", "text": "a"}]),
        ("id,text\n1,a\n".encode("utf-16-be"), [{"id": "1", "text": "a"}]),
        (codecs.BOM_UTF16_LE + "id,text\n1,\ud83d\n2,b\n".encode("utf-16-le", "surrogatepass"), "half a pair"),
        ("id,text\n1,a\n2,b\n".encode("utf-16")[:-1], [{"id": "1", "text": "a"}, (3, "bad_encoding", False)]),
        ("id,text\n1,Fähre\n2,Straße\n3,".encode() + b"caf\xe9\n", "one bad byte"),
        (b"id,text,read_more\n1,a," + b"[" * 100_000 + b"\n", "nested"),
    ],
)
def test_rows_that_are_no_articles(tmp_path: Path, content: bytes, expected: Any) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    found = fields(path)
    if expected == "encoding":
        assert [found[0], found[2]] == [{"id": "1", "text": "a"}, (4, "bad_encoding", False)]
    elif expected == "lists":
        assert found == [
            {"id": "1", "text": "a", "read_more": ["x", "y"]},
            {"id": "2", "text": "b", "read_more": ["x", "y"]},
            {"id": "3", "text": "c"},
        ]
    elif expected == "half a pair":
        assert found == [(2, "bad_encoding", False), {"id": "2", "text": "b"}]
    elif expected == "one bad byte":
        assert found == [{"id": "1", "text": "Fähre"}, {"id": "2", "text": "Straße"}, (4, "bad_encoding", False)]
    elif expected == "nested":
        assert found == [{"id": "1", "text": "a", "read_more": ["[" * 100_000]}]
    else:
        assert found == expected


def test_a_huge_field_is_left_out_and_reading_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text\n1," + "x" * 10_000_001 + "\n2,b\n")
    [reject, record] = read(path)
    assert isinstance(reject, Reject)
    assert (reject.line, reject.code, reject.cut) == (2, "field_too_long", False)
    assert reject.reason == "field larger than field limit (10000000) - is a quotation mark missing, or not doubled within a field?"
    assert isinstance(record, Record)
    assert (record.line, record.fields) == (3, {"id": "2", "text": "b"})


def test_a_line_of_a_csv_is_not_held_in_memory_when_it_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_tsv, "LONGEST_LINE", 100_000)
    path = tmp_path / "a.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"id,text\r\n1,")
        for _ in range(20):
            file.write(b"x" * 1_000_000)
        file.write(b"\r\n2,b\r\n")
    tracemalloc.start()
    found = fields(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [(2, "field_too_long", False), {"id": "2", "text": "b"}]
    assert peak < 4_000_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id:text\n1:a\n", r"has the columns 'id:text' when it is separated by .* - a first line with the names of at least two columns"),
        ("", "has the columns none"),
        ("id,id\n1,2\n", "has the columns 'id', 'id'"),
    ],
)
def test_a_csv_without_columns_names_what_was_found_and_expected(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read(path)


def test_parquet_as_pyarrow_writes_it(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array([1, 2]),
            "title": ["One", None],
            "text": ["Ferry.", "Bridge."],
            "published": pa.array([datetime(2020, 3, 1, 8, tzinfo=UTC), None], pa.timestamp("ms", tz="UTC")),
            "day": pa.array([date(2020, 3, 1), None]),
            "read_more": pa.array([["2", "x"], []]),
        }
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, compression="zstd")
    assert fields(path) == [
        {"id": 1, "title": "One", "text": "Ferry.", "published": "2020-03-01T08:00:00+00:00", "day": "2020-03-01", "read_more": ["2", "x"]},
        {"id": 2, "text": "Bridge.", "read_more": []},
    ]


def test_what_python_cannot_hold_does_not_end_a_parquet_file(tmp_path: Path) -> None:
    offsets = b"".join(at.to_bytes(4, "little") for at in (0, 2, 4))
    zone = pa.timestamp("us", tz="Mars/Olympus")
    table = pa.table(
        {
            "id": [Decimal(7), Decimal(8)],
            "text": [b"Ferry.", b"\xff\xd8"],
            "fine": pa.array([1_583_049_600_123_456_789, None], pa.timestamp("ns")),
            "far": pa.array([2**62, None]).cast(pa.timestamp("us")),
            "mars": pa.array([datetime(2020, 3, 1, 8, tzinfo=UTC), None], zone),
            "berlin": pa.array([datetime(2020, 3, 1, 8, tzinfo=UTC), None], pa.timestamp("us", tz="Europe/Berlin")),
            "parts": [{"day": date(2020, 3, 1), "took": timedelta(seconds=3), "at": time(8, 30)}, None],
        }
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    assert fields(path) == [
        {
            "id": 7,
            "text": "Ferry.",
            "fine": "2020-03-01T08:00:00.123456",
            "far": "a timestamp[us] outside of years 1 to 9999",
            "mars": "2020-03-01T08:00:00+00:00",
            "berlin": "2020-03-01T08:00:00+00:00",
            "parts": {"day": "2020-03-01", "took": 3.0, "at": "08:30:00"},
        },
        {"id": 8, "text": b"\xff\xd8"},
    ]
    latin = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(offsets), pa.py_buffer(b"\xe9\xe9ok")])
    pq.write_table(pa.table({"id": ["a", "b"], "text": latin}), path)
    assert fields(path) == [(1, "bad_encoding", False), {"id": "b", "text": "ok"}]


def test_a_large_group_of_rows_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    n = 12_000
    pq.write_table(pa.table({"id": [str(of) for of in range(n)], "text": [os.urandom(1000).hex() for _ in range(n)]}), path)
    assert pq.ParquetFile(path).num_row_groups == 1
    pool = pa.default_memory_pool()
    before = pool.bytes_allocated()
    most = max(pool.bytes_allocated() - before for _ in sources.read(str(path), {}))
    assert 0 < most < path.stat().st_size / 2
    assert path.stat().st_size > 10_000_000


def test_a_parquet_file_with_damage_inside_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [os.urandom(20).hex() for _ in range(2000)]}), path, write_page_checksum=True)
    raw = path.read_bytes()
    path.write_bytes(raw[:20_000] + os.urandom(400) + raw[20_400:])
    with pytest.raises(InputError, match=r"a\.parquet cannot be read as Parquet .* - export it again"):
        read(path)
    with pytest.raises(InputError, match=r"gone\.parquet cannot be read .*check the path"):
        read(tmp_path / "gone.parquet")


@pytest.mark.parametrize("keep", [0, 10, -20])
def test_a_damaged_parquet_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": ["a"] * 1000, "text": ["Ferry."] * 1000}), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"a\.parquet cannot be read as Parquet .* - export it again"):
        read(path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    def peak(n_articles: int) -> int:
        path = tmp_path / name
        rows = [{"id": str(n), "text": f"{n} " * 60} for n in range(n_articles)]
        if name == "a.jsonl":
            path.write_bytes(as_json_lines(rows))
        elif name == "a.json":
            path.write_text(json.dumps(rows))
        elif name == "a.csv":
            out = io.StringIO()
            writer = csv.DictWriter(out, ["id", "text"])
            writer.writeheader()
            writer.writerows(rows)
            path.write_text(out.getvalue())
        else:
            pq.write_table(pa.table({key: [row[key] for row in rows] for key in ("id", "text")}), path, row_group_size=500)
        tracemalloc.start()
        assert sum(1 for _ in sources.read(str(path), {})) == n_articles
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(10)  # imports
    assert peak(20_000) < 2 * peak(2_000) + 200_000


TEXTS = {
    "windows-1251": "Машины снова едут через реку, сообщил город.",
    "koi8-r": "Машины снова едут через реку, сообщил город.",
    "windows-1250": "Most jest otwarty, powiedział rzecznik. Źródło: miasto, które będzie świętować.",
    "windows-1252": "Die Fähre fährt über den Fluß, sagte die Stadt.",
    "windows-1253": "Η γέφυρα είναι ανοιχτή, ανακοίνωσε ο δήμος.",
    "windows-1256": "أعيد فتح الجسر أمام حركة المرور",
    "shift_jis": "橋が開通し、車が再び川を渡ると市が発表した。",
    "euc_jp": "橋が開通し、車が再び川を渡ると市が発表した。",
    "gbk": "大桥重新开放，市政府宣布车辆再次通行。",
    "big5": "大橋重新開放，市政府宣佈車輛再次通行。",
    "euc_kr": "다리가 다시 열렸다고 시가 발표했다.",
}


@pytest.mark.parametrize(("encoding", "text"), TEXTS.items())
def test_csv_in_the_encodings_of_many_countries(tmp_path: Path, encoding: str, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("".join(["id;text\n", *(f"{n};{text}\n" for n in range(10))]).encode(encoding))
    assert fields(path) == [{"id": str(n), "text": text} for n in range(10)]
    named = sources.read(str(path), {}, encoding=encoding)
    assert [short(entry) for entry in named] == fields(path)


def test_csv_without_a_header_is_refused_and_named_columns_read_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('3,Wall St. falls,Shares fell on Monday after oil rose.\n4,It rains,"Rain fell, and more."\n')
    with pytest.raises(InputError, match=r"a\.csv has no header: its first line is '3', .* - name the columns: --columns id,title,text"):
        read(path)
    assert [short(entry) for entry in sources.read(str(path), {}, columns=["id", "", "text"])] == [
        {"id": "3", "text": "Shares fell on Monday after oil rose."},
        {"id": "4", "text": "Rain fell, and more."},
    ]


def test_headers_of_csv_are_guessed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Post ID,Headline,Article Body,Pub Date\n1,The pier,It is open.,2020-03-01\n")
    [record] = read(path)
    assert isinstance(record, Record)
    assert {name: record.fields[name] for name in ("id", "title", "text", "published")} == {
        "id": "1",
        "title": "The pier",
        "text": "It is open.",
        "published": "2020-03-01",
    }
    assert record.origins == {"id": "Post ID", "title": "Headline", "text": "Article Body", "published": "Pub Date"}
