"""Parse dates as sources write them. Readers, `PUT` and pasted pages use this parser.

A new form is one function in `FORMS`. Names of months and weekdays are in `calendar_names`.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from recommender.text.calendar_names import MONTHS, WEEKDAYS
from recommender.types import in_utc

DateOrder = Literal["DMY", "MDY"]
"""Order of the numbers in `3/1/2020`: day and month, or month and day."""

SPELLINGS = {"sept": 9, "jän": 1, "jänner": 1, "mär": 3, "mrz": 3, "jun": 6, "jul": 7, "aout": 8, "fevrier": 2, "decembre": 12, "marco": 3}
"""Other spellings of months -> their number."""

MONTH_OF: dict[str, dict[int, set[str]]] = {word: {number: set()} for word, number in SPELLINGS.items()}
"""Name of a month -> its number -> the languages that use it so. `listopad` is October in Croatian, November in Polish."""

for _language, _months in MONTHS.items():
    for _month_number, _forms in enumerate(_months.split(", "), start=1):
        for _form in _forms.split("|"):
            MONTH_OF.setdefault(_form, {}).setdefault(_month_number, set()).add(_language)


def _alternatives(words: set[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


MONTH = f"(?:{_alternatives(set(MONTH_OF))})"
WEEKDAY = f"(?:{_alternatives({word for names in WEEKDAYS.values() for word in names.split(', ')})})"
NTH = r"(?:st|nd|rd|th|er|re|º|ª|\.|-?(?:го|га|ви))?"
OF = r"[\s.,-]*(?:(?:of|den|de|del|di|da|ng|dhe)\s+|d['’]\s*)?"
YEAR = r"[\s.,'-]*(?:(?:of|de|del|năm|a\.)\s+)?(?P<{}>\d{{4}})(?!\d)(?:\s*(?:года|году|року|г\.|р\.|г|р|r\.|m\.|\.))?"
DAY_FIRST = rf"(?:ngày )?(?P<day>\d{{1,2}}){NTH}{OF}(?P<month>{MONTH})(?!\w){YEAR.format('year')}"
MONTH_FIRST = rf"(?P<month2>{MONTH})\.? (?:the )?(?P<day2>\d{{1,2}}){NTH}{YEAR.format('year2')}"
YEAR_FIRST = rf"(?P<year4>\d{{4}})\.?(?: m\.| gada)?[\s-]*(?P<month4>{MONTH})[\s.-]*(?P<day4>\d{{1,2}})(?!\d)\.?(?: d\.)?"
NUMBERS = r"(?P<year3>\d{4})(?P<mark>[-/.])(?P<month3>\d{1,2})(?P=mark)(?P<day3>\d{1,2})(?!\d)(?:T|\.)?"
IDEOGRAPHS = r"(?P<year5>\d{4})\s*[年년]\s*(?P<month5>\d{1,2})\s*[月월]\s*(?P<day5>\d{1,2})\s*[日일]"
DOTTED = r"(?P<day6>\d{1,2})\.\s?(?P<month6>\d{1,2})\.\s?(?P<year6>\d{4})(?!\d)"
DATE = re.compile(f"{NUMBERS}|{IDEOGRAPHS}|{DOTTED}|{DAY_FIRST}|{MONTH_FIRST}|{YEAR_FIRST}", re.IGNORECASE)
SLASHED = re.compile(r"(?P<first>\d{1,2})(?P<mark>[/-])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4})(?!\d)")
"""A date whose order of day and month depends on the country."""

ZONES = {
    **dict.fromkeys(("z", "ut", "utc", "gmt", "wet"), 0),
    **dict.fromkeys(("cet", "mez", "west", "bst"), 60),
    **dict.fromkeys(("cest", "mesz", "eet"), 120),
    **dict.fromkeys(("eest", "msk"), 180),
    "jst": 540,
    "edt": -240,
    "est": -300,
    "cdt": -300,
    "cst": -360,
    "mdt": -360,
    "mst": -420,
    "pdt": -420,
    "pst": -480,
}
"""Zone -> minutes before UTC: those of RFC 822, and of Europe. Other names, such as IST, mean several zones."""

TIME = re.compile(
    r"[\s,|–-]*(?:(?:at|um|klo|kl\.?|alle|ore|a las|às|à|om|o|в|о|ve|saat)\s+)?"
    r"(?:(?P<hour>\d{1,2})[:.h時](?P<minute>\d{2})(?:[:.]\s?(?P<second>\d{2})(?:[.,]\d+)?|分)?\s*(?P<half>[ap]\.?m\.?)?"
    r"|(?P<hour2>\d{1,2})\s*(?P<half2>[ap]\.?m\.?))?(?:\s*(?:Uhr|h))?\s*"
    rf"(?:(?:GMT|UTC)?(?P<sign>[+-])(?P<zone_hours>\d\d):?(?P<zone_minutes>\d\d)|(?P<zone>{_alternatives(set(ZONES))}))?"
    r"(?:\s*\([^()]*\))?$",
    re.IGNORECASE,
)
LEADING = re.compile(rf"(?:(?:on|le|el|am|den|w|v)\s+)?{WEEKDAY}(?!\w)[\s.,，]*", re.IGNORECASE)
YEAR_LAST = re.compile(r"(?P<date>\D+\d{1,2})\s+(?P<time>\d{1,2}:\d\d(?::\d\d)?)(?P<zone>\s+(?:[+-]\d{4}|[A-Z]{3,4}))?\s+(?P<year>\d{4})")
"""The form of asctime, and of dates of posts on Twitter."""

COMPACT = re.compile(r"(?:19|20)\d{12}")
NUMBER = re.compile(r"-?\d{9,19}(?:\.\d+)?")
MIDNIGHT = re.compile(r"(?<=[T\s])24:00(?::00(?:\.0+)?)?")

SECONDS, MILLISECONDS, MICROSECONDS, NANOSECONDS = 100_000_000, 100_000_000_000, 100_000_000_000_000, 100_000_000_000_000_000
"""Smallest numbers that are seconds, milliseconds, ... since 1970. All begin in 1973. A smaller number may be a year."""

BUDDHIST = 2400
"""Years above are of the Thai calendar, which is 543 years ahead."""


class AmbiguousDate(ValueError):
    """The error for a date such as `3/1/2020`, whose order of day and month is not known."""


def parse_date(value: Any, order: DateOrder | None = None, lang: str | None = None) -> datetime:
    """Parse a date or a time. The result is UTC if the value names no offset, and midnight if it names no time.

    Args:
        order: The order of day and month in `3/1/2020`.
        lang: The language of the text. It decides between months of the same name.

    Raises:
        AmbiguousDate: The order of day and month is needed.
        ValueError: The value has none of the known forms. A zone with a name of several zones is not guessed.

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
        text = " ".join(value.split())
        if slashed := SLASHED.match(LEADING.sub("", text, count=1)):
            text = _ordered(slashed, order)
        days = 0
        if MIDNIGHT.search(text):
            text, days = MIDNIGHT.sub("00:00:00", text), 1
        for form in FORMS:
            moment = form(text, lang)
            if moment is not None:
                return moment + timedelta(days=days)
    raise ValueError(f"{str(value)[:100]!r} is no date")


def order_in(text: str) -> DateOrder | None:
    """Return the order of day and month that a date reveals: one of its numbers is above 12.

    >>> order_in("25/12/2020"), order_in("12/25/2020 10:00"), order_in("3/1/2020")
    ('DMY', 'MDY', None)
    """
    slashed = SLASHED.match(text.strip())
    if slashed is None:
        return None
    first, second = int(slashed["first"]), int(slashed["second"])
    return "DMY" if first > 12 >= second else "MDY" if second > 12 >= first else None


def _ordered(slashed: re.Match[str], order: DateOrder | None) -> str:
    """Return the text with a date in ISO 8601."""
    order = order_in(slashed.string[slashed.start() :]) or order
    if slashed["first"] == slashed["second"]:
        order = "DMY"
    if order is None:
        raise AmbiguousDate(f"{slashed.string[:100]!r} is in the order of day and month, or of month and day")
    day, month = (slashed["first"], slashed["second"]) if order == "DMY" else (slashed["second"], slashed["first"])
    return f"{slashed['year']}-{int(month):02d}-{int(day):02d}{slashed.string[slashed.end() :]}"


def _since_1970(number: float) -> datetime:
    size = abs(number)
    if size < SECONDS:
        raise ValueError(f"{number} is too small for a moment")
    unit = 1_000_000_000 if size >= NANOSECONDS else 1_000_000 if size >= MICROSECONDS else 1000 if size >= MILLISECONDS else 1
    try:
        return datetime.fromtimestamp(number / unit, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"{number} is outside of years 1 to 9999") from error


def _iso(text: str, lang: str | None) -> datetime | None:
    """Parse ISO 8601. The offset may follow a space and lack its colon, as in `10:00:00 +0200`."""
    try:
        return in_utc(datetime.fromisoformat(re.sub(r"(?<=:\d\d) (?=[+-]\d\d:?\d\d\Z)", "", text)))
    except ValueError:
        return None


def _number(text: str, lang: str | None) -> datetime | None:
    """Parse a number of seconds since 1970 or of a finer unit, or a date without marks: `20200301080000`."""
    if COMPACT.fullmatch(text):
        return _iso(f"{text[:8]}T{text[8:]}", lang)
    return _since_1970(float(text)) if NUMBER.fullmatch(text) else None


def _written(text: str, lang: str | None) -> datetime | None:
    """Parse a text that is only a date, with a month by name or by number, and an optional time.

    >>> _written("Tuesday, September 11, 2018 10:41 AM", None).isoformat()
    '2018-09-11T10:41:00+00:00'
    >>> _written("September 11, 2018 was a Tuesday", None), _written("September 11, 2018 10:41 AM IST", None)
    (None, None)
    """
    text = LEADING.sub("", text, count=1) if LEADING.match(text) else text
    if last := YEAR_LAST.fullmatch(text):
        text = f"{last['date']} {last['year']} {last['time']}{last['zone'] or ''}"
    date = DATE.match(text)
    time = TIME.match(text, date.end()) if date else None
    if not date or not time:
        return None
    day, month, year = (
        next(filter(None, (date[f"{name}{form}"] for form in ("", *"23456") if f"{name}{form}" in date.re.groupindex)))
        for name in ("day", "month", "year")
    )
    number = int(month) if month.isdecimal() else _month(month.lower(), lang)
    hour, minute, second = int(time["hour"] or time["hour2"] or 0), int(time["minute"] or 0), int(time["second"] or 0)
    half = time["half"] or time["half2"]
    if half:
        hour = hour % 12 + (12 if half[0] in "Pp" else 0)
    offset = timedelta(hours=int(time["zone_hours"] or 0), minutes=int(time["zone_minutes"] or 0))
    offset = -offset if time["sign"] == "-" else offset + timedelta(minutes=ZONES[time["zone"].lower()] if time["zone"] else 0)
    try:
        local = datetime(int(year) - (543 if int(year) > BUDDHIST else 0), number, int(day), hour, minute, second, tzinfo=UTC)
        return local - offset
    except (ValueError, OverflowError):
        return None


def _month(name: str, lang: str | None) -> int:
    """Return the number of a month, or 0 for a name of two months whose language is not known."""
    numbers = MONTH_OF[name]
    if len(numbers) > 1:
        numbers = {number: languages for number, languages in numbers.items() if (lang or "")[:2].lower() in languages}
    return next(iter(numbers)) if len(numbers) == 1 else 0


FORMS: tuple[Callable[[str, str | None], datetime | None], ...] = (_number, _iso, _written)
"""Functions that parse one form each, or return None. The first that parses a text counts."""
