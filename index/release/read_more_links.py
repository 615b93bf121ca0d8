"""Resolve the entries of hand-made lists to articles: by id, by URL or by title, exactly or approximately.

A title without an exact match is compared with titles that share words with it. It matches only if it is cut off
(`...`), or nearly equal to exactly one title with the same numbers. "Budget 2019" does not match "Budget 2020".
"""

import re
import sqlite3
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin

from rapidfuzz.fuzz import ratio

from recommender.text.urls import url_key
from recommender.text.words import words

ALIKE = 90.0
"""Minimum ratio of common characters (in percent, Indel distance) of a name and its title.

A match also needs a lead of `AHEAD` over the next title.
"""

AHEAD = 5.0
"""Minimum lead in percent of the best title over the second best."""

FEWEST_CHARACTERS = 15
"""Minimum length in characters of a name that is matched approximately."""

N_COMPARED = 20
N_WORDS = 6

CUT_OFF = re.compile(r"(?:\.\.\.|…)\s*$")

TITLED = (
    "CREATE TEMP TABLE titled (key TEXT NOT NULL, published TEXT, row INTEGER PRIMARY KEY)",
    "INSERT INTO titled SELECT title_key(title), published, row FROM article WHERE title != ''",
    "CREATE INDEX temp.titled_key ON titled (key)",
)
TITLE_WORDS = (
    "CREATE VIRTUAL TABLE temp.title_words USING fts5(key, content = titled, content_rowid = row)",
    "INSERT INTO title_words (title_words) VALUES ('rebuild')",
)


@dataclass(frozen=True, slots=True)
class Link:
    """The result for one entry of a hand-made list.

    Attributes:
        article: Row of the article that has the list.
        name: The entry as the source gives it.
        target: Row of the article it names. None if no article matched.
        guessed: Title that was matched approximately, or that comes nearest. None for an exact match.
    """

    article: int
    name: str
    target: int | None
    guessed: str | None = None


def title_key(title: str) -> str:
    """Return a title without case, punctuation and spacing.

    >>> title_key("“Ferries’ Last  Day?”")
    'ferries last day'
    """
    return " ".join(words(unicodedata.normalize("NFKC", title).casefold())).replace("'", "")


def resolve(catalogue: sqlite3.Connection) -> Iterator[Link]:
    """Resolve the entries of the table `named`, in their order."""
    catalogue.create_function("title_key", 1, title_key, deterministic=True)
    for statement in TITLED:
        catalogue.execute(statement)
    can_guess = False
    entries = catalogue.execute("SELECT article, name, url, published FROM named JOIN article ON row = article ORDER BY article, position")
    for article, name, url, published in entries.fetchall():
        target = _by_id_or_url(catalogue, name)
        if target is None and name.startswith("/"):  # a path of the site
            target = _by_id_or_url(catalogue, urljoin(url, name) if url else name.strip("/"))
        if target is None:
            target = _first(
                catalogue,
                "SELECT row FROM titled WHERE key = ? ORDER BY coalesce(published > ?, 1), published DESC, row LIMIT 1",
                title_key(name) or None,
                published,
            )
        if target is None and not can_guess:
            for statement in TITLE_WORDS:
                catalogue.execute(statement)
            can_guess = True
        yield Link(article, name, target) if target is not None else _guess(catalogue, article, name)


def _by_id_or_url(catalogue: sqlite3.Connection, name: str) -> int | None:
    found = _first(catalogue, "SELECT row FROM article WHERE id = ?", name)
    if found is None and "/" in name:
        found = _first(catalogue, "SELECT min(row) FROM article WHERE url_key = ?", url_key(name))
    return found


def _guess(catalogue: sqlite3.Connection, article: int, name: str) -> Link:
    """Compare a name with titles that share its longest words."""
    key = title_key(name)
    longest = sorted(set(key.split()), key=lambda word: (-len(word), word))[:N_WORDS]
    if len(key) < FEWEST_CHARACTERS or "://" in name:
        return Link(article, name, None)
    near = catalogue.execute(
        "SELECT article.row, title, titled.key FROM title_words JOIN titled ON titled.row = title_words.rowid JOIN article USING (row)"
        " WHERE title_words MATCH ? ORDER BY rank, article.row LIMIT ?",
        (" OR ".join(f'"{word}"' for word in longest), N_COMPARED),
    ).fetchall()
    if CUT_OFF.search(name):
        begun = [(row, title) for row, title, other in near if other.startswith(key)]
        if len(begun) == 1:
            return Link(article, name, *begun[0])
    ranked = sorted(((_numbers(key) == _numbers(other), ratio(key, other), row, title) for row, title, other in near), reverse=True)
    if not ranked:
        return Link(article, name, None)
    same_numbers, best, row, title = ranked[0]
    second = ranked[1][1] if len(ranked) > 1 and ranked[1][0] else 0.0
    sure = same_numbers and best >= ALIKE and best - second >= AHEAD
    return Link(article, name, row if sure else None, title)


def _numbers(key: str) -> list[str]:
    return re.findall(r"\d+", key)


def _first(catalogue: sqlite3.Connection, sql: str, *values: object) -> int | None:
    found = catalogue.execute(sql, values).fetchone()
    return None if found is None or found[0] is None else int(found[0])
