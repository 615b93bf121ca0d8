"""Read NITF, the IPTC's XML for the text of a story: one story per file."""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from lxml import etree

from index.ingest.compressed import opened
from index.ingest.html.xml_safety import check_xml
from index.ingest.readers.xml_items import LENIENT, local_name
from index.ingest.record import Record, Reject
from recommender.errors import InvalidArticle

MAX_BYTES = 20_000_000
STANDARD = re.compile(rb"<!DOCTYPE\s+(?:nitf|newsItem|NewsML)\s+(?:SYSTEM\s+[^\s>\[]+|PUBLIC\s+[^>\[]+)\s*>")
"""A reference to the DTD of the format. It is not fetched."""

GONE = ("cancelled", "canceled", "withheld")

TAGS = {"p": "p", "hl2": "h2", "bq": "blockquote", "li": "li", "ul": "ul", "ol": "ol", "br": "br", "a": "a", "em": "em", "strong": "strong"}
"""Elements of a story that HTML has too. Others are passed through, and media are left out."""

LEFT_OUT = frozenset(["media", "table", "note", "nitf-table"])


def read(path: Path) -> Iterator[Record | Reject]:
    """Yield the story of a file. Its id is the file's name if the story has none."""
    try:
        root = parse_xml(path)
        fields = {"id": path.stem, **{name: value for name, value in story(root).items() if value or name == "html"}}
        yield Record(str(path), 1, fields)
    except InvalidArticle as error:
        yield Reject(str(path), 1, None, error.code, str(error))


def parse_xml(path: Path) -> Any:
    """Return the root of an XML file of one story or package.

    Raises:
        InvalidArticle: The file is too large, or it is not XML.
    """
    with opened(path) as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise InvalidArticle("too_large", f"the file has more than {MAX_BYTES} bytes - one story a file is expected")
    return xml_root(raw)


def xml_root(raw: bytes) -> Any:
    """Return the root of an XML document. A document type that names the format's own DTD is ignored.

    Raises:
        InvalidArticle: It is not XML, or declares entities of its own.
    """
    check_xml(STANDARD.sub(b"", raw))
    try:
        root = etree.fromstring(raw, LENIENT)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise InvalidArticle("bad_xml", f"{str(error)[:100]} - export it again") from error
    if root is None:
        raise InvalidArticle("bad_xml", "the file is empty - export it again")
    return root


def story(root: Any) -> dict[str, Any]:
    """Return the fields of an `nitf` element under our names."""
    first = _first(root, "doc-id")
    published = _moment(root, "date.release") or _moment(root, "date.issue")
    slug = root.xpath("string(//*[local-name()='tobject.subject'][1]/@tobject.subject.type)")
    return {
        "id": first.get("id-string") if first is not None else None,
        "title": _text(root, "hl1") or _text(root, "title"),
        "html": body_html(root),
        "published": published,
        "section": slug or root.xpath("string(//*[local-name()='fixture'][1]/@fix-id)"),
        "lang": root.get("{http://www.w3.org/XML/1998/namespace}lang"),
        "withdrawn": root.xpath("string(//*[local-name()='docdata'][1]/@management-status)") in GONE,
    }


def body_html(root: Any) -> str:
    """Return the HTML of the story: what is in `body.content`, without media."""
    return "".join(_html(element) for element in root.iter("{*}body.content", "body.content"))


def _html(element: Any) -> str:
    name = local_name(element)
    if not isinstance(element.tag, str) or name in LEFT_OUT:
        return ""
    inner = escape(element.text or "") + "".join(_html(child) + escape(child.tail or "") for child in element)
    tag = TAGS.get(name)
    if tag is None:
        return inner
    link = f' href="{escape(element.get("href", ""))}"' if tag == "a" else ""
    return f"<{tag}{link}>{inner}</{tag}>" if tag != "br" else "<br>"


def _first(root: Any, name: str) -> Any:
    return next(root.iter(f"{{*}}{name}", name), None)


def _text(root: Any, name: str) -> str:
    element = _first(root, name)
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


def _moment(root: Any, name: str) -> str | None:
    element = _first(root, name)
    return element.get("norm") if element is not None else None
