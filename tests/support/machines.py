"""Simulate machines that serve copies of one index, for tests of the journal.

Each machine has a folder and an open release.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index.journal.connect import opened
from index.journal.journal import Journal
from index.journal.replication import follow
from index.live import upserts
from index.updates import article_updates
from recommender import Article, Embedder, Recommender
from recommender.live.database import LIVE_DB
from tests.support.hash_embedder import HashEmbedder

LISTS = ("own", "place")
TABLES = {
    "article": "number, id, sequence, withdrawn, title, url, published, section, lang, names, model, chunks, vectors, text",
    "own": "*",
    "place": "*",
    "override": "article_id, sequence, body",
    "override_history": "number, article_id, action, key, body",
}
"""Columns of a `live.db` that the tests compare."""


@dataclass(frozen=True)
class Machine:
    """A machine.

    Attributes:
        journal: The shared journal. None: the machine serves alone.
    """

    index: Path
    recommender: Recommender
    journal: Journal | None

    def put(self, article: Article) -> bool:
        return article_updates.put(self.index, self.recommender, article, self.journal)

    def withdraw(self, article_id: str) -> None:
        article_updates.withdraw(self.index, self.recommender, article_id, self.journal)

    def follow(self) -> None:
        if self.journal is not None:
            follow(self.index, self.journal, self.recommender)
            upserts.prepare(self.index, self.recommender)

    def seen(self) -> dict[str, Any]:
        """Return the machine's view of all shared changes, without lists."""
        with self.recommender.live.reading() as view:
            articles = {row: (of.card, of.lang, of.prepared) for row, of in view.articles.items()}
            return {
                "articles": articles,
                "rows": dict(view.rows),
                "urls": dict(view.urls),
                "withdrawn": set(view.withdrawn),
                "replaced": dict(view.replaced),
                "overrides": {article_id: self.recommender.live.override(article_id) for article_id, *_ in rows(self.index, "override")},
                "hidden": (view.overridden, dict(view.hidden), view.moments),
            }

    def lists(self, n: int = 20) -> dict[str, Any]:
        """Return the lists of all articles."""
        catalogue = self.recommender.catalogue
        with self.recommender.live.reading() as view:
            stored = [catalogue.card(row) for row in range(self.recommender.release.manifest.n_articles)]
            gone = {card.id for card in stored} & set(view.withdrawn)
            ids = sorted({card.id for card in stored} - gone | set(view.rows))
            return {article_id: self.recommender.related(article_id, n).items for article_id in ids}


def rows(index: Path, table: str) -> list[Any]:
    """Return all rows of a table of `live.db`, byte for byte."""
    with closing(sqlite3.connect(index / LIVE_DB)) as connection:
        return connection.execute(f"SELECT {TABLES[table]} FROM {table} ORDER BY 1, 2, 3").fetchall()


@contextmanager
def machine(origin: Path, folder: Path, address: str = "", embedder: Embedder | None = None) -> Iterator[Machine]:
    """Open a machine with a copy of an index without live changes, or with the index that its folder holds."""
    if not folder.exists():
        shutil.copytree(origin, folder, ignore=shutil.ignore_patterns(f"{LIVE_DB}*"))
    upserts.create(folder)
    journal = opened(address)
    with Recommender.open(folder, embedder or HashEmbedder()) as recommender:
        try:
            yield Machine(folder, recommender, journal)
        finally:
            if journal is not None:
                journal.close()
