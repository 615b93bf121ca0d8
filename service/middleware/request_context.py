"""Process every request before the app: id, log line, security headers, cache headers, and a limit of the body."""

import asyncio
import logging
import secrets
import time
from functools import lru_cache

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.bounded_executor import STOPS
from service.http.problems import bug, problem
from service.metrics import counted, timed
from service.middleware.access import OPEN
from service.settings import Settings

MAX_BODY = 1 << 20
TOO_LARGE = f"the body is larger than {MAX_BODY} bytes - send less text"

POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"content-security-policy", POLICY.encode()),
]

SLOW_S = 1.0
"""Seconds after which a successful request is logged as slow."""

UNAVAILABLE = 503
"""A status whose reason is logged once, not with each request (`service.condition`)."""

UNROUTED = "none"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})

Header = tuple[bytes, bytes]

PRIVATE = (b"cache-control", b"private, no-store")
REVALIDATED = (b"cache-control", b"no-cache")
UNKEPT = (b"cache-control", b"no-store")

STALE_SHARE = 12
"""`stale-while-revalidate` is one twelfth of `cache_s`."""

ROUNDING_S = 2
"""One second for caches that count whole seconds, and one for an answer in transit."""

ERROR_S = 600
"""Seconds for which a shared cache may serve an outdated answer while the service does not respond."""

log = structlog.get_logger()


class CachePolicy:
    """Sets the lifetime of every answer that does not set its own.

    Browsers revalidate every time. Shared caches keep an answer for less than `Settings.cache_s`. Within that time
    every reader sees a change:

        s-maxage + 2 * stale-while-revalidate + 2 = cache_s        48 + 2 * 5 + 2 = 60

    A shared cache may serve a stale answer while it fetches the next one. A browser may do the same with its copy from
    there. The last 2 in the sum is `ROUNDING_S`.
    """

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


class RequestName:
    """Gives every request an id for the answer and the log. Sets security and cache headers, counts, and measures.

    It is the outermost middleware, so it also answers unexpected errors, with the same headers. It never logs any part
    of a text or a key. Successful answers to readers are logged at level debug.
    """

    def __init__(self, app: ASGIApp, caching: CachePolicy) -> None:
        self.app = app
        self._caching = caching

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = scope["request_id"] = secrets.token_hex(8)
        began = time.perf_counter()
        status = 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = self._caching.applied(scope, list(message["headers"]), time.time())
                headers.append((b"x-request-id", request_id.encode()))
                given = {name for name, _ in headers}
                headers.extend([header for header in SECURITY_HEADERS if header[0] not in given])
            await send(message)

        try:
            await self.app(scope, receive, named)
        except ClientDisconnect:  # during its upload; no client is left to answer
            log.info("given_up", request_id=request_id)
        except asyncio.CancelledError:  # the stop timeout is over
            log.warning("cut_short", request_id=request_id)
            if not status:
                await problem(Request(scope), 503, "busy", STOPS, headers={"Retry-After": "1"})(scope, receive, named)
        except Exception:  # any error: the log has the details, the answer has none
            log.exception("failed", request_id=request_id)
            if status:
                raise
            await bug(Request(scope))(scope, receive, named)
        finally:
            self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("template") or getattr(scope.get("route"), "path", UNROUTED)
        method = scope["method"] if scope["method"] in METHODS else "other"
        counted(route, method, status).inc()
        timed(route).observe(seconds)
        told = status >= 400 or seconds >= SLOW_S or method not in ("GET", "HEAD")
        if not told and not logging.getLogger().isEnabledFor(logging.DEBUG):
            return
        tell = log.error if status >= 500 and status != UNAVAILABLE else log.info if told else log.debug
        asked = {"request_id": scope["request_id"], "method": method, "route": route, "key": scope.get("key")}
        tell("answered", **asked, status=status, ms=round(seconds * 1e3, 1))


class BodyLimit:
    """Rejects bodies over `MAX_BODY`, with or without a declared length, and bodies that do not arrive in time.

    Starlette's own limit answers in plain text. This limit answers like every other error.
    """

    def __init__(self, app: ASGIApp, timeout_s: float) -> None:
        self.app = app
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and (len(announced) > 20 or int(announced) > MAX_BODY):
            await problem(Request(scope), 413, "content_too_large", TOO_LARGE, headers={"Connection": "close"})(scope, receive, send)
            return
        received = 0
        complete = False
        deadline = time.monotonic() + self._timeout_s

        async def limited() -> Message:
            nonlocal received, complete
            if complete:
                return await receive()  # the end of the connection
            try:
                message = await asyncio.wait_for(receive(), max(deadline - time.monotonic(), 0.001))
            except TimeoutError:
                late = f"the body was not there after {self._timeout_s:g} s - send it again"
                raise HTTPException(408, late, {"Connection": "close"}) from None
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > MAX_BODY:
                raise HTTPException(413, TOO_LARGE, {"Connection": "close"})
            return message

        await self.app(scope, limited, send)
