"""Map the words of an archive to their numbers in the inverted index, and back, in some 11 bytes a word.

    words/trie.marisa   all words in UTF-8, as a trie that numbers them in an order of its own (marisa-trie)
          numbers.npy   uint32 (n_words,): the number of each word, in the order of the trie
          places.npy    uint32 (n_words,): the inverse, the place in the trie of each number

All three files are mapped into memory.
"""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from marisa_trie import Trie

from recommender.errors import IndexDamaged
from recommender.storage.mapped import mapped

WORDS = "words"
TRIE = "trie.marisa"

KEPT = 1 << 16
"""Cached answers in each direction. Most texts use the same words, and most lists show the same terms."""


def words_of_key(key: int) -> tuple[int, ...]:
    """Return the numbers of the one or two words of a term.

    >>> words_of_key(7), words_of_key((3 + 1) << 32 | 7)
    ((7,), (3, 7))
    """
    return (key,) if key < 1 << 32 else ((key >> 32) - 1, key & 0xFFFFFFFF)


class WordTable:
    """The word dictionary. Read-only, safe to share between threads.

    Raises:
        IndexDamaged: The files cannot be read, or do not fit together.
    """

    def __init__(self, folder: Path) -> None:
        self._numbers, self._places = mapped(folder / "numbers.npy"), mapped(folder / "places.npy")
        try:
            self._trie = Trie().mmap(str(folder / TRIE))
        except (OSError, RuntimeError) as error:
            raise IndexDamaged(f"{folder / TRIE} cannot be read ({type(error).__name__}) - build again") from error
        if not len(self._trie) == len(self._numbers) == len(self._places):
            raise IndexDamaged(f"{folder} has files of different builds - build again")
        self._number, self.phrase = lru_cache(KEPT)(self._number_of), lru_cache(KEPT)(self._phrase_of)

    def __len__(self) -> int:
        return len(self._numbers)

    def numbers(self, words: Iterable[str]) -> dict[str, int]:
        """Return the numbers of the words that occur in the archive."""
        return {word: number for word in set(words) if (number := self._number(word)) is not None}

    def _number_of(self, word: str) -> int | None:
        place = self._trie.get(word)
        return None if place is None else int(self._numbers[place])

    def _phrase_of(self, key: int) -> str:
        """Return the one or two words of a term, separated by a space.

        Raises:
            IndexDamaged: The archive has no such word.
        """
        numbers = words_of_key(key)
        for number in numbers:
            if not 0 <= number < len(self._places):
                raise IndexDamaged(f"the archive has no word of number {number}, of {len(self)} - build the index again")
        return " ".join(map(self._trie.restore_key, self._places[list(numbers)].tolist()))
