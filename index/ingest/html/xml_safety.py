"""Refuse XML that would make a parser read other files or fill the memory, before a parser sees it."""

import re

from recommender.errors import InvalidArticle

DECLARED = re.compile(rb"<!\s*(?:DOCTYPE[^>\[]*(?:\[|\bSYSTEM\b|\bPUBLIC\b)|ENTITY)", re.IGNORECASE)
HTML_DOCTYPE = re.compile(rb"<!DOCTYPE\s+(?:rss|rdf:RDF|html)\s+PUBLIC\s[^>\[]*>", re.IGNORECASE)


def check_xml(raw: bytes) -> None:
    """Refuse XML with entity declarations or references to other documents.

    Raises:
        InvalidArticle: `bad_xml`.
    """
    text = raw.replace(b"\0", b"")  # also finds them in UTF-16 and UTF-32
    if DECLARED.search(HTML_DOCTYPE.sub(b"", text)):
        raise InvalidArticle("bad_xml", "the file declares entities of its own, or an outside document type - remove its DOCTYPE")
