"""Read the metadata of a web page: first schema.org, then OpenGraph and other meta tags, then the bare page."""

import json
import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

from lxml.html import HtmlElement

ARTICLE = re.compile(r"(?:^|[/:])(?:\w*Article|\w*BlogPosting|Report)$")
"""Types of schema.org that are articles."""

WRAPPING = re.compile(r"^\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[)|(?:-->|//\s*\]\]>|\]\]>)\s*$")


DATES = ("article:published_time", "datepublished", "date", "dc.date.issued", "dc.date", "dcterms.created", "parsely-pub-date", "pubdate")
"""Meta tags with the publication date."""


def page_facts(root: HtmlElement) -> dict[str, str]:
    """Return the fields that the page gives: identifier, title, published, section, url, lang, and `body` of JSON-LD."""
    meta = _meta(root)
    canonical = next((link.get("href", "").strip() for link in root.iter("link") if "canonical" in link.get("rel", "").lower().split()), "")
    address = next((url for url in (canonical, meta.get("og:url", "")) if _is_absolute(url)), "")
    schema = _schema_article(root, address)
    url = _first(schema.get("url"), schema.get("mainEntityOfPage")) or address or canonical
    facts = {
        "identifier": _text(schema.get("identifier")),
        "title": _text(schema.get("headline")) or _first(meta.get("og:title"), meta.get("twitter:title")) or _title(root),
        "published": _text(schema.get("datePublished")) or _first(*(meta.get(name) for name in DATES)) or _time(root),
        "section": _first(schema.get("articleSection"), meta.get("article:section"), meta.get("section")),
        "url": urljoin(address, url),
        "body": schema["articleBody"].strip() if isinstance(schema.get("articleBody"), str) else "",
        "lang": _first(schema.get("inLanguage"), meta.get("og:locale", "").replace("_", "-"), root.get("lang"), root.get("xml:lang")),
    }
    return {name: value for name, value in facts.items() if value}


def _schema_article(root: HtmlElement, address: str) -> Mapping[str, Any]:
    """Return the article of the page's JSON-LD: the one with the page's address, else the first."""
    articles = [thing for script in root.iter("script") if _is_json_ld(script) for thing in _things(_parsed(script)) if _is_article(thing)]
    own = [thing for thing in articles if address and address in (_first(thing.get("url")), _first(thing.get("mainEntityOfPage")))]
    return next(iter([*own, *articles]), {})


def _is_json_ld(script: HtmlElement) -> bool:
    kind: str = script.get("type", "")
    return kind.split(";")[0].strip().lower() == "application/ld+json"


def _parsed(script: HtmlElement) -> Any:
    try:
        return json.loads(WRAPPING.sub("", script.text or ""), strict=False)
    except (ValueError, RecursionError):
        return None


def _things(value: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield the objects at the top, in lists, in `@graph`, and in the properties for the page's subject."""
    if isinstance(value, list) and depth < 5:
        for entry in value:
            yield from _things(entry, depth + 1)
    elif isinstance(value, dict) and depth < 5:
        yield value
        yield from _things(value.get("@graph"), depth + 1)
        yield from _things(value.get("mainEntity"), depth + 1)


def _is_article(thing: Mapping[str, Any]) -> bool:
    types = thing.get("@type")
    return any(isinstance(name, str) and ARTICLE.search(name) for name in (types if isinstance(types, list) else [types]))


def _text(value: Any) -> str:
    """Return a string or number as one line, and an empty string for everything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return " ".join(unescape(value).split()) if isinstance(value, str) else ""


def _first(*values: Any) -> str:
    """Return the first text: a value itself, the first of a list, or an object's `@id`, `url`, `alternateName` or
    `name`.
    """
    for value in values:
        if isinstance(value, list):
            found = next(filter(None, map(_first, value)), "")
        elif isinstance(value, dict):
            found = next(filter(None, (_text(value.get(name)) for name in ("@id", "url", "alternateName", "name"))), "")
        else:
            found = _text(value)
        if found:
            return found
    return ""


def _meta(root: HtmlElement) -> dict[str, str]:
    """Return the contents of the meta tags by name, property or itemprop in lower case. The first of several counts."""
    found: dict[str, str] = {}
    for tag in root.iter("meta"):
        name = (tag.get("property") or tag.get("name") or tag.get("itemprop") or "").strip().lower()
        content = " ".join(tag.get("content", "").split())
        if name and content:
            found.setdefault(name, content)
    return found


def _time(root: HtmlElement) -> str:
    """Return the moment of an element that is marked as the time of publication."""
    times = (
        time for time in root.iter("time") if time.get("itemprop") == "datePublished" or "dt-published" in time.get("class", "").split()
    )
    return next((time.get("datetime", "").strip() for time in times), "")


def _title(root: HtmlElement) -> str:
    """Return the page's title, without the site's name if the page's only first-level heading is part of the title."""
    title = next((" ".join(tag.text_content().split()) for tag in root.iter("title")), "")
    headings = [text for tag in root.iter("h1") if (text := " ".join(tag.text_content().split()))]
    return headings[0] if len(headings) == 1 and (headings[0] in title or not title) else title


def _is_absolute(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return False
