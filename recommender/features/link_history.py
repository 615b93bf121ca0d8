"""Compute ranking features from the link history: what the editors linked before.

Only a ranker fitted on the editors' lists uses them. The shipped ranker ignores them.

A list counts for an article only if the list's own article was published before. So no list is evidence for itself.
Editors add to old lists at unknown times. So a link counts only from the time when both its articles were published.
Lists of undated articles never count.

    linked        = ln(1 + 100 n / (lists + 10)),  n of the older lists hold the target
    linked_nearby = closeness of the near articles whose lists hold the target
                    / (closeness of all near articles with a list + 1)
"""

import sqlite3
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.features.article_features import ArticleFeatures
from recommender.features.feature_schema import UNDATED
from recommender.storage.ragged import stretches, sums
from recommender.types import Floats, Rows

EVER, NEVER = np.iinfo(np.int64).max, UNDATED
"""Moments after and before every list."""


@dataclass(frozen=True, slots=True)
class LinkHistory:
    """The hand-made lists, from both ends. Near-duplicates are replaced by their canonical article.

    Attributes:
        moments: int64 (n_lists,), sorted: publication times of the articles with dated lists.
        link_at: int64 (n_links,), earliest time of each entry of `targets`: when both articles were published.
        offsets, targets: int64 (n_articles + 1,) and (n_links,): article a's list is
            targets[offsets[a]:offsets[a + 1]], empty if undated.
        linked_offsets, linked_at: int64 (n_articles + 1,) and (n_links,): times at which each article was linked,
            likewise.
        published: int64 (n_articles,), publication times of the articles.
    """

    moments: NDArray[np.int64]
    offsets: Rows
    targets: Rows
    link_at: NDArray[np.int64]
    linked_offsets: Rows
    linked_at: NDArray[np.int64]
    published: NDArray[np.int64]

    def linked(self, rows: Rows, moment: int) -> Floats:
        """Return how often some articles were linked before a moment: float64 (n_rows,), 0 if never."""
        places, begins = stretches(self.linked_offsets, rows)
        times = sums((self.linked_at[places] < moment).astype(np.float64), begins)
        return np.log1p(100 * times / (np.searchsorted(self.moments, moment) + 10))

    def linked_nearby(self, rows: Rows, near: Rows, closeness: Floats, moment: int) -> Floats:
        """Return how far lists of near articles agree on some articles: float64 (n_rows,), in [0, 1).

        Only lists from before the moment count.

        Args:
            near: Rows of the near articles. An article given twice counts twice.
            closeness: float64 (n_near,), at least 0.
        """
        counts = (self.published[near] < moment) & (self.offsets[near + 1] > self.offsets[near])
        near, closeness = near[counts], closeness[counts]
        places, begins = stretches(self.offsets, near)
        known = self.link_at[places] < moment
        agree = ((self.targets[places] == rows[:, None]) & known) @ np.repeat(closeness, np.diff(begins))
        return np.asarray(agree / (closeness.sum() + 1))


def read_precedents(connection: sqlite3.Connection, facts: ArticleFeatures) -> LinkHistory:
    """Read the hand-made lists from a catalogue, finished or not."""
    links = np.array(connection.execute("SELECT article, target FROM read_more").fetchall(), dtype=np.int64).reshape(-1, 2)
    links = links[facts.published[links[:, 0]] != UNDATED]
    links[:, 1] = facts.canonical[links[:, 1]]
    links = np.unique(links, axis=0)
    n_articles = len(facts.published)
    link_at = facts.published[links].max(axis=1)
    by_target = np.argsort(links[:, 1], kind="stable")
    return LinkHistory(
        moments=np.sort(facts.published[np.unique(links[:, 0])]),
        offsets=np.searchsorted(links[:, 0], np.arange(n_articles + 1)),
        targets=links[:, 1],
        link_at=link_at,
        linked_offsets=np.searchsorted(links[by_target, 1], np.arange(n_articles + 1)),
        linked_at=link_at[by_target],
        published=facts.published,
    )
