"""Find our fields in a record of any shape: at the paths of `--map`, else under well-known names.

The path to a field that was found by its name is in `Record.origins`, and the report prints it: `title <- headline`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from html import escape
from typing import Any

from index.ingest.readers.arc_ans import PATHS, is_story, story_fields
from index.ingest.readers.feed import plain
from index.ingest.readers.rich_text import document_html, is_html, node_html
from index.ingest.record import Record

Found = tuple[Any, str]
"""A value, and the path to it."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(" ".join(text.split()).split(", "))


URLS = _words("url, permalink, link, canonicalurl, weburl, shareurl, articleurl, pageurl, posturl, sourceurl, href")

WELL_KNOWN: Mapping[str, Sequence[str]] = {
    "title": _words("title, headline, headlines, posttitle, articletitle, newstitle, heading, hed"),
    "text": _words("""
        html, bodyhtml, contenthtml, text, body, content, bodytext, articlebody, articletext, articlecontent, fulltext, maintext,
        maincontent, posttext, postcontent, story, storytext, contentelements, richtext, bodycontent, contenttext, textcontent, contents,
        article, lexical, mobiledoc, markdown, plaintext, description, shortdescription, summary, abstract, excerpt
    """),
    "published": _words("""
        published, publishedat, publishedon, publisheddate, datepublished, publishdate, publicationdate, pubdate, publishtime,
        publishedtime, dategmt, postdategmt, displaydate, firstpublishdate, firstpublishedat, releasedate, date, postdate, datetime,
        createdat, createdon, created, datecreated, creationdate, firstcreated, timestamp
    """),
    "section": _words(
        "section, sectionname, primarysection, primarycategory, category, categories, primarytag, rubric, desk, topic, channel"
    ),
    "lang": _words("lang, language, locale, langcode, inlanguage, languagecode"),
    "url": URLS,
    "id": _words(f"""
        id, guid, uuid, uri, articleid, postid, storyid, contentid, documentid, docid, newsid, itemid, nid, slug, {", ".join(URLS)}
    """),
}
"""Our field -> names of the field in other systems, the best first. Names are compared by their letters and digits."""

AROUND = ("attributes", "fields", "properties", "_source", "node", "article", "post", "story", "item", "data", "doc")
"""Objects around the fields of an article."""

INNER: Mapping[str, Sequence[str]] = {
    "title": ("rendered", "basic", "value", "text", "plain", "raw", "default", "main"),
    "text": ("rendered", "processed", "html", "value", "text", "plain", "plaintext", "raw", "content", "body", "markdown"),
    "published": ("$date", "$numberLong", "date", "value", "iso", "utc", "_seconds", "seconds"),
    "section": ("name", "title", "label", "value", "slug"),
    "lang": ("code", "value", "id"),
    "url": ("href", "url", "value", "canonical"),
    "id": ("$oid", "$numberLong", "value", "rendered", "id"),
}
"""Our field -> names of its value in an object, the best first."""

LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
STEP = re.compile(r"([^.\[\]]+)(\[\])?(?:\.|$)")
DEEPEST = 6


def translated(record: Record, names: Mapping[str, str]) -> Record:
    """Return a record under our names.

    Args:
        names: Our field name -> the path to the field in the source. It takes precedence over well-known names.
    """
    fields: dict[str, Any] = dict(record.fields)
    story = story_fields(fields) if is_story(fields) else {}
    own_text = "text" in names or "html" in names
    changed = {name: value for name, value in story.items() if name not in names and not (name == "html" and own_text)}
    fields.update(changed)
    origins: dict[str, str] = {name: PATHS[name] for name in changed}
    for ours, path in names.items():
        value = at_path(record.fields, path)
        if value is not None:
            changed[ours], origins[ours] = _value(ours, value, path) or (value, path)
            origins[ours] = path
    for ours in WELL_KNOWN:
        if ours in origins or (ours == "text" and ("html" in origins or _is_set(fields.get("text")) or _is_set(fields.get("html")))):
            continue
        found = _found(ours, fields)
        if found is not None and not (found[1] == ours and found[0] is fields.get(ours)):
            changed[ours], origins[ours] = found
    if "text" in changed and "html" not in changed and is_html(changed["text"]):
        changed["html"], origins["html"] = changed.pop("text"), origins.pop("text")
    return _with(record, fields, changed, origins)


def is_known(name: str) -> bool:
    """Return whether a name is one of our fields, or well known for one."""
    return name in WELL_KNOWN or any(_key(name) in names for names in WELL_KNOWN.values())


def has_text(fields: Mapping[str, Any]) -> bool:
    """Return whether a record has a text under a well-known name."""
    return _found("text", fields) is not None


def at_path(fields: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path, or None. A field of that whole name counts first; `[]` is every element of a list.

    >>> at_path({"title": {"rendered": "The pier"}}, "title.rendered")
    'The pier'
    >>> at_path({"parts": [{"content": "One."}, {"type": "image"}, {"content": "Two."}]}, "parts[].content")
    ['One.', 'Two.']
    """
    if path in fields:
        return fields[path]
    values: list[Any] = [fields]
    for name, every in STEP.findall(path):
        values = [value[name] for value in values if isinstance(value, Mapping) and value.get(name) is not None]
        if every:
            values = [element for value in values if isinstance(value, list) for element in value]
    return (values or None) if "[]" in path else next(iter(values), None)


def _with(record: Record, fields: Mapping[str, Any], changed: dict[str, Any], origins: dict[str, str]) -> Record:
    if isinstance(changed.get("title"), str) and is_html(changed["title"]):
        changed["title"] = plain(changed["title"])
    text = changed.get("text", fields.get("text"))
    if isinstance(text, str) and "html" not in changed and text.lstrip()[:1] == "<" and is_html(text):
        changed |= {"text": None, "html": text}
    elif "html" in changed:
        changed["text"] = None
    if not changed:
        return record
    flag = fields.get("published")
    publication = {"is_published": flag, **record.publication} if isinstance(flag, bool) and "published" in changed else record.publication
    return record.translated(changed, origins, publication)


def _is_set(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _places(fields: Mapping[str, Any], prefix: str = "", depth: int = 2) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the objects that may hold the fields of an article, with the path in front of their fields."""
    yield prefix, fields
    for name in AROUND if depth else ():
        if isinstance(inside := fields.get(name), Mapping):
            yield from _places(inside, f"{prefix}{name}.", depth - 1)


def _found(ours: str, fields: Mapping[str, Any]) -> Found | None:
    """Return a field of ours, from the record or from an object around its fields."""
    for prefix, inside in _places(fields):
        names: dict[str, str] = {}
        for name in inside:
            names.setdefault(_key(str(name)), name)
        for name in (ours, *WELL_KNOWN[ours]):
            there = names.get(name)
            if there is not None and (found := _value(ours, inside[there], f"{prefix}{there}")) is not None:
                return found
    return None


def _value(ours: str, value: Any, path: str, depth: int = 0) -> Found | None:
    """Return the value of a field within what a source holds under its name, or None if it holds nothing usable."""
    if value is None or depth > DEEPEST:
        return None
    if ours in ("text", "html"):
        story = _story(value, path)
        return story if story and _is_set(story[0]) else None
    if isinstance(value, Mapping):
        inner = ((value[name], f"{path}.{name}") for name in INNER.get(ours, ()) if name in value)
        return next(filter(None, (_value(ours, of, place, depth + 1) for of, place in inner)), None)
    if isinstance(value, list):
        if ours == "read_more":
            return value, path
        return next(filter(None, (_value(ours, of, f"{path}[]", depth + 1) for of in value)), None)
    return (value, path) if _fits(ours, value) else None


def _fits(ours: str, value: Any) -> bool:
    if isinstance(value, str):
        text = value.strip()
        if ours == "url":
            return text.startswith(("http://", "https://"))
        return bool(text) and (ours != "lang" or LANGUAGE.fullmatch(text) is not None)
    if isinstance(value, bool) or value is None:
        return False
    return ours == "published" or (ours == "id" and isinstance(value, int))


def _story(value: Any, path: str) -> Found | None:
    """Return the text or HTML of a story: a text, an object around it, a list of parts, or an editor's document."""
    if isinstance(value, str):
        return (document_html(value) or value if value.lstrip()[:1] == "{" else value), path
    if isinstance(value, list):
        parts = list(_parts(value))
        whole = "".join(part if is_html(part) else f"<p>{escape(part)}</p>" for part in parts)
        return (whole if any(map(is_html, parts)) else "\n\n".join(parts)), path
    if isinstance(value, Mapping):
        for name in INNER["text"]:
            if _is_set(value.get(name)):
                return _story(value[name], f"{path}.{name}")
        return node_html(value), path
    return None


def _parts(values: list[Any]) -> Iterator[str]:
    for value in values:
        part = value if isinstance(value, str) else node_html(value)
        if part.strip():
            yield part
