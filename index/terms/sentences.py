"""Stage the sentences of all articles, by the numbers of their words, for the passages that explain lists."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index import kernels
from index.storage.npy_append import Growing, close_all
from index.storage.ragged_unique import distinct
from index.terms.analysis import SentenceSpans
from recommender.storage.mapped import mapped
from recommender.storage.ragged import between

SENTENCES = "sentences"
"""A folder that exists only in a staged release."""

FILES = {"of_chunk": np.int64, "begins": np.int64, "spans": np.int32, "words": np.uint32}
"""See `kernels.SentenceArrays`."""


class SentenceWriter:
    """A writer of sentences in order of chunks. The files are complete when it is closed."""

    def __init__(self, staged: Path) -> None:
        (staged / SENTENCES).mkdir()
        self._files = {name: Growing(staged / SENTENCES / f"{name}.npy", dtype) for name, dtype in FILES.items()}
        self._files["of_chunk"].add([0])
        self._files["begins"].add([0])

    def extend(self, sentences: SentenceSpans, numbers: NDArray[np.uint32]) -> None:
        """Append the chunks of the next articles.

        Args:
            numbers: The numbers of all words of these articles.
        """
        begins, ends = sentences.places.T
        lengths = ends - begins
        owners = np.repeat(np.arange(len(lengths)), lengths)
        words = distinct(owners, between(numbers, begins, ends), len(lengths))
        files = self._files
        files["of_chunk"].add(files["spans"].n // 2 + np.cumsum(sentences.n_of_chunk))
        files["begins"].add(files["words"].n + np.cumsum(words.lengths))
        files["spans"].add(sentences.spans)
        files["words"].add(words.values)

    def close(self) -> None:
        close_all(*self._files.values())


def staged_sentences(staged: Path, idf: NDArray[np.float64]) -> kernels.SentenceArrays:
    """Open the files that `SentenceWriter` wrote.

    Args:
        idf: The idf of every word of the archive, by number.
    """
    of = {name: mapped(staged / SENTENCES / f"{name}.npy") for name in FILES}
    return kernels.SentenceArrays(of["of_chunk"], of["spans"].reshape(-1, 2), of["begins"], of["words"], idf)
