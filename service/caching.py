"""How long an answer by id may be kept, and how a cache asks whether it still holds.

The ETag is made of what the answer is made of: release, weights, path and parameters. It is known before the list is: a 304 costs none.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from recommender import Recommender
from recommender.selection import Selection

MAX_AGES = (
    (timedelta(hours=6), 15 * 60),
    (timedelta(days=3), 60 * 60),
    (timedelta(days=15), 12 * 60 * 60),
)
"""An article younger than this -> seconds that its list may be kept: what is new gets new company soon."""

WEEK_S = 7 * 24 * 60 * 60
STALE = "stale-while-revalidate=600, stale-if-error=86400"

MINUTE_S = 60


def headers(request: Request, recommender: Recommender, row: int, wanted: Selection) -> dict[str, str]:
    """Headers of an article's list."""
    return {"ETag": _etag(request, recommender, wanted), "Cache-Control": f"public, max-age={_max_age(recommender, row)}, {STALE}"}


def not_modified(request: Request, given: dict[str, str]) -> Response | None:
    """304, if the client's copy is the one that would be sent; else None."""
    known = request.headers.get("if-none-match")
    if known is None:
        return None
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    return Response(status_code=304, headers=given) if given["ETag"] in tags or "*" in tags else None


def _etag(request: Request, recommender: Recommender, wanted: Selection) -> str:
    edition = recommender.edition()
    parts = [edition.name, request.url.path, *(f"{name}={value}" for name, value in sorted(request.query_params.multi_items()))]
    now = datetime.now(UTC)
    if wanted.counts_age or edition.changes_until > now:  # the same list may be another a minute later
        parts.append(str(int(now.timestamp()) // MINUTE_S))
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f'"{digest[:32]}"'


def _max_age(recommender: Recommender, row: int) -> int:
    published = recommender.card(row).published
    if published is None:
        return WEEK_S
    age = datetime.now(UTC) - published
    return next((seconds for limit, seconds in MAX_AGES if age < limit), WEEK_S)
