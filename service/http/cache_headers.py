"""The lifetime of an answer in caches, and the tag that names it.

The ETag is made of what the answer is made of: release, weights, overrides, live articles, path and parameters.

Browsers ask again every time. Shared caches keep an answer for less than `Settings.cache_s`, within which every reader sees a change:

    s-maxage + 2 * stale-while-revalidate + 2 = cache_s        48 + 2 * 5 + 2 = 60

A shared cache may show a stale answer while it asks for the next one; a browser may then do the same with the one it got from there.
The last two are `ROUNDING_S`.
"""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from math import inf
from urllib.parse import parse_qsl

from starlette.types import Scope

from recommender.lists.selection import Selection
from recommender.recommender import Edition
from service.http.answer_cache import Answer
from service.settings import Settings

Header = tuple[bytes, bytes]

OPEN = frozenset({"/livez", "/readyz", "/static/related-articles.js"})
"""Public paths: health checks and the widget need no key."""

PRIVATE = (b"cache-control", b"private, no-store")
REVALIDATED = (b"cache-control", b"no-cache")
UNKEPT = (b"cache-control", b"no-store")

STALE_SHARE = 12
"""`stale-while-revalidate` is one twelfth of `cache_s`."""

ROUNDING_S = 2
"""A second for caches that count whole ones, and one for an answer on its way."""

ERROR_S = 600
"""Seconds for which a shared cache may show an outdated answer while the service does not answer."""

MINUTE_S = 60


class CachePolicy:
    """Names the lifetime of every answer that does not name it itself."""

    def __init__(self, settings: Settings) -> None:
        self._guarded = bool(settings.read_keys)
        self._cache_s = settings.cache_s

    def applied(self, scope: Scope, headers: list[Header], now: float) -> list[Header]:
        """Return the headers of an answer with its lifetime among them.

        Args:
            scope: `public_until` is there if everybody may keep the answer: seconds since 1970 at which it changes by itself.
            now: Seconds since 1970.
        """
        guarded = self._guarded and scope["path"] not in OPEN
        until = scope.get("public_until")
        if until is not None:
            left_s = int(max(0, min(until - now, self._cache_s + ERROR_S)))
            return [*headers, PRIVATE if guarded else _lifetime(self._cache_s, left_s)]
        if _has(headers, b"cache-control"):
            return headers
        # Some caches keep what names no lifetime, a 404 for two minutes among it.
        return [*headers, PRIVATE if guarded else REVALIDATED if _has(headers, b"etag") else UNKEPT]


def cache_control(cache_s: int, left_s: float) -> str:
    """Return the lifetime of an answer that everybody may keep.

    Args:
        cache_s: Seconds until a change is seen.
        left_s: Seconds until the answer changes by itself.

    >>> cache_control(60, 3600)
    'public, max-age=0, s-maxage=48, stale-while-revalidate=5, stale-if-error=600'
    >>> cache_control(60, 12.7)
    'public, max-age=0, s-maxage=10, stale-while-revalidate=0, stale-if-error=0'
    """
    stale = cache_s // STALE_SHARE if left_s >= cache_s else 0
    around = 2 * stale + ROUNDING_S
    fresh = max(0, int(min(left_s, cache_s)) - around)
    error = max(0, int(min(ERROR_S, left_s - fresh - around)))
    return f"public, max-age=0, s-maxage={fresh}, stale-while-revalidate={stale}, stale-if-error={error}"


def _has(headers: list[Header], name: bytes) -> bool:
    return any(given == name for given, _ in headers)


@lru_cache(2048)
def _lifetime(cache_s: int, left_s: int) -> Header:
    return b"cache-control", cache_control(cache_s, left_s).encode()


def answer(scope: Scope, route: str, edition: Edition, wanted: Selection, body: bytes, content_type: str) -> Answer:
    """The list of an article as it goes over the wire.

    Args:
        route: Template of the path.
        edition: Read before the list was.
        body: If it is JSON, its last field is `request_id`, empty.
    """
    minute = int(datetime.now(UTC).timestamp()) // MINUTE_S if wanted.counts_age else None  # the same list may be another a minute later
    etag = _etag(scope, edition.name, minute)
    until = inf if minute is None else (minute + 1) * MINUTE_S
    headers = ((b"content-type", content_type.encode()), (b"etag", etag.encode()))
    named = content_type == "application/json"
    head, tail = (body[:-2], body[-2:]) if named else (body, None)
    return Answer(edition.name, until, edition.changes_at.timestamp(), route, etag, headers, head, tail)


def _etag(scope: Scope, edition: str, minute: int | None) -> str:
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    parts = [edition, scope["path"], *(f"{name}={value}" for name, value in sorted(pairs)), str(minute)]
    return f'"{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:32]}"'
