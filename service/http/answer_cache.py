"""Cache answers by id as sent bytes, for the next reader of the same page.

An answer is cached for one edition: release, weights, overrides and the last change of live articles
(`Recommender.edition`). The edition is read for every request, so a change takes effect with the next answer.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from recommender.errors import IndexUnusable, ReadmoreError
from recommender.lists.selection import Selection
from recommender.recommender import Edition
from service.http.problems import answered
from service.metrics import KEPT
from service.release_holder import ReleaseHolder

MOST_BYTES = 192 << 20
"""Capacity in bytes: the lists of about 40,000 articles."""

OVERHEAD = 1_000
"""Bytes of an answer in addition to its body."""


MINUTE_S = 60

LAST_S = 4
"""Seconds before its own expiry in which an answer is sent whole.

After a 304 without a lifetime, nginx would keep its old copy.
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """A list in its wire format.

    Attributes:
        edition: Name of the edition that the answer belongs to.
        until: Unix time in seconds. From then on the answer may differ, because it counts ages by the hour.
        public_until: Unix time in seconds at which the edition ends by itself. See `service.middleware.request_context`.
        route: Template of the path, for the metrics.
        head: The body up to the request's id, or the whole body.
        tail: The body after the request's id. None if the body holds no id.
    """

    edition: str
    until: float
    public_until: float
    route: str
    etag: str
    headers: tuple[tuple[bytes, bytes], ...]
    head: bytes
    tail: bytes | None

    @classmethod
    def of_list(cls, scope: Scope, route: str, edition: Edition, wanted: Selection, body: bytes, content_type: str) -> "Answer":
        """Return the list of an article in its wire format.

        The ETag is computed from everything that determines the answer: release, weights, overrides, live articles, path
        and parameters.

        Args:
            route: Template of the path.
            edition: Edition that was read before the list.
            body: If it is JSON, its last field is an empty `request_id`.
        """
        minute = int(datetime.now(UTC).timestamp()) // MINUTE_S if wanted.counts_age else None  # the list may differ a minute later
        etag = _etag(scope, edition.name, minute)
        until = inf if minute is None else (minute + 1) * MINUTE_S
        headers = ((b"content-type", content_type.encode()), (b"etag", etag.encode()))
        head, tail = (body[:-2], body[-2:]) if content_type == "application/json" else (body, None)
        return cls(edition.name, until, edition.changes_at.timestamp(), route, etag, headers, head, tail)

    async def send(self, scope: Scope, send: Send) -> None:
        """Send the answer as 200, or as 304 if the client already has it."""
        scope["template"], scope["public_until"] = self.route, self.public_until
        if not_modified(scope, self.etag) and time.time() < self.public_until - LAST_S:
            await send({"type": "http.response.start", "status": 304, "headers": list(self.headers)})
            await send({"type": "http.response.body"})
            return
        body = self.head if self.tail is None else self.head + scope["request_id"].encode() + self.tail
        headers = [*self.headers, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class Fresh(Response):
    """A response that a route has just computed, to be cached."""

    def __init__(self, scope: Scope, answer: Answer) -> None:
        super().__init__()
        self._answer = answer
        scope["keep"] = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer.send(scope, send)


class KeptAnswers:
    """Middleware that sends cached answers before routing or parsing. Used on the event loop only.

    Args:
        make: Makes the answers that need no routing or parsing. Returns None for requests that the app must answer.
            Its errors are answered here: the app would only meet them again.
    """

    def __init__(self, app: ASGIApp, serving: ReleaseHolder, make: Callable[[Scope, ReleaseHolder], Answer | None]) -> None:
        self.app = app
        self._serving = serving
        self._make = make
        self._bytes = 0
        self._kept: OrderedDict[bytes, Answer] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        key = bytes((scope.get("raw_path") or scope["path"].encode()) + b"?" + scope["query_string"])
        answer = self._kept.get(key)
        if answer is not None:
            if answer.edition == self._edition() and time.time() < answer.until:
                self._kept.move_to_end(key)
                KEPT.inc()
                await answer.send(scope, send)
                return
            self._drop(key)
        try:
            answer = self._make(scope, self._serving)
        except ReadmoreError as error:
            await answered(Request(scope), error)(scope, receive, send)
            return
        if answer is not None:
            await answer.send(scope, send)
        else:
            scope["keep"] = None
            await self.app(scope, receive, send)
            answer = scope["keep"]
        if answer is not None:
            self._keep(key, answer)

    def _edition(self) -> str | None:
        """Return the name of the edition in force. None if the release is unreadable; the route then says why."""
        try:
            with self._serving.held() as recommender:
                return recommender.edition().name
        except IndexUnusable:
            return None

    def _keep(self, key: bytes, answer: Answer) -> None:
        if key in self._kept:
            self._drop(key)
        self._kept[key] = answer
        self._bytes += _size(key, answer)
        while self._bytes > MOST_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: bytes) -> None:
        self._bytes -= _size(key, self._kept.pop(key))


def _etag(scope: Scope, edition: str, minute: int | None) -> str:
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    parts = [edition, scope["path"], *(f"{name}={value}" for name, value in sorted(pairs)), str(minute)]
    return f'"{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:32]}"'


def _size(key: bytes, answer: Answer) -> int:
    return len(key) + len(answer.head) + OVERHEAD


def not_modified(scope: Scope, etag: str) -> bool:
    """Return True if the client already has the answer."""
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            tags = {tag.strip().removeprefix("W/") for tag in value.decode("latin-1").split(",")}
            return etag in tags or "*" in tags
    return False
