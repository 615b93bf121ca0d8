"""Define the data types of the library: Article and its fields, Card, Chunk, Related, and array types."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

LIVE = 1 << 30
"""Rows of live articles begin here."""

DEFAULT_LIMIT = 5
"""Length of a list if the caller names none."""

Rows = NDArray[np.int64]
AnyRows = NDArray[np.integer[Any]]
Numbers = NDArray[np.int64]
UInts = NDArray[np.uint32]
Scores = NDArray[np.float32]
Floats = NDArray[np.float64]

Vectors = NDArray[np.float32]
"""float32 (n, dim). Every row has length 1, so that a dot product is a cosine."""


Matrix = NDArray[np.float32]
"""float32 (n, m), values of pairs."""


def in_utc(moment: datetime) -> datetime:
    """Convert a moment to UTC. A moment without a zone is taken as UTC.

    Raises:
        ValueError: The year in UTC is outside of 1 to 9999, though the year in its own zone is not.

    >>> in_utc(datetime.fromisoformat("2018-09-11T14:41:00+04:00")).isoformat()
    '2018-09-11T10:41:00+00:00'
    """
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(f"{moment.isoformat()} is outside of years 1 to 9999 in UTC") from error


def rfc3339(moment: datetime | None) -> str | None:
    """Format a moment as `2018-09-11T10:41:00Z`, or return None.

    >>> rfc3339(datetime(2018, 9, 11, 10, 41, tzinfo=UTC))
    '2018-09-11T10:41:00Z'
    """
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_time(text: str | None) -> datetime | None:
    """Invert `rfc3339`."""
    return None if text is None else datetime.fromisoformat(text)


@dataclass(frozen=True, slots=True)
class Article:
    """One article of an archive, or a draft. `FIELDS` says how its fields are stored, sent and shown.

    Attributes:
        id: The publisher's own id, unique in the archive.
        text: Plain text. A blank line separates paragraphs.
        published: Aware, in UTC. None if unknown.
        lang: BCP 47 code, as the publisher gave it.
        read_more: Ids of the hand-made "Read more" list, in the editor's order.
    """

    id: str
    title: str
    text: str
    url: str | None = None
    published: datetime | None = None
    section: str | None = None
    lang: str | None = None
    read_more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """The metadata of an article that a page shows: row, id, and the fields on cards."""

    row: int
    id: str
    title: str
    url: str | None
    published: datetime | None
    section: str | None

    @property
    def under_embargo(self) -> bool:
        """Return whether the article's time of publication is in the future."""
        return self.published is not None and self.published > datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ArticleField:
    """A field of an article. Tables, queries, checks, requests, answers and exports derive from it.

    Attributes:
        name: Attribute of `Article`, column of the tables, key of records, requests and answers.
        kind: How `index.ingest.validation` reads the field of a record, and what a request may hold.
        longest: Maximum characters in a request. A build drops longer titles and URLs.
        on_cards: Whether lists show the field: an attribute of `Card` and `Related` too.
        column: SQL type of the column.
        write, read: Functions to the stored form, which answers have too, and back. None: the value itself is stored.
    """

    name: str
    kind: Literal["title", "text", "url", "time", "name"]
    longest: int
    on_cards: bool = False
    column: str = "TEXT"
    write: Callable[[Any], Any] | None = None
    read: Callable[[Any], Any] | None = None


FIELDS = (
    ArticleField("title", "title", 1_000, on_cards=True, column="TEXT NOT NULL"),
    ArticleField("text", "text", 200_000, column="TEXT NOT NULL"),
    ArticleField("url", "url", 8_192, on_cards=True),
    ArticleField("published", "time", 64, on_cards=True, write=rfc3339, read=parse_time),
    ArticleField("section", "name", 512, on_cards=True),
    ArticleField("lang", "name", 35),
)
"""The fields of an article besides `id` and `read_more`, which has tables of its own."""

FIELD = {field.name: field for field in FIELDS}

CARD_FIELDS = tuple(field for field in FIELDS if field.on_cards)

ARTICLE_COLUMNS = ("id", *FIELD)
"""Columns that `article_of` reads."""

LISTED_COLUMNS = (*ARTICLE_COLUMNS, "names")
"""The same, and the hand-made list as the publisher gave it, in JSON."""

CARD_NAMES = tuple(field.name for field in CARD_FIELDS)

CARD_COLUMNS = ("id", *CARD_NAMES)
"""Columns that `card_of` reads, after the row."""

READ = tuple((place, field.read) for place, field in enumerate(CARD_FIELDS, start=2) if field.read is not None)
"""Place of a column, counted with row and id -> function to the value."""


def article_of(columns: Sequence[Any], read_more: Sequence[str] = ()) -> Article:
    """Build an article from the values of `ARTICLE_COLUMNS`."""
    id_, *values = columns
    fields = {field.name: value if field.read is None else field.read(value) for field, value in zip(FIELDS, values, strict=True)}
    return Article(id=id_, read_more=tuple(read_more), **fields)


def card_of(columns: Sequence[Any]) -> Card:
    """Build a card from a row and the values of `CARD_COLUMNS`. Every item of a list passes here."""
    values = list(columns)
    for place, read in READ:
        values[place] = read(values[place])
    return Card(*values)


card_values: Callable[["Article | Card"], tuple[Any, ...]] = attrgetter(*CARD_NAMES)
"""Returns the values of the fields on cards, in order."""


def stored_values(article: "Article | Related", fields: Sequence[ArticleField] = FIELDS) -> dict[str, Any]:
    """Return the stored form of some fields of an article, by name."""
    found = {}
    for field in fields:
        value = getattr(article, field.name)
        found[field.name] = value if field.write is None else field.write(value)
    return found


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of an article, short enough for the model: `article.text[start:end] == chunk.text`."""

    article_id: str
    position: int
    start: int
    end: int
    text: str


Relation = Literal["background", "follow_up", "same_story"]
"""Relation of a target to the article being read: older, newer, or another report of one event in the same days."""


Source = Literal["model", "pinned", "fallback"]
"""Origin of an item: the ranking, an editor, or the date."""


@dataclass(frozen=True, slots=True)
class Feature:
    """The contribution of one feature to an item's score.

    Attributes:
        name: See `recommender.features.feature_schema.FEATURES`.
        adds: Its value times its weight.
    """

    name: str
    value: float
    adds: float


@dataclass(frozen=True, slots=True)
class PassagePair:
    """The best-matching pair of sentences, one of each article.

    Attributes:
        query: Sentence of the article being read.
        target: Sentence of the suggested article.
    """

    query: str
    target: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A near-duplicate that another article represents in lists."""

    id: str
    title: str
    url: str | None
    published: datetime | None

    def as_dict(self) -> dict[str, Any]:
        return {"id": self.id, "title": self.title, "url": self.url, "published": rfc3339(self.published)}


@dataclass(frozen=True, slots=True)
class Related:
    """One item of a related list: the target's card, its score, and an explanation.

    Attributes:
        rank: 1 for the first.
        score: In [0, 1], higher is closer: probability that an editor would link it, reduced by age on request.
        relation: Relation to the article being read.
        passages: The best-matching pair of sentences. None if an editor or the date chose the item.
        terms: The rarest words and word pairs that both articles use.
        also: Its near-duplicates.
        source: Origin of the item.
        features: Contributions of the features, on request.
    """

    id: str
    rank: int
    score: float
    title: str
    url: str | None
    published: datetime | None
    section: str | None
    relation: Relation
    passages: PassagePair | None
    terms: tuple[str, ...] = ()
    also: tuple[Duplicate, ...] = ()
    source: Source = "model"
    features: tuple[Feature, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the item as in the HTTP answer."""
        item = {
            "id": self.id,
            "rank": self.rank,
            "score": self.score,
            **stored_values(self, CARD_FIELDS),
            "source": self.source,
            "relation": self.relation,
        }
        if self.passages is not None:
            passage = {"query": self.passages.query, "target": self.passages.target}
            item["reason"] = {"passage": passage, "terms": list(self.terms)}
            if self.features:
                item["reason"]["features"] = [
                    {"name": feature.name, "value": feature.value, "adds": feature.adds} for feature in self.features
                ]
        if self.also:
            item["also"] = [duplicate.as_dict() for duplicate in self.also]
        return item


@dataclass(frozen=True, slots=True)
class RelatedList(Sequence[Related]):
    """The articles that a reader of one article should read next: a sequence of `Related`, closest first.

    Attributes:
        article_id: The query article. None for a draft.
        index_version: The release that answered.
        model: Name of the embedding model.
        reason: Reason for an empty list: "no_candidates", "filtered_out", "nothing_close", "below_threshold", or "no_more" if `offset`
            is past its end. None if the list is not empty.
    """

    article_id: str | None
    index_version: str
    model: str
    items: tuple[Related, ...]
    reason: str | None = None

    @overload
    def __getitem__(self, index: int) -> Related: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Related, ...]: ...
    def __getitem__(self, index: int | slice) -> Related | tuple[Related, ...]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Related]:
        return iter(self.items)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(item.id for item in self.items)

    def as_dict(self) -> dict[str, Any]:
        """Return the list as in the HTTP answer, without the id of the request."""
        answer: dict[str, Any] = {
            "article_id": self.article_id,
            "index_version": self.index_version,
            "model": self.model,
            "items": [item.as_dict() for item in self.items],
        }
        if self.reason:
            answer["reason"] = self.reason
        return answer
