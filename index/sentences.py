"""The sentences of all articles, by the numbers of their words, staged for the passages that explain lists."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index import loops
from index.growing import Growing, close_all
from recommender.passages import split
from recommender.stretches import mapped
from recommender.types import Chunk

SENTENCES = "sentences"
"""A folder that a release has only while it is built."""

FILES = {"of_chunk": np.int64, "begins": np.int64, "spans": np.int32, "words": np.uint32}
"""See `loops.Sentences`."""


class SentenceWriter:
    """Writes sentences in order of chunks; the files are complete when it is closed."""

    def __init__(self, staged: Path) -> None:
        (staged / SENTENCES).mkdir()
        self._files = {name: Growing(staged / SENTENCES / f"{name}.npy", dtype) for name, dtype in FILES.items()}
        self._files["of_chunk"].add([0])
        self._files["begins"].add([0])

    def add(self, chunks: Sequence[Chunk], numbers: dict[str, int]) -> None:
        """Add the chunks of the next article.

        Args:
            numbers: The number of every word of the article; a chunk that had to be cut within a word has others, which say nothing.
        """
        sentences = [split(chunk.text, chunk.start) for chunk in chunks]
        distinct = [sorted({numbers[word] for word in of if word in numbers}) for of_chunk in sentences for _, _, of in of_chunk]
        files = self._files
        files["of_chunk"].add(files["spans"].n // 2 + np.cumsum([len(of_chunk) for of_chunk in sentences]))
        files["begins"].add(files["words"].n + np.cumsum([len(of_sentence) for of_sentence in distinct]))
        files["spans"].add([span[:2] for of_chunk in sentences for span in of_chunk])
        files["words"].add([number for of_sentence in distinct for number in of_sentence])

    def close(self) -> None:
        close_all(*self._files.values())


def staged_sentences(staged: Path, idf: NDArray[np.float64]) -> loops.Sentences:
    """Open what `SentenceWriter` wrote.

    Args:
        idf: Of every word of the archive, by number.
    """
    of = {name: mapped(staged / SENTENCES / f"{name}.npy") for name in FILES}
    return loops.Sentences(of["of_chunk"], of["spans"].reshape(-1, 2), of["begins"], of["words"], idf)
