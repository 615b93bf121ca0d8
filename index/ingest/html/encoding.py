"""Decode the characters of a web page."""

import codecs
import re

CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
NOT_MEANT = {codecs.lookup(name).name for name in ("ascii", "latin-1", "utf-16", "utf-7", "unicode_escape")}
"""Encodings that pages declare wrongly: browsers read the first two as Windows-1252, and UTF-16 as UTF-8."""

BEGINNING = 4096
"""Bytes at the beginning that may declare the encoding."""


def decoded_page(raw: bytes) -> str:
    """Decode a page: by its byte order mark, by the encoding it names, as UTF-8, else as Windows-1252."""
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
