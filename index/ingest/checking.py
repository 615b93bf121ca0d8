"""Validate records, in this process or on other machines: the result depends on the record alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
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
class CheckedRecord:
    """The result of a record.

    Attributes:
        names: Names of its fields. Empty if the record could not be read.
        article: The article, if the record is usable.
        spans: The chunks of the article, if they are known already.
        withdrawn: The id of the article that the record deletes, if any.
        rejects: The rejected record, or its dropped fields.
        note: An entry that is not a record: an article passed over, or repaired damage.
    """

    file: str
    line: int
    names: Sequence[str] = ()
    article: Article | None = None
    spans: Spans | None = None
    withdrawn: str | None = None
    rejects: Sequence[Reject] = ()
    note: PassedOver | Mended | None = None


def check_here(records: Records) -> Iterator[CheckedRecord]:
    """Validate all records, in order."""
    return map(_checked, with_text(records))


def check_everywhere(records: Records, embedder: Embedder, workers: BlockWorkers) -> Iterator[CheckedRecord]:
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


def _check(tokenizer: Tokenizer | None, block: Iterable[Entry]) -> list[CheckedRecord]:
    found = map(_checked, with_text(iter(block), most=1))
    return [one if one.article is None or tokenizer is None else _cut(one, one.article, tokenizer) for one in found]


def _cut(one: CheckedRecord, article: Article, tokenizer: Tokenizer) -> CheckedRecord:
    return replace(one, spans=spans_of(chunk_article(article, tokenizer)))


def _checked(record: Entry) -> CheckedRecord:
    if isinstance(record, Reject):
        return CheckedRecord(record.file, record.line, rejects=(record,))
    if isinstance(record, PassedOver):
        return CheckedRecord(record.file, record.line, note=record)
    if isinstance(record, Mended):
        return CheckedRecord(record.file, 1, note=record)
    place, fields = (record.file, record.line, tuple(record.fields)), record.fields
    try:
        if fields.get("withdrawn"):
            return CheckedRecord(*place, withdrawn=to_id(fields.get("id"), fields))
        article, dropped = to_article(record)
    except InvalidArticle as error:
        return CheckedRecord(*place, rejects=(refused(record, error),))
    return CheckedRecord(*place, article if article.lang else replace(article, lang=language_of(article.text)), rejects=dropped)
