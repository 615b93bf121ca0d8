"""Read NewsML-G2, the IPTC's XML for exchanging news: a story, or a message or package with several."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from index.ingest.readers import nitf
from index.ingest.readers.xml_items import local_name
from index.ingest.record import Record, Reject
from recommender.errors import InvalidArticle

GONE = ("withheld", "canceled", "cancelled")
LANG = "{http://www.w3.org/XML/1998/namespace}lang"
STORIES = ("text", "composite")
"""Classes of items that are stories. Pictures, videos and graphics have no list."""

RELATED = ("seealso", "related")
"""Relations of links that an editor sets to other stories."""


def read(path: Path) -> Iterator[Record | Reject]:
    """Yield a record for each story, counted from 1."""
    try:
        root = nitf.parse_xml(path)
    except InvalidArticle as error:
        yield Reject(str(path), 1, None, error.code, str(error))
        return
    items = [root] if local_name(root) == "newsItem" else list(root.iter("{*}newsItem", "newsItem"))
    if not items:
        yield Reject(str(path), 1, None, "no_article", "it is NewsML-G2 without a newsItem, such as a package of references - leave it out")
    for number, item in enumerate(items, start=1):
        yield _story(str(path), number, item)


def _story(file: str, number: int, item: Any) -> Record | Reject:
    guid = item.get("guid")
    kind = _code(item, "itemMeta", "itemClass") or "text"
    status = _code(item, "itemMeta", "pubStatus")
    if status in GONE:
        return Record(file, number, {"id": guid, "withdrawn": True})
    if kind not in STORIES:
        return Reject(file, number, guid, "not_text", f"the class is {kind!r:.50} - only stories have lists")
    published = _text(item, "itemMeta", "firstCreated") or _text(item, "contentMeta", "contentCreated")
    published = published or _text(item, "itemMeta", "versionCreated")
    embargo = _text(item, "itemMeta", "embargoed")
    fields = {
        "id": guid,
        "title": _text(item, "contentMeta", "headline") or _text(item, "itemMeta", "title") or _text(item, "contentMeta", "slugline"),
        **_body(item),
        "published": embargo or published,
        "section": next(
            (name for subject in item.iterfind("{*}contentMeta/{*}subject") if (name := _joined(subject.find("{*}name")))), None
        ),
        "lang": next((language.get("tag") for language in item.iterfind("{*}contentMeta/{*}language")), None) or item.get(LANG),
        "url": next((link.get("href") for link in item.iterfind("{*}itemMeta/{*}link") if _is_url(link.get("href"))), None),
        "read_more": [
            link.get("residref")
            for link in item.iterfind("{*}itemMeta/{*}link")
            if link.get("residref") and _last(link.get("rel")) in RELATED
        ],
    }
    return Record(file, number, {name: value for name, value in fields.items() if value or name == "html"}, {"pubstatus": status})


def _body(item: Any) -> dict[str, str]:
    """Return the story: inline XML in NITF or XHTML, else inline text."""
    for inline in item.iterfind("{*}contentSet/{*}inlineXML"):
        nested = next(inline.iterchildren(etree.Element), None)
        if nested is not None and local_name(nested) == "nitf":
            return {"html": nitf.body_html(nested)}
        body = next(inline.iter("{*}body"), nested)
        if body is not None:
            return {"html": _inner_html(body)}
    for inline in item.iterfind("{*}contentSet/{*}inlineData"):
        text = "".join(inline.itertext())
        return {"html": text} if "html" in inline.get("contenttype", "") else {"text": text}
    return {"html": ""}


def _inner_html(body: Any) -> str:
    """Return the HTML of an XHTML body: its elements without their namespace."""
    for element in body.iter(etree.Element):
        element.tag = local_name(element)
    etree.cleanup_namespaces(body)
    return str(etree.tostring(body, encoding="unicode", method="html", with_tail=False))


def _code(item: Any, *names: str) -> str:
    element = item.find("/".join(f"{{*}}{name}" for name in names))
    return _last(element.get("qcode") or element.get("uri")) if element is not None else ""


def _last(code: str | None) -> str:
    """Return a code without its scheme.

    >>> _last("stat:usable"), _last("http://cv.iptc.org/newscodes/pubstatusg2/usable")
    ('usable', 'usable')
    """
    return (code or "").rpartition(":")[2].rpartition("/")[2].lower()


def _text(item: Any, *names: str) -> str:
    return _joined(item.find("/".join(f"{{*}}{name}" for name in names)))


def _joined(element: Any) -> str:
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


def _is_url(href: str | None) -> bool:
    return (href or "").startswith(("http://", "https://"))
