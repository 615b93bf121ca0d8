"""Whole web pages: one article a file."""

import codecs
import os
import re
from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trafilatura
from lxml.etree import ParserError

from index.corpus.html_text import UNREAD, drop, parse_html
from index.corpus.page_facts import page_facts
from index.corpus.record import Record, Reject
from index.corpus.related_block import cut_links
from index.corpus.related_lines import cut_titles
from index.corpus.sandbox import Failure, extract
from recommender.cleaning import has_words
from recommender.errors import InvalidArticle

SUFFIXES = (".html", ".htm", ".xhtml")

AROUND = ("nav", "footer")
"""Elements in which a page has no story, and which are taken for it where there is none."""

MAX_BYTES = 20_000_000
"""A larger file is not read."""

CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
NOT_MEANT = {codecs.lookup(name).name for name in ("ascii", "latin-1", "utf-16", "utf-7", "unicode_escape")}
"""Encodings that a page names and does not have: browsers read the first two as Windows-1252, UTF-16 as UTF-8."""

BEGINNING = 4096
"""Bytes in which a page names its encoding."""


def read_folder(path: Path) -> Iterator[Record | Reject]:
    """Yield the pages of a folder, in order of their paths, or the one page that `path` is.

    Hidden files and folders and links that lead out of the folder are passed over.

    Raises:
        OSError: There is no such folder or file.
    """
    for (file, article_id), page in extract(_read_page, ((key, key) for key in _pages(path))):
        if isinstance(page, Failure):
            yield Reject(file, 1, article_id, page.code, page.reason)
        else:
            yield Record(file, 1, page)


def extract_page(raw: bytes, name: str) -> dict[str, Any]:
    """The fields of a page's record.

    Args:
        name: The article's id where the page has neither an identifier nor a URL.

    Raises:
        InvalidArticle: `empty_text`, there is no story on the page.
    """
    try:
        root = parse_html(_decoded(raw))
    except ParserError:
        raise InvalidArticle("empty_text", "the page is empty - leave it out") from None
    facts = page_facts(root)
    identifier = facts.pop("identifier", "")
    drop(root, *UNREAD, *AROUND)
    links = cut_links(root)
    headings = {facts.get("title"), *(" ".join(tag.text_content().split()) for tag in root.iter("h1"))}
    story = trafilatura.extract(root, include_comments=False, fast=True) or ""
    paragraphs = dropwhile(headings.__contains__, filter(str.strip, story.split("\n")))
    text, titles = cut_titles("\n\n".join(paragraphs))
    if not has_words(text):
        raise InvalidArticle("empty_text", "no story is found on the page - leave it out if it has none, or give the text itself")
    read_more = list(dict.fromkeys([*links, *titles]))
    return {"id": identifier or _path_of(facts.get("url", "")) or name, **facts, "text": text, "read_more": read_more}


def _read_page(file: str, article_id: str) -> dict[str, Any]:
    """What a worker does with a file."""
    path = Path(file)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InvalidArticle("too_large", f"the file has {size} bytes, more than {MAX_BYTES} - give the text itself")
        return extract_page(path.read_bytes(), article_id)
    except OSError as error:
        raise InvalidArticle("unreadable", f"the file cannot be read ({error.strerror}) - check its permissions") from error


def _pages(path: Path) -> Iterator[tuple[str, str]]:
    """Files, and their paths in the folder without ending."""
    if not path.is_dir():
        path.stat()
        yield str(path), path.stem
        return
    root = path.resolve()

    def fail(error: OSError) -> None:
        raise error

    for folder, folders, files in os.walk(path, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            page = Path(folder, name)
            if not name.startswith(".") and page.suffix.lower() in SUFFIXES and page.is_file() and page.resolve().is_relative_to(root):
                yield str(page), page.relative_to(path).with_suffix("").as_posix()


def _path_of(url: str) -> str:
    """Path and query of a URL; empty where it is that of a whole site."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return "" if path == "/" else path


def _decoded(raw: bytes) -> str:
    """The page's characters: by its byte order mark, by the encoding it names, as UTF-8, and if it is neither, as Windows-1252."""
    for mark, encoding in BOMS.items():
        if raw.startswith(mark):
            return raw[len(mark) :].decode(encoding, "replace")
    named = CHARSET.search(raw, 0, BEGINNING)
    for encoding in (named[1].decode() if named else "utf-8", "utf-8"):
        try:
            if codecs.lookup(encoding).name not in NOT_MEANT:
                return raw.decode(encoding)
        except (LookupError, ValueError):
            continue
    return raw.decode("cp1252", "replace")
