"""Route single articles: read, upsert and delete them, and edit their overrides.

An upsert is on disk before it is acknowledged. Upserts need the model, so they have a lane of their own. Reads do not.
"""

import asyncio
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from index.ingest.record import Record
from index.ingest.validation import to_article
from index.updates import article_updates, override_store
from recommender import Article
from recommender.errors import ArticleNotFound, InvalidArticle, ReadmoreError
from recommender.overrides import Override
from recommender.text.cleaning import clean_line
from recommender.types import stored_values
from service.http.bounded_executor import Busy
from service.http.parameters import body_of, fault, json_of, known_parameters, read_json
from service.http.problems import described, problems
from service.http.request_models import ArticleBody, OverrideBody
from service.http.response_models import ArticleAnswer, BatchReport, OverrideAnswer, PutAnswer
from service.metrics import EMBEDDED, REJECTED
from service.routes.related_articles import Id, card_to_read, serving_of

AnyId = Annotated[str, Query(min_length=1, max_length=512, description="the publisher's id, whatever it ends in")]

MOST_LINES = 100
NDJSON = "application/x-ndjson"
BATCH = 'in each line an article, or {"id": "...", "withdrawn": true}'

router = APIRouter(dependencies=[Depends(known_parameters)])


@router.post(
    "/v1/articles/batch",
    response_model=BatchReport,
    responses=problems(400, 408, 413, 415, 422, 429),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {NDJSON: {"schema": {"type": "string", "description": BATCH}}},
        }
    },
)
async def batch(request: Request) -> Response:
    """Upsert and withdraw up to 100 articles, one by one. The answer reports on each line."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != NDJSON:
        raise HTTPException(415, f"content type {kind[:100]!r} is not taken here - send {NDJSON}")
    lines = [(number, line) for number, line in enumerate((await request.body()).split(b"\n"), start=1) if line.strip()]
    if not 1 <= len(lines) <= MOST_LINES:
        raise fault(("body",), f"{len(lines)} lines - send 1 to {MOST_LINES}")
    reports = [{"line": number, **await _line(request, line)} for number, line in lines]
    return _json(request, {"results": reports})


@router.put(
    "/v1/articles/{article_id:path}/overrides",
    response_model=OverrideAnswer,
    responses=problems(400, 404, 408, 410, 413, 415, 422, 429, 503),
    openapi_extra=body_of(OverrideBody),
)
async def put_overrides(request: Request, article_id: Id) -> Response:
    """Replace the overrides of an article: what its list must show and what no list may show."""
    body = await read_json(request, OverrideBody)
    said = Override.from_dict(body.model_dump())
    serving = serving_of(request)
    with serving.held() as recommender:
        recommender.row(article_id)
        for place, pin in enumerate(said.pins):
            try:
                recommender.row(pin.article_id)
            except ArticleNotFound as error:
                raise fault(("body", "pins", str(place), "article_id"), str(error)) from None
    cleaned = clean_line(article_id)

    def write() -> None:
        with serving.to_write() as index_dir:
            override_store.put(index_dir, cleaned, said, request.scope.get("key"), serving.journal)

    await asyncio.to_thread(write)
    return await _said(request, cleaned)


@router.get("/v1/articles/{article_id:path}/overrides", response_model=OverrideAnswer, responses=problems(404, 410, 422, 429))
async def get_overrides(request: Request, article_id: Id) -> Response:
    """Return the overrides of an article that were set through the service, with their authors, newest first."""
    with serving_of(request).held() as recommender:
        recommender.row(article_id)
    return await _said(request, clean_line(article_id))


@router.delete("/v1/articles/{article_id:path}/overrides", status_code=204, responses=problems(404, 422, 429, 503))
async def delete_overrides(request: Request, article_id: Id) -> Response:
    """Remove the overrides of an article. The request is idempotent."""
    serving = serving_of(request)

    def write() -> None:
        with serving.to_write() as index_dir:
            override_store.delete(index_dir, clean_line(article_id), request.scope.get("key"), serving.journal)

    await asyncio.to_thread(write)
    return Response(status_code=204)


@router.put(
    "/v1/articles/{article_id:path}",
    response_model=PutAnswer,
    responses={201: {"model": PutAnswer}, **problems(400, 404, 408, 413, 415, 422, 429, 503)},
    openapi_extra=body_of(ArticleBody),
)
async def put(request: Request, article_id: Id) -> Response:
    """Add an article, or replace the one with its id. When this is answered, it is on disk and in all lists."""
    body = await read_json(request, ArticleBody)
    if body.id is not None and clean_line(body.id) != clean_line(article_id):
        raise fault(("body", "id"), "it is not the id in the path - leave it out")
    created, stored = await _put(request, {**body.model_dump(), "id": article_id})
    return _json(request, {"id": stored, "status": "created" if created else "updated"}, 201 if created else 200)


@router.get("/v1/articles/{article_id:path}", response_model=ArticleAnswer, responses=problems(404, 410, 422, 429))
async def get(request: Request, article_id: Id) -> Response:
    """Return the stored fields of an article."""
    with serving_of(request).held() as recommender, recommender.moment():
        card_to_read(recommender, article_id)
        article = recommender.article(article_id)
        version = recommender.release.name
    return _json(request, {"id": article.id, **stored_values(article), "read_more": article.read_more, "index_version": version})


@router.delete("/v1/articles/{article_id:path}", status_code=204, responses=problems(404, 422, 429, 503))
async def withdraw(request: Request, article_id: Id) -> Response:
    """Remove an article from all lists, at once and permanently. The request is idempotent."""
    await _withdraw(request, article_id)
    return Response(status_code=204)


@router.put(
    "/v1/articles",
    response_model=PutAnswer,
    responses={201: {"model": PutAnswer}, **problems(400, 408, 413, 415, 422, 429, 503)},
    openapi_extra=body_of(ArticleBody),
)
async def put_by_id(request: Request, id: AnyId) -> Response:  # noqa: A002 - the parameter's public name
    """Upsert an article with any id, including ids that end in /related or /overrides, which a path cannot hold."""
    return await put(request, id)


@router.get("/v1/articles", response_model=ArticleAnswer, responses=problems(404, 410, 422, 429))
async def get_by_id(request: Request, id: AnyId) -> Response:  # noqa: A002
    """Return the stored fields of an article with any id."""
    return await get(request, id)


@router.delete("/v1/articles", status_code=204, responses=problems(404, 422, 429, 503))
async def withdraw_by_id(request: Request, id: AnyId) -> Response:  # noqa: A002
    """Withdraw an article with any id."""
    return await withdraw(request, id)


async def _put(request: Request, fields: dict[str, Any]) -> tuple[bool, str]:
    """Upsert an article. Return True if its id was new, and its stored id."""
    serving = serving_of(request)
    article = await asyncio.to_thread(_article, fields)
    EMBEDDED.inc()

    def write() -> bool:
        with serving.held() as recommender, serving.to_write() as index_dir:
            return article_updates.put(index_dir, recommender, article, serving.journal)

    return await request.app.state.write_lane.run(write, request.receive), article.id


async def _withdraw(request: Request, article_id: str) -> None:
    serving = serving_of(request)

    def write() -> None:
        with serving.held() as recommender, serving.to_write() as index_dir:
            article_updates.withdraw(index_dir, recommender, clean_line(article_id), serving.journal)

    await asyncio.to_thread(write)  # not behind queued texts: a withdrawal must take effect now


async def _line(request: Request, line: bytes) -> dict[str, Any]:
    """Apply one line of a batch, and return its report."""
    article_id: str | None = None
    try:
        fields = json_of(line, dict[str, Any])
        article_id = fields.get("id") if isinstance(fields.get("id"), str) else None
        if fields.get("withdrawn") is True:
            if article_id is None or fields.keys() != {"id", "withdrawn"}:
                raise InvalidArticle("invalid_request", 'a withdrawal is {"id": "...", "withdrawn": true} and no more')
            await _withdraw(request, article_id)
            return {"id": article_id, "status": "withdrawn"}
        body = json_of(line, ArticleBody)
        if body.id is None:
            raise InvalidArticle("missing_id", "the line has no id - give it")
        created, stored = await _put(request, body.model_dump())
        return {"id": stored, "status": "created" if created else "updated"}
    except RequestValidationError as error:
        first = error.errors()[0]
        told = {"code": "invalid_request", "detail": f"/{'/'.join(map(str, first['loc'][1:]))[:100]}: {first['msg']}"[:300]}
    except HTTPException as error:
        told = {"code": "bad_request", "detail": error.detail}
    except Busy as error:
        told = {"code": error.code, "detail": str(error)}
    except ReadmoreError as error:
        problem = described(error)
        told = {"code": problem["code"], "detail": problem["detail"]}
    REJECTED.labels(told["code"]).inc()
    return {"id": None if article_id is None else article_id[:512], "status": "error", **told}


def _article(fields: dict[str, Any]) -> Article:
    """Return the article, checked and cleaned as in a build. Problems that a build only notes are errors here."""
    try:
        article, dropped = to_article(Record("the request", 1, fields))
    except InvalidArticle as error:
        REJECTED.labels(error.code).inc()
        raise
    if dropped:
        REJECTED.labels(dropped[0].code).inc()
        raise InvalidArticle(dropped[0].code, dropped[0].reason)
    return article


async def _said(request: Request, article_id: str) -> Response:
    told = await asyncio.to_thread(override_store.history, serving_of(request).index_dir, article_id)
    last = told[0] if told else {"at": None, "action": "delete", "key": None, **Override().as_dict()}
    now = Override.from_dict(last).as_dict()
    return _json(request, {"article_id": article_id, **now, "history": told})


def _json(request: Request, answer: dict[str, Any], status: int = 200) -> Response:
    body = orjson.dumps({**answer, "request_id": request.scope["request_id"]})
    return Response(body, status, media_type="application/json")
