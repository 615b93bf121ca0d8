"""Write the words of an archive; `recommender.word_table` reads them and says what the files hold."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np

from index.growing import Growing
from recommender.word_table import TOGETHER, hashes_of

BATCH = TOGETHER << 10
"""Words written at a time."""


def write_words(words: Iterable[str], folder: Path) -> None:
    """Write words in order of their numbers, 0 and up. 16 bytes for each are in memory.

    Args:
        words: Distinct; none holds a line's end.
        folder: To be made.
    """
    folder.mkdir()
    rest, hashes = iter(words), [np.empty(0, dtype=np.uint64)]
    with Growing(folder / "letters.npy", np.uint8) as letters, Growing(folder / "begins.npy", np.uint32) as begins:
        while batch := [word.encode() for word in islice(rest, BATCH)]:
            ends = letters.n + np.cumsum([len(word) + 1 for word in batch])
            begins.add([letters.n, *ends[TOGETHER - 1 : -1 : TOGETHER]])
            letters.add(np.frombuffer(b"\n".join([*batch, b""]), dtype=np.uint8))
            hashes.append(hashes_of(batch).astype(np.uint64))
    packed = np.concatenate(hashes)
    packed <<= np.uint64(32)
    packed |= np.arange(len(packed), dtype=np.uint64)
    packed.sort()  # hash and number as one, so that words of one hash stand in order of their numbers
    np.save(folder / "hashes", (packed >> np.uint64(32)).astype(np.uint32), allow_pickle=False)
    np.save(folder / "numbers", packed.astype(np.uint32), allow_pickle=False)
