"""Render every error as `application/problem+json` (RFC 9457), with one table from errors to statuses."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from recommender.errors import (
    ArticleNotFound,
    ArticleWithdrawn,
    IndexUnusable,
    InvalidArticle,
    InvalidOverride,
    JournalUnavailable,
    ModelError,
    OutOfRange,
    ReadmoreError,
    StorageError,
    VectorsUnavailable,
)
from service.http.bounded_executor import Busy
from service.http.response_models import Problem
from service.metrics import REJECTED

STATUSES: tuple[tuple[type[ReadmoreError], int], ...] = (
    (ArticleWithdrawn, 410),
    (ArticleNotFound, 404),
    (InvalidArticle, 422),
    (InvalidOverride, 422),
    (OutOfRange, 422),
    (ModelError, 503),
    (IndexUnusable, 503),
    (StorageError, 503),
    (VectorsUnavailable, 503),
    (JournalUnavailable, 503),
)
"""Statuses of errors; the first match counts. Any other error of ours is a bug."""

CURES = {
    404: "no such page - the routes are listed in /openapi.json",
    405: "this route does not take that method - see the Allow header",
    500: "something went wrong here, not with the request - try again, and report the request id",
}
TITLES = {414: "URI Too Long", 413: "Content Too Large", 422: "Unprocessable Content"}
"""Status names of RFC 9110, which is newer than Python 3.11."""

MOST_ERRORS = 20
"""Maximum number of listed faults of one request."""

SHOWN = 100
"""Maximum number of characters of the input that an error may quote."""

NOT_NOW = "the index or its model cannot serve - see /readyz and the log"
NOT_SAID = "PostgreSQL, which keeps what is put and said, does not answer; reading goes on - say it again in some seconds"

PROBLEM: dict[str, Any] = {"model": Problem, "content": {"application/problem+json": {}}}


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    errors: Sequence[dict[str, str]] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """Return an error answer.

    Args:
        code: Stable name, for programs.
        detail: What is wrong and what to do, for people.
        errors: A `pointer` and a `message` for each fault of the input.
    """
    body = _body(status, code, detail, request.url.path[:SHOWN], request.scope.get("request_id"))
    if errors:
        body["errors"] = list(errors)
    return Response(orjson.dumps(body), status, headers, "application/problem+json")


def before_request(status: int, code: str, detail: str, retry_after_s: int | None = None) -> bytes:
    """Return an error in its wire format, for bytes that never became a request. The connection ends with it."""
    body = orjson.dumps(_body(status, code, detail, "", None))
    head = [
        f"HTTP/1.1 {status} {_title(status)}",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
        "connection: close",
        *([] if retry_after_s is None else [f"retry-after: {retry_after_s}"]),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def _body(status: int, code: str, detail: str, instance: str, request_id: str | None) -> dict[str, Any]:
    named = {"type": f"urn:readmore:{code}", "title": _title(status), "status": status, "detail": detail}
    return {**named, "instance": instance, "code": code, "request_id": request_id}


def described(error: ReadmoreError) -> dict[str, Any]:
    """Return an error as one entry among answers."""
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
    return {"status": status, "code": error.code, "detail": str(error) if status < 500 else _not_now(error)}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the errors of a route for the schema. All routes share the errors of hosts, keys and rates."""
    return dict.fromkeys([400, *statuses, 401, 403, 414, 431], PROBLEM)


def install(app: FastAPI) -> None:
    """Make the app answer every error as a problem."""
    app.add_exception_handler(ReadmoreError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Busy, _busy)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, ReadmoreError)  # noqa: S101 - narrows the type; starlette calls the handler for this type only
    return answered(request, error)


def answered(request: Request, error: ReadmoreError) -> Response:
    """Return the answer to an error of ours. An error without a status is a bug, and is raised again."""
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), None)
    if status is None:
        raise error
    if status == 503:  # the message names folders and hashes, which belong in the log only
        request.app.state.serving.condition.tell(error, request.scope.get("request_id"))
        wait_s = "5" if isinstance(error, JournalUnavailable) else "30"
        return problem(request, status, error.code, _not_now(error), headers={"Retry-After": wait_s})
    return problem(request, status, error.code, str(error))


def _not_now(error: ReadmoreError) -> str:
    return NOT_SAID if isinstance(error, JournalUnavailable) else NOT_NOW


async def _busy(request: Request, error: Exception) -> Response:
    assert isinstance(error, Busy)  # noqa: S101
    REJECTED.labels(error.code).inc()
    return problem(request, 503, error.code, str(error), headers={"Retry-After": str(error.retry_after_s)})


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    errors = [
        {"pointer": "/" + "/".join(str(step) for step in fault["loc"])[:SHOWN], "message": str(fault["msg"])[:300]}
        for fault in error.errors()[:MOST_ERRORS]
    ]
    return problem(request, 422, "invalid_request", "; ".join(f"{fault['pointer']}: {fault['message']}" for fault in errors[:3]), errors)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    status = error.status_code
    code = _title(status).lower().replace(" ", "_")
    detail = CURES.get(status, error.detail)
    return problem(request, status, code, detail, headers=dict(error.headers) if error.headers else None)


def bug(request: Request) -> Response:
    """Return the answer to an unexpected error. The middleware sends it."""
    return problem(request, 500, "internal_error", CURES[500])


def _title(status: int) -> str:
    return TITLES.get(status) or HTTPStatus(status).phrase
