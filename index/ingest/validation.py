"""Validate a record as an article: clean what can be cleaned, and refuse what would make lists wrong."""

import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from html import unescape
from typing import Any
from urllib.parse import urlsplit

from index.ingest.record import Record, Reject
from recommender.errors import InvalidArticle
from recommender.text.cleaning import clean_line, clean_text, has_words
from recommender.text.dates import AmbiguousDate, parse_date
from recommender.types import FIELD, FIELDS, Article

MAX_ID = 512
FAR_FUTURE = timedelta(days=5 * 365)
"""Largest distance of a date in the future. A later date is a mistake, not an embargo."""


def to_article(record: Record) -> tuple[Article, list[Reject]]:
    """Validate and clean one record.

    Returns:
        The article, and its dropped fields. An invalid date or URL is dropped, and the article is kept.

    Raises:
        InvalidArticle: The article is not usable. The message gives the reason and the cure.
    """
    fields = record.fields
    article_id = to_id(fields.get("id"), fields)
    dropped: list[Reject] = []

    def optional(name: str, read: Any) -> Any:
        try:
            return None if fields.get(name) is None else read(fields[name])
        except InvalidArticle as error:
            dropped.append(Reject(record.file, record.line, article_id, error.code, str(error), field=name))
            return None

    if fields.get("title") is not None:  # a title that is not text reveals a broken export; a title that is too long is only dropped
        _string("title", fields)
    text = clean_text(_string("text", fields))
    if not has_words(text) and not (_is_headline(fields) and has_words(clean_line(fields.get("title") or ""))):
        raise InvalidArticle(
            "empty_text", "the text has no words - give it, or mark a page of which only the title is known with kind: headline"
        )
    lang = fields["lang"] if isinstance(fields.get("lang"), str) else None
    readers = {**READERS, "time": partial(to_time, lang=lang)}
    article = Article(
        id=article_id,
        text=text,
        title=optional("title", _title) or "",
        **{field.name: optional(field.name, readers[field.kind]) for field in FIELDS if field.kind in readers},
        read_more=optional("read_more", _names) or (),
    )
    return article, dropped


def to_id(value: Any, fields: Mapping[str, Any]) -> str:
    """Return a publisher's id in NFC, so that two spellings of one id are equal. Numbers become their digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None:
        raise InvalidArticle("missing_id", f"no field 'id'; the fields are {_shown(fields)} - name it with --map id=FIELD")
    if not isinstance(value, str):
        raise InvalidArticle("wrong_type", f"id is a {type(value).__name__} - a string or a whole number is expected")
    article_id = clean_line(value)
    if not article_id or len(article_id) > MAX_ID:
        raise InvalidArticle("bad_id", f"id has {len(article_id)} characters - 1 to {MAX_ID} are expected")
    return article_id


def to_url(value: Any) -> str:
    """Return a valid http or https URL."""
    url = unicodedata.normalize("NFC", value.strip()) if isinstance(value, str) else ""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and clean_line(url) == url
    except ValueError:
        sound = False
    if not sound or len(url) > FIELD["url"].longest:
        raise InvalidArticle("bad_url", f"url {str(value)[:100]!r} is not an http or https URL - give the full address")
    return url


def to_time(value: Any, lang: str | None = None) -> datetime:
    """Parse a date or time, by default in UTC and at midnight."""
    try:
        moment = parse_date(value, lang=lang)
        if moment > datetime.now(UTC) + FAR_FUTURE:
            raise ValueError
    except AmbiguousDate as error:
        raise InvalidArticle("bad_date", f"published {error} - write it as 2018-09-11T10:41:00Z") from None
    except ValueError:
        raise InvalidArticle("bad_date", f"published {str(value)[:100]!r} is no date - write it as 2018-09-11T10:41:00Z") from None
    return moment


def _is_headline(fields: Mapping[str, Any]) -> bool:
    """Return whether a record declares itself a headline only, such as a page of another site or a video."""
    meta = fields.get("meta")
    return "headline" in (fields.get("kind"), meta.get("kind") if isinstance(meta, Mapping) else None)


def _string(name: str, fields: Mapping[str, Any]) -> str:
    if name not in fields:
        raise InvalidArticle("wrong_type", f"no field {name!r}; the fields are {_shown(fields)} - name it with --map {name}=FIELD")
    value = fields[name]
    if not isinstance(value, str):
        raise InvalidArticle("wrong_type", f"{name} is {value!r:.100} - a string is expected")
    return value


def _title(value: str) -> str:
    title = clean_line(unescape(value))
    longest = FIELD["title"].longest
    if len(title) > longest:
        raise InvalidArticle("title_too_long", f"the title has {len(title)} characters - at most {longest} are expected")
    return title


def _name(value: Any) -> str | None:
    if not isinstance(value, str):
        raise InvalidArticle("wrong_type", f"{value!r:.100} - a string is expected")
    return clean_line(value) or None


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str | int) and not isinstance(name, bool) for name in value):
        raise InvalidArticle("wrong_type", f"read_more is {value!r:.100} - a list of ids, URLs or titles is expected")
    return tuple(clean_line(str(name)) for name in value)


def _shown(fields: Mapping[str, Any]) -> str:
    return ", ".join(str(name)[:40] for name in list(fields)[:12]) or "none"


READERS: Mapping[str, Callable[[Any], Any]] = {"url": to_url, "time": to_time, "name": _name}
"""Kind of a field that an article may lack -> function that reads and checks it."""
