"""A JSON file: an array of articles, or an object that holds one, such as `{"articles": [...]}`."""

from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

import ijson

from index.corpus.opened import opened
from index.corpus.record import Record, Reject
from recommender.errors import InvalidArticle

HOLD_ARTICLES = frozenset(["articles", "items", "posts", "stories", "docs", "documents", "entries", "pages", "data", "results", "hits"])
"""Names under which an object holds an array of articles."""

STORIES = frozenset(["text", "body", "html", "content", "body_text", "body_xhtml"])
"""A text under one of these names says that the file is one article."""


def read(path: Path) -> Iterator[Record | Reject]:
    """Yield a record an element, counted from 1; elements that are no object are rejected, and what follows a syntax error is not read.

    An object without an array of objects is one article.
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
    except InvalidArticle as error:
        yield Reject(str(path), number + 1, None, error.code, str(error), cut=True)
    except (ijson.JSONError, UnicodeDecodeError, RecursionError) as error:
        reason = f"{' '.join(str(error).split())[:100]} - the rest of the file was not read; export it again as JSON in UTF-8"
        yield Reject(str(path), number + 1, None, "bad_json", reason, cut=True)


def _elements(path: Path) -> Iterator[Any]:
    prefix = _array_of(path)
    with opened(path) as file:
        yield from ijson.items(_without_bom(file), prefix, use_float=True)


def _array_of(path: Path) -> str:
    """Where the articles are, as ijson names it: the file, or an array in it of a telling name; or nothing: then it is one article."""
    with opened(path) as file:
        for prefix, event, _ in ijson.parse(_without_bom(file), use_float=True):
            if event == "start_array" and prefix == "":
                return "item"
            if event == "start_map" and prefix.endswith(".item") and prefix.split(".")[-2] in HOLD_ARTICLES:
                return str(prefix)
            if event == "string" and prefix in STORIES:
                return ""
    return ""


def _without_bom(file: BufferedReader) -> BufferedReader:
    if file.peek(3)[:3] == b"\xef\xbb\xbf":
        file.read(3)
    return file
