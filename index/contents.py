"""What the files of a release hold, beyond their hashes: whole tables, rows that exist, vectors of length 1."""

import sqlite3
from collections.abc import Iterator, Set
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.term_contents import WORD_FILES, term_faults, word_faults
from recommender.arrays import mapped
from recommender.catalogue import Catalogue, immutable_uri
from recommender.codebook import AXES, CENTRES, LEVELS
from recommender.errors import IndexDamaged
from recommender.facts import FACT, FACTS, OFFSETS, SPANS
from recommender.lexical import FOLDER
from recommender.manifest import CATALOGUE, TIERED, VECTORS, Manifest
from recommender.stored_lists import LISTS, PLACE, PLACES, StoredLists
from recommender.tiered_index import ARTICLES, CELLS, TieredIndex, open_vectors
from recommender.vector_index import FlatIndex
from recommender.withdrawn import WITHDRAWN, read_ids

BLOCK = 16_384
"""Vectors looked at together."""

TIERS = (ARTICLES, CELLS, AXES, CENTRES, LEVELS)

TOLERANCE = 1e-3
"""By how much a squared norm may differ from 1."""

# Each counts the rows that should not be; the words say what they do.
STRAYS = (
    ("near-duplicates of no article", "article WHERE canonical NOT IN (SELECT row FROM article)"),
    (
        "lines of hand-made lists that point to no article",
        "read_more WHERE target NOT IN (SELECT row FROM article) OR article NOT IN (SELECT row FROM article)",
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
                if {OFFSETS, SPANS} <= sound:
                    yield from _chunk_faults(folder, connection, manifest)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            yield CATALOGUE, f"cannot be read ({error})"
    if {WITHDRAWN, CATALOGUE} <= sound:
        for found in _withdrawn_faults(folder):
            yield WITHDRAWN, found
    if FACTS in sound:
        yield from _fact_faults(folder, manifest)
    if {LISTS, PLACES} <= sound:
        yield from _list_faults(folder, manifest)
    if set(WORD_FILES) <= sound:
        yield from word_faults(folder)
        if {name for name in manifest.files if name.startswith(f"{FOLDER}/")} <= sound:
            yield from term_faults(folder, manifest.n_articles)
    if {VECTORS, *(TIERS if manifest.vectors == TIERED else ())} <= sound:
        try:
            index = open_vectors(folder)
        except IndexDamaged as error:
            yield VECTORS, f"cannot be read ({str(error).partition(' - ')[0]})"
        else:
            for found in _vector_faults(index, manifest):
                yield VECTORS, found


def _withdrawn_faults(folder: Path) -> Iterator[str]:
    try:
        ids = read_ids(folder / WITHDRAWN)
    except IndexDamaged as error:
        yield str(error).removeprefix(f"{folder / WITHDRAWN} ")
        return
    with closing(Catalogue(folder / CATALOGUE)) as catalogue:
        held = sorted(article_id for article_id in ids if catalogue.find_row(article_id) is not None)
    if held:
        yield f"names {len(held)} articles that the release holds, {held[0][:100]!r} the first"


def _catalogue_faults(connection: sqlite3.Connection, manifest: Manifest) -> Iterator[str]:
    for (line,) in connection.execute("PRAGMA quick_check"):
        if line != "ok":
            yield f"is no sound SQLite file: {line}"
    n_rows, last = connection.execute("SELECT count(*), max(rowid) FROM article").fetchone()
    if n_rows != manifest.n_articles:
        yield f"has {n_rows} rows in table article, its manifest says {manifest.n_articles}"
    elif n_rows and last != n_rows - 1:
        yield f"has gaps in the rows of table article: {n_rows} of them, the last is {last}"
    for what, stray in STRAYS:
        (n_stray,) = connection.execute(f"SELECT count(*) FROM {stray}").fetchone()
        if n_stray:
            yield f"has {n_stray} {what}"


def _chunk_faults(folder: Path, connection: sqlite3.Connection, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Chunks that belong to no article, or lie outside its text."""
    try:
        offsets = _array(folder / OFFSETS, np.dtype(np.int64), (manifest.n_articles + 1,))
        spans = _array(folder / SPANS, np.dtype(np.int32), (manifest.n_chunks, 2))
    except IndexDamaged as error:
        yield str(error).partition(" ")[0], str(error).partition(" ")[2]
        return
    n_chunks = np.diff(offsets)
    if offsets[0] != 0 or (n_chunks < 0).any() or offsets[-1] != len(spans):
        yield OFFSETS, f"does not share {len(spans)} chunks among the articles"
        return
    lengths = np.fromiter((length for (length,) in connection.execute("SELECT length(text) FROM article ORDER BY row")), dtype=np.int64)
    start, stop = spans.T
    if len(lengths) != len(n_chunks):
        return  # which is said of the catalogue
    n_outside = int(((start < 0) | (stop < start) | (stop > np.repeat(lengths, n_chunks))).sum())
    if n_outside:
        yield SPANS, f"has {n_outside} chunks that lie outside their article's text"


def _fact_faults(folder: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Facts that name what is not there."""
    try:
        facts = _array(folder / FACTS, FACT, (manifest.n_articles,))
    except IndexDamaged as error:
        yield FACTS, str(error).partition(" ")[2]
        return
    rows = np.arange(len(facts))
    if not np.array_equal(np.sort(facts["tie"]), rows):
        yield FACTS, "does not put the articles in order"
    n_strangers = int(np.isin(facts["canonical"], rows, invert=True).sum())
    if n_strangers:
        yield FACTS, f"has {n_strangers} near-duplicates of no article"
    n_wrong = int((~np.isfinite(facts["hubness"])).sum() + (~np.isfinite(facts["length"])).sum())
    if n_wrong:
        yield FACTS, f"holds {n_wrong} numbers that are not finite"


def _list_faults(folder: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Lists that cannot be read or shown: counted, and the first article of each kind named."""
    try:
        places = _array(folder / PLACES, PLACE, (manifest.n_articles,))
    except IndexDamaged as error:
        yield PLACES, str(error).partition(" ")[2]
        return
    size, ends = (folder / LISTS).stat().st_size, places["begin"] + places["length"]
    if places["length"].sum(dtype=np.int64) != size:
        yield PLACES, f"does not share the {size} bytes of {LISTS} among the articles"
    if (places["begin"] < 0).any() or (places["length"] <= 0).any() or ends.max() > size:
        yield PLACES, f"names places outside of {LISTS}"
        return
    lists = StoredLists(folder)
    wrong: dict[str, list[int]] = {}
    with closing(lists):
        for row in range(len(lists)):
            try:
                found = lists.read(row)
            except ValueError:
                wrong.setdefault("lists that are cut", []).append(row)
                continue
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
        yield LISTS, f"has {len(rows)} {what}, the first of article row {rows[0]}"


def _array(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """An array of a release.

    Raises:
        IndexDamaged: It is none, or another one; the message begins with the file's name.
    """
    try:
        array = mapped(path)
    except IndexDamaged as error:
        raise IndexDamaged(f"{path.name} is no array ({type(error.__cause__).__name__})") from error
    if (array.dtype, array.shape) != (dtype, shape):
        raise IndexDamaged(f"{path.name} is an array of {array.shape}, its manifest asks for {shape}")
    return array


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
