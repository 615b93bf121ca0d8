"""What goes over the wire, for validation of requests and for the OpenAPI schema."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from recommender.chunking import MAX_TEXT

Text = Annotated[str, Field(max_length=MAX_TEXT)]


class Draft(BaseModel):
    """An article that is not in the index yet. It is stored and logged nowhere."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, Field(max_length=1_000)] = ""
    text: Text = ""
    published: AwareDatetime | None = None
    section: Annotated[str, Field(max_length=512)] | None = None
    lang: Annotated[str, Field(max_length=35)] | None = None


class Texts(BaseModel):
    """Two texts, `a` and `b`, or up to 32 `texts` for all pairs of them."""

    model_config = ConfigDict(extra="forbid")

    a: Text | None = None
    b: Text | None = None
    texts: Annotated[list[Text], Field(min_length=2, max_length=32)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.a is None) != (self.b is None) or (self.a is None) == (self.texts is None):
            raise ValueError("send either a and b, or texts")
        return self


class PassagePair(BaseModel):
    query: str
    target: str


class Reason(BaseModel):
    """The best-matching pair of sentences, and the rarest words that both articles use."""

    passage: PassagePair
    terms: list[str]


class Duplicate(BaseModel):
    """A near-duplicate, for which the item stands."""

    id: str
    title: str
    url: str | None
    published: datetime | None


class Item(BaseModel):
    id: str
    rank: int
    score: Annotated[float, Field(ge=0, le=1)]
    title: str
    url: str | None
    published: datetime | None
    section: str | None
    source: Literal["model"]
    relation: Literal["background", "follow_up", "same_story"]
    reason: Reason
    also: list[Duplicate] = []


class RelatedAnswer(BaseModel):
    """A related list. When nothing fits, `items` is empty and `reason` says why."""

    article_id: str | None
    index_version: str
    model: str
    request_id: str
    items: list[Item]
    reason: Literal["no_candidates", "filtered_out", "below_threshold"] | None = None


class SimilarityAnswer(BaseModel):
    """`score` for a pair, `scores` for a list of texts: row and column i belong to text i."""

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
    degraded: str | None


class Reloaded(BaseModel):
    """The release that serves after a reload. `degraded` says why it is not the one that CURRENT names, if it is not."""

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
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str | None
    errors: list[Fault] = []
