"""Read whole web pages, one article per file."""

from collections.abc import Iterable, Iterator
from itertools import dropwhile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trafilatura
from lxml.etree import ParserError

from index.ingest.html.encoding import decoded_page
from index.ingest.html.medium import medium_post
from index.ingest.html.metadata import page_facts
from index.ingest.html.read_more_blocks import cut_links
from index.ingest.html.read_more_lines import cut_titles
from index.ingest.html.sandbox import Failure, extract
from index.ingest.html.text import UNREAD, drop, fragment_text, parse_html
from index.ingest.readers.rich_text import is_html
from index.ingest.readers.site_folder import File
from index.ingest.record import Record, Reject
from recommender.errors import InvalidArticle
from recommender.text.cleaning import has_words

AROUND = ("nav", "footer")
"""Elements outside of the story. An extractor would take them for the story of a page that has none."""

SHORT = 20
"""Words of a text that may lack the story. A longer story of the page's JSON-LD then takes its place."""

MAX_BYTES = 20_000_000
"""Largest file in bytes that is read."""


def read(files: Iterable[File]) -> Iterator[Record | Reject]:
    """Yield the article of each page.

    Raises:
        OSError: A file does not exist.
    """
    for file, page in extract(_read_page, ((file, (str(file.path), file.id)) for file in files)):
        if isinstance(page, Failure):
            yield Reject(str(file.path), 1, file.id, page.code, page.reason)
        else:
            yield Record(str(file.path), 1, page, file.publication)


def extract_page(raw: bytes, name: str) -> dict[str, Any]:
    """Extract the fields of a page's record.

    Args:
        name: The article's id if the page has neither an identifier nor a URL.

    Raises:
        InvalidArticle: `empty_text`, the page has no story.
    """
    try:
        root = parse_html(decoded_page(raw))
    except ParserError:
        raise InvalidArticle("empty_text", "the page is empty - leave it out") from None
    if post := medium_post(root):
        return {"id": name, **post}
    facts = page_facts(root)
    identifier, body = facts.pop("identifier", ""), facts.pop("body", "")
    drop(root, *UNREAD, *AROUND)
    links = cut_links(root)
    headings = {facts.get("title"), *(" ".join(tag.text_content().split()) for tag in root.iter("h1"))}
    story = trafilatura.extract(root, include_comments=False, fast=True) or ""
    paragraphs = dropwhile(headings.__contains__, filter(str.strip, story.split("\n")))
    text, titles = cut_titles("\n\n".join(paragraphs))
    if len(text.split()) < SHORT < len(body.split()):  # the page builds its story by a script
        text, titles = fragment_text(body) if is_html(body) else cut_titles(body)
    if not has_words(text):
        raise InvalidArticle("empty_text", "no story is found on the page - leave it out if it has none, or give the text itself")
    read_more = list(dict.fromkeys([*links, *titles]))
    return {"id": identifier or _path_of(facts.get("url", "")) or name, **facts, "text": text, "read_more": read_more}


def _read_page(file: str, article_id: str) -> dict[str, Any]:
    """Extract the record of a file, in a worker."""
    path = Path(file)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InvalidArticle("too_large", f"the file has {size} bytes, more than {MAX_BYTES} - give the text itself")
        return extract_page(path.read_bytes(), article_id)
    except OSError as error:
        raise InvalidArticle("unreadable", f"the file cannot be read ({error.strerror}) - check its permissions") from error


def _path_of(url: str) -> str:
    """Return the path and query of a URL, or an empty string for the address of a whole site."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return "" if path == "/" else path
