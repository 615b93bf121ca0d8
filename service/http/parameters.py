"""Parse and validate query parameters, JSON bodies and drafts."""

import difflib
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, StringConstraints, TypeAdapter, ValidationError
from starlette.exceptions import HTTPException

from recommender import Article
from recommender.errors import InvalidArticle
from recommender.lists.selection import Mode, Selection
from recommender.text.chunking import MAX_TEXT
from recommender.text.cleaning import clean_line, clean_text
from recommender.text.pasted_page import parse_page
from service.http.request_models import Draft, DraftOrSeeds, Seeds
from service.http.response_models import Item

Name = Annotated[str, StringConstraints(min_length=1, max_length=512)]

MOST_NAMES = 100

REPEATABLE = ("section", "lang", "exclude")

Parsed = TypeVar("Parsed")


def plain_number(given: object) -> object:
    """Reject number spellings that Python accepts but a reader would not: `1_0`, `5.0`, ` 5`."""
    if isinstance(given, str) and not (given.removeprefix("-").isdecimal() and given.isascii()):
        raise ValueError("a whole number is expected")
    return given


Whole = Annotated[int, BeforeValidator(plain_number)]


async def known_parameters(request: Request) -> None:
    """Reject unknown and repeated parameters. A typo must not be ignored."""
    route = request.scope["route"].dependant
    known = [parameter.alias for of in (route, *route.dependencies) for parameter in of.query_params]
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"this route has {', '.join(known) or 'none'}"
            raise fault(("query", name), f"unknown parameter - {hint}")
        if name in seen and name not in REPEATABLE:
            raise fault(("query", name), "given more than once")
        seen.add(name)


async def selection(
    mode: Annotated[Mode, Query(description="older articles only, newest first, or all")] = "mixed",
    half_life_days: Annotated[float | None, Query(gt=0, le=1e6, description="age in days that halves the score")] = None,
    max_age_days: Annotated[float | None, Query(gt=0, le=1e6, description="maximum age of an article in days")] = None,
    section: Annotated[list[Name], Query(max_length=MOST_NAMES, description="only articles of that section; may be repeated")] = [],  # noqa: B006
    lang: Annotated[
        list[Name],
        Query(
            max_length=MOST_NAMES,
            description="only that language, or any; may be repeated (default: the article's)",
        ),
    ] = [],  # noqa: B006
    exclude: Annotated[list[Name], Query(max_length=MOST_NAMES, description="an id that is on the page already; may be repeated")] = [],  # noqa: B006
    published_after: Annotated[datetime | None, Query(description="only articles of that moment or later")] = None,
    published_before: Annotated[datetime | None, Query(description="only articles from before that moment")] = None,
    diversity: Annotated[float, Query(ge=0, le=1, description="hold back what is like the lines above it")] = 0.0,
    min_score: Annotated[
        float | None,
        Query(ge=0, le=1, description="only lines with that score; of 0.5, editors would link half (default: what is close at all)"),
    ] = None,
    offset: Annotated[Whole, Query(ge=0, le=63, description="number of lines to skip at the head of the list")] = 0,
    fallback: Annotated[bool, Query(description="fill a list that is too short with the newest articles")] = False,
) -> Selection:
    """Return the selection that the query parameters describe."""
    return Selection(
        mode=mode,
        half_life_days=half_life_days,
        max_age_days=max_age_days,
        sections=tuple(section),
        langs=tuple(lang),
        exclude=tuple(exclude),
        published_after=published_after,
        published_before=published_before,
        diversity=diversity,
        min_score=min_score,
        offset=offset,
        fallback=fallback,
    )


def body_of(*models: type[BaseModel], more: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the OpenAPI schema of a JSON body that `read_json` reads: one of several models.

    Args:
        more: Other content types, and their schemas.
    """
    schemas = [_inlined(model.model_json_schema()) for model in models]
    content = {"application/json": {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}, **(more or {})}
    return {"requestBody": {"required": True, "content": content}}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without references. The references of pydantic do not resolve in a larger document."""
    parts = schema.pop("$defs", {})

    def whole(part: Any) -> Any:
        if isinstance(part, list):
            return [whole(of) for of in part]
        if not isinstance(part, dict):
            return part
        return whole(parts[part["$ref"].rpartition("/")[2]]) if "$ref" in part else {name: whole(of) for name, of in part.items()}

    found: dict[str, Any] = whole(schema)
    return found


def item_fields(given: str | None) -> tuple[str, ...]:
    """Return the requested fields of an item. An empty tuple selects all.

    Raises:
        RequestValidationError: A field does not exist.
    """
    known = list(Item.model_fields)
    wanted = tuple(given.split(",")) if given else ()
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise fault(("query", "fields"), f"unknown field - did you mean {near[0]!r}?" if near else f"items have {', '.join(known)}")
    return wanted


async def read_draft(request: Request) -> str | Draft | Seeds:
    """Return the parsed body: a JSON `Draft` or `Seeds`, or a pasted page as `text/plain`.

    Raises:
        InvalidArticle: The body cannot be decoded.
        HTTPException: 400 if the body is not JSON. 415 for another content type.
        RequestValidationError: The JSON has another shape.
    """
    if _content_type(request) != "text/plain":
        sent = await read_json(request, DraftOrSeeds)
        return sent.root
    try:
        page = (await request.body()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidArticle("bad_encoding", f"byte {error.start} is not UTF-8 - send the text as UTF-8") from None
    if len(page) > MAX_TEXT:
        raise InvalidArticle("text_too_long", f"the page has {len(page)} characters - send at most {MAX_TEXT}")
    return page


def to_article(draft: str | Draft) -> Article:
    """Return the article of a draft or a pasted page. Cleaning a long text is slow: keep it off the event loop."""
    if isinstance(draft, str):
        return parse_page(draft).as_article()
    title, text = clean_line(draft.title), clean_text(draft.text)
    return Article("", title, text, published=draft.published, section=draft.section, lang=draft.lang)


async def read_json(request: Request, model: type[Parsed]) -> Parsed:
    """Return the body as a pydantic model.

    Raises:
        HTTPException: 400 if the body is not JSON. 415 for another content type.
        RequestValidationError: The JSON has another shape.
    """
    kind = _content_type(request)
    if kind != "application/json":
        raise HTTPException(415, f"content type {kind[:100]!r} is not taken here - send application/json")
    return json_of(await request.body(), model)


def json_of(text: bytes, model: type[Parsed]) -> Parsed:
    """Parse JSON into a pydantic model.

    Raises:
        HTTPException: 400 if the text is not JSON.
        RequestValidationError: The JSON has another shape.
    """
    try:
        parsed: Parsed = TypeAdapter(model).validate_json(text)
    except ValidationError as error:
        faults: list[Any] = error.errors(include_url=False, include_context=False, include_input=False)
        if faults[0]["type"] != "json_invalid":
            raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from None
        if any(sign in faults[0]["msg"] for sign in ("surrogate", "hex escape")):
            raise InvalidArticle("bad_encoding", "a string holds half of a surrogate pair - send whole characters") from None
        raise HTTPException(400, "the body is not JSON - check it with a JSON linter") from None
    return parsed


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def fault(loc: tuple[str, ...], message: str) -> RequestValidationError:
    return RequestValidationError([{"type": "parameter", "loc": loc, "msg": message}])
