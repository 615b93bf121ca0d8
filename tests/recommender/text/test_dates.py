"""One parser reads the dates of records, requests and pasted pages."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from recommender.text.dates import parse_date

PLUS_2 = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ("2020-03-01", "2020-03-01T00:00:00"),
        (" 2020-03-01T10:05:07Z ", "2020-03-01T10:05:07"),
        ("2020-03-01 10:05:07 +0200", "2020-03-01T08:05:07"),
        ("2020-03-01 10:05:07 -02:30", "2020-03-01T12:35:07"),
        ("2020-03-01 10:05 GMT", "2020-03-01T10:05:00"),
        ("March 1, 2020", "2020-03-01T00:00:00"),
        ("1 Mar 2020 11:59 pm", "2020-03-01T23:59:00"),
        ("12 Sept. 2020, 12:01 AM +05:30", "2020-09-11T18:31:00"),
        (1583057107, "2020-03-01T10:05:07"),
        (1583057107000, "2020-03-01T10:05:07"),
        (-200_000_000, "1963-08-31T04:26:40"),
        (date(2020, 3, 1), "2020-03-01T00:00:00"),
        (datetime(2020, 3, 1, 10, 5, tzinfo=PLUS_2), "2020-03-01T08:05:00"),
        (datetime(2020, 3, 1, 10, 5), "2020-03-01T10:05:00"),
    ],
)
def test_a_date_is_read(value: Any, right: str) -> None:
    assert parse_date(value) == datetime.fromisoformat(right).replace(tzinfo=UTC)


WRITTEN = ("", "soon", "31 February 2020", "March 1, 2020 was a Sunday", "March 1, 2020 10:00 EDT", "0001-01-01T00:00:00+10:00")


@pytest.mark.parametrize("value", [*WRITTEN, 2020, True, 1e30, None, ["2020-03-01"], {"year": 2020}])
def test_what_is_no_date_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"is no date|is too small|is outside|out of range"):
        parse_date(value)
