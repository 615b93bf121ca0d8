"""What the files of a release hold, beyond their hashes: whole tables, rows that exist, vectors of length 1."""

import sqlite3
from collections.abc import Iterator, Set
from contextlib import closing
from pathlib import Path

import numpy as np

from recommender.candidate import CANDIDATE
from recommender.catalogue import immutable_uri
from recommender.errors import IndexDamaged
from recommender.manifest import CATALOGUE, HUBNESS, TIERED, VECTORS, Manifest
from recommender.tiered_index import ARTICLES, TieredIndex, open_vectors
from recommender.vector_index import FlatIndex

BLOCK = 16_384
"""Vectors looked at together."""

TOLERANCE = 1e-3
"""By how much a squared norm may differ from 1."""

COUNTS = (("article", "n_articles"), ("chunk", "n_chunks"), ("related", "n_articles"))
"""Table -> the manifest's count of its rows."""

# Each counts the rows that should not be; the words say what they do.
STRAYS = (
    ("chunks that belong to no article", "chunk WHERE article NOT IN (SELECT row FROM article)"),
    (
        "chunks that lie outside their article's text",
        "chunk JOIN article ON article.row = chunk.article WHERE start < 0 OR stop < start OR stop > length(text)",
    ),
    ("lists of no article", "related WHERE article NOT IN (SELECT row FROM article)"),
    ("near-duplicates of no article", "article WHERE canonical NOT IN (SELECT row FROM article)"),
    (
        "lines of hand-made lists that point to no article",
        "read_more WHERE target NOT IN (SELECT row FROM article) OR article NOT IN (SELECT row FROM article)",
    ),
    (
        "articles whose chunks are not where they say",
        "article WHERE n_chunks != (SELECT count(*) FROM chunk WHERE chunk.row BETWEEN first_chunk AND first_chunk + n_chunks - 1"
        " AND chunk.article = article.row)",
    ),
)


def content_faults(folder: Path, manifest: Manifest, sound: Set[str]) -> Iterator[tuple[str, str]]:
    """Find what does not fit together in a release.

    Args:
        sound: The files whose bytes are those of the manifest; others are not looked at.

    Yields:
        Name of the file, and what is wrong in it.
    """
    if CATALOGUE in sound:
        try:
            with closing(sqlite3.connect(immutable_uri(folder / CATALOGUE), uri=True)) as connection:
                for found in _catalogue_faults(connection, manifest):
                    yield CATALOGUE, found
        except (sqlite3.Error, UnicodeDecodeError) as error:
            yield CATALOGUE, f"cannot be read ({error})"
    if VECTORS in sound and (manifest.vectors != TIERED or ARTICLES in sound):
        try:
            index = open_vectors(folder)
        except IndexDamaged as error:
            yield VECTORS, f"cannot be read ({str(error).partition(' - ')[0]})"
        else:
            for found in _vector_faults(index, manifest):
                yield VECTORS, found
    if HUBNESS in sound:
        for found in _array_faults(folder / HUBNESS, (manifest.n_articles, 2)):
            yield HUBNESS, found


def _catalogue_faults(connection: sqlite3.Connection, manifest: Manifest) -> Iterator[str]:
    for (line,) in connection.execute("PRAGMA quick_check"):
        if line != "ok":
            yield f"is no sound SQLite file: {line}"
    for table, count in COUNTS:
        n_rows, last = connection.execute(f"SELECT count(*), max(rowid) FROM {table}").fetchone()
        expected = getattr(manifest, count)
        if n_rows != expected:
            yield f"has {n_rows} rows in table {table}, its manifest says {expected}"
        elif n_rows and last != n_rows - 1:
            yield f"has gaps in the rows of table {table}: {n_rows} of them, the last is {last}"
    for what, stray in STRAYS:
        (n_stray,) = connection.execute(f"SELECT count(*) FROM {stray}").fetchone()
        if n_stray:
            yield f"has {n_stray} {what}"
    yield from _candidate_faults(connection, manifest)


def _candidate_faults(connection: sqlite3.Connection, manifest: Manifest) -> Iterator[str]:
    """Lists that cannot be read or shown: counted, and the first article of each kind named."""
    wrong: dict[str, list[int]] = {}
    for row, blob in connection.execute("SELECT article, candidates FROM related ORDER BY article"):
        if not isinstance(blob, bytes) or len(blob) % CANDIDATE.itemsize:
            wrong.setdefault("lists that are cut", []).append(row)
            continue
        found = np.frombuffer(blob, dtype=CANDIDATE)
        targets = found["article"]
        if ((targets < 0) | (targets >= manifest.n_articles)).any():
            wrong.setdefault("lists with candidates that are no article", []).append(row)
        if (targets == row).any():
            wrong.setdefault("lists that name their own article", []).append(row)
        if len(np.unique(targets)) != len(targets):
            wrong.setdefault("lists that name an article twice", []).append(row)
        if len(found) > manifest.n_candidates:
            wrong.setdefault(f"lists of more than {manifest.n_candidates} candidates", []).append(row)
        if not np.isfinite(found["features"]).all():
            wrong.setdefault("lists with features that are no finite number", []).append(row)
    for what, rows in wrong.items():
        yield f"has {len(rows)} {what}, the first of article row {rows[0]}"


def _vector_faults(index: FlatIndex | TieredIndex, manifest: Manifest) -> Iterator[str]:
    if index.kind != manifest.vectors:
        yield f"is searched as {index.kind}, its manifest says {manifest.vectors}"
    if (len(index), index.dim) != (manifest.n_chunks, manifest.model.dim):
        yield f"holds {len(index)} vectors of {index.dim} numbers, its manifest says {manifest.n_chunks} of {manifest.model.dim}"
    if isinstance(index, TieredIndex) and index.n_articles != manifest.n_articles:
        yield f"finds {index.n_articles} articles, its manifest says {manifest.n_articles}"
    wrong: list[int] = []
    for begin in range(0, len(index), BLOCK):
        vectors = index.vectors(np.arange(begin, min(begin + BLOCK, len(index))))
        with np.errstate(over="ignore", invalid="ignore"):
            norms = np.einsum("ij,ij->i", vectors, vectors)
        wrong += (begin + np.flatnonzero(~(np.abs(norms - 1.0) < TOLERANCE))).tolist()  # NaN compares false
    if wrong:
        yield f"holds {len(wrong)} vectors that are not of length 1, the first in row {wrong[0]}"


def _array_faults(path: Path, shape: tuple[int, int]) -> Iterator[str]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        yield f"is no array ({type(error).__name__})"
        return
    if array.shape != shape:
        yield f"is an array of {array.shape}, its manifest asks for {shape}"
    n_wrong = sum(int((~np.isfinite(array[begin : begin + BLOCK])).sum()) for begin in range(0, len(array), BLOCK))
    if n_wrong:
        yield f"holds {n_wrong} numbers that are not finite"
