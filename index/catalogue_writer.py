"""Write the catalogue of a release; `recommender.catalogue` reads it."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from index.links import Link, resolve
from recommender.candidate import Candidates
from recommender.catalogue import CHUNK, parse_time
from recommender.chunking import Tokenizer, embedding_text
from recommender.duplicates import Canonical
from recommender.facts import Facts, Layout, read_facts, read_layout
from recommender.precedents import Precedents, read_precedents
from recommender.schema import SCHEMA
from recommender.types import Article, Chunk, rfc3339
from recommender.urls import url_key


class CatalogueWriter:
    """A catalogue that is being written: articles first, then hand-made lists, then related lists."""

    def __init__(self, path: Path) -> None:
        # The folder is staged: nobody reads it before it is complete, and `publish` flushes it.
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {SCHEMA} BEGIN;")
        self.n_articles = 0
        self.n_chunks = 0
        self.n_links = 0

    def add(self, article: Article, chunks: Sequence[Chunk]) -> None:
        """Append an article and its chunks; ids must be new."""
        row = self.n_articles
        self._connection.execute(
            "INSERT INTO article VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)",
            (
                row,
                article.id,
                article.title,
                article.url,
                article.url and url_key(article.url),
                rfc3339(article.published),
                article.section,
                article.lang,
                self.n_chunks,
                len(chunks),
                article.text,
            ),
        )
        self._connection.executemany(
            "INSERT INTO chunk VALUES (?, ?, ?, ?)",
            ((self.n_chunks + chunk.position, row, chunk.start, chunk.end) for chunk in chunks),
        )
        self._connection.executemany(
            "INSERT INTO named VALUES (?, ?, ?)", ((row, position, name) for position, name in enumerate(article.read_more))
        )
        self.n_articles += 1
        self.n_chunks += len(chunks)

    def resolve_hand_made_lists(self) -> list[Link]:
        """Find the articles that the hand-made lists name.

        Returns:
            Entries that name nothing in the archive, or that were guessed.
        """
        links = list(resolve(self._connection))
        found = dict.fromkeys((link.article, link.target) for link in links if link.target is not None and link.article != link.target)
        self._connection.executemany(
            "INSERT INTO read_more VALUES (?, ?, ?)", ((article, position, target) for position, (article, target) in enumerate(found))
        )
        self.n_links = len(found)
        return [link for link in links if link.target is None or link.guessed]

    def describe(self, link: Link) -> dict[str, str | None]:
        """An entry of a hand-made list and what became of it, in words."""
        found = None if link.target is None else self._id(link.target)
        return {"article": self._id(link.article), "name": link.name, "found": found, "nearest": link.guessed}

    def texts(self, tokenizer: Tokenizer) -> Iterator[str]:
        """What the model reads for each chunk, in order of rows."""
        for title, passage in self._connection.execute(
            "SELECT title, substr(text, start + 1, stop - start) FROM chunk JOIN article ON article.row = chunk.article ORDER BY chunk.row"
        ):
            yield embedding_text(title, passage, tokenizer)

    def sample(self, n_runs: int, length: int) -> list[tuple[Article, list[Chunk]]]:
        """Articles and their chunks, in runs of neighbouring rows that are spread evenly; hand-made lists are left out."""
        starts = (place * max(0, self.n_articles - length) // max(1, n_runs - 1) for place in range(n_runs))
        rows = sorted({row for start in starts for row in range(start, min(start + length, self.n_articles))})
        return [(article := self._article(row), self._chunks(article, row)) for row in rows]

    def layout(self) -> Layout:
        return read_layout(self._connection)

    def facts(self) -> Facts:
        return read_facts(self._connection)

    def precedents(self, facts: Facts) -> Precedents:
        return read_precedents(self._connection, facts)

    def chunk(self, chunk_row: int) -> tuple[int, str]:
        """Where a chunk begins in its article's text, and what it says."""
        found: tuple[int, str] = self._connection.execute(CHUNK, (chunk_row,)).fetchone()
        return found

    def _article(self, row: int) -> Article:
        columns = "id, title, text, url, published, section, lang"
        id_, title, text, url, published, section, lang = self._connection.execute(
            f"SELECT {columns} FROM article WHERE row = ?", (row,)
        ).fetchone()
        return Article(id_, title, text, url, parse_time(published), section, lang)

    def _chunks(self, article: Article, row: int) -> list[Chunk]:
        place = self._connection.execute("SELECT first_chunk, n_chunks FROM article WHERE row = ?", (row,)).fetchone()
        spans = self._connection.execute(
            "SELECT start, stop FROM chunk WHERE row >= :first AND row < :first + :n ORDER BY row",
            dict(zip(("first", "n"), place, strict=True)),
        )
        return [Chunk(article.id, position, start, stop, article.text[start:stop]) for position, (start, stop) in enumerate(spans)]

    def _id(self, row: int) -> str:
        return str(self._connection.execute("SELECT id FROM article WHERE row = ?", (row,)).fetchone()[0])

    def rows_by(self, rule: Canonical) -> list[int]:
        """All rows, first those that should stand for their near-duplicates; what is not yet published last, the soonest first."""
        order = {"earliest": "published NULLS LAST", "newest": "published DESC NULLS LAST", "longest": "length(text) DESC"}[rule]
        ahead = "coalesce(published > ?1, 0), CASE WHEN published > ?1 THEN published END"
        now = rfc3339(datetime.now(UTC))
        return [row for (row,) in self._connection.execute(f"SELECT row FROM article ORDER BY {ahead}, {order}, id", (now,))]

    def set_canonical(self, row: int, duplicates: Sequence[int]) -> None:
        """Have an article stand for its near-duplicates in lists."""
        self._connection.executemany("UPDATE article SET canonical = ? WHERE row = ?", ((row, other) for other in duplicates))

    def add_words(self, numbers: Mapping[str, int]) -> None:
        self._connection.executemany("INSERT INTO word VALUES (?, ?)", ((number, word) for word, number in numbers.items()))

    def add_related(self, row: int, candidates: Candidates) -> None:
        self._connection.execute("INSERT INTO related VALUES (?, ?)", (row, candidates.tobytes()))

    def commit(self) -> None:
        """Let others read what was written so far."""
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN")

    def finish(self) -> None:
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()
