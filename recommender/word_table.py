"""The words of an archive and the numbers that its lexical index calls them by, both ways, in some 17 bytes a word.

    words/letters.npy   uint8: all words in order of their numbers, in UTF-8, each with a line's end behind it
          begins.npy    uint32: where every `TOGETHER`th word begins in the letters
          hashes.npy    uint32 (n_words,): the hashes of all words, ascending
          numbers.npy   uint32 (n_words,): the number of the word of each hash

All words of a text are looked up at once: their hashes among the hashes, and what is found there is compared letter by letter.
"""

import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender.arrays import mapped
from recommender.errors import IndexDamaged

WORDS = "words"
FILES = ("letters", "begins", "hashes", "numbers")

TOGETHER = 16
"""Words that are read to find one: a few cache lines."""

KEPT = 1 << 16


class WordTable:
    """Read-only; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self._letters, self._begins, self._hashes, self._numbers = (mapped(folder / f"{name}.npy") for name in FILES)
        self._known: dict[str, int] = {}
        self._phrases: dict[tuple[int, ...], str] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def numbers(self, words: Iterable[str]) -> dict[str, int]:
        """The numbers of words, of those that some article of the archive holds. They are kept: most texts use the same ones."""
        wanted = set(words)
        found = {word: number for word in wanted if (number := self._known.get(word)) is not None}
        if len(found) < len(wanted):
            looked_up = self._look_up(list(wanted - found.keys()))
            if len(self._known) < KEPT:
                self._known.update(looked_up)
            found |= looked_up
        return found

    def phrase(self, numbers: tuple[int, ...]) -> str:
        """The words of some numbers. They are kept: explanations ask for the same ones again and again.

        Raises:
            IndexDamaged: A number is of no word.
        """
        phrase = self._phrases.get(numbers)
        if phrase is None:
            phrase = " ".join(self._spelled(number).decode() for number in numbers)
            if len(self._phrases) < KEPT:
                self._phrases[numbers] = phrase
        return phrase

    def _look_up(self, words: list[str]) -> dict[str, int]:
        spelled = [word.encode() for word in words]
        hashes = hashes_of(spelled)
        places = np.searchsorted(self._hashes, hashes)
        left, found = np.arange(len(words)), dict[str, int]()
        while len(left):  # once and again: where a word has the hash of others, further on
            left = left[places[left] < len(self)]
            left = left[self._hashes[places[left]] == hashes[left]]
            numbers = self._numbers[places[left]].tolist()
            found |= {words[of]: number for of, number in zip(left.tolist(), numbers, strict=True) if self._spelled(number) == spelled[of]}
            left = left[[words[of] not in found for of in left.tolist()]]
            places[left] += 1
        return found

    def _spelled(self, number: int) -> bytes:
        if not 0 <= number < len(self):
            raise IndexDamaged(f"the archive has no word of number {number}, of {len(self)} - build the index again")
        begins, together = self._begins, number // TOGETHER
        end = begins[together + 1] if together + 1 < len(begins) else len(self._letters)
        return self._letters[begins[together] : end].tobytes().split(b"\n", number % TOGETHER + 1)[number % TOGETHER]


def hashes_of(spelled: Iterable[bytes]) -> NDArray[np.uint32]:
    """The hashes of words in UTF-8: the same on every machine, always."""
    return np.array([zlib.crc32(word) for word in spelled], dtype=np.uint32)
