"""Parse dates as sources write them. Readers, `PUT` and pasted pages use this parser.

A new form is one function in `FORMS`.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from recommender.types import in_utc

MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
MONTH = "(?:" + "|".join(f"{name}|{name[:3]}" for name in MONTHS) + "|Sept)"
DAY_FIRST = rf"(?P<day>\d{{1,2}}) (?P<month>{MONTH})\.?,? (?P<year>\d{{4}})"
MONTH_FIRST = rf"(?P<month2>{MONTH})\.? (?P<day2>\d{{1,2}}),? (?P<year2>\d{{4}})"
ISO = r"(?P<year3>\d{4})-(?P<month3>\d\d)-(?P<day3>\d\d)T?"
DATE = re.compile(f"{DAY_FIRST}|{MONTH_FIRST}|{ISO}", re.IGNORECASE)
TIME = re.compile(
    r"[\s,|–-]*(?:at )?(?:(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::\d{2})?\s*(?P<half>[ap]\.?m\.?)?"
    r"\s*(?P<zone>UTC|GMT|Z|(?P<sign>[+-])(?P<zone_hours>\d\d):?(?P<zone_minutes>\d\d))?)?$",
    re.IGNORECASE,
)

SECONDS, MILLISECONDS = 100_000_000, 100_000_000_000
"""Smallest numbers that are seconds and milliseconds since 1970. Both begin in 1973. A smaller number may be a year."""


def parse_date(value: Any) -> datetime:
    """Parse a date or a time. The result is UTC if the value names no offset, and midnight if it names no time.

    Raises:
        ValueError: The value has none of the known forms. A zone that is given only by name is not guessed.

    >>> [parse_date(value).isoformat() for value in ("2018-09-11T14:41:00+04:00", "11 Sept. 2018, 10:41 +0400", 1536662460000)]
    ['2018-09-11T10:41:00+00:00', '2018-09-11T06:41:00+00:00', '2018-09-11T10:41:00+00:00']
    """
    if isinstance(value, datetime):
        return in_utc(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _since_1970(value)
    if isinstance(value, str):
        for form in FORMS:
            moment = form(value.strip())
            if moment is not None:
                return moment
    raise ValueError(f"{str(value)[:100]!r} is no date")


def _since_1970(number: float) -> datetime:
    if abs(number) < SECONDS:
        raise ValueError(f"{number} is too small for a moment")
    try:
        return datetime.fromtimestamp(number / 1000 if abs(number) >= MILLISECONDS else number, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"{number} is outside of years 1 to 9999") from error


def _iso(text: str) -> datetime | None:
    """Parse ISO 8601. The offset may follow a space and lack its colon, as in `10:00:00 +0200`."""
    try:
        return in_utc(datetime.fromisoformat(re.sub(r"(?<=:\d\d) (?=[+-]\d\d:?\d\d\Z)", "", text)))
    except ValueError:
        return None


def _written(text: str) -> datetime | None:
    """Parse a text that is only a date with a month by name, or of ISO 8601, and an optional time.

    >>> _written("September 11, 2018 10:41 AM").isoformat()
    '2018-09-11T10:41:00+00:00'
    >>> _written("September 11, 2018 was a Tuesday"), _written("September 11, 2018 10:41 AM EDT")
    (None, None)
    """
    date = DATE.match(text)
    time = TIME.match(text, date.end()) if date else None
    if not date or not time:
        return None
    day, month, year = (date[name] or date[f"{name}2"] or date[f"{name}3"] for name in ("day", "month", "year"))
    hour, minute = int(time["hour"] or 0), int(time["minute"] or 0)
    if time["half"]:
        hour = hour % 12 + (12 if time["half"][0] in "Pp" else 0)
    starts = [name[:3].lower() for name in MONTHS]
    offset = timedelta(hours=int(time["zone_hours"] or 0), minutes=int(time["zone_minutes"] or 0))
    try:
        number = int(month) if month.isdecimal() else starts.index(month[:3].lower()) + 1
        local = datetime(int(year), number, int(day), hour, minute, tzinfo=UTC)
        return local + offset if time["sign"] == "-" else local - offset
    except (ValueError, OverflowError):
        return None


FORMS: tuple[Callable[[str], datetime | None], ...] = (_iso, _written)
"""Functions that parse one form each, or return None. The first that parses a text counts."""
