"""Write the word dictionary of an archive. `recommender.terms.word_dictionary` reads it and describes the files."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from marisa_trie import Trie

from recommender.terms.word_dictionary import TRIE


def write_words(words: Collection[str], folder: Path) -> None:
    """Write words in order of their numbers, from 0. This takes about 70 bytes of memory for each word.

    Args:
        words: Distinct words.
        folder: Created here.
    """
    folder.mkdir()
    trie = Trie(words)
    (folder / TRIE).write_bytes(trie.tobytes())
    places = np.fromiter(map(trie.__getitem__, words), dtype=np.uint32, count=len(words))
    numbers = np.empty_like(places)
    numbers[places] = np.arange(len(places), dtype=np.uint32)
    np.save(folder / "places", places, allow_pickle=False)
    np.save(folder / "numbers", numbers, allow_pickle=False)
