"""Route requests for lists.

Lists by id are read from the release in microseconds, so their routes are `async` and answer at once. Texts need the
model. They wait for it in a lane of their own, and never delay a list by id.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response
from starlette.types import Scope

from recommender import Recommender, RelatedList
from recommender.embedding.similarity import similarity_matrix
from recommender.errors import ArticleNotFound, ReadmoreError
from recommender.features.ranker import DECIMALS
from recommender.lists.selection import Selection
from recommender.recommender import EVERYTHING, Edition
from recommender.types import DEFAULT_LIMIT, Card, Matrix
from service.http import cache_headers, formats
from service.http.answer_cache import Answer, Fresh
from service.http.bounded_executor import TextLanes
from service.http.parameters import Whole, body_of, fault, item_fields, known_parameters, read_draft, read_json, selection, to_article
from service.http.problems import described, problems
from service.http.request_models import Batch, Draft, Seeds, Texts
from service.http.response_models import BatchAnswer, RelatedAnswer, SimilarityAnswer
from service.metrics import EMBEDDED, EMPTY
from service.release_holder import ReleaseHolder

Limit = Annotated[Whole, Query(ge=1, le=50, description="length of the list")]
WHOSE = "the publisher's id; slashes may stay as they are. One that ends in /related or /overrides is given as ?id= of /v1/articles"
Id = Annotated[str, Path(min_length=1, max_length=512, description=WHOSE)]
SelectionParameters = Annotated[Selection, Depends(selection)]
Fields = Annotated[str | None, Query(max_length=200, description="fields of the items, separated by commas; id is always there")]
Explain = Annotated[bool, Query(description="tell what each feature adds to the score")]
Format = Annotated[formats.Format, Query(description="JSON-LD for search engines, or an HTML fragment")]

ROUTE = "/v1/articles/{article_id:path}/related"
BEFORE_ID, AFTER_ID = ROUTE.split("{article_id:path}")
MAX_ID = 512

Read = TypeVar("Read")

CACHED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {}, "application/ld+json": {}, "text/html": {}}},
    304: {"description": "the copy that the client has still holds"},
    **problems(404, 410, 422),
}

router = APIRouter(dependencies=[Depends(known_parameters)])


def serving_of(request: Request) -> ReleaseHolder:
    serving: ReleaseHolder = request.app.state.serving
    return serving


@router.head(ROUTE, include_in_schema=False)
@router.get(ROUTE, response_model=RelatedAnswer, responses=CACHED)
async def related(
    request: Request,
    article_id: Id,
    wanted: SelectionParameters,
    limit: Limit = DEFAULT_LIMIT,
    fields: Fields = None,
    explain: Explain = False,
    format: Format = "json",  # noqa: A002 - the parameter's public name
) -> Response:
    """Return the related list of an article."""
    with serving_of(request).held() as recommender, recommender.moment() as edition:
        card = card_to_read(recommender, article_id)
        answer = _stored_list(request.scope, recommender, card, edition, (limit, wanted, fields, explain, format))
    return Fresh(request.scope, answer)


@router.head("/v1/related", include_in_schema=False)
@router.get("/v1/related", response_model=RelatedAnswer, responses=CACHED)
async def related_by_url(
    request: Request,
    wanted: SelectionParameters,
    url: Annotated[str | None, Query(min_length=1, max_length=8192)] = None,
    id: Annotated[str | None, Query(min_length=1, max_length=512)] = None,  # noqa: A002
    limit: Limit = DEFAULT_LIMIT,
    fields: Fields = None,
    explain: Explain = False,
    format: Format = "json",  # noqa: A002
) -> Response:
    """Return the related list of the article with a URL, for pages that know only that. `id` takes any id instead."""
    if (url is None) == (id is None):
        raise fault(("query", "url"), "give either url or id")
    with serving_of(request).held() as recommender, recommender.moment() as edition:
        card = (
            card_to_read(recommender, str(id))
            if url is None
            else _published(recommender, recommender.card(recommender.row_of_url(url)), url)
        )
        answer = _stored_list(request.scope, recommender, card, edition, (limit, wanted, fields, explain, format))
    return Fresh(request.scope, answer)


@router.post(
    "/v1/related",
    response_model=RelatedAnswer,
    responses=problems(400, 404, 408, 410, 413, 415, 422, 429, 503),
    openapi_extra=body_of(Draft, Seeds, more={"text/plain": {"schema": {"type": "string", "description": "a page as pasted from a site"}}}),
)
async def related_to_text(
    request: Request, wanted: SelectionParameters, limit: Limit = DEFAULT_LIMIT, fields: Fields = None, explain: Explain = False
) -> Response:
    """Return the related list of a text that is not in the index, or of several articles that are.

    The text is neither stored nor logged.
    """
    names = item_fields(fields)
    sent = await read_draft(request)
    if isinstance(sent, Seeds):
        with serving_of(request).held() as recommender:
            found = recommender.related_to_seeds(sent.positive, sent.negative, limit, wanted)
    else:
        found = await read_text(
            request,
            len(sent if isinstance(sent, str) else sent.text),
            lambda recommender: recommender.related_to(to_article(sent), limit, wanted, explain=explain),
        )
    _count(found)
    body = formats.as_json(found, names, request.scope["request_id"])
    return Response(body, media_type="application/json")


@router.post(
    "/v1/related/batch",
    response_model=BatchAnswer,
    responses=problems(400, 408, 413, 415, 422, 429),
    openapi_extra=body_of(Batch),
)
async def related_batch(request: Request, wanted: SelectionParameters, limit: Limit = DEFAULT_LIMIT, fields: Fields = None) -> Response:
    """Return the lists of up to 100 articles, in order. An unknown id has an error in its place."""
    names, sent = item_fields(fields), await read_json(request, Batch)
    results = []
    with serving_of(request).held() as recommender:
        for article_id in sent.ids:
            await asyncio.sleep(0)  # lets other requests run between two lists
            try:
                with recommender.moment():
                    found = recommender.related_to_row(card_to_read(recommender, article_id).row, limit, wanted)
                answer = orjson.loads(formats.as_json(found, names, ""))
                told = {name: answer[name] for name in ("items", "reason") if name in answer}
                results.append({"article_id": article_id, "status": 200, **told})
            except ArticleNotFound as error:
                results.append({"article_id": article_id, **described(error)})
        manifest = recommender.release.manifest
    answer = {"index_version": manifest.release, "model": manifest.model.label, "results": results}
    return Response(orjson.dumps({**answer, "request_id": request.scope["request_id"]}), media_type="application/json")


@router.post(
    "/v1/similarity",
    response_model=SimilarityAnswer,
    response_model_exclude_none=True,
    responses=problems(400, 408, 413, 415, 422, 429, 503),
    openapi_extra=body_of(Texts),
)
async def similarity(request: Request) -> Response:
    """Return the semantic similarity of texts, in [0, 1]. Higher is closer."""
    sent = await read_json(request, Texts)
    texts = sent.texts if sent.texts is not None else [str(sent.a), str(sent.b)]

    def compared(recommender: Recommender) -> tuple[Matrix, str]:
        return similarity_matrix(texts, recommender.embedder), recommender.release.manifest.model.label

    matrix, model = await read_text(request, sum(map(len, texts)), compared, len(texts))
    scores = [[round(float(score), DECIMALS) for score in row] for row in matrix]
    answer = {"scores": scores} if sent.texts is not None else {"score": scores[0][1]}
    return Response(orjson.dumps({"model": model, **answer, "request_id": request.scope["request_id"]}), media_type="application/json")


async def read_text(request: Request, n_characters: int, call: Callable[[Recommender], Read], n_texts: int = 1) -> Read:
    """Return the result of a call that reads texts with the model; see `TextLanes.run`.

    Raises:
        Busy: The model has no capacity now.
        ClientDisconnect: The client has disconnected.
    """
    EMBEDDED.inc(n_texts)
    lanes: TextLanes = request.app.state.text_lanes
    return await lanes.run(serving_of(request), n_characters, call, request.receive)


def without_parameters(scope: Scope, serving: ReleaseHolder) -> Answer | None:
    """Return the list of an article if the request gives nothing but its id. Return None to leave it to the routes.

    Most requests have this form. FastAPI parses fourteen absent parameters in the time that the list takes.
    """
    path = scope["path"]
    if scope["query_string"] or not (path.startswith(BEFORE_ID) and path.endswith(AFTER_ID)):
        return None
    article_id = path[len(BEFORE_ID) : -len(AFTER_ID)]
    if not 1 <= len(article_id) <= MAX_ID:
        return None
    scope["template"] = ROUTE
    try:
        with serving.held() as recommender, recommender.moment() as edition:
            card = card_to_read(recommender, article_id)
            return _stored_list(scope, recommender, card, edition, (5, EVERYTHING, None, False, "json"))
    except ReadmoreError:
        return None  # the route raises the same error, and problems answers it


def card_to_read(recommender: Recommender, article_id: str) -> Card:
    """Return the card of an article that may be shown. An article under embargo counts as missing.

    Raises:
        ArticleNotFound: There is no such article; `ArticleWithdrawn` if it was withdrawn.
    """
    return _published(recommender, recommender.card_of(article_id), article_id)


def _published(recommender: Recommender, card: Card, asked: str) -> Card:
    if card.under_embargo:
        raise recommender.not_found(asked)
    return card


def _stored_list(
    scope: Scope, recommender: Recommender, card: Card, edition: Edition, how: tuple[int, Selection, str | None, bool, formats.Format]
) -> Answer:
    limit, wanted, fields, explain, form = how
    names = item_fields(fields)
    found = recommender.related_to_row(card.row, limit, wanted, explain=explain)
    _count(found)
    body = formats.as_json(found, names, "") if form == "json" else formats.as_jsonld(found) if form == "jsonld" else formats.as_html(found)
    route = scope.get("template") or scope["route"].path
    return cache_headers.answer(scope, route, edition, wanted, body, formats.CONTENT_TYPES[form])


def _count(found: RelatedList) -> None:
    if found.reason:
        EMPTY.labels(found.reason).inc()
