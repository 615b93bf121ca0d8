"""Restrict a search to some articles."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recommender.features.article_features import ArticleFeatures
from recommender.features.feature_schema import UNDATED, Candidates


@dataclass(frozen=True)
class SearchFilter:
    """A filter that an index applies during the search, so that excluded articles take no place among the hits.

    Attributes:
        facts: Features of all articles of the release.
        sections: Keep only articles of these sections. Empty keeps all.
        published_after, published_before: Seconds since 1970. Keep only articles published at the first or later, and
            before the second. Undated articles are left out.
        until: Keep only articles published by then. Undated articles are kept.
    """

    facts: ArticleFeatures
    sections: tuple[str, ...] = ()
    published_after: int | None = None
    published_before: int | None = None
    until: int | None = None

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Return for each article whether the filter keeps its representative in lists: bool (n_articles,)."""
        return self.lets_through(self.facts.published, self.facts.section)[self.facts.canonical]

    def among(self, found: Candidates) -> NDArray[np.bool_]:
        """Return whether the filter keeps each candidate: bool (n_candidates,)."""
        return self.lets_through(found["published"], found["section"])

    def lets_through(self, published: NDArray[np.int64], section: NDArray[np.int32] | None) -> NDArray[np.bool_]:
        """Return whether the filter keeps each article: bool (n_articles,). With section None, any section passes."""
        wanted = np.ones(len(published), dtype=np.bool_)
        if self.sections and section is not None:
            wanted &= np.isin(section, [number for name, number in self.facts.sections.items() if name in self.sections])
        if self.published_after is not None:
            wanted &= published >= self.published_after
        if self.published_before is not None:
            wanted &= (published < self.published_before) & (published != UNDATED)
        if self.until is not None:
            wanted &= published <= self.until  # UNDATED is the smallest value
        return wanted
