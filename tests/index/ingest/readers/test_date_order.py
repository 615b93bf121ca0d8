"""The order of day and month is decided by the dates of a source, or the source is refused once."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from index.ingest.readers import sources
from index.ingest.record import Record
from index.ingest.validation import to_time
from recommender.errors import InputError, InvalidArticle
from recommender.text.dates import DateOrder


def published(path: Path, order: DateOrder | None = None) -> list[str]:
    records = [entry for entry in sources.read(str(path), {}, date_order=order) if isinstance(entry, Record)]
    return [to_time(record.fields["published"]).date().isoformat() for record in records]


def jsonl(path: Path, *dates: str) -> Path:
    path.write_text("".join(json.dumps({"id": date, "text": "x", "date": date}) + "\n" for date in dates))
    return path


def csv(path: Path, *dates: str) -> Path:
    path.write_text("id,text,date\n" + "".join(f"{n},x,{date}\n" for n, date in enumerate(dates)))
    return path


@pytest.mark.parametrize("write", [jsonl, csv])
def test_a_later_date_decides_for_all(tmp_path: Path, write: Callable[..., Path]) -> None:
    day_first = write(tmp_path / f"a.{write.__name__}", "3/1/2020", "25/12/2020", "4-2-2020 10:00", "2020-03-04")
    assert published(day_first) == ["2020-01-03", "2020-12-25", "2020-02-04", "2020-03-04"]
    assert published(write(tmp_path / f"b.{write.__name__}", "3/1/2020", "12/25/2020")) == ["2020-03-01", "2020-12-25"]


@pytest.mark.parametrize("dates", [("3/1/2020", "2/1/2020", "2020-01-25"), ("3/1/2020", "25/12/2020", "12/25/2020")])
def test_a_source_without_an_order_is_refused_once_and_an_option_decides(tmp_path: Path, dates: tuple[str, ...]) -> None:
    path = jsonl(tmp_path / "a.jsonl", *dates)
    with pytest.raises(InputError, match=r"a\.jsonl:1 has the date '3/1/2020', .* - give --date-format DMY or MDY"):
        published(path)
    assert published(path, "DMY")[0] == "2020-01-03"
    assert published(path, "MDY")[0] == "2020-03-01"


def test_a_pipe_is_not_read_again_for_its_order(tmp_path: Path) -> None:
    """It could not be: opening it again would wait for ever."""
    os.mkfifo(tmp_path / "a.jsonl")
    lines = "".join(json.dumps({"id": date, "text": "x", "date": date}) + "\n" for date in ("3/1/2020", "25/12/2020"))
    writer = threading.Thread(target=lambda: (tmp_path / "a.jsonl").write_text(lines), daemon=True)
    writer.start()
    with pytest.raises(InputError, match="no other date decides - give --date-format"):
        published(tmp_path / "a.jsonl")
    writer.join(5)


def test_a_feed_has_the_date_that_it_writes(tmp_path: Path) -> None:
    dates = ["2016/6/29 15:07:41", "Sun, 01 Mar 2020 08:00:00 CET", "1 mars 2020"]
    items = "".join(f"<item><guid>{n}</guid><title>a</title><pubDate>{date}</pubDate></item>" for n, date in enumerate(dates))
    path = tmp_path / "a.rss"
    path.write_text(f"<rss version='2.0'><channel><title>x</title>{items}</channel></rss>")
    assert published(path) == ["2016-06-29", "2020-03-01", "2020-03-01"]
    path.write_text(path.read_text().replace("1 mars 2020", "10:00"))
    with pytest.raises(InvalidArticle):
        published(path)
