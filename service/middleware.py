"""What happens to every request before the app sees it: a name for it, and a limit to its size."""

import logging
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import bug, problem

MAX_BODY = 1 << 20
TOO_LARGE = f"the body is larger than {MAX_BODY} bytes - send less text"

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}

log = logging.getLogger(__name__)


class RequestName:
    """Gives every request an id, which the answer and the log carry; sets the security headers.

    It stands outermost, so an error that nobody foresaw is answered here, with the same headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["request_id"] = secrets.token_hex(8)
        started = False

        async def named(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = scope["request_id"]
                for name, text in SECURITY_HEADERS.items():
                    headers.setdefault(name, text)
            await send(message)

        try:
            await self.app(scope, receive, named)
        except ClientDisconnect:  # while it was still sending: nobody is left to answer
            log.info("request %s was given up by the client", scope["request_id"])
        except Exception:  # of any kind: it is logged here, and the answer tells nothing of it
            log.exception("request %s failed", scope["request_id"])
            if started:
                raise
            await bug(Request(scope))(scope, receive, named)


class BodyLimit:
    """Refuses bodies over `MAX_BODY`, whether or not they say how long they are.

    Starlette's own limit answers in plain text; this one answers as every other error.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and (len(announced) > 20 or int(announced) > MAX_BODY):
            await problem(Request(scope), 413, "content_too_large", TOO_LARGE)(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY:
                raise HTTPException(413, TOO_LARGE)
            return message

        await self.app(scope, limited, send)
