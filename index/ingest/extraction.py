"""Extract the text of articles: parse HTML in workers, and cut hand-made lists out of the text.

A list that remained in the text would be found by its own words, and would flatter every measurement.
"""

from collections.abc import Iterator
from itertools import chain

from index.ingest.html.read_more_lines import cut_titles
from index.ingest.html.sandbox import MOST_WORKERS, Failure, extract
from index.ingest.html.text import fragment_text
from index.ingest.record import Entry, Record, Reject

Records = Iterator[Entry]


def with_text(records: Records, most: int = MOST_WORKERS) -> Records:
    """Yield each record with its text. Append the entries of lists in the text to `read_more`."""
    for record in records:
        if _html_of(record) is not None:  # from here on in order, through the workers
            yield from _extracted(chain([record], records), most)
            return
        yield _without_lists(record)


def _extracted(records: Records, most: int) -> Records:
    for record, found in extract(_text_of, ((record, (_html_of(record),)) for record in records), most):
        if not isinstance(record, Record) or found is None:
            yield _without_lists(record)
        elif isinstance(found, Failure):
            given = record.fields.get("id")
            yield Reject(record.file, record.line, None if given is None else str(given)[:512], found.code, found.reason)
        else:
            yield _with(record, *found)


def _text_of(html: str | None) -> tuple[str, list[str]] | None:
    return None if html is None else fragment_text(html)


def _html_of(record: Entry) -> str | None:
    html = record.fields.get("html") if isinstance(record, Record) and not record.fields.get("text") else None
    return html if isinstance(html, str) else None


def _without_lists(record: Entry) -> Entry:
    if not isinstance(record, Record) or not isinstance(record.fields.get("text"), str):
        return record
    text, names = cut_titles(record.fields["text"])
    return _with(record, text, names) if names else record


def _with(record: Record, text: str, names: list[str]) -> Record:
    given = record.fields.get("read_more")
    lists = {"read_more": [*given, *names] if isinstance(given, list) else names} if names or given is None else {}
    return record.changed(text=text, **lists)
