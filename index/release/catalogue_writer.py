"""Write the catalogue of a release, which `recommender.release.catalogue` reads."""

import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from index.release.article_features_writer import finish_facts, write_facts
from index.release.read_more_links import Link, resolve
from index.terms.analysis import Spans, Text
from recommender.features.article_features import OFFSETS, SPANS
from recommender.release.catalogue_schema import SCHEMA
from recommender.retrieval.near_duplicates import Canonical
from recommender.text.chunking import Tokenizer, embedding_text
from recommender.text.urls import url_key
from recommender.types import ARTICLE_COLUMNS, Article, Chunk, Matrix, article_of, rfc3339, stored_values

PAGE = 1 << 16
"""Page size of the SQLite file in bytes.

Texts fill large pages better. A fourth of each page would stay empty at 4 KiB, a twentieth at 32 KiB.
"""

ARTICLE = f"SELECT {', '.join(ARTICLE_COLUMNS)} FROM article WHERE row = ?"
COLUMNS = ("row", *ARTICLE_COLUMNS, "url_key")
ADD = f"INSERT INTO article ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{name}' for name in COLUMNS)})"


class CatalogueWriter:
    """A writer of a catalogue: articles first, then hand-made lists, then related lists.

    Args:
        path: Path of the SQLite file. The other files are written beside it.
    """

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        # The folder is staged: no process reads it before it is complete, and `publish` flushes it.
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript(f"PRAGMA page_size = {PAGE}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {SCHEMA} BEGIN;")
        self._offsets, self._spans = array("q", [0]), array("i")
        self.n_links = 0

    @property
    def n_articles(self) -> int:
        return len(self._offsets) - 1

    @property
    def n_chunks(self) -> int:
        return self._offsets[-1]

    def add(self, article: Article, spans: Spans) -> None:
        """Append an article and the spans of its chunks. Ids must be new."""
        row = self.n_articles
        own = {"row": row, "id": article.id, "url_key": article.url and url_key(article.url)}
        self._connection.execute(ADD, {**own, **stored_values(article)})
        self._connection.executemany(
            "INSERT INTO named VALUES (?, ?, ?)", ((row, position, name) for position, name in enumerate(article.read_more))
        )
        for span in spans:
            self._spans.extend(span)
        self._offsets.append(self.n_chunks + len(spans))

    def add_all(self, articles: Iterable[tuple[Article, Spans]]) -> Iterator[Text]:
        """Append articles one by one, and yield the text to digest of each."""
        for article, spans in articles:
            self.add(article, spans)
            yield Text(article.title, article.text, spans)

    def resolve_hand_made_lists(self) -> list[Link]:
        """Resolve the entries of the hand-made lists to articles.

        Returns:
            Entries that match no article, or that were guessed.
        """
        links = list(resolve(self._connection))
        found = dict.fromkeys((link.article, link.target) for link in links if link.target is not None and link.article != link.target)
        self._connection.executemany(
            "INSERT INTO read_more VALUES (?, ?, ?)", ((article, position, target) for position, (article, target) in enumerate(found))
        )
        self.n_links = len(found)
        return [link for link in links if link.target is None or link.guessed]

    def describe(self, link: Link) -> dict[str, str | None]:
        """Return an entry of a hand-made list and its result in words."""
        found = None if link.target is None else self._id(link.target)
        return {"article": self._id(link.article), "name": link.name, "found": found, "nearest": link.guessed}

    def texts(self, tokenizer: Tokenizer) -> Iterator[str]:
        """Yield the model's input for each chunk, in order of rows."""
        for row, title, text in self._connection.execute("SELECT row, title, text FROM article ORDER BY row"):
            for start, stop in self._spans_of(row):
                yield embedding_text(title, text[start:stop], tokenizer)

    def sample(self, n_runs: int, length: int) -> list[tuple[Article, list[Chunk]]]:
        """Return articles and their chunks, in evenly spread runs of adjacent rows. Hand-made lists are left out."""
        starts = (place * max(0, self.n_articles - length) // max(1, n_runs - 1) for place in range(n_runs))
        rows = sorted({row for start in starts for row in range(start, min(start + length, self.n_articles))})
        return [(article := self._article(row), self._chunks(article, row)) for row in rows]

    def _article(self, row: int) -> Article:
        return article_of(self._connection.execute(ARTICLE, (row,)).fetchone())

    def _chunks(self, article: Article, row: int) -> list[Chunk]:
        spans = enumerate(self._spans_of(row))
        return [Chunk(article.id, position, start, stop, article.text[start:stop]) for position, (start, stop) in spans]

    def _spans_of(self, row: int) -> Iterator[tuple[int, int]]:
        """Yield the first and the last character of an article's chunks."""
        spans = self._spans[2 * self._offsets[row] : 2 * self._offsets[row + 1]]
        return zip(spans[::2], spans[1::2], strict=True)

    def _id(self, row: int) -> str:
        return str(self._connection.execute("SELECT id FROM article WHERE row = ?", (row,)).fetchone()[0])

    def rows_by(self, rule: Canonical) -> list[int]:
        """Return all rows in order of preference as canonical article.

        Unpublished articles come last, the soonest first.
        """
        order = {"earliest": "published NULLS LAST", "newest": "published DESC NULLS LAST", "longest": "length(text) DESC"}[rule]
        ahead = "coalesce(published > ?1, 0), CASE WHEN published > ?1 THEN published END"
        now = rfc3339(datetime.now(UTC))
        return [row for (row,) in self._connection.execute(f"SELECT row FROM article ORDER BY {ahead}, {order}, id", (now,))]

    def set_canonical(self, row: int, duplicates: Sequence[int]) -> None:
        """Make an article the canonical article of its near-duplicates."""
        self._connection.executemany("UPDATE article SET canonical = ? WHERE row = ?", ((row, other) for other in duplicates))

    def commit(self) -> None:
        """Make the data so far visible to readers: articles, chunks, hand-made lists, and features except hubness."""
        np.save(self._folder / OFFSETS, np.array(self._offsets, dtype=np.int64), allow_pickle=False)
        np.save(self._folder / SPANS, np.array(self._spans, dtype=np.int32).reshape(-1, 2), allow_pickle=False)
        write_facts(self._connection, self._folder, self.n_articles)
        self._begin_anew()

    def add_hubness(self, hubness: Matrix) -> None:
        """Make the data of the second step visible to readers: near-duplicates and hubness.

        Args:
            hubness: float32 (n_articles, 2), in meaning and in words.
        """
        finish_facts(self._connection, self._folder, hubness)
        self._begin_anew()

    def finish(self) -> None:
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()

    def _begin_anew(self) -> None:
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN")
