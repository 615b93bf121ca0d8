"""Read plain text and Markdown, one article per file, with or without front matter of Hugo or Jekyll."""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml

from index.ingest.html.read_more_lines import cut_titles
from index.ingest.readers.site_dumps import refuse_dump
from index.ingest.readers.site_folder import File
from index.ingest.record import Record, Reject
from recommender.errors import InvalidArticle

MAX_BYTES = 20_000_000
MAX_FRONT_MATTER = 64_000

FRONT_MATTER = re.compile(r"\A(?P<fence>---|\+\+\+)[ \t]*\n(?P<fields>.*?)^(?P=fence)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
FENCE = re.compile(rb"(?:\xef\xbb\xbf)?(?:---|\+\+\+)[ \t]*\r?\n")
UNCLOSED = re.compile(r"(?:---[ \t]*\n\w+:|\+\+\+[ \t]*\n\w+ *=)")
JSON_FRONT_MATTER = re.compile(r"\{\s*\"")
PLAIN_FRONT_MATTER = re.compile(r"(?:[A-Z][A-Za-z_-]{1,20}:[ \t][^\n]*\n){2,}(?=\n)")
"""Front matter without fences, as in Pelican."""

HTML = (".html", ".htm", ".xhtml")
TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
"""Commands of Liquid and of Hugo."""

DAY = re.compile(r"(\d{4}-\d\d-\d\d)-")
LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]{2,4})?")
NOT_STATUS = frozenset(["state", "type", "privacy", "audience", "workflow"])
"""Fields of front matter whose meaning depends on the site's theme."""

TITLE_WORDS = 30
"""Maximum number of words of a first line that is a title."""

NAMES = {
    "title": ("title", "headline"),
    "url": ("canonical", "canonical_url", "url", "permalink"),
    "published": ("publishdate", "date", "published", "pubdate", "lastmod"),
    "section": ("section", "categories", "category"),
    "lang": ("lang", "language"),
    "read_more": ("read_more", "related", "see_also"),
}
"""Our field -> names in front matter. The first existing name counts."""

MARKDOWN: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"^(```|~~~).*$", re.MULTILINE), ""),
    (re.compile(r"\{\{[<%].*?[%>]\}\}|\{%.*?%\}", re.DOTALL), ""),
    (re.compile(r"!\[[^\]\n]*\](?:\((?:[^()\n]|\([^()\n]*\))*\)|\[[^\]\n]*\])"), ""),
    (re.compile(r"^\[\^[^\]\n]+\]:.*(?:\n(?: {4}|\t).*)*", re.MULTILINE), ""),
    (re.compile(r"\[\^[^\]\n]+\]"), ""),
    (re.compile(r"^ {0,3}\|?(?:[ \t]*:?-+:?[ \t]*\|)+[ \t]*(?::?-+:?)?[ \t]*$", re.MULTILINE), ""),
    (re.compile(r"^ {0,3}\|(.+?)\|?[ \t]*$", re.MULTILINE), lambda row: " ".join(row[1].replace("|", " ").split())),
    (re.compile(r"^(\s*[-*+]\s+)\[[ xX]\]\s+", re.MULTILINE), r"\1"),
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
"""Marks of Markdown -> their replacement."""

HEADING = re.compile(r"\A\s*#\s+(?P<title>[^\n]+?)\s*#*\n")


def read(files: Iterable[File]) -> Iterator[Record | Reject]:
    """Yield the article of each text."""
    for file in files:
        try:
            yield _record(file)
        except InvalidArticle as error:
            yield Reject(str(file.path), 1, file.id, error.code, str(error))


def has_front_matter(path: Path) -> bool:
    """Return True for a page that begins with front matter, as Jekyll and Hugo take it."""
    with path.open("rb") as file:
        return FENCE.match(file.read(16)) is not None


def _record(file: File) -> Record:
    path = file.path
    if path.stat().st_size > MAX_BYTES:
        raise InvalidArticle("too_large", f"the file has more than {MAX_BYTES} bytes - one article a file is expected")
    raw = path.read_bytes()
    refuse_dump(raw, path)
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise InvalidArticle("bad_encoding", f"byte {error.start} is not UTF-8 - convert the file to UTF-8") from error
    given, body = ({}, text) if path.suffix.lower() == ".txt" and not FRONT_MATTER.match(text) else _parts(text)
    name, day, language = _of_name(path)
    fields: dict[str, Any] = {"id": str(given.get("id") or file.id)}
    for ours, theirs in NAMES.items():
        value = next((given[name] for name in theirs if given.get(name) and not isinstance(given[name], bool)), None)
        if value is not None and (ours != "url" or str(value).startswith("http")):  # other values are paths within the site
            fields[ours] = _value(ours, value)
    fields = {**({"published": day} if day else {}), **({"lang": language} if language else {}), **fields}
    is_html = path.suffix.lower() in HTML
    if "title" not in fields:
        fields["title"], body = (name, body) if is_html else _title(body, path, name)
    if is_html:
        fields["html"] = TEMPLATE.sub("", body)
    else:
        if path.suffix.lower() != ".txt":
            body, names = cut_titles(body)  # while links are still links
            if names:
                fields["read_more"] = [*fields.get("read_more", []), *names]
            for mark, left in MARKDOWN:
                body = mark.sub(left, body)
        fields["text"] = body
    status = {name: value for name, value in given.items() if name not in NOT_STATUS}
    return Record(str(path), 1, fields, {**status, "unlisted": given.get("unlisted") or _is_unseen(given), **file.publication})


def _is_unseen(given: Mapping[str, Any]) -> bool:
    """Return True for a text of which Hugo makes no page."""
    build = given.get("build") or given.get("_build")
    return given.get("headless") is True or (isinstance(build, dict) and str(build.get("render")).lower() in ("never", "link", "false"))


def _parts(text: str) -> tuple[Mapping[str, Any], str]:
    """Split a text into the fields of its front matter and its body."""
    front = FRONT_MATTER.match(text)
    if front:
        return _front_matter(front), text[front.end() :]
    if UNCLOSED.match(text):
        raise InvalidArticle("bad_front_matter", "its last fence is missing - end it with a line as the first one")
    if JSON_FRONT_MATTER.match(text):
        try:
            fields, end = json.JSONDecoder().raw_decode(text)
        except (ValueError, RecursionError):  # a text that begins with a brace
            return {}, text
        return {str(name).lower(): value for name, value in fields.items()}, text[end:]
    lines = PLAIN_FRONT_MATTER.match(text)
    if lines and re.search("^title:", lines[0], re.IGNORECASE | re.MULTILINE):
        pairs = (line.partition(":") for line in lines[0].splitlines())
        return {name.strip().lower(): value.strip() for name, _, value in pairs}, text[lines.end() :]
    return {}, text


def _of_name(path: Path) -> tuple[str, str, str]:
    """Return title, day and language by the name of a file such as `2021-08-23-the-pier.md` or `pier/index.fr.md`;
    empty if absent.
    """
    stem, _, language = path.stem.partition(".")
    if not LANGUAGE.fullmatch(language):
        stem, language = path.stem, ""
    day = DAY.match(stem)
    stem = stem[day.end() :] if day else stem
    if stem == "index":  # a folder of its own, in Hugo
        stem = path.absolute().parent.name
    return stem.replace("-", " ").replace("_", " ").strip() or path.stem, day[1] if day else "", language


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


def _title(body: str, file: Path, name: str) -> tuple[str, str]:
    """Return a text's title and the rest of the text.

    The title is the first heading, a short first line in a paragraph of its own, or the file's name.
    """
    heading = HEADING.match(body)
    if heading:
        return heading["title"], body[heading.end() :]
    first, _, rest = body.lstrip().partition("\n\n")
    if file.suffix.lower() == ".txt" and rest.strip() and "\n" not in first and len(first.split()) <= TITLE_WORDS:
        return first, rest
    return name, body
