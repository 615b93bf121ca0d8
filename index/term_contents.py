"""What the files of words and terms hold, beyond their hashes: every word is found by its hash, and every term is made of words."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender.arrays import mapped
from recommender.key_table import HALF, LOW
from recommender.lexical import FOLDER
from recommender.pruned_terms import open_terms
from recommender.word_table import FILES, TOGETHER, WORDS, hashes_of

WORD_FILES = tuple(f"{WORDS}/{name}.npy" for name in FILES)

BLOCK = TOGETHER << 12
"""Words, or terms, looked at together."""


def word_faults(folder: Path) -> Iterator[tuple[str, str]]:
    """Words that are not found, or are found where they are not; see `index.contents`.

    Args:
        folder: Of a release.
    """
    files = dict(zip(FILES, WORD_FILES, strict=True))
    letters, begins, hashes, numbers = (mapped(folder / name) for name in WORD_FILES)
    ends = np.flatnonzero(letters == ord("\n")) + 1
    if len(ends) != len(numbers) or (len(letters) and ends[-1] != len(letters)):
        yield files["letters"], f"holds {len(ends)} words, {files['numbers']} numbers {len(numbers)}"
        return
    if not np.array_equal(begins, np.concatenate([[0], ends])[: len(ends) : TOGETHER]):
        yield files["begins"], "does not say where words begin"
    if not np.array_equal(np.sort(numbers), np.arange(len(ends))):
        yield files["numbers"], "does not hold every number once"
        return
    if len(hashes) != len(ends) or (hashes[1:] < hashes[:-1]).any():
        yield files["hashes"], f"does not hold {len(ends)} hashes, ascending"
        return
    of_word = np.empty(len(ends), dtype=np.uint32)
    of_word[numbers] = hashes
    n_wrong = sum(int((own != of_word[first : first + BLOCK]).sum()) for first, own in _hashes(letters, ends))
    if n_wrong:
        yield files["hashes"], f"holds {n_wrong} hashes of other words"


def term_faults(folder: Path, n_articles: int) -> Iterator[tuple[str, str]]:
    """Terms of words that have no number; stretches that do not share what they should; articles and terms that are none.

    Args:
        folder: Of a release.
    """
    n_words, index = len(mapped(folder / WORD_FILES[-1])), open_terms(folder / FOLDER, n_articles)
    of, n_terms = index.arrays, len(index.vocabulary)
    in_titles, mentions = ("title_names", "mention_names") if "mention_names" in of else ("title_keys", "mention_keys")
    for name, values, n in (("offsets", "terms", n_articles), ("starts", "rows", n_terms), ("title_offsets", in_titles, n_articles)):
        begins = of[name][np.arange(n + 1)] if len(of[name]) == n + 1 else np.empty(0)
        if not len(begins) or begins[0] != 0 or (np.diff(begins) < 0).any() or begins[-1] != len(of[values]):
            yield f"{FOLDER}/{name}.npy", f"does not share {len(of[values])} entries of {values}.npy among {n}"
            return
    for name, n in (("terms", n_terms), ("rows", n_articles), ("mention_rows", n_articles)):
        if of[name][:].max(initial=0) >= n:
            yield f"{FOLDER}/{name}.npy", f"names what is none of {n}"
    if (of[mentions][1:] < of[mentions][:-1]).any():
        yield f"{FOLDER}/{mentions}.npy", "does not ascend"
    n_wrong = 0
    for first in range(0, n_terms, BLOCK):
        keys = index.vocabulary.table.at(np.arange(first, min(first + BLOCK, n_terms)))
        n_wrong += int(((keys & LOW >= n_words) | (keys >> HALF > n_words)).sum())
    if n_wrong:
        yield FOLDER, f"has {n_wrong} terms of words that are none of {n_words}"


def _hashes(letters: NDArray[np.uint8], ends: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.uint32]]]:
    """The hashes of all words as they are spelled, block by block, and the number of each block's first."""
    begins = np.concatenate([[0], ends])
    for first in range(0, len(ends), BLOCK):
        last = min(first + BLOCK, len(ends))
        yield first, hashes_of(letters[begins[first] : begins[last] - 1].tobytes().split(b"\n"))
