"""Set the cache lifetime of an answer, and its ETag.

The ETag is computed from everything that determines the answer: release, weights, overrides, live articles, path and
parameters.

Browsers revalidate every time. Shared caches keep an answer for less than `Settings.cache_s`. Within that time every
reader sees a change:

    s-maxage + 2 * stale-while-revalidate + 2 = cache_s        48 + 2 * 5 + 2 = 60

A shared cache may serve a stale answer while it fetches the next one. A browser may do the same with its copy from
there. The last 2 in the sum is `ROUNDING_S`.
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
"""One second for caches that count whole seconds, and one for an answer in transit."""

ERROR_S = 600
"""Seconds for which a shared cache may serve an outdated answer while the service does not respond."""

MINUTE_S = 60


class CachePolicy:
    """Sets the lifetime of every answer that does not set its own."""

    def __init__(self, settings: Settings) -> None:
        self._guarded = bool(settings.read_keys)
        self._cache_s = settings.cache_s

    def applied(self, scope: Scope, headers: list[Header], now: float) -> list[Header]:
        """Return the headers of an answer with its lifetime among them.

        Args:
            scope: Holds `public_until` if public caches may keep the answer: Unix time in seconds at which it changes
                by itself.
            now: Unix time in seconds.
        """
        guarded = self._guarded and scope["path"] not in OPEN
        until = scope.get("public_until")
        if until is not None:
            left_s = int(max(0, min(until - now, self._cache_s + ERROR_S)))
            return [*headers, PRIVATE if guarded else _lifetime(self._cache_s, left_s)]
        if _has(headers, b"cache-control"):
            return headers
        # Some caches keep answers that state no lifetime, for example a 404 for two minutes.
        return [*headers, PRIVATE if guarded else REVALIDATED if _has(headers, b"etag") else UNKEPT]


def cache_control(cache_s: int, left_s: float) -> str:
    """Return the Cache-Control value of an answer that public caches may keep.

    Args:
        cache_s: Seconds until every reader sees a change.
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
    """Return the list of an article in its wire format.

    Args:
        route: Template of the path.
        edition: Edition that was read before the list.
        body: If it is JSON, its last field is an empty `request_id`.
    """
    minute = int(datetime.now(UTC).timestamp()) // MINUTE_S if wanted.counts_age else None  # the list may differ a minute later
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
