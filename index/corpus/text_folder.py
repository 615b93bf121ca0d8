"""Plain text and Markdown, one article a file, with or without front matter as Hugo and Jekyll write it."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml

from index.corpus.record import Record, Reject
from index.corpus.related_lines import cut_titles
from recommender.errors import InvalidArticle

SUFFIXES = (".md", ".markdown", ".txt")
MAX_BYTES = 20_000_000
MAX_FRONT_MATTER = 64_000

FRONT_MATTER = re.compile(r"\A(?P<fence>---|\+\+\+)[ \t]*\n(?P<fields>.*?)^(?P=fence)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
TITLE_WORDS = 30
"""A first line of more words is no title."""

NAMES = {
    "title": ("title", "headline"),
    "url": ("canonical", "canonical_url", "url", "permalink"),
    "published": ("date", "published", "publishdate", "pubdate", "lastmod"),
    "section": ("section", "categories", "category"),
    "lang": ("lang", "language"),
    "read_more": ("read_more", "related", "see_also"),
}
"""Our field -> names in front matter, the first that is there."""

MARKDOWN = (
    (re.compile(r"^(```|~~~).*$", re.MULTILINE), ""),
    (re.compile(r"\{\{[<%].*?[%>]\}\}|\{%.*?%\}", re.DOTALL), ""),
    (re.compile(r"!\[[^\]\n]*\]\([^()\n]*\)"), ""),
    (re.compile(r"\[([^\]\n]*)\](?:\([^()\n]*\)|\[[^\]\n]*\])"), r"\1"),
    (re.compile(r"^\[[^\]\n]+\]:\s.*$", re.MULTILINE), ""),
    (re.compile(r"^ {0,3}#{1,6}\s+(.*?)\s*#*$", re.MULTILINE), r"\1"),
    (re.compile(r"^ {0,3}>\s?", re.MULTILINE), ""),
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<![\w_])_(?=\S)([^_\n]+?)(?<=\S)_(?![\w_])"), r"\1"),
    (re.compile(r"`([^`\n]+)`"), r"\1"),
    (re.compile(r"</?[a-zA-Z][^<>\n]*>|<!--.*?-->", re.DOTALL), ""),
)
"""Marks of Markdown -> what stays of them."""

HEADING = re.compile(r"\A\s*#\s+(?P<title>[^\n]+?)\s*#*\n")


def read(path: Path) -> Iterator[Record | Reject]:
    """Yield the texts of a folder, in order of their paths, or the one that `path` is; drafts are passed over."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        inside = file.relative_to(path) if path.is_dir() else Path(file.name)
        if file.suffix.lower() not in SUFFIXES or any(part.startswith(".") for part in inside.parts) or not file.is_file():
            continue
        if not file.resolve().is_relative_to(path.resolve() if path.is_dir() else path.resolve().parent):
            continue  # a link that leads out of the folder
        article_id = inside.with_suffix("").as_posix()
        try:
            fields = _fields(file, article_id)
        except InvalidArticle as error:
            yield Reject(str(file), 1, article_id, error.code, str(error))
        else:
            if fields is not None:
                yield Record(str(file), 1, fields)


def _fields(file: Path, article_id: str) -> dict[str, Any] | None:
    """The fields of an article; None for a draft."""
    if file.stat().st_size > MAX_BYTES:
        raise InvalidArticle("too_large", f"the file has more than {MAX_BYTES} bytes - one article a file is expected")
    try:
        text = file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise InvalidArticle("bad_encoding", f"byte {error.start} is not UTF-8 - convert the file to UTF-8") from error
    front = FRONT_MATTER.match(text)
    given = _front_matter(front) if front else {}
    if given.get("draft") is True or given.get("published") is False:
        return None
    body = text[front.end() :] if front else text
    fields: dict[str, Any] = {"id": str(given.get("id") or article_id)}
    for ours, theirs in NAMES.items():
        value = next((given[name] for name in theirs if given.get(name)), None)
        if value is not None and (ours != "url" or str(value).startswith("http")):  # others are paths within the site
            fields[ours] = _value(ours, value)
    if "title" not in fields:
        fields["title"], body = _title(body, file)
    if file.suffix.lower() != ".txt":
        body, names = cut_titles(body)  # while links are still links
        if names:
            fields["read_more"] = [*fields.get("read_more", []), *names]
        for mark, left in MARKDOWN:
            body = mark.sub(left, body)
    return {**fields, "text": body}


def _front_matter(found: re.Match[str]) -> Mapping[str, Any]:
    text = found["fields"]
    if len(text) > MAX_FRONT_MATTER:
        raise InvalidArticle("bad_front_matter", f"it has {len(text)} characters, more than {MAX_FRONT_MATTER} - is its end missing?")
    try:
        if found["fence"] == "+++":
            fields: Any = tomllib.loads(text)
        elif any(isinstance(event, yaml.events.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise InvalidArticle("bad_front_matter", "it has YAML aliases, which can grow without end - write the values out")
        else:
            fields = yaml.safe_load(text)
    except (yaml.YAMLError, tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise InvalidArticle("bad_front_matter", f"{' '.join(str(error).split())[:150]} - mend the lines between the fences") from error
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise InvalidArticle("bad_front_matter", f"it is a {type(fields).__name__} - lines of `name: value` are expected")
    return {str(name).lower(): value for name, value in fields.items()}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if name == "read_more":
        return [str(of) for of in value] if isinstance(value, list) else [str(value)]
    return str(value[0]) if isinstance(value, list) else str(value)


def _title(body: str, file: Path) -> tuple[str, str]:
    """A text's title and what follows it: its first heading, its first line if that stands alone and is short, or the file's name."""
    heading = HEADING.match(body)
    if heading:
        return heading["title"], body[heading.end() :]
    first, _, rest = body.lstrip().partition("\n\n")
    if file.suffix.lower() == ".txt" and rest.strip() and "\n" not in first and len(first.split()) <= TITLE_WORDS:
        return first, rest
    return file.stem.replace("-", " ").replace("_", " "), body
