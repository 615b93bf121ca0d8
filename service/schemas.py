"""What goes over the wire, for validation of requests and for the OpenAPI schema."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Discriminator, Field, RootModel, Tag, model_validator

from recommender.chunking import MAX_TEXT
from recommender.cleaning import clean_line

Text = Annotated[str, Field(max_length=MAX_TEXT)]


class Draft(BaseModel):
    """An article that is not in the index yet. It is stored and logged nowhere."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, Field(max_length=1_000)] = ""
    text: Text = ""
    published: AwareDatetime | None = None
    section: Annotated[str, Field(max_length=512)] | None = None
    lang: Annotated[str, Field(max_length=35)] | None = None


def _seen(given: str) -> str:
    if not clean_line(given):
        raise ValueError("it has no character that can be seen")
    return given


Id = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_seen)]


class Seeds(BaseModel):
    """Articles of the index: the list is of what is close to those of `positive` and not to those of `negative`."""

    model_config = ConfigDict(extra="forbid")

    positive: Annotated[list[Id], Field(min_length=1, max_length=20)]
    negative: Annotated[list[Id], Field(max_length=20)] = []


def _which(given: Any) -> str:
    return "seeds" if isinstance(given, dict) and ("positive" in given or "negative" in given) else "draft"


class DraftOrSeeds(RootModel[Annotated[Annotated[Draft, Tag("draft")] | Annotated[Seeds, Tag("seeds")], Discriminator(_which)]]):
    """What `POST /v1/related` takes as JSON."""


class Batch(BaseModel):
    """Ids of articles, a list each."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[Id], Field(min_length=1, max_length=100)]


class ArticleBody(BaseModel):
    """An article as it is put. What the build would drop of a record (a date or URL that is none) is refused here."""

    model_config = ConfigDict(extra="forbid")

    id: Id | None = None
    title: Annotated[str, Field(max_length=1_000)] = ""
    text: Text
    url: Annotated[str, Field(max_length=8192)] | None = None
    published: Annotated[str, Field(max_length=64, description="RFC 3339, such as 2018-09-11T10:41:00Z")] | None = None
    section: Annotated[str, Field(max_length=512)] | None = None
    lang: Annotated[str, Field(max_length=35)] | None = None
    read_more: Annotated[list[Annotated[str, Field(max_length=8192)]], Field(max_length=100)] = []


class ArticleAnswer(BaseModel):
    """What is stored of an article."""

    id: str
    title: str
    text: str
    url: str | None
    published: datetime | None
    section: str | None
    lang: str | None
    read_more: list[str]
    index_version: str
    request_id: str


class PutAnswer(BaseModel):
    id: str
    status: Literal["created", "updated"]
    request_id: str


class LineReport(BaseModel):
    """What became of one line of a batch; `code` and `detail` as in a problem."""

    line: int
    id: str | None
    status: Literal["created", "updated", "withdrawn", "error"]
    code: str | None = None
    detail: str | None = None


class BatchReport(BaseModel):
    results: list[LineReport]
    request_id: str


class PinBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    article_id: Id
    slot: Annotated[int, Field(ge=1, le=50, strict=True)]
    until: AwareDatetime | None = None


class BlockBody(BaseModel):
    """An article, or a section, that a list does not show."""

    model_config = ConfigDict(extra="forbid")

    article_id: Id | None = None
    section: Id | None = None
    until: AwareDatetime | None = None


class OverrideBody(BaseModel):
    """All that editors say of an article; what was said before is replaced."""

    model_config = ConfigDict(extra="forbid")

    pins: Annotated[list[PinBody], Field(max_length=50)] = []
    blocks: Annotated[list[BlockBody], Field(max_length=200)] = []
    everywhere: Annotated[bool, Field(description="no list shows this article")] = False
    everywhere_until: Annotated[AwareDatetime | None, Field(description="when that ends")] = None
    reason: Annotated[str, Field(max_length=1_000)] = ""
    owner: Annotated[str, Field(max_length=200)] = ""


class Said(OverrideBody):
    """An entry of the audit trail."""

    at: datetime
    action: Literal["put", "delete"]
    key: str | None


class OverrideAnswer(OverrideBody):
    article_id: str
    history: list[Said]
    request_id: str


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


class Feature(BaseModel):
    """What one thing adds to the score, before it becomes a probability; told with `explain=true`."""

    name: str
    value: float
    adds: float


class Reason(BaseModel):
    """The best-matching pair of sentences, and the rarest words that both articles use."""

    passage: PassagePair
    terms: list[str]
    features: list[Feature] = []


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
    source: Literal["model", "pinned", "fallback"]
    relation: Literal["background", "follow_up", "same_story"]
    reason: Reason | None = None
    also: list[Duplicate] = []


class RelatedAnswer(BaseModel):
    """A related list. When nothing fits, `items` is empty and `reason` says why."""

    article_id: str | None
    index_version: str
    model: str
    request_id: str
    items: list[Item]
    reason: Literal["no_candidates", "filtered_out", "below_threshold", "no_more"] | None = None


class ListOrProblem(BaseModel):
    """What was found for one id: a list, or what is wrong with the id."""

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
    n_live: int
    n_withdrawn: int
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
