"""What ranking knows of all articles at once: where their vectors lie, and their dates, sections and lengths.

Read from a catalogue, finished or still being written.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.candidate import UNDATED


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the articles lie in the vector index.

    Attributes:
        offsets: int64 (n_articles + 1,): article a has the chunks offsets[a] <= row < offsets[a + 1].
        tie_order: int64 (n_articles,): place of each article among equals, newest first, then by id.
    """

    offsets: NDArray[np.int64]
    tie_order: NDArray[np.int64]

    @property
    def n_articles(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True, slots=True)
class Facts:
    """What ranking knows of each article besides its words.

    Attributes:
        published: int64 (n_articles,): seconds since 1970, UNDATED if unknown.
        section: int32 (n_articles,): number of its section, -1 if it has none.
        length: float32 (n_articles,): characters of title and text.
        headline: bool (n_articles,): whether only the title is known.
        canonical: int64 (n_articles,): row of the article that stands for it in lists; its own, unless it is a near-duplicate.
        sections: Name of every section -> its number.
    """

    published: NDArray[np.int64]
    section: NDArray[np.int32]
    length: NDArray[np.float32]
    headline: NDArray[np.bool_]
    canonical: NDArray[np.int64]
    sections: Mapping[str, int]


def read_layout(connection: sqlite3.Connection) -> Layout:
    """Read where the articles lie from a catalogue, finished or not."""
    counts = [count for (count,) in connection.execute("SELECT n_chunks FROM article ORDER BY row")]
    newest_first = [row for (row,) in connection.execute("SELECT row FROM article ORDER BY published DESC NULLS LAST, id")]
    tie_order = np.empty(len(counts), dtype=np.int64)
    tie_order[newest_first] = np.arange(len(counts))
    return Layout(np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]), tie_order)


def read_facts(connection: sqlite3.Connection) -> Facts:
    """Read the facts of all articles from a catalogue, finished or not."""
    seconds = f"coalesce(CAST(strftime('%s', published) AS INTEGER), {UNDATED})"
    rows = connection.execute(
        f"SELECT {seconds}, section, length(title) + length(text), text = '', coalesce(canonical, row) FROM article ORDER BY row"
    ).fetchall()
    published, names, length, headline, canonical = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    sections = {name: number for number, name in enumerate(dict.fromkeys(name for name in names if name is not None))}
    return Facts(
        published=np.array(published, dtype=np.int64),
        section=np.array([sections.get(name, -1) for name in names], dtype=np.int32),
        length=np.array(length, dtype=np.float32),
        headline=np.array(headline, dtype=np.bool_),
        canonical=np.array(canonical, dtype=np.int64),
        sections=sections,
    )
