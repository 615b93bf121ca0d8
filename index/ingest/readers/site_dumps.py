"""Refuse text files that contain a whole site, because each would become one article with its drafts inside."""

import re
from pathlib import Path

from recommender.errors import InputError

BEGINNING = 1 << 16
"""Bytes at the beginning that identify a text."""

MOVABLE_TYPE = re.compile(
    r"\A(?=.*?^-{5,8}[ \t]*\n(?:BODY|EXTENDED BODY|EXCERPT|KEYWORDS|COMMENT|PING):)"
    r".*?^(?:AUTHOR|TITLE|BASENAME|STATUS|ALLOW COMMENTS|CONVERT BREAKS|DATE|PRIMARY CATEGORY|CATEGORY): ",
    re.DOTALL | re.MULTILINE,
)
"""The format that TypePad and Hatena Blog use too."""

SQL = re.compile(
    r"\s*(?:/\*M?!.*\n\s*)*"  # what only some servers execute
    r"(?:-- (?:MySQL|MariaDB) dump|-- phpMyAdmin SQL Dump|--\s*\n-- PostgreSQL database dump|PRAGMA foreign_keys=OFF;)",
)
"""The beginning of what mysqldump, mariadb-dump, phpMyAdmin, pg_dump and sqlite3 write."""

KINDS = (
    (MOVABLE_TYPE, "an export of Movable Type, drafts included", "import it in WordPress, and give the export of that"),
    (re.compile(r"///DOTCLEAR\|"), "a backup of Dotclear, drafts included", "give the blog's RSS feed, or import it in WordPress first"),
    (SQL, "a dump of a database", "export articles"),
    (re.compile(r"\s*<(?:\?xml|rss|feed|rdf:RDF)[\s>]"), "XML", "name it .xml"),
)
"""Beginning of a text -> its kind, and the cure."""


def refuse_dump(raw: bytes, path: Path) -> None:
    """Refuse a text, in whatever encoding, that is the export of a site and not an article.

    Raises:
        InputError: The message names the system.
    """
    beginning = raw[:BEGINNING].decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    for pattern, kind, cure in KINDS:
        if pattern.match(beginning):
            raise InputError(f"{path} is {kind}, no article - {cure}; the index is as it was")
