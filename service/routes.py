"""The routes of /v1, and the two health routes.

Lists by id are read from the release in microseconds, so those routes are `async` and answer at once. Texts need the
model: they wait for it on a thread of their own, and never hold up a list by id.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BeforeValidator
from starlette.responses import Response

from recommender import Recommender, RelatedList
from recommender.embedding import similarity_matrix
from recommender.errors import ArticleNotFound
from recommender.ranker import DECIMALS
from recommender.selection import Selection
from service import caching
from service.requests import known_parameters, plain_number, read_draft, read_json, selection, to_article
from service.schemas import Draft, Health, IndexAnswer, Problem, RelatedAnswer, Reloaded, SimilarityAnswer, Texts
from service.serving import Serving

Answer = TypeVar("Answer")
Limit = Annotated[int, BeforeValidator(plain_number), Query(ge=1, le=50, description="length of the list")]
Id = Annotated[str, Path(min_length=1, max_length=512, description="the publisher's id; slashes may stay as they are")]
PROBLEM: dict[str, Any] = {"model": Problem, "content": {"application/problem+json": {}}}

router = APIRouter(dependencies=[Depends(known_parameters)])


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return dict.fromkeys(statuses, PROBLEM)


async def _held(request: Request) -> AsyncIterator[Recommender]:  # async: a plain function would be called on a thread, in a queue
    """The release that serves, open until the answer is out."""
    with _serving(request).held() as recommender:
        yield recommender


def _serving(request: Request) -> Serving:
    serving: Serving = request.app.state.serving
    return serving


CACHED: dict[int | str, dict[str, Any]] = {304: {"description": "the copy that the client has still holds"}, **problems(404, 422)}

Index = Annotated[Recommender, Depends(_held)]
Wanted = Annotated[Selection, Depends(selection)]


@router.head("/v1/articles/{article_id:path}/related", include_in_schema=False)
@router.get(
    "/v1/articles/{article_id:path}/related",
    response_model=RelatedAnswer,
    responses=CACHED,
)
async def related(request: Request, recommender: Index, article_id: Id, wanted: Wanted, limit: Limit = 5) -> Response:
    """The related list of an article of the index."""
    return _stored_list(request, recommender, _row(recommender, article_id), limit, wanted)


@router.head("/v1/related", include_in_schema=False)
@router.get(
    "/v1/related",
    response_model=RelatedAnswer,
    responses=CACHED,
)
async def related_by_url(
    request: Request,
    recommender: Index,
    wanted: Wanted,
    url: Annotated[str | None, Query(min_length=1, max_length=8192)] = None,
    id: Annotated[str | None, Query(min_length=1, max_length=512)] = None,  # noqa: A002 - the parameter's public name
    limit: Limit = 5,
) -> Response:
    """The same, for pages that know only their URL; `id` in place of `url` takes any id."""
    if (url is None) == (id is None):
        raise RequestValidationError([{"type": "parameter", "loc": ("query", "url"), "msg": "give either url or id"}])
    row = _row(recommender, str(id)) if url is None else _shown(recommender, recommender.row_of_url(url), url)
    return _stored_list(request, recommender, row, limit, wanted)


@router.post(
    "/v1/related",
    response_model=RelatedAnswer,
    responses=problems(400, 413, 415, 422, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": Draft.model_json_schema()},
                "text/plain": {"schema": {"type": "string", "description": "a page as pasted from a site"}},
            },
        }
    },
)
async def related_to_draft(request: Request, recommender: Index, wanted: Wanted, limit: Limit = 5) -> Response:
    """The related list of a text that is not in the index. It is stored and logged nowhere."""
    draft = await read_draft(request)
    found = await _in_text_lane(request, lambda: recommender.related_to(to_article(draft), limit, wanted))
    return _list(request, found, {"Cache-Control": "no-store"})


@router.post(
    "/v1/similarity",
    response_model=SimilarityAnswer,
    response_model_exclude_none=True,
    responses=problems(400, 413, 415, 422, 503),
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": Texts.model_json_schema()}}}},
)
async def similarity(request: Request, recommender: Index) -> Response:
    """Semantic similarity of texts, in [0, 1]; higher is closer."""
    sent = await read_json(request, Texts)
    texts = sent.texts if sent.texts is not None else [str(sent.a), str(sent.b)]
    matrix = await _in_text_lane(request, lambda: similarity_matrix(texts, recommender.embedder))
    scores = [[round(float(score), DECIMALS) for score in row] for row in matrix]
    answer = {"scores": scores} if sent.texts is not None else {"score": scores[0][1]}
    return _json(request, {"model": recommender.release.manifest.model.label, **answer}, {"Cache-Control": "no-store"})


@router.head("/v1/index", include_in_schema=False)
@router.get("/v1/index", response_model=IndexAnswer, responses=problems(422))
async def index(request: Request, recommender: Index) -> IndexAnswer:
    """The release that serves."""
    manifest = recommender.release.manifest
    created = datetime.fromisoformat(manifest.created)
    return IndexAnswer(
        index_version=manifest.release,
        created=created,
        age_s=int((datetime.now(UTC) - created).total_seconds()),
        model={"name": manifest.model.label, "sha256": manifest.model.sha256, "dim": manifest.model.dim},  # type: ignore[arg-type]
        n_articles=manifest.n_articles,
        n_chunks=manifest.n_chunks,
        degraded=_serving(request).fault,
    )


@router.post("/v1/index/reload", status_code=202, response_model=Reloaded, responses=problems(422))
async def reload(request: Request) -> Reloaded:
    """Serve the release that CURRENT names; requests under way finish on the old one. A damaged release is refused, and the old stays."""
    serving = _serving(request)
    name = await asyncio.to_thread(serving.reload)
    return Reloaded(index_version=name, degraded=serving.fault)


@router.head("/livez", include_in_schema=False)
@router.get("/livez", response_model=Health, response_model_exclude_none=True)
async def livez() -> Health:
    """The process answers; nothing else is touched."""
    return Health(status="alive")


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_model=Health, response_model_exclude_none=True)
async def readyz(request: Request, recommender: Index) -> Health:
    """A verified release serves; a degraded one says why it is not the newest."""
    degraded = _serving(request).fault
    return Health(status="degraded" if degraded else "ready", index_version=recommender.release.name, detail=degraded)


def _row(recommender: Recommender, article_id: str) -> int:
    return _shown(recommender, recommender.row(article_id), article_id)


def _shown(recommender: Recommender, row: int | None, asked: str) -> int:
    """The row, if there is one and its article may be shown: under embargo it is as if it were not there."""
    if row is None or recommender.card(row).under_embargo:
        raise ArticleNotFound(f"no article {asked[:100]!r} in index {recommender.release.name} - check it, or build the index again")
    return row


async def _in_text_lane(request: Request, call: Callable[[], Answer]) -> Answer:
    lane: ThreadPoolExecutor = request.app.state.text_lane
    return await asyncio.get_running_loop().run_in_executor(lane, call)


def _stored_list(request: Request, recommender: Recommender, row: int, limit: int, wanted: Selection) -> Response:
    headers = caching.headers(request, recommender, row, wanted)
    return caching.not_modified(request, headers) or _list(request, recommender.related_to_row(row, limit, wanted), headers)


def _list(request: Request, found: RelatedList, headers: dict[str, str] | None = None) -> Response:
    return _json(request, found.as_dict(), headers)


def _json(request: Request, answer: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps({**answer, "request_id": request.scope["request_id"]}), 200, headers, "application/json")
