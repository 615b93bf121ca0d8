"""Read the items of an XML file one by one, damaged or not: feeds, exports of WordPress and Blogger.

Characters that XML forbids are replaced before a parser sees them. Each item is then parsed by itself, so that a fault
affects only its own item. It is parsed unchanged, then repaired (`xml_repair`), or else as lxml recovers it. Only the
end of the file ends the reading.
"""

import codecs
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from html import unescape
from io import BufferedReader, BytesIO, RawIOBase
from itertools import islice
from pathlib import Path
from typing import Any, cast
from xml.sax.saxutils import quoteattr

from lxml import etree

from index.ingest.compressed import MAX_RECORD, opened
from index.ingest.readers.xml_repair import BYTES, is_clean, mostly_bad, repaired, without_bad_bytes
from index.ingest.record import Mended, Reject
from recommender.errors import InvalidArticle

log = logging.getLogger(__name__)

BLOCK = 1 << 20
"""Bytes per read."""

AHEAD = 256
"""Characters needed after a tag to classify it. If fewer were read, more are read."""

DECLARED = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]+)["']""")
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MEANT = {"iso8859-1": "cp1252", "ascii": "utf-8"}
"""Declared encodings -> the actual encodings, as browsers interpret them."""

ROOTS = r"channel|rss|feed|rdf:RDF"
ASIDE = r"(?P<aside><!\[CDATA\[|<!--)"
OUTSIDE = re.compile(rf"{ASIDE}|<(?P<name>item|entry)(?=[\s/>])|</(?P<end>item|entry)\s*>|</(?P<root>{ROOTS})\s*>")
INSIDE = {name: re.compile(rf"{ASIDE}|(?P<end></{name}\s*>)|<{name}(?=[\s>])|</(?:{ROOTS})\s*>") for name in ("item", "entry")}
ENDS = {name: re.compile(rf"</{name}\s*>(?=\s*(?:<{name}[\s>]|</(?:{ROOTS})\s*>|<!--|\Z))") for name in ("item", "entry")}
"""Ends of an item that are followed by the next item."""

CDATA_END, COMMENT_END = re.compile(r"\]\]>"), re.compile("-->")
DECLARATION = re.compile(r"""\sxmlns(?::([\w.-]+))?\s*=\s*["']([^"'<>]*)["']""")
PREFIX = re.compile(r"</?([A-Za-z_][\w.-]*):|\s([A-Za-z_][\w.-]*):[\w.-]+\s*=")
KNOWN = {
    "content": "http://purl.org/rss/1.0/modules/content/",
    "excerpt": "http://wordpress.org/export/1.2/excerpt/",
    "wp": "http://wordpress.org/export/1.2/",
    "dc": "http://purl.org/dc/elements/1.1/",
}
"""Namespaces of prefixes that a damaged file does not declare."""

OPTIONS: dict[str, Any] = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": True, "remove_comments": True}
"""Entities are not resolved and nothing is loaded, so a file cannot include other files."""

STRICT = etree.XMLParser(**OPTIONS)
LENIENT = etree.XMLParser(recover=True, **OPTIONS)
MOST_WITHIN = 20
"""Beginnings of items within an item that are tried: an example in a story has few."""

DAMAGED, UNBALANCED, STRAY = "items with damaged XML", "items without their first or last tag", "pieces of XML between items"
"""Faults, as the report names them."""


@dataclass(frozen=True, slots=True)
class Item:
    """An item of RSS or an entry of Atom.

    Attributes:
        number: Number from 1, in the order of the file.
        head: The file's text before the first item.
        xml: The item, well-formed.
        damage: The fault that may have cost parts of the item.
    """

    number: int
    head: str
    xml: str
    element: Any
    damage: str = ""

    def all(self, name: str) -> Iterator[Any]:
        """Yield the elements of a name.

        In a recovered item they may be at any depth: a missing end tag moves its siblings down.
        """
        yield from self.element.iterdescendants(name) if self.damage else self.element.iterchildren(name)

    def text(self, name: str) -> str:
        """Return the text of the first element of a name that has one."""
        return next((element.text for element in self.all(name) if element.text), "")


def local_name(element: Any) -> str:
    """Return the name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2].rpartition(":")[2]


def in_head(head: str, name: str) -> str:
    """Return the text of an element in front of the items.

    >>> in_head("<channel><link>https://news.example</link>", "link")
    'https://news.example'
    """
    found = re.search(rf"<{name}(?:\s[^<>]*)?>\s*(?:<!\[CDATA\[)?(.*?)(?:\]\]>)?\s*</{name}\s*>", head, re.DOTALL)
    return unescape(found[1]).strip() if found else ""


def items(path: Path, mark: str = "") -> Iterator[Item | Reject | Mended]:
    """Yield the items of a file. At the end, yield the repaired faults, and a reject if the file is truncated.

    Args:
        mark: A tag that every complete item has after its story, so that an XML example within the story does not end
            the item.
    """
    faults: Counter[str] = Counter()
    number = 0
    try:
        with opened(path) as file:
            window = _Window(file, faults)
            for number, found in enumerate(_items(window, mark, faults), start=1):
                if isinstance(found, Item):
                    if found.damage:
                        log.warning("%s: item %d is damaged (%s); what could be read of it was", path, number, found.damage)
                    yield found
                else:
                    yield Reject(str(path), number, None, "bad_xml", f"{found} - export it again, or mend the item")
            if not window.is_closed:
                raise InvalidArticle("bad_xml", "the file ends before its last tag - export it again")
    except InvalidArticle as error:
        yield Reject(str(path), number + 1, None, error.code, str(error), cut=True)
    yield from (Mended(str(path), fault, count) for fault, count in faults.items() if count)


class _Window:
    """A sliding window over the characters of a file.

    Attributes:
        text: The characters. A search appends more at the end.
        is_read: Whether the window reaches the end of the file.
        is_closed: Whether the last tag of the file was found, with nothing of value after it.
    """

    def __init__(self, file: BufferedReader, faults: Counter[str]) -> None:
        self._file = file
        self._faults = faults
        beginning = file.peek(BLOCK)
        encoding = encoding_of(beginning)
        self._is_guessed = encoding == "utf-8" and mostly_bad(beginning)
        errors = "surrogateescape" if encoding.startswith("utf-8") and not self._is_guessed else "replace"
        self._decoder = codecs.getincrementaldecoder("cp1252" if self._is_guessed else encoding)(errors)
        self.is_read = False
        self.text = ""
        self.is_closed = False

    def search(self, pattern: re.Pattern[str], start: int) -> re.Match[str] | None:
        """Find a pattern, and read more characters while needed."""
        begin = start
        while True:
            found = pattern.search(self.text, start)
            if self.is_read or (found and found.end() + AHEAD <= len(self.text)):
                return found
            if len(self.text) - begin > MAX_RECORD:
                raise InvalidArticle(
                    "too_large", f"an item has more than {MAX_RECORD >> 20} MiB, the rest was not read - is its end missing?"
                )
            start = found.start() if found else max(start, len(self.text) - AHEAD)
            self.read()

    def forget(self, end: int) -> int:
        """Drop the characters before `end`, once they are many. Return the new place of `end`."""
        if end < BLOCK:
            return end
        self.text = self.text[end:]
        return 0

    def read(self) -> None:
        """Read the next block."""
        raw = self._file.read1(BLOCK)
        if self._is_guessed:
            self._faults[BYTES] += sum(byte > 0x7F for byte in raw)
        text = self._decoder.decode(raw, final=not raw)
        self.is_read = not raw
        self.text += text if is_clean(text) else without_bad_bytes(text, self._faults)


def decoded(raw: bytes, faults: Counter[str]) -> str:
    """Return the text of a whole file, without what XML forbids."""
    window = _Window(BufferedReader(cast("RawIOBase", BytesIO(raw))), faults)
    while not window.is_read:
        window.read()
    return window.text


def encoding_of(beginning: bytes) -> str:
    """Return the encoding of an XML file: by its byte order mark, else as declared, else UTF-8."""
    for mark, encoding in BOMS:
        if beginning.startswith(mark):
            return encoding
    if beginning[1:2] == b"\0" or beginning[:1] == b"\0":
        return "utf-16-be" if beginning[:1] == b"\0" else "utf-16-le"
    named = DECLARED.search(beginning[:AHEAD])
    try:
        encoding = codecs.lookup(named[1].decode()).name if named else "utf-8"
        "".encode(encoding)  # some of the names are not text encodings
    except LookupError:
        return "utf-8"
    return "utf-8" if encoding.startswith(("utf-16", "utf-32")) else MEANT.get(encoding, encoding)


def _items(window: _Window, mark: str, faults: Counter[str]) -> Iterator[Item | str]:
    """Yield items, or the fault of an item that cannot be read."""
    head: str | None = None
    namespaces = ""
    number = at = begin = 0
    while token := window.search(OUTSIDE, at):
        if token["aside"]:
            at = _behind(window, token)
            continue
        if token["root"]:
            at = begin = token.end()
            window.is_closed = True
            continue
        if head is None:
            begin = token.start() if token["name"] else max(window.text.rfind("<title", 0, token.start()), 0)
            head = window.text[:begin]
            namespaces = _declared(dict(reversed(DECLARATION.findall(head[:BLOCK]))))
        window.is_closed = False
        number += 1
        if token["name"]:
            between = window.text[begin : token.start()]
            if between.strip() and not _sound(f"<x>{between}</x>", namespaces):
                faults[STRAY] += 1
            found = _item(window, token.start(), token["name"], mark, namespaces, faults)
            if found is None:  # the file ends within the item
                return
        else:  # the item's start tag is lost
            faults[UNBALANCED] += 1
            xml = f"<{token['end']}>{window.text[begin : token.end()]}"
            found = _mended(xml, namespaces, faults) or _recovered(xml, namespaces, faults), token.end()
        item, end = found
        yield replace(item, number=number, head=head) if isinstance(item, Item) else item
        at = begin = window.forget(end)


def _item(window: _Window, start: int, name: str, mark: str, namespaces: str, faults: Counter[str]) -> tuple[Item | str, int] | None:
    """Return the item that begins at a place, and the place behind the item. Return None if the file ends within it."""
    end, is_whole = _end(window, start, name)
    if item := _sound(window.text[start:end], namespaces):
        inner = f"<{name}" in item.xml[1:]  # an example in a story, or an item that breaks off within CDATA, which the next item closes
        if not inner or not _next_within(window.text, start, end, name, namespaces, strictly=True):
            return item, end
    ends = [end] if end else []
    near = _near(window, start, name, mark)
    if near and near != end:
        ends.insert(0 if is_whole or not end else 1, near)
    ends = [end for end in ends if mark in window.text[start:end]] or ends
    if ends and (cut := _next_within(window.text, start, max(ends), name, namespaces)):
        ends = [end for end in ends if end <= cut] or [cut]
    if not ends:
        return None
    whole = {end: _closed(window.text[start:end], name) for end in ends}
    found: Item | str | None = None
    for end in ends:
        if found := _mended(whole[end], namespaces, faults):
            break
    else:
        end = ends[0]
        found = _recovered(whole[end], namespaces, faults)
    faults[UNBALANCED] += len(whole[end]) > end - start
    return found, end


def _next_within(text: str, start: int, end: int, name: str, namespaces: str, strictly: bool = False) -> int:
    """Find the next item inside an item: the first one breaks off there. Return 0 if there is none."""
    for begin in islice(re.finditer(rf"<{name}[\s>]", text[start + 1 : end]), MOST_WITHIN):
        place = start + 1 + begin.start()
        if _sound(text[place:end], namespaces) or (not strictly and _mended(text[place:end], namespaces, Counter())):
            return place
    return 0


def _closed(xml: str, name: str) -> str:
    """Return the item with its end tag."""
    return xml if re.search(rf"</{name}\s*>\Z", xml) else f"{xml}</{name}>"


def _end(window: _Window, start: int, name: str) -> tuple[int, bool]:
    """Find the end of an item by the rules of XML: 0 if there is none, and True if it is an end tag."""
    at = start + len(name) + 1
    try:
        while token := window.search(INSIDE[name], at):
            if not token["aside"]:
                return token.end() if token["end"] else token.start(), bool(token["end"])
            at = _behind(window, token)
    except InvalidArticle:  # CDATA without an end
        pass
    return 0, False


def _near(window: _Window, start: int, name: str, mark: str) -> int:
    """Find the first end tag that the next item follows, CDATA or not. Return 0 if there is none."""
    marked = window.search(re.compile(re.escape(mark)), start)
    found = window.search(ENDS[name], marked.end()) if marked else None
    return found.end() if found else 0


def _behind(window: _Window, token: re.Match[str]) -> int:
    """Return the place behind a comment or CDATA, or behind its beginning if it has no end."""
    mark, pattern = ("]]>", CDATA_END) if token["aside"].startswith("<![") else ("-->", COMMENT_END)
    place = window.text.find(mark, token.end())
    if place >= 0:
        return place + len(mark)
    end = window.search(pattern, token.end())
    return end.end() if end else token.end()


def _sound(xml: str, namespaces: str) -> Item | None:
    try:
        return Item(0, "", xml, _parsed(xml, namespaces, STRICT)[0])
    except (etree.XMLSyntaxError, IndexError):
        return None


def _mended(xml: str, namespaces: str, faults: Counter[str]) -> Item | None:
    """Return the item if repairs make it well-formed."""
    found: Counter[str] = Counter()
    item = _sound(repaired(xml, found), _with_all(xml, namespaces))
    if item is not None:
        faults.update(found)
    return item


def _recovered(xml: str, namespaces: str, faults: Counter[str]) -> Item | str:
    """Return what a lenient parser recovers of an item, or the fault if that is nothing."""
    xml = repaired(xml, faults)
    namespaces = _with_all(xml, namespaces)
    faults[DAMAGED] += 1
    try:
        _parsed(xml, namespaces, STRICT)
        damage = "it holds several elements"
    except etree.XMLSyntaxError as error:
        damage = str(error)[:150]
    root = _parsed(xml, namespaces, LENIENT)
    if root is None or len(root) == 0:
        return damage
    return Item(0, "", "".join(etree.tostring(child, encoding="unicode", with_tail=False) for child in root), root, damage)


def _parsed(xml: str, namespaces: str, parser: etree.XMLParser) -> Any:
    """Parse an item under a root element. A lenient parser may return None."""
    return etree.fromstring(f"<items{namespaces}>{xml}</items>", parser)


def _declared(namespaces: Mapping[str, str]) -> str:
    """Return declarations of namespaces, as attributes of an element."""
    return "".join(f" xmlns{prefix and ':'}{prefix}={quoteattr(name)}" for prefix, name in namespaces.items())


def _with_all(xml: str, namespaces: str) -> str:
    """Add a namespace for each prefix that is not declared."""
    used = {prefix for found in PREFIX.findall(xml) for prefix in found if prefix not in ("", "xml", "xmlns")}
    missing = {prefix: KNOWN.get(prefix, f"urn:undeclared:{prefix}") for prefix in sorted(used) if f" xmlns:{prefix}=" not in namespaces}
    return namespaces + _declared(missing)
