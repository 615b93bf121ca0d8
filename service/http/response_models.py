"""Define the response models, for the OpenAPI schema."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from recommender.types import CARD_FIELDS, FIELDS, ArticleField
from service.http.request_models import OverrideBody


def _answered(fields: Sequence[ArticleField]) -> dict[str, Any]:
    """Return type and default of some fields of an article in an answer."""
    types = {"title": str, "text": str, "time": datetime | None}
    return {field.name: (types.get(field.kind, str | None), ...) for field in fields}


ArticleFields = create_model("ArticleFields", id=(str, ...), **_answered(FIELDS))


class ArticleAnswer(ArticleFields):  # type: ignore[valid-type, misc]
    """The stored fields of an article."""

    read_more: list[str]
    index_version: str
    request_id: str


class PutAnswer(BaseModel):
    id: str
    status: Literal["created", "updated"]
    request_id: str


class LineReport(BaseModel):
    """The result of one line of a batch. `code` and `detail` are those of a problem."""

    line: int
    id: str | None
    status: Literal["created", "updated", "withdrawn", "error"]
    code: str | None = None
    detail: str | None = None


class BatchReport(BaseModel):
    results: list[LineReport]
    request_id: str


class Said(OverrideBody):
    """An entry of the audit trail."""

    at: datetime
    action: Literal["put", "delete"]
    key: str | None


class OverrideAnswer(OverrideBody):
    article_id: str
    history: list[Said]
    request_id: str


class PassagePair(BaseModel):
    query: str
    target: str


class Feature(BaseModel):
    """The contribution of one feature to the score, before it becomes a probability. Returned with `explain=true`."""

    name: str
    value: float
    adds: float


class Reason(BaseModel):
    """The best-matching pair of sentences, and the rarest words that both articles use."""

    passage: PassagePair
    terms: list[str]
    features: list[Feature] = []


class Duplicate(BaseModel):
    """A near-duplicate that the item represents."""

    id: str
    title: str
    url: str | None
    published: datetime | None


class Ranked(BaseModel):
    id: str
    rank: int
    score: Annotated[float, Field(ge=0, le=1)]


RankedCard = create_model("RankedCard", __base__=Ranked, **_answered(CARD_FIELDS))


class Item(RankedCard):  # type: ignore[valid-type, misc]
    source: Literal["model", "pinned", "fallback"]
    relation: Literal["background", "follow_up", "same_story"]
    reason: Reason | None = None
    also: list[Duplicate] = Field(default=[])


class RelatedAnswer(BaseModel):
    """A related list. When nothing fits, `items` is empty and `reason` says why."""

    article_id: str | None
    index_version: str
    model: str
    request_id: str
    items: list[Item]
    reason: Literal["no_candidates", "filtered_out", "nothing_close", "below_threshold", "no_more"] | None = None


class ListOrProblem(BaseModel):
    """The result for one id: a list, or the problem with the id."""

    article_id: str
    status: int
    items: list[Item] | None = None
    reason: str | None = None
    code: str | None = None
    detail: str | None = None


class BatchAnswer(BaseModel):
    index_version: str
    model: str
    results: list[ListOrProblem]
    request_id: str


class SimilarityAnswer(BaseModel):
    """`score` for a pair, `scores` for a list of texts. Row and column i belong to text i."""

    model: str
    request_id: str
    score: Annotated[float, Field(ge=0, le=1)] | None = None
    scores: list[list[float]] | None = None


class Model(BaseModel):
    name: str
    sha256: str
    dim: int


class IndexAnswer(BaseModel):
    """The release that serves. `degraded` says why it is not the newest one, if it is not."""

    index_version: str
    created: datetime
    age_s: int
    model: Model
    n_articles: int
    n_chunks: int
    n_live: int
    n_withdrawn: int
    degraded: str | None


class Reloaded(BaseModel):
    """The release that serves after a reload. If `degraded` is set, it says why CURRENT's release does not serve."""

    index_version: str
    degraded: str | None


class Health(BaseModel):
    status: Literal["alive", "ready", "degraded"]
    index_version: str | None = None
    detail: str | None = None


class Fault(BaseModel):
    pointer: str
    message: str


class Problem(BaseModel):
    """A problem (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str | None
    errors: list[Fault] = []
