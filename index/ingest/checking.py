"""Validate records, in this process or on other machines: the result depends on the record alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from index.ingest.extraction import with_text
from index.ingest.language import language_of
from index.ingest.record import Entry, Mended, PassedOver, Record, Records, Reject
from index.ingest.rejects import refused
from index.ingest.validation import to_article, to_id
from index.terms.analysis import Spans, spans_of
from index.workers.processes import BlockWorkers, OfFolder
from recommender.embedding.embedder import Embedder
from recommender.embedding.openvino import CompiledEmbedder
from recommender.errors import InvalidArticle
from recommender.text.chunking import Tokenizer, chunk_article
from recommender.types import Article

TOGETHER, CHARACTERS = 1_024, 4 << 20
"""Maximum numbers of records and of characters in a block for workers.

Small blocks are costly: HTML needs a new process for each block.
"""


@dataclass(frozen=True, slots=True)
class CheckedArticle:
    """A record that is an article.

    Attributes:
        names: Names of the fields of the record.
        origins: Our field -> the path to it in the source. See `Record`.
        dropped: Fields left out of the article.
        spans: The chunks of the article, if they are known already.
    """

    file: str
    line: int
    names: Sequence[str]
    article: Article
    origins: Mapping[str, str] = field(default_factory=dict)
    dropped: Sequence[Reject] = ()
    spans: Spans | None = None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A record that deletes an article."""

    names: Sequence[str]
    article_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that is not usable.

    Attributes:
        names: Names of its fields. Empty if it could not be read.
    """

    names: Sequence[str]
    reject: Reject


Checked = CheckedArticle | Withdrawal | Refused | PassedOver | Mended
"""The result of an entry. Entries that are not records stay as they are."""


def check_here(records: Records) -> Iterator[Checked]:
    """Validate all records, in order."""
    return map(_checked, with_text(records))


def check_everywhere(records: Records, embedder: Embedder, workers: BlockWorkers) -> Iterator[Checked]:
    """Validate all records on workers.

    Chunk the articles as well, if the model is compiled and so can be sent to other machines.
    """
    tokenizer = OfFolder(CompiledEmbedder, embedder.folder) if isinstance(embedder, CompiledEmbedder) else _nothing
    return chain.from_iterable(workers.everywhere(_check, tokenizer, _blocks(records)))


def _nothing() -> None:
    """Return no shared data: a check depends on its record alone."""


def _blocks(records: Records) -> Iterator[list[Entry]]:
    block: list[Entry] = []
    n_characters = 0
    for record in records:
        block.append(record)
        if isinstance(record, Record):
            n_characters += sum(len(value) for value in record.fields.values() if isinstance(value, str))
        if len(block) == TOGETHER or n_characters >= CHARACTERS:
            yield block
            block, n_characters = [], 0
    if block:
        yield block


def _check(tokenizer: Tokenizer | None, block: Iterable[Entry]) -> list[Checked]:
    found = map(_checked, with_text(iter(block), most=1))
    return [_cut(one, tokenizer) if tokenizer is not None and isinstance(one, CheckedArticle) else one for one in found]


def _cut(one: CheckedArticle, tokenizer: Tokenizer) -> CheckedArticle:
    return replace(one, spans=spans_of(chunk_article(one.article, tokenizer)))


def _checked(entry: Entry) -> Checked:
    if isinstance(entry, Reject):
        return Refused((), entry)
    if isinstance(entry, PassedOver | Mended):
        return entry
    names, fields = tuple(dict.fromkeys([*entry.fields, *entry.origins.values()])), entry.fields
    try:
        if fields.get("withdrawn"):
            return Withdrawal(names, to_id(fields.get("id"), fields))
        article, dropped = to_article(entry)
    except InvalidArticle as error:
        return Refused(names, refused(entry, error))
    article = article if article.lang else replace(article, lang=language_of(article.text))
    return CheckedArticle(entry.file, entry.line, names, article, entry.origins, dropped)
