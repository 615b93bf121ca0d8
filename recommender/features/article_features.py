"""Map the ranking features of all articles: offsets of their vectors, dates, sections, lengths and hubness.

    facts.npy      an entry of `FACT` for every article, 29 bytes
    offsets.npy    int64 (n_articles + 1,): where each article's chunks begin
    spans.npy      int32 (n_chunks, 2): first and last character of each chunk in its article's text

The files are mapped into memory. Pages are read on demand and shared by all processes of a machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender.storage.mapped import mapped
from recommender.types import AnyRows

FACTS = "facts.npy"
OFFSETS = "offsets.npy"
SPANS = "spans.npy"

FACT = np.dtype(
    [
        ("published", "<i8"),  # seconds since 1970, UNDATED if unknown
        ("tie", "<i4"),
        ("canonical", "<i4"),
        ("section", "<i4"),
        ("length", "<f4"),
        ("hubness", "<f2", (2,)),
        ("headline", "?"),
    ]
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Offsets of the articles in the vector index.

    Attributes:
        offsets: int64 (n_articles + 1,): article a has the chunks offsets[a] <= row < offsets[a + 1].
        tie_order: int32 or int64 (n_articles,): place of each article among ties, newest first, then by id.
    """

    offsets: NDArray[np.int64]
    tie_order: AnyRows

    @property
    def n_articles(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True, slots=True)
class ArticleFeatures:
    """Ranking features of each article that do not depend on its words.

    Attributes:
        published: int64 (n_articles,): seconds since 1970, UNDATED if unknown.
        section: int32 (n_articles,): number of its section, -1 if it has none.
        length: float32 (n_articles,): characters of title and text.
        headline: bool (n_articles,): whether only the title is known.
        canonical: int32 (n_articles,): row of the article that represents it in lists. Only a near-duplicate has
            another row than its own.
        hubness: float16 (n_articles, 2): mean closeness to its nearest neighbours, in meaning and in words.
        sections: Name of every section -> its number.
    """

    published: NDArray[np.int64]
    section: NDArray[np.int32]
    length: NDArray[np.float32]
    headline: NDArray[np.bool_]
    canonical: NDArray[np.int32]
    hubness: NDArray[np.float16]
    sections: Mapping[str, int]


def map_layout(folder: Path) -> Layout:
    """Map the vector offsets of the articles of a release, finished or not."""
    return Layout(mapped(folder / OFFSETS), mapped(folder / FACTS)["tie"])


def map_facts(folder: Path, sections: Mapping[str, int]) -> ArticleFeatures:
    """Map the features of all articles of a release, finished or not."""
    table = mapped(folder / FACTS)
    return ArticleFeatures(
        published=table["published"],
        section=table["section"],
        length=table["length"],
        headline=table["headline"],
        canonical=table["canonical"],
        hubness=table["hubness"],
        sections=sections,
    )
