"""Define the request models, for validation and the OpenAPI schema. `service.http.response_models` has the answers."""

from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    Tag,
    create_model,
    model_validator,
)

from recommender.text.cleaning import clean_line
from recommender.types import FIELD, FIELDS, ArticleField

Text = Annotated[str, Field(max_length=FIELD["text"].longest)]
Title = Annotated[str, Field(max_length=FIELD["title"].longest)]
Section = Annotated[str, Field(max_length=FIELD["section"].longest)]
Lang = Annotated[str, Field(max_length=FIELD["lang"].longest)]


class Draft(BaseModel):
    """An article that is not in the index yet. It is neither stored nor logged."""

    model_config = ConfigDict(extra="forbid")

    title: Title = ""
    text: Text = ""
    published: AwareDatetime | None = None
    section: Section | None = None
    lang: Lang | None = None


def _seen(given: str) -> str:
    if not clean_line(given):
        raise ValueError("it has no character that can be seen")
    return given


Id = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_seen)]


class Seeds(BaseModel):
    """Articles of the index. The list holds articles close to `positive` and not close to `negative`."""

    model_config = ConfigDict(extra="forbid")

    positive: Annotated[list[Id], Field(min_length=1, max_length=20)]
    negative: Annotated[list[Id], Field(max_length=20)] = []


def _which(given: Any) -> str:
    return "seeds" if isinstance(given, dict) and ("positive" in given or "negative" in given) else "draft"


class DraftOrSeeds(RootModel[Annotated[Annotated[Draft, Tag("draft")] | Annotated[Seeds, Tag("seeds")], Discriminator(_which)]]):
    """The JSON body of `POST /v1/related`."""


class Batch(BaseModel):
    """Ids of articles. Each gets a list."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[Id], Field(min_length=1, max_length=100)]


class Identified(BaseModel):
    """The part of an `ArticleBody` that is not a field of `recommender.types.FIELDS`."""

    model_config = ConfigDict(extra="forbid")

    id: Id | None = None
    read_more: Annotated[list[Annotated[str, Field(max_length=FIELD["url"].longest)]], Field(max_length=100)] = []


def _requested(field: ArticleField) -> Any:
    """Return type and default of a field in a request."""
    described = {"description": "RFC 3339, such as 2018-09-11T10:41:00Z"} if field.kind == "time" else {}
    given = Annotated[str, Field(max_length=field.longest, **described)]
    match field.kind:
        case "text":
            return given, ...
        case "title":
            return given, ""
    return given | None, None


ArticleBody = create_model(
    "ArticleBody",
    __base__=Identified,
    __doc__="An article to upsert. Invalid dates and URLs, which a build would drop, are refused here.",
    **{field.name: _requested(field) for field in FIELDS},
)


class PinBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    article_id: Id
    slot: Annotated[int, Field(ge=1, le=50, strict=True)]
    until: AwareDatetime | None = None


class BlockBody(BaseModel):
    """An article or a section that a list must not show."""

    model_config = ConfigDict(extra="forbid")

    article_id: Id | None = None
    section: Id | None = None
    until: AwareDatetime | None = None


class OverrideBody(BaseModel):
    """All overrides of an article. They replace its earlier overrides."""

    model_config = ConfigDict(extra="forbid")

    pins: Annotated[list[PinBody], Field(max_length=50)] = []
    blocks: Annotated[list[BlockBody], Field(max_length=200)] = []
    everywhere: Annotated[bool, Field(description="no list shows this article")] = False
    everywhere_until: Annotated[AwareDatetime | None, Field(description="when that ends")] = None
    reason: Annotated[str, Field(max_length=1_000)] = ""
    owner: Annotated[str, Field(max_length=200)] = ""


class Texts(BaseModel):
    """Two texts, `a` and `b`, or up to 32 `texts`, compared in all pairs."""

    model_config = ConfigDict(extra="forbid")

    a: Text | None = None
    b: Text | None = None
    texts: Annotated[list[Text], Field(min_length=2, max_length=32)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.a is None) != (self.b is None) or (self.a is None) == (self.texts is None):
            raise ValueError("send either a and b, or texts")
        return self
