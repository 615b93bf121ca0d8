"""One parser reads the dates of records, requests and pasted pages."""

from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.text.calendar_names import MONTHS
from recommender.text.dates import MONTH_OF, AmbiguousDate, DateOrder, order_in, parse_date

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


WRITTEN = ("", "soon", "31 February 2020", "March 1, 2020 was a Sunday", "March 1, 2020 10:00 IST", "0001-01-01T00:00:00+10:00")


@pytest.mark.parametrize("value", [*WRITTEN, 2020, True, 1e30, None, ["2020-03-01"], {"year": 2020}])
def test_what_is_no_date_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"is no date|is too small|is outside|out of range"):
        parse_date(value)


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ("Sun, 01 Mar 2020 08:00:00 GMT", "2020-03-01T08:00:00"),
        ("Sun, 01 Mar 2020 08:00:00 EST", "2020-03-01T13:00:00"),
        ("Sunday, March 1st, 2020 8:00 am", "2020-03-01T08:00:00"),
        ("Sun Mar  1 08:00:00 2020", "2020-03-01T08:00:00"),
        ("Sun Mar 01 08:00:00 +0100 2020", "2020-03-01T07:00:00"),
        ("Sun Mar 01 2020 08:00:00 GMT+0100 (CET)", "2020-03-01T07:00:00"),
        ("1583049600", "2020-03-01T08:00:00"),
        ("1583049600000", "2020-03-01T08:00:00"),
        (1583049600000000, "2020-03-01T08:00:00"),
        ("20200301", "2020-03-01T00:00:00"),
        ("20200301080000", "2020-03-01T08:00:00"),
        ("20200301T080000Z", "2020-03-01T08:00:00"),
        ("2020-3-1", "2020-03-01T00:00:00"),
        ("2020/3/1 08:00:05", "2020-03-01T08:00:05"),
        ("01.03.2020", "2020-03-01T00:00:00"),
        ("1. 3. 2020 8:30", "2020-03-01T08:30:00"),
        ("25/12/2020 10:00 pm", "2020-12-25T22:00:00"),
        ("12/25/2020", "2020-12-25T00:00:00"),
        ("3/3/2020", "2020-03-03T00:00:00"),
        ("2020-03-01T08:00:00 UTC", "2020-03-01T08:00:00"),
        ("2020-03-01 08:00:00 CET", "2020-03-01T07:00:00"),
        ("2020-03-01 08:00 CEST", "2020-03-01T06:00:00"),
        ("2020-03-01T24:00:00Z", "2020-03-02T00:00:00"),
        ("2020-12-31 24:00", "2021-01-01T00:00:00"),
        ("1 de marzo de 2020", "2020-03-01T00:00:00"),
        ("1er mars 2020 à 8h30", "2020-03-01T08:30:00"),
        ("Sonntag, 1. März 2020, 8:30 Uhr", "2020-03-01T08:30:00"),
        ("1 марта 2020 г. в 08:30", "2020-03-01T08:30:00"),
        ("2020. március 1.", "2020-03-01T00:00:00"),
        ("2020年3月1日 08:30", "2020-03-01T08:30:00"),
        ("2020년 3월 1일", "2020-03-01T00:00:00"),
        ("1 tháng 3, 2020", "2020-03-01T00:00:00"),
        ("1 มีนาคม 2563", "2020-03-01T00:00:00"),
        ("١ مارس ٢٠٢٠", "2020-03-01T00:00:00"),
    ],
)
def test_forms_of_many_systems_and_languages(value: Any, right: str) -> None:
    assert parse_date(value) == datetime.fromisoformat(right).replace(tzinfo=UTC)


@pytest.mark.parametrize(("language", "months"), MONTHS.items())
def test_every_month_is_read_in_every_language(language: str, months: str) -> None:
    for number, forms in enumerate(months.split(", "), start=1):
        for form in forms.split("|"):
            right = datetime(2020, number, 17, tzinfo=UTC)
            assert parse_date(f"17 {form.capitalize()} 2020", lang=language) == right
            if len(MONTH_OF[form]) == 1:
                assert parse_date(f"17. {form}. 2020, 00:00") == right
            else:
                with pytest.raises(ValueError, match="is no date"):
                    parse_date(f"17 {form} 2020")


@given(st.datetimes(datetime(1973, 6, 1), datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_moments_come_back_from_standard_forms(moment: datetime, minutes: int) -> None:
    moment = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    for written in (
        moment.isoformat(),
        format_datetime(moment),
        moment.strftime("%Y-%m-%d %H:%M:%S %z"),
        moment.strftime("%a %b %d %H:%M:%S %z %Y"),
        moment.strftime("%A, %B %d, %Y %I:%M:%S %p %z"),
        moment.strftime("%d.%m.%Y %H:%M:%S %z"),
        int(moment.timestamp()),
        str(int(moment.timestamp() * 1000)),
    ):
        assert parse_date(written) == moment, written


@given(st.dates(date(1000, 1, 1)))
def test_the_order_of_day_and_month_is_never_guessed(day: date) -> None:
    dates: list[tuple[DateOrder, str]] = [
        ("DMY", f"{day.day}/{day.month}/{day.year}"),
        ("MDY", f"{day.month:02d}-{day.day:02d}-{day.year}"),
    ]
    for order, written in dates:
        right = datetime(day.year, day.month, day.day, tzinfo=UTC)
        assert parse_date(written, order) == right
        if day.day > 12:
            assert order_in(written) == order
        if day.day > 12 or day.day == day.month:
            assert parse_date(written) == right
        else:
            assert order_in(written) is None
            with pytest.raises(AmbiguousDate):
                parse_date(written)


@given(st.text() | st.from_regex(r"\d{1,4}[-/. ]\w{1,9}[-/. ]\d{1,4}( \d\d:\d\d)?", fullmatch=True))
def test_any_text_is_a_date_in_utc_or_refused(text: str) -> None:
    try:
        moment = parse_date(text)
    except ValueError:
        return
    assert moment.tzinfo is UTC
