"""Prune the inverted index of a large archive after its lists are computed.

`recommender.terms.pruned_index` reads the result.
"""

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.storage.npy_append import Growing, GrowingStretches
from index.terms.postings_writer import PostingsWriter
from recommender.storage.mapped import mapped
from recommender.terms.inverted_index import FOLDER, LexicalIndex
from recommender.terms.pruned_index import FOUND_BY, KEPT, mention_names, one_byte, title_names
from recommender.terms.term_dictionary import PAIRS

WORK = "whole-terms"
"""A folder that exists only while terms are pruned."""

BYTES = 64
"""Bytes of memory for each term of a block of articles."""


def prune_terms(staged: Path, n_articles: int, memory: int) -> None:
    """Replace the files of a whole index with those of a pruned index.

    Args:
        memory: Bytes that its arrays may take. The table of terms takes 12 bytes more for each term.
    """
    whole, folder = staged / WORK, staged / FOLDER
    folder.rename(whole)
    folder.mkdir()
    index = LexicalIndex.open(whole, n_articles)
    n_articles_of = _keep_best(index, whole, memory)
    named = index.arrays["keys"] < PAIRS  # the idf of words and of title pairs is needed for texts that do not keep them
    named[index.vocabulary.table.find(index.arrays["mention_keys"])[0]] = True
    named |= n_articles_of > 0
    _write_vocabulary(index, named, folder)
    _write_terms(whole, folder, named, n_articles_of, memory)
    _write_titles(index, folder)
    shutil.rmtree(whole)


def _keep_best(index: LexicalIndex, whole: Path, memory: int) -> NDArray[np.uint32]:
    """Store every article's best terms, strongest first.

    Returns:
        The number of articles that keep each term.
    """
    n_articles_of = np.zeros(len(index.vocabulary), dtype=np.uint32)
    offsets = index.arrays["offsets"]
    kept_terms = GrowingStretches(whole / "kept-terms.npy", whole / "kept-offsets.npy", np.uint32)
    with closing(kept_terms), Growing(whole / "kept-weights.npy", np.float16) as kept_weights:
        for first, last in _blocks(offsets, memory // BYTES):
            own = slice(offsets[first], offsets[last])
            weights = index.arrays["weights"][own]
            lengths = np.diff(offsets[first : last + 1])
            owners, begins = np.repeat(np.arange(len(lengths)), lengths), offsets[first:last] - offsets[first]
            places = np.arange(len(owners)) - np.repeat(begins, lengths)
            packed = owners << 32 | (0xFFFF - np.ascontiguousarray(weights).view(np.uint16).astype(np.int64)) << 16 | places
            packed.sort()  # sorted as one number, which is many times faster than by three
            best = (packed & 0xFFFF)[places < KEPT] + np.repeat(begins, np.minimum(lengths, KEPT))
            terms, n_kept = index.arrays["terms"][own][best], np.minimum(lengths, KEPT)
            np.add.at(n_articles_of, terms, np.uint32(1))
            kept_terms.extend(terms, n_kept)
            kept_weights.add(_of_length_1(weights[best].astype(np.float32), n_kept))
    return n_articles_of


def _of_length_1(weights: NDArray[np.float32], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the weights of each article's kept terms, scaled to unit norm.

    Otherwise all cosines would be too small.
    """
    begins = np.cumsum(lengths) - lengths
    norms = np.ones(len(lengths), dtype=np.float32)
    if len(weights):
        norms[lengths > 0] = np.sqrt(np.add.reduceat(weights * weights, begins[lengths > 0]))
    return np.divide(weights, np.repeat(norms, lengths), dtype=np.float32)


def _write_vocabulary(index: LexicalIndex, named: NDArray[np.bool_], folder: Path) -> None:
    np.save(folder / "keys", index.arrays["keys"][named], allow_pickle=False)
    np.save(folder / "idf", index.vocabulary.in_steps(index.arrays["idf"][named]), allow_pickle=False)


def _write_terms(whole: Path, folder: Path, named: NDArray[np.bool_], n_articles_of: NDArray[np.uint32], memory: int) -> None:
    """Write every article's terms and every term's postings, by the new numbers of terms."""
    place = (np.cumsum(named) - 1).astype(np.uint32)
    offsets, kept_terms, kept_weights = (mapped(whole / f"kept-{name}.npy") for name in ("offsets", "terms", "weights"))
    writer = PostingsWriter(whole / "postings", n_articles_of[named], memory)
    with closing(writer) as postings, Growing(folder / "terms.npy", np.uint32) as all_terms:
        for first, last in _blocks(offsets, memory // BYTES):
            own = slice(offsets[first], offsets[last])
            terms, lengths = place[kept_terms[own]], np.diff(offsets[first : last + 1])
            all_terms.add(terms)
            rank = np.arange(len(terms)) - np.repeat(offsets[first:last] - offsets[first], lengths)
            found_by = rank < FOUND_BY
            postings.add(terms[found_by], np.repeat(np.arange(first, last), lengths)[found_by], kept_weights[own][found_by])
        postings.write(whole)
    _save_offsets(folder / "offsets", offsets)
    np.save(folder / "weights", one_byte(kept_weights), allow_pickle=False)
    _save_offsets(folder / "starts", mapped(whole / "starts.npy"))
    np.save(folder / "impacts", one_byte(mapped(whole / "impacts.npy")), allow_pickle=False)
    (whole / "rows.npy").rename(folder / "rows.npy")


def _write_titles(index: LexicalIndex, folder: Path) -> None:
    arrays = index.arrays
    keys = arrays["title_keys"]
    names = np.repeat(mention_names(arrays["mention_keys"]), np.diff(arrays["mention_starts"]))
    ascending = np.argsort(names, kind="stable")
    _save_offsets(folder / "title_offsets", arrays["title_offsets"])
    written: dict[str, NDArray[Any]] = {
        "title_names": title_names(keys),
        "title_idf": index.vocabulary.in_steps(index.idf_of(keys)),
        "title_masses": arrays["title_masses"].astype(np.float32),
        "mention_names": names[ascending],
        "mention_rows": arrays["mention_rows"][ascending],
    }
    for name, array in written.items():
        np.save(folder / name, array, allow_pickle=False)


def _save_offsets(path: Path, offsets: NDArray[np.int64]) -> None:
    """Save ascending offsets in half their bytes if the last one allows that."""
    np.save(path, offsets.astype(np.uint32 if offsets[-1] < 1 << 32 else np.int64), allow_pickle=False)


def _blocks(offsets: NDArray[np.int64], most: int) -> list[tuple[int, int]]:
    """Return the bounds of blocks of whole articles with at most `most` terms."""
    blocks, first, n_articles = [], 0, len(offsets) - 1
    while first < n_articles:
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + most, side="right")) - 1)
        blocks.append((first, min(last, n_articles)))
        first = blocks[-1][1]
    return blocks
