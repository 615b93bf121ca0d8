"""Decide on access, rates and sizes before a body is read.

FastAPI alone reads and parses a body before it checks a key. This middleware runs before it.
"""

import base64
import binascii
import hashlib
import re
import time
from collections.abc import Sequence
from functools import lru_cache
from hmac import compare_digest
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from recommender.text.cleaning import clean_line
from service.http.problems import problem
from service.metrics import REJECTED
from service.settings import Settings

Role = Literal["nobody", "read", "admin"]

OPEN = frozenset({"/livez", "/readyz", "/static/related-articles.js"})
"""Public paths: health checks and the widget need no key."""

MAX_URL = 8192
MAX_HEADERS = 16_384

ADMIN = (
    (frozenset({"PUT", "DELETE", "PATCH"}), re.compile(r"/")),
    (frozenset({"POST"}), re.compile(r"/v1/(articles|index)/")),
    (frozenset({"GET", "HEAD"}), re.compile(r"/v1/articles/.*/overrides$")),
)
"""Methods and paths that need an admin key. All others need a read key, if any is set."""

TEXT = re.compile(r"/(v1/(related|similarity)|desk/draft)$")

HOST = re.compile(rb"(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+)(:[0-9]{1,5})?")
"""A host name or an IP address, with an optional port (RFC 9110, 7.2)."""

ENDS = ("/related", "/overrides")
"""Path suffixes that name a part of the article before them."""

NETWORK_BITS = 64
"""Prefix length by which IPv6 addresses count as one client. A site owns all addresses of its prefix."""

DESK = re.compile(r"/desk(/|$)")
LOG_IN = {"WWW-Authenticate": 'Basic realm="Readmore desk", charset="UTF-8"'}
LONGEST_NAME = 200
"""Characters of an editor's name that are stored."""


class Keys:
    """Hashes of the valid keys. Several keys of a kind allow key rotation without a pause."""

    def __init__(self, read: Sequence[str], admin: Sequence[str]) -> None:
        self.read_is_open = not read
        self._hashes: list[tuple[Role, bytes]] = [("admin", _digest_of(key)) for key in admin] + [("read", _digest_of(key)) for key in read]

    def role(self, given: bytes | None) -> tuple[Role, str | None]:
        """Return the role of a key, and the first digits of its hash, which name it in logs."""
        if given is None:
            return "nobody", None
        digest = hashlib.sha256(given).digest()
        found: Role = "nobody"
        for role, known in self._hashes:  # compares with all keys, so that the duration reveals nothing
            if compare_digest(digest, known) and found != "admin":
                found = role
        return found, None if found == "nobody" else digest.hex()[:8]


Refusal = tuple[int, str, str, dict[str, str]]
"""Status, code, detail, headers."""


class Hosts:
    """Host names that the service answers to.

    A page could resolve its own name to this machine and read what it may not read otherwise (DNS rebinding). Such a
    page can use neither an IP address nor a name without a dot. A service that only this machine can reach, and that
    has no other guard, therefore accepts no other names.
    """

    def __init__(self, settings: Settings) -> None:
        guarded = settings.allowed_hosts or settings.read_keys or settings.trusted_proxies
        self._names = frozenset(settings.allowed_hosts)
        self._own = not guarded and _is_loopback(settings.host)
        self._all = "*" in self._names or not (self._names or self._own)
        self._judged = lru_cache(1024)(self._judge)  # nearly all requests have the same host

    def refused(self, scope: Scope) -> Refusal | None:
        given = [value for name, value in scope["headers"] if name == b"host"]
        if len(given) == 1:
            return self._judged(given[0])
        if not given and scope.get("http_version") == "1.0":
            return None
        return 400, "bad_host", f"the request has {len(given)} Host headers - send one", {}

    def _judge(self, host: bytes) -> Refusal | None:
        match = HOST.fullmatch(host)
        if match is None:
            return 400, "bad_host", "the Host header is no name - send one such as www.example.org", {}
        name = match[1].decode().lower().removesuffix(".")
        if self._all or name in self._names or _address(name.strip("[]")) is not None or (self._own and "." not in name):
            return None
        return 400, "host_not_allowed", "the service may not be asked by this name - whoever runs it adds it to allowed_hosts", {}


class Gate:
    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.hosts = Hosts(settings)
        self.keys = Keys(settings.read_keys, settings.admin_keys)
        self._rate, self._text_rate = (parse(rate) if rate else None for rate in (settings.rate, settings.text_rate))
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = self.hosts.refused(scope) or (None if scope["path"] in OPEN else self._refused(scope))
        if refused is None:
            await self.app(scope, receive, send)
            return
        status, code, detail, headers = refused
        REJECTED.labels(code).inc()
        if scope["method"] not in ("GET", "HEAD"):
            headers = {**headers, "Connection": "close"}  # the body stays unread, so the connection cannot be reused
        await problem(Request(scope), status, code, detail, headers=headers)(scope, receive, send)

    def _refused(self, scope: Scope) -> Refusal | None:
        url = len(scope.get("raw_path") or b"") + len(scope["query_string"])
        if url > MAX_URL:
            return 414, "uri_too_long", f"the URL has {url} bytes, at most {MAX_URL} are read - send less in it", {}
        size = sum([len(name) + len(value) for name, value in scope["headers"]])
        if size > MAX_HEADERS:
            return 431, "request_header_fields_too_large", f"the headers have {size} bytes, at most {MAX_HEADERS} are read", {}
        if _is_misread(scope):
            end = "an id that ends in /related or /overrides cannot be in the path - give it as ?id= of /v1/articles or /v1/related"
            return 400, "ambiguous_path", end, {}
        if DESK.match(scope["path"]):
            return self._refused_at_the_desk(scope)
        given = _key(scope)
        role, name = self.keys.role(given)
        scope["key"] = name
        needs = self._needs(scope)
        if needs is not None and role not in (needs, "admin"):
            if role == "nobody":
                return 401, "key_needed", "send a key that is valid: Authorization: Bearer KEY", {"WWW-Authenticate": "Bearer"}
            return 403, "admin_key_needed", "this key may read, and no more - send an admin key", {}
        return self._too_often(scope, name)

    def _refused_at_the_desk(self, scope: Scope) -> Refusal | None:
        """Return the refusal of a request to the desk. None if it may pass.

        Editors log in with their name and an admin key. Browsers send both automatically, on behalf of any page.
        """
        scope["editor"], given = _basic(scope)
        role, scope["key"] = self.keys.role(given)
        if role != "admin":
            return 401, "key_needed", "log in with your name and, as the password, an admin key", LOG_IN
        if scope["method"] not in ("GET", "HEAD") and not _from_here(scope):
            return 403, "cross_site", "this was not sent by the desk itself - open /desk and do it there", {}
        return self._too_often(scope, scope["key"])

    def _needs(self, scope: Scope) -> Role | None:
        method, path = scope["method"], scope["path"]
        for methods, pattern in ADMIN:
            if method in methods and pattern.match(path):
                return "admin"
        return None if self.keys.read_is_open else "read"

    def _too_often(self, scope: Scope, name: str | None) -> Refusal | None:
        if self._rate is None and self._text_rate is None:
            return None
        whose = name or counted_address((scope.get("client") or ("unknown",))[0])
        limits: list[tuple[RateLimitItem | None, str]] = [(self._rate, "all")]
        if scope["method"] == "POST" and TEXT.match(scope["path"]):
            limits.append((self._text_rate, "text"))
        for limit, kind in limits:
            if limit is not None and not self._limiter.hit(limit, kind, whose):
                wait = max(1, round(self._limiter.get_window_stats(limit, kind, whose).reset_time - time.time()))
                return 429, "too_many_requests", f"more than {limit} - wait {wait} s", {"Retry-After": str(wait)}
        return None


def counted_address(client: str) -> str:
    """Return the address that rate limits count by. For IPv6 it is the network.

    >>> counted_address("2001:db8:1:2:3:4:5:6"), counted_address("::ffff:192.0.2.7"), counted_address("192.0.2.7")
    ('2001:db8:1:2::/64', '192.0.2.7', '192.0.2.7')
    """
    address = _address(client)
    if not isinstance(address, IPv6Address):
        return client
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    host_bits = 128 - NETWORK_BITS
    return f"{IPv6Address(int(address) >> host_bits << host_bits)}/{NETWORK_BITS}"


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _is_misread(scope: Scope) -> bool:
    """Return True if an escaped slash, as in `a%2Frelated`, makes the routes misread an id."""
    path, raw = scope["path"], scope.get("raw_path")
    if raw is None or not path.endswith(ENDS) or raw.decode("latin-1").endswith(ENDS):
        return False
    return path.endswith("/overrides") or scope["method"] in ("GET", "HEAD")  # a list is read-only


def _key(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return bytes(value[7:].strip())
        if name == b"x-api-key":
            return bytes(value)
    return None


def _basic(scope: Scope) -> tuple[str, bytes | None]:
    """Return the user name and the password."""
    value = dict(scope["headers"]).get(b"authorization", b"")
    if value[:6].lower() != b"basic ":
        return "", None
    try:
        name, colon, password = base64.b64decode(value[6:].strip(), validate=True).partition(b":")
    except binascii.Error:
        return "", None
    return clean_line(name.decode(errors="replace"))[:LONGEST_NAME], password if colon else None


def _from_here(scope: Scope) -> bool:
    """Return True if a page of this service sent the request, judged by headers that no page can change."""
    headers: dict[bytes, str] = {name: value.decode("latin-1") for name, value in scope["headers"]}
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get(b"origin", "")  # without TLS, browsers send only this header
    return origin.partition("://")[2] == headers.get(b"host", "none")


def _digest_of(key_hash: str) -> bytes:
    return bytes.fromhex(key_hash.removeprefix("sha256:"))
