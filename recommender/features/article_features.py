"""Map the ranking features of all articles: offsets of their vectors, dates, sections, lengths and hubness.

    facts.npy      an entry of `FACT` for every article, 29 bytes
    offsets.npy    int64 (n_articles + 1,): where each article's chunks begin
    spans.npy      int32 (n_chunks, 2): first and last character of each chunk in its article's text
    languages.npy  int16 (n_articles,): place of each article's language in languages.json, -1 if it has none of them.
                   An archive of one language has neither file.

The files are mapped into memory. Pages are read on demand and shared by all processes of a machine.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender.storage.mapped import mapped
from recommender.types import AnyRows

FACTS = "facts.npy"
OFFSETS = "offsets.npy"
SPANS = "spans.npy"
LANGUAGES, LANGUAGE_NAMES = "languages.npy", "languages.json"

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
        languages: First subtag of each language of the archive -> its number. Empty if there is only one.
        language: int16 (n_articles,), number of its language, -1 if it is unknown or rare. None without `languages`.
    """

    published: NDArray[np.int64]
    section: NDArray[np.int32]
    length: NDArray[np.float32]
    headline: NDArray[np.bool_]
    canonical: NDArray[np.int32]
    hubness: NDArray[np.float16]
    sections: Mapping[str, int]
    languages: Mapping[str, int] = field(default_factory=dict)
    language: NDArray[np.int16] | None = None

    def number_of(self, language: str | None) -> int:
        """Return the number of a language such as `de` or `de-CH`, or -1 if the archive has no such language."""
        return self.languages.get(first_subtag(language), -1) if language else -1

    def foreign(self, language: int | NDArray[np.int16], rows: AnyRows) -> NDArray[np.bool_]:
        """Return which articles are known to be in another language: bool (n_rows,).

        Args:
            language: Number of the reader's language, or of the language of each row's reader. -1: unknown, so that no
                article is foreign.
        """
        if self.language is None:
            return np.zeros(len(rows), dtype=np.bool_)
        theirs = self.language[rows]
        return np.asarray((theirs >= 0) & (np.asarray(language) >= 0) & (theirs != language))


def first_subtag(language: str) -> str:
    """Return the language of a tag without its region: `de` for `de-CH`."""
    return language.split("-")[0].split("_")[0].lower()


def map_layout(folder: Path) -> Layout:
    """Map the vector offsets of the articles of a release, finished or not."""
    return Layout(mapped(folder / OFFSETS), mapped(folder / FACTS)["tie"])


def map_facts(folder: Path, sections: Mapping[str, int]) -> ArticleFeatures:
    """Map the features of all articles of a release, finished or not."""
    table = mapped(folder / FACTS)
    names = json.loads((folder / LANGUAGE_NAMES).read_text(encoding="utf-8")) if (folder / LANGUAGE_NAMES).exists() else []
    return ArticleFeatures(
        published=table["published"],
        section=table["section"],
        length=table["length"],
        headline=table["headline"],
        canonical=table["canonical"],
        hubness=table["hubness"],
        sections=sections,
        languages={name: number for number, name in enumerate(names)},
        language=mapped(folder / LANGUAGES) if names else None,
    )
