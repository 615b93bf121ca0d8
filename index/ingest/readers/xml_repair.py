"""Repair damaged XML of content management systems, so that it keeps the meaning that its writer intended."""

import codecs
import re
from collections import Counter
from html.entities import html5

CONTROL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
"""Characters that XML 1.0 forbids."""

CONTROL_BYTES = bytes(byte for byte in range(0x20) if byte not in b"\t\n\r")
CUT_SHORT = re.compile("[\udcc2-\udcf4][\udc80-\udcbf]+|[\udcc2\udcc3]")
"""A truncated UTF-8 character, as `surrogateescape` decodes it."""

MANY = 100
"""Maximum number of invalid UTF-8 bytes that count as slips of a few posts."""

BAD_BYTE = re.compile("[\udc80-\udcff]")
REFERENCE = re.compile(r"&#(?:x([0-9a-f]{1,8})|(\d{1,10}));", re.IGNORECASE)
CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
IN_CDATA = re.compile(r"<(?P<name>[A-Za-z_][\w:.-]*)(?P<attributes>(?:\s[^<>]*)?)>\s*<!\[CDATA\[")
"""An element whose text is CDATA, up to the text."""

ESCAPED_END = "]]]]><![CDATA[>"
"""`]]>` within CDATA, as WordPress writes it."""

RAW_HTML = re.compile(r"<(content:encoded|excerpt:encoded|description)>(?!\s*<!\[CDATA\[)((?:(?!</\1>).)*?<.*?)(?:\]\]>)?</\1>", re.DOTALL)
"""An element with HTML that is neither escaped nor in CDATA."""

AMPERSAND = re.compile(r"&(?!#\d+;|#x[0-9a-fA-F]+;|(?:amp|lt|gt|quot|apos);)(?:([A-Za-z][A-Za-z0-9]{1,31});)?")
LESS_THAN = re.compile(r"<(?![A-Za-z_/!?])")

BYTES, CONTROLS, AMPERSANDS, CDATA_ENDS, UNCLOSED, UNESCAPED = (
    "bytes that are not of the encoding",
    "control characters",
    "bare & or <",
    "]]> inside a text",
    "texts without ]]> at their end",
    "texts with HTML as it is",
)
"""Faults, as the report names them."""


def mostly_bad(beginning: bytes) -> bool:
    """Return True if a file is not UTF-8 at all. A few bad bytes are slips."""
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(beginning)
    n_bad = len(BAD_BYTE.findall(text))
    return n_bad >= MANY and 2 * n_bad > sum(character > "\x7f" for character in text)


def is_clean(text: str) -> bool:
    """Return True if a text holds nothing that XML forbids. This is faster than a regular expression."""
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        return False
    return len(raw.translate(None, CONTROL_BYTES)) == len(raw) and "\ufffe" not in text and "\uffff" not in text


def without_bad_bytes(text: str, faults: Counter[str]) -> str:
    """Replace invalid UTF-8 bytes, which a text holds as `surrogateescape` decodes them, and drop control characters.

    A single byte is read as Windows-1252, the encoding of old posts. Half a UTF-8 character becomes U+FFFD.
    """
    text, n_short = CUT_SHORT.subn("\ufffd", text)
    text, n_bytes = BAD_BYTE.subn(lambda found: bytes([ord(found[0]) - 0xDC00]).decode("cp1252", "replace"), text)
    faults[BYTES] += n_short + n_bytes
    faults[CONTROLS] += sum(len(found) for found in CONTROL.findall(text))
    return CONTROL.sub("", text)


def repaired(xml: str, faults: Counter[str]) -> str:
    """Repair an item: references to control characters, ends of CDATA, raw HTML, bare `&` and `<`.

    >>> repaired("<title>Q&A</title><x><![CDATA[a ]]> b]]></x>", Counter())
    '<title>Q&amp;A</title><x><![CDATA[a ]]]]><![CDATA[> b]]></x>'
    """
    xml = _texts_in_cdata(REFERENCE.sub(lambda found: _reference(found, faults), xml), faults)
    parts = CDATA.split(xml)  # markup, with the texts between its parts
    for at in range(0, len(parts), 2):
        parts[at] = _markup(parts[at], faults)
    return "".join(f"<![CDATA[{part}]]>" if at % 2 else part for at, part in enumerate(parts))


def _reference(found: re.Match[str], faults: Counter[str]) -> str:
    number = int(found[1], 16) if found[1] else int(found[2])
    if number < 0x110000 and not CONTROL.match(chr(number)):
        return f"&#{number};"
    faults[CONTROLS] += 1
    return ""


def _texts_in_cdata(xml: str, faults: Counter[str]) -> str:
    """End every CDATA text where its element ends, and nowhere else."""
    kept: list[str] = []
    at = 0
    while begin := IN_CDATA.search(xml, at):
        kept.append(_with_cdata(xml[at : begin.start()], faults))
        name = re.escape(begin["name"])
        end = re.compile(rf"\]\]>\s*</{name}\s*>").search(xml, begin.end())
        again = re.compile(rf"<{name}(?:\s[^<>]*)?>\s*<!\[CDATA\[").search(xml, begin.end(), end.start() if end else len(xml))
        if end is None or again is not None:
            faults[UNCLOSED] += 1
            end = re.compile(rf"</{name}\s*>|\]\]>").search(xml, begin.end(), again.start() if again else len(xml))
        text = xml[begin.end() : end.start() if end else len(xml)]
        plain = text.replace(ESCAPED_END, "")
        faults[CDATA_ENDS] += plain.count("]]>")
        text = text.replace(ESCAPED_END, "]]>").replace("]]>", ESCAPED_END)
        kept.append(f"<{begin['name']}{begin['attributes']}><![CDATA[{text}]]></{begin['name']}>")
        at = end.end() if end else len(xml)
    kept.append(_with_cdata(xml[at:], faults))
    return "".join(kept)


def _with_cdata(markup: str, faults: Counter[str]) -> str:
    """Put raw HTML of an item into CDATA."""
    markup, n_raw = RAW_HTML.subn(lambda found: f"<{found[1]}><![CDATA[{found[2].replace(']]>', ESCAPED_END)}]]></{found[1]}>", markup)
    faults[UNESCAPED] += n_raw
    return markup


def _markup(xml: str, faults: Counter[str]) -> str:
    """Escape text that is not markup, and replace HTML's entities with their characters."""

    def ampersand(found: re.Match[str]) -> str:
        character = html5.get(f"{found[1]};") if found[1] else None
        faults[AMPERSANDS] += character is None
        return character or f"&amp;{found[0][1:]}"

    xml = AMPERSAND.sub(ampersand, xml)
    xml, n_less = LESS_THAN.subn("&lt;", xml)
    faults[AMPERSANDS] += n_less
    faults[CDATA_ENDS] += xml.count("]]>")
    return xml.replace("]]>", "]]&gt;")
