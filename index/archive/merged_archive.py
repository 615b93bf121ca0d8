"""Merge the sources with the serving release in a temporary SQLite file.

The file is stored beside the staged release, so memory does not grow with the archive. It is removed before the release
is published. Articles are read in order of ids, so a release depends on its content and not on its history. A build of
a few changed articles equals a build from scratch.
"""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from index.build_report import ArchiveChanges
from index.terms.analysis import Spans
from recommender.release.catalogue import immutable_uri
from recommender.types import ARTICLE_COLUMNS, FIELD, LISTED_COLUMNS, Article, article_of, stored_values

FIELDS = (*FIELD, "names")
"""Columns in which two versions of an article may differ. `names` is the hand-made list in JSON, as the source gives it."""

SCHEMA = f"""
CREATE TABLE incoming (
    id TEXT NOT NULL UNIQUE, {", ".join(f"{name} TEXT" for name in FIELDS)},
    place TEXT,                  -- file:line; NULL for what the serving release holds
    spans TEXT,                  -- JSON: its chunks, where they are known
    same INTEGER                 -- row of the serving release's article of the same id, title and text
);
CREATE TABLE withdrawn (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""

PUT = f"INSERT OR REPLACE INTO incoming VALUES ({', '.join('?' * (len(LISTED_COLUMNS) + 2))}, NULL)"


def as_given(schema: str) -> str:
    """Return the SQL that selects articles and rows from a release's catalogue, with every field that sources give."""
    names = f"SELECT name FROM {schema}.named WHERE article = row ORDER BY position"
    return f"""
    SELECT row, {", ".join(ARTICLE_COLUMNS)}, (SELECT json_group_array(name) FROM ({names})) AS names
    FROM {schema}.article
    """


class MergedArchive:
    """A store of the articles of the next release.

    It is a context manager. The file is removed when the context ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = sqlite3.connect(path, uri=True, isolation_level=None)  # uri=True is needed for ATTACH
        self._connection.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {SCHEMA}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()
        self._path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return self._count("incoming")

    def place_of(self, article_id: str) -> str | None:
        """Return the file and line where the article with an id was read, or None if the id is unknown."""
        found = self._connection.execute("SELECT place FROM incoming WHERE id = ?", (article_id,)).fetchone()
        return None if found is None else str(found[0])

    def put(self, article: Article, place: str, spans: Spans | None = None) -> None:
        """Insert an article, or replace the article with the same id.

        Args:
            spans: The spans of its chunks, if they are known.
        """
        names = json.dumps(article.read_more, ensure_ascii=False, separators=(",", ":"))  # the separators that SQLite writes
        known = None if spans is None else json.dumps(spans)
        self._connection.execute(PUT, (article.id, *stored_values(article).values(), names, place, known))

    def withdraw(self, article_id: str) -> None:
        """Exclude an article from the release, even if the sources or the serving release hold it."""
        self.pass_over(article_id)
        self._connection.execute("DELETE FROM incoming WHERE id = ?", (article_id,))

    def pass_over(self, article_id: str) -> None:
        """Exclude the serving release's version of an article, but not the version of the sources."""
        self._connection.execute("INSERT OR IGNORE INTO withdrawn VALUES (?)", (article_id,))

    def lay_over(self, catalogue: Path, keep: bool) -> ArchiveChanges:
        """Compare the sources with the serving release, and take over the articles that no source named.

        Args:
            catalogue: The release's catalogue file.
            keep: Whether to keep articles that no source named.
        """
        self._connection.execute("ATTACH ? AS serving", (immutable_uri(catalogue),))
        self._connection.execute(f"CREATE TEMP VIEW old AS {as_given('serving')}")
        n_given, n_old = self._count("incoming"), self._count("serving.article")
        both = "incoming AS new JOIN old USING (id)"
        n_known = self._count("incoming JOIN serving.article USING (id)")
        n_same = self._count(f"{both} WHERE {' AND '.join(f'new.{name} IS old.{name}' for name in FIELDS)}")
        same = "SELECT row FROM serving.article AS old WHERE old.id = new.id AND old.title = new.title AND old.text = new.text"
        self._connection.execute(f"UPDATE incoming AS new SET same = ({same})")
        n_kept = 0
        if keep:
            columns = ", ".join(("id", *FIELDS))
            missing = "id NOT IN (SELECT id FROM incoming) AND id NOT IN (SELECT id FROM withdrawn)"
            n_kept = self._connection.execute(f"INSERT INTO incoming SELECT {columns}, NULL, NULL, row FROM old WHERE {missing}").rowcount
        self._connection.execute("DROP VIEW old")
        self._connection.execute("DETACH serving")
        return ArchiveChanges(n_given - n_known, n_known - n_same, n_kept, n_old - n_known - n_kept)

    def all_new(self) -> ArchiveChanges:
        """Return the changes of a first build, where no release serves."""
        return ArchiveChanges(n_new=self._count("incoming"))

    def articles(self) -> Iterator[tuple[Article, str, int | None, Spans | None]]:
        """Yield all articles in order of ids.

        Each comes with its place in the sources, the row of the serving release that has the same title and text, and
        its chunks. `read_more` holds names as the sources give them.
        """
        rows = self._connection.execute("SELECT * FROM incoming ORDER BY id")
        for *columns, names, place, spans, same in rows:
            yield article_of(columns, json.loads(names)), place or "the last release:1", same, spans and json.loads(spans)

    def _count(self, rows: str) -> int:
        found: tuple[int] = self._connection.execute(f"SELECT count(*) FROM {rows}").fetchone()
        return found[0]
