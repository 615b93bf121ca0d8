"""Which articles a search may find, where not all of them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recommender.features.article_features import ArticleFeatures
from recommender.features.feature_schema import UNDATED, Candidates


@dataclass(frozen=True)
class SearchFilter:
    """A filter that an index applies while it searches: what is left out takes no place of what is found.

    Attributes:
        facts: Of all articles of the release.
        sections: Only articles of these; none names all.
        published_after, published_before: Seconds since 1970: only what was published then or later; before then. Undated articles
            are left out.
        until: Only what was published by then; undated articles are not left out.
    """

    facts: ArticleFeatures
    sections: tuple[str, ...] = ()
    published_after: int | None = None
    published_before: int | None = None
    until: int | None = None

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Whether what stands for each article in lists is wanted: bool (n_articles,)."""
        return self.lets_through(self.facts.published, self.facts.section)[self.facts.canonical]

    def among(self, found: Candidates) -> NDArray[np.bool_]:
        """Whether each of some candidates is wanted: bool (n_candidates,)."""
        return self.lets_through(found["published"], found["section"])

    def lets_through(self, published: NDArray[np.int64], section: NDArray[np.int32] | None) -> NDArray[np.bool_]:
        """Whether each of some articles is wanted; section None: of whatever section: bool (n_articles,)."""
        wanted = np.ones(len(published), dtype=np.bool_)
        if self.sections and section is not None:
            wanted &= np.isin(section, [number for name, number in self.facts.sections.items() if name in self.sections])
        if self.published_after is not None:
            wanted &= published >= self.published_after
        if self.published_before is not None:
            wanted &= (published < self.published_before) & (published != UNDATED)
        if self.until is not None:
            wanted &= published <= self.until  # UNDATED is the least there is
        return wanted
