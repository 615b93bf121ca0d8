"""Write the catalogue of a release; `recommender.catalogue` reads it."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from recommender.catalogue import SCHEMA, Candidates, Layout, read_layout
from recommender.chunking import Tokenizer, embedding_text
from recommender.types import Article, Chunk, rfc3339

NAMED = "CREATE TEMP TABLE named (article INTEGER NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL);"
"""What the hand-made lists say, until it is resolved."""

TITLED = "CREATE TEMP TABLE titled (title TEXT PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID"


class CatalogueWriter:
    """A catalogue that is being written: articles first, then hand-made lists, then related lists."""

    def __init__(self, path: Path) -> None:
        # The folder is staged: nobody reads it before it is complete, and `publish` flushes it.
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {SCHEMA} {NAMED} BEGIN;")
        self.n_articles = 0
        self.n_chunks = 0

    def add(self, article: Article, chunks: Sequence[Chunk]) -> None:
        """Append an article and its chunks; ids must be new."""
        row = self.n_articles
        self._connection.execute(
            "INSERT INTO article VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row,
                article.id,
                article.title,
                article.text,
                article.url,
                rfc3339(article.published),
                article.section,
                article.lang,
                self.n_chunks,
                len(chunks),
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

    def resolve_hand_made_lists(self) -> tuple[int, int]:
        """Find the articles that the hand-made lists name, by id, by URL or by exact title.

        Returns:
            Links found, and links that name nothing in the archive.
        """
        self._connection.execute(TITLED)
        self._connection.execute("INSERT INTO titled SELECT title, min(row) FROM article WHERE title != '' GROUP BY title")
        named = self._connection.execute(
            "SELECT article, coalesce((SELECT row FROM article AS a WHERE a.id = name),"
            " (SELECT min(row) FROM article AS a WHERE a.url = name),"
            " (SELECT row FROM titled WHERE title = name)) FROM named ORDER BY article, position"
        ).fetchall()
        found = dict.fromkeys(link for link in named if link[1] is not None and link[0] != link[1])
        self._connection.executemany(
            "INSERT INTO read_more VALUES (?, ?, ?)", ((article, position, target) for position, (article, target) in enumerate(found))
        )
        return len(found), sum(target is None for _, target in named)

    def texts(self, tokenizer: Tokenizer) -> Iterator[str]:
        """What the model reads for each chunk, in order of rows."""
        for title, passage in self._connection.execute(
            "SELECT title, substr(text, start + 1, stop - start) FROM chunk JOIN article ON article.row = chunk.article ORDER BY chunk.row"
        ):
            yield embedding_text(title, passage, tokenizer)

    def layout(self) -> Layout:
        return read_layout(self._connection)

    def add_related(self, row: int, candidates: Candidates) -> None:
        self._connection.execute("INSERT INTO related VALUES (?, ?)", (row, candidates.tobytes()))

    def finish(self) -> None:
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()
