"""How long an answer by id may be kept, and what names it.

The ETag is made of what the answer is made of: release, weights, overrides, live articles, path and parameters.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from starlette.types import Scope

from recommender.recommender import Edition
from recommender.selection import Selection
from service.kept import Answer

MAX_AGES = (
    (timedelta(hours=6), 15 * 60),
    (timedelta(days=3), 60 * 60),
    (timedelta(days=15), 12 * 60 * 60),
)
"""An article younger than this -> seconds that its list may be kept: what is new gets new company soon."""

WEEK_S = 7 * 24 * 60 * 60
STALE = "stale-while-revalidate=600, stale-if-error=86400"

MINUTE_S = 60
KEPT_S = 15 * 60


def answer(
    scope: Scope, route: str, edition: Edition, published: datetime | None, wanted: Selection, body: bytes, content_type: str
) -> Answer:
    """The list of an article as it goes over the wire.

    Args:
        route: Template of the path.
        edition: Read before the list was.
        body: If it is JSON, its last field is `request_id`, empty.
    """
    now = datetime.now(UTC)
    by_the_minute = wanted.counts_age or edition.changes_until > now  # the same list may be another a minute later
    etag = _etag(scope, edition.name, int(now.timestamp()) // MINUTE_S if by_the_minute else None)
    until = (int(now.timestamp()) // MINUTE_S + 1) * MINUTE_S if by_the_minute else now.timestamp() + KEPT_S
    headers = (
        (b"content-type", content_type.encode()),
        (b"etag", etag.encode()),
        (b"cache-control", f"public, max-age={_max_age(published, now)}, {STALE}".encode()),
    )
    named = content_type == "application/json"
    return Answer(edition.name, until, route, etag, headers, body[:-2] if named else body, body[-2:] if named else None)


def _etag(scope: Scope, edition: str, minute: int | None) -> str:
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    parts = [edition, scope["path"], *(f"{name}={value}" for name, value in sorted(pairs)), str(minute)]
    return f'"{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:32]}"'


def _max_age(published: datetime | None, now: datetime) -> int:
    if published is None:
        return WEEK_S
    return next((seconds for limit, seconds in MAX_AGES if now - published < limit), WEEK_S)
