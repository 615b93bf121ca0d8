"""Read a JSON file: an array of articles, or an object that contains one, such as `{"articles": [...]}`."""

from collections.abc import Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

import ijson

from index.ingest.compressed import MAX_RECORD, opened
from index.ingest.readers.field_names import has_text
from index.ingest.record import Record, Reject
from recommender.errors import InvalidArticle

HOLD_ARTICLES = frozenset(
    ["articles", "items", "posts", "stories", "docs", "documents", "entries", "pages", "data", "results", "hits", "content_elements"]
)
"""Names under which an object holds an array of articles."""

STORIES = frozenset(
    ["text", "body", "html", "content", "body_text", "body_xhtml", "headline", "headlines.basic", "title.rendered", "content.rendered"]
)
"""Places of texts that mark a file as a single article."""

FAULTS = (InvalidArticle, ijson.JSONError, UnicodeDecodeError, RecursionError)
"""Errors that end the reading of a file."""


def read(path: Path) -> Iterator[Record | Reject]:
    """Yield a record for each element, counted from 1.

    Elements that are not objects are rejected. Elements after a syntax error are not read. An object without an array
    of objects is one article.
    """
    number = 0
    try:
        for number, element in enumerate(_elements(path), start=1):
            if isinstance(element, dict):
                yield Record(str(path), number, element)
            else:
                yield Reject(
                    str(path), number, None, "bad_json", f"a JSON {type(element).__name__}, not an object - an array of objects is expected"
                )
    except FAULTS as error:
        yield cut(path, number, error)


def objects(path: Path, *places: str) -> Iterator[tuple[str, Any]]:
    """Yield the objects of some arrays of a file, each with the place of its array in ijson's notation.

    Raises:
        FAULTS: The file is not valid JSON from there on.
    """
    with opened(path) as file:
        bounded = _Bounded(file)
        place, builder = "", None
        for prefix, event, value in ijson.parse(bounded, use_float=True):
            if builder is None:
                bounded.left = MAX_RECORD
                if event != "start_map" or prefix not in places:
                    continue
                place, builder = prefix, ijson.ObjectBuilder()
            builder.event(event, value)
            if event == "end_map" and prefix == place:
                yield place, builder.value
                builder = None


def cut(path: Path, number: int, error: Exception) -> Reject:
    """Return the reject for a file that cannot be read beyond an element."""
    code, reason = (error.code, str(error)) if isinstance(error, InvalidArticle) else ("bad_json", _reason(error))
    return Reject(str(path), number + 1, None, code, reason, cut=True)


def _elements(path: Path) -> Iterator[Any]:
    prefix, before = _array_of(path)
    with opened(path) as file:
        bounded = _Bounded(file, before)
        for element in ijson.items(bounded, prefix, use_float=True):  # without use_float, a number of 5000 digits kills the process
            yield element
            bounded.left = MAX_RECORD


def _array_of(path: Path) -> tuple[str, int]:
    """Return the place of the articles, and approximately the number of bytes before them.

    The place is in ijson's notation: the whole file, or an array with a known name whose first element has a text. An
    empty place means that the file is one article. An array within a story, such as the links of a list, is never the
    archive.
    """
    without_text: dict[str, int] = {}
    builder, place, before = None, "", 0
    with opened(path) as file:
        bounded = _Bounded(file)
        for prefix, event, value in ijson.parse(bounded, use_float=True):
            if builder is not None:
                builder.event(event, value)
                if event == "end_map" and prefix == place:
                    if _is_article(place, builder.value):
                        return place, before
                    without_text[place], builder = before, None
                continue
            bounded.left = MAX_RECORD
            if event == "start_array" and prefix == "":
                return "item", 0
            if event == "start_map" and prefix not in without_text and _may_hold_articles(prefix):
                place, before, builder = str(prefix), bounded.n_read, ijson.ObjectBuilder()
                builder.event(event, value)
            if event == "string" and prefix in STORIES:
                return "", 0
    return next(iter(without_text.items()), ("", 0))


def _may_hold_articles(prefix: str) -> bool:
    """Return whether a place is an element of an array with a known name, outside of any other array."""
    *names, last = prefix.split(".")
    return last == "item" and "item" not in names and bool(names) and names[-1] in HOLD_ARTICLES


def _is_article(place: str, element: Mapping[str, Any]) -> bool:
    return has_text(element) and (not place.endswith("content_elements.item") or element.get("type") == "story")


def _reason(error: Exception) -> str:
    """Return the parser's message without its excerpt of the file."""
    said = error.args[0] if error.args else error
    found = (said.decode(errors="replace") if isinstance(said, bytes) else str(said)).partition("\n")[0][:100]
    if "trailing garbage" in found:
        return f"{found}: more follows the first JSON value, and was not read - is it one article a line? then --format jsonl"
    cure = "export it again as JSON in UTF-8, without NaN and numbers over 64 bits"
    return f"{found} - the rest of the file was not read; {cure}"


class _Bounded:
    """The input of the parser: the bytes of a file without the byte order mark.

    It ends at an element that is too large.

    Attributes:
        left: Bytes that may still be read for the current element, approximate by one read.
        n_read: Number of bytes read.
    """

    def __init__(self, file: BufferedReader, before: int = 0) -> None:
        self._file = file
        self.left = MAX_RECORD + before
        self.n_read = 0
        if file.peek(3)[:3] == b"\xef\xbb\xbf":
            file.read(3)

    def read(self, size: int) -> bytes:
        if self.left < 0:
            reason = (
                f"an element has more than {MAX_RECORD >> 20} MiB, the rest of the file was not read"
                f" - an array of articles is expected, by itself or in an object as {', '.join(sorted(HOLD_ARTICLES)[:2])}, ..."
            )
            raise InvalidArticle("too_large", reason)
        read = self._file.read1(size)  # not read(), which would lose the data before damage
        self.left -= len(read)
        self.n_read += len(read)
        return read
