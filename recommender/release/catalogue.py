"""Read the catalogue of a release: articles and hand-made lists in SQLite, with chunks, words and lists beside it.

Rows count from 0, without gaps. The chunks of an article are adjacent, in text order. A chunk's row is the row of its
vector in the vector index. The SQLite file is opened immutable, and the other files are mapped. So reading takes no
lock, writes nothing, and keeps no journal.
"""

import json
import sqlite3
from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from recommender.errors import ArticleNotFound, IndexDamaged, unreadable
from recommender.features.article_features import SPANS, ArticleFeatures, Layout, map_facts, map_layout
from recommender.features.feature_assembly import fill_in
from recommender.features.feature_schema import Candidates
from recommender.features.link_history import LinkHistory, read_precedents
from recommender.release.list_file import StoredLists
from recommender.storage.mapped import mapped
from recommender.storage.sqlite_readers import Connections
from recommender.terms.word_dictionary import WORDS, WordTable
from recommender.text.cleaning import clean_line
from recommender.text.urls import url_key
from recommender.types import ARTICLE_COLUMNS, CARD_COLUMNS, Article, Card, article_of, card_of, parse_time, rfc3339

MAPPED = 1 << 40
"""More bytes than SQLite maps. It then maps its maximum, 2 GiB in most builds of SQLite."""

CARD = ", ".join(("row", *CARD_COLUMNS))
LINES = f"""
SELECT {CARD}, substr(text, start + 1, stop - start), EXISTS (SELECT 1 FROM article AS other WHERE other.canonical = article.row)
FROM wanted CROSS JOIN article ON row = place
"""


class Catalogue:
    """Read-only access. Safe to share between threads: each reads over its own connection."""

    def __init__(self, path: Path) -> None:
        self._path, self._folder = path, path.parent
        self._connections = Connections(immutable_uri(path), MAPPED)

    def close(self) -> None:
        """Close the connections of all threads, and the lists. No thread may be reading."""
        self._connections.close()
        if "_lists" in self.__dict__:
            self._lists.close()

    def row(self, article_id: str) -> int:
        """Return the row of an article.

        Raises:
            ArticleNotFound: No article has this id.
        """
        found = self.find_row(article_id)
        if found is None:
            raise ArticleNotFound(f"no article with id {article_id[:100]!r} in this index - check the id, or build the index again")
        return found

    def find_row(self, article_id: str) -> int | None:
        """Return the row of an article, or None. Two spellings of one id are equal: ids are cleaned as in the build."""
        found = self._one("SELECT row FROM article WHERE id = ?", clean_line(article_id))
        return None if found is None else int(found[0])

    def find_card(self, article_id: str) -> Card | None:
        """Return the card of an article, or None, as `find_row`."""
        found = self._one(f"SELECT {CARD} FROM article WHERE id = ?", clean_line(article_id))
        return None if found is None else card_of(found)

    def find_row_of_url(self, url: str) -> int | None:
        """Return the row of the article published under a URL in any spelling, or None. Of several, the first by id."""
        found = self._one("SELECT row FROM article WHERE url_key = ? ORDER BY row LIMIT 1", url_key(clean_line(url)))
        return None if found is None else int(found[0])

    def article(self, row: int) -> Article:
        """Return the stored article, its hand-made list included."""
        found = self._one(f"SELECT {', '.join(ARTICLE_COLUMNS)} FROM article WHERE row = ?", row)
        return article_of(found or _missing("article", row), tuple(card.id for card in self.read_more(row)))

    def titles_and_texts(self, rows: Sequence[int]) -> dict[int, tuple[str, str]]:
        """Return title and text of some articles, by row."""
        sql = "SELECT row, title, text FROM article WHERE row IN (SELECT value FROM json_each(?))"
        return {row: (title, text) for row, title, text in self._all(sql, json.dumps(list(rows)))}

    def card(self, row: int) -> Card:
        found = self._one(f"SELECT {CARD} FROM article WHERE row = ?", row)
        return card_of(found or _missing("article", row))

    def read_more(self, row: int) -> list[Card]:
        """Return the hand-made list of an article, in the editor's order."""
        return [
            card_of(found)
            for found in self._all(
                f"SELECT {CARD} FROM read_more JOIN article ON row = target WHERE article = ? ORDER BY position",
                row,
            )
        ]

    def hand_made_lists(self) -> dict[str, tuple[str, ...]]:
        """Return all hand-made lists: id of the article -> ids of its list in order."""
        lists: dict[str, list[str]] = {}
        for source, target in self._all(
            "SELECT source.id, target.id FROM read_more JOIN article AS source ON source.row = read_more.article"
            " JOIN article AS target ON target.row = read_more.target ORDER BY read_more.article, position"
        ):
            lists.setdefault(source, []).append(target)
        return {source: tuple(targets) for source, targets in lists.items()}

    def find(self, words: str, limit: int, replaced: Container[int] = ()) -> list[Card]:
        """Find published articles with `words` in the title, those with a hand-made list first, then the newest.

        Args:
            replaced: Rows to skip.
        """
        pattern = "%" + words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        sql = (
            f"SELECT {CARD} FROM article"
            " WHERE title LIKE ? ESCAPE '\\' AND (published IS NULL OR published <= ?)"
            " ORDER BY NOT EXISTS (SELECT 1 FROM read_more WHERE article = row), published DESC, row LIMIT ?"
        )
        return self._first(limit, replaced, sql, pattern, rfc3339(datetime.now(UTC)))

    def newest(self, section: str | None, limit: int, before: datetime, replaced: Container[int] = ()) -> list[Card]:
        """Return the newest articles up to some moment, of one section or of any.

        Only the canonical article of each duplicate group counts.

        Args:
            replaced: Rows to skip.
        """
        sql = f"SELECT {CARD} FROM article WHERE canonical IS NULL AND published <= ? AND (? IS NULL OR section = ?)"
        return self._first(limit, replaced, f"{sql} ORDER BY published DESC LIMIT ?", rfc3339(before), section, section)

    def candidates(self, row: int, *, briefly: bool = False) -> Candidates:
        """Return the precomputed candidates of an article, best by the shipped weights first.

        Args:
            briefly: Read only the features that the shipped weights use. The others are 0.
        """
        try:
            return fill_in(self._lists.read(row, briefly=briefly), row, *self._known, briefly=briefly)
        except (ValueError, IndexError) as error:
            raise IndexDamaged(f"the list of row {row} cannot be read ({error}) - build the index again") from error

    def rows_among(self, rows: Sequence[int], sections: Sequence[str], langs: Sequence[str], exclude: Sequence[str]) -> set[int]:
        """Return the rows among some whose articles pass filters.

        Sections and languages keep only their articles, unless they are empty. `exclude` drops articles with these ids,
        and articles that represent them. A language includes its regions: `en` matches `en-GB`.
        """
        asked = {"sections": sections, "langs": langs, "exclude": exclude, "rows": rows}
        values = {name: json.dumps([clean_line(of) if isinstance(of, str) else of for of in wanted]) for name, wanted in asked.items()}
        among = "SELECT value FROM json_each"
        found = self._read(
            f"SELECT row FROM article WHERE row IN ({among}(:rows)) AND id NOT IN ({among}(:exclude))"
            f" AND row NOT IN (SELECT canonical FROM article WHERE canonical IS NOT NULL AND id IN ({among}(:exclude)))"
            f" AND (:sections = '[]' OR section IN ({among}(:sections)))"
            f" AND (:langs = '[]' OR EXISTS ({among}(:langs) WHERE lower(lang) = lower(value) OR lower(lang) LIKE lower(value) || '-%'))",
            values,
        )
        return {row for (row,) in found}

    def stored_list(self, row: int, *, briefly: bool = False) -> tuple[Card, str, Candidates]:
        """Return card, text and candidates of an article."""
        *card, text = self._one(f"SELECT {CARD}, text FROM article WHERE row = ?", row) or _missing("article", row)
        return card_of(card), text, self.candidates(row, briefly=briefly)

    def lines(self, wanted: Sequence[tuple[int, int, int]]) -> dict[int, tuple[Card, str, list[Card]]]:
        """Return the data a list shows of some articles. One read is faster than one for each.

        Args:
            wanted: Row, and first and last character of the passage to show.

        Returns:
            Row -> card, passage, and the near-duplicates that the article represents.
        """
        if not wanted:
            return {}
        values = ", ".join(["(?, ?, ?)"] * len(wanted))
        found = {}
        for *card, passage, stands_for_others in self._all(
            f"WITH wanted(place, start, stop) AS (VALUES {values}) {LINES}", *chain.from_iterable(wanted)
        ):
            row = card[0]
            found[row] = card_of(card), passage, self.duplicates(row) if stands_for_others else []
        if len(found) < len(wanted):
            _missing("article", next(row for row, _, _ in wanted if row not in found))
        return found

    def chunk(self, chunk_row: int) -> tuple[int, str]:
        """Return where a chunk begins in its article's text, and the text of the chunk."""
        start, stop = self._spans[chunk_row].tolist()
        row = int(np.searchsorted(self._known[0].offsets, chunk_row, side="right")) - 1
        found = self._one("SELECT substr(text, ?, ?) FROM article WHERE row = ?", start + 1, stop - start, row)
        return start, str((found or _missing("article", row))[0])

    def duplicates(self, row: int) -> list[Card]:
        """Return the near-duplicates that an article represents, in order of rows."""
        return [card_of(found) for found in self._all(f"SELECT {CARD} FROM article WHERE canonical = ? ORDER BY row", row)]

    def dates_from(self, moment: datetime) -> list[datetime]:
        """Return the dates of articles from a moment on, and the last one before it, if there are any."""
        sql = "SELECT max(published) FROM article WHERE published < ?1 UNION SELECT published FROM article WHERE published >= ?1"
        second = moment.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00")  # sorts before all its fractions
        return [date for (text,) in self._all(sql, second) if (date := parse_time(text)) is not None]

    def layout(self) -> Layout:
        """Return the layout of the articles in the vector index."""
        return self._known[0]

    def facts(self) -> ArticleFeatures:
        """Return the ranking features of all articles."""
        return self._known[1]

    @cached_property
    def words(self) -> WordTable:
        """Return the word dictionary: the words of all articles, and their numbers."""
        return WordTable(self._folder / WORDS)

    @cached_property
    def _known(self) -> tuple[Layout, ArticleFeatures]:
        sections = dict(self._all("SELECT name, number FROM section"))
        return map_layout(self._folder), map_facts(self._folder, sections)

    @cached_property
    def _spans(self) -> NDArray[np.int32]:
        return mapped(self._folder / SPANS)

    @cached_property
    def _lists(self) -> StoredLists:
        return StoredLists(self._folder)

    def precedents(self, facts: ArticleFeatures) -> LinkHistory:
        """Return the link history of the editors for ranking, read once per release, with the facts."""
        try:
            return read_precedents(self._connections.here, facts)
        except sqlite3.DatabaseError as error:
            raise unreadable(self._path, error) from error

    def counts(self) -> tuple[int, int, int]:
        """Return the numbers of articles, chunks and related lists.

        Rows of the table have no gaps, so the last row gives their number. This call also maps
        all files that lists by id need. They stay readable if the folder is removed.
        """
        found = self._one("SELECT max(row) + 1 FROM article")
        n_articles = (found and found[0]) or 0
        return n_articles if n_articles == self.layout().n_articles else 0, len(self._spans), len(self._lists)

    def check_counts(self, n_articles: int, n_chunks: int) -> None:
        """Check that the files belong together.

        Raises:
            IndexDamaged: The counts are not those of the manifest.
        """
        try:
            counts = self.counts()
        except (sqlite3.DatabaseError, OSError, ValueError, EOFError, IndexDamaged):  # a file that is not a catalogue, or not an array
            counts = None
        if counts != (n_articles, n_chunks, n_articles):
            raise IndexDamaged(f"{self._folder}: the catalogue's counts are not the manifest's - build the index again")

    def _one(self, sql: str, *values: object) -> Any:
        return next(iter(self._all(sql, *values)), None)

    def _first(self, limit: int, replaced: Container[int], sql: str, *values: object) -> list[Card]:
        """Return the first cards of a query, without those of some rows. The query's last parameter is its limit."""
        asked = limit
        while True:
            found = self._all(sql, *values, asked)
            cards = [card_of(card) for card in found if card[0] not in replaced]
            if len(cards) >= limit or len(found) < asked:
                return cards[:limit]
            asked *= 4

    def _all(self, sql: str, *values: object) -> list[Any]:
        return self._read(sql, values)

    def _read(self, sql: str, values: Sequence[object] | Mapping[str, object]) -> list[Any]:
        """Read all rows of a query.

        Raises:
            IndexDamaged: The file cannot be read, or is missing.
        """
        try:
            return self._connections.here.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.ProgrammingError):  # it was closed
                raise
            raise unreadable(self._path, error) from error


def immutable_uri(path: Path) -> str:
    """Return the URI with which SQLite opens a catalogue without a lock, a journal or a write."""
    return f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"


def _missing(table: str, row: int) -> Any:
    raise IndexDamaged(f"the catalogue has no row {row} in table {table} - build the index again")
