"""Find the closeness below which an article of this archive is close to nothing.

Close articles of an archive set the measure. Of the lines at the head of its own lists, editors linked almost none of the
least close hundredth (docs/ranking.md), and a text on another subject reaches less than these.
"""

import numpy as np

from recommender.lists.selection import CLOSENESS
from recommender.release.catalogue import Catalogue
from recommender.types import DEFAULT_LIMIT

FEWEST = 100
"""Number of articles from which an archive has a floor."""

SAMPLE = 2_000
"""Number of lists that are read, spread over the archive."""

LEAST = 0.01
"""Share of the lines that are the least close."""

MARGIN = 0.95


def floor_of(catalogue: Catalogue, n_articles: int) -> float:
    """Return the floor of a release whose lists are written, 0 for an archive of fewer than `FEWEST` articles."""
    if n_articles < FEWEST:
        return 0.0
    rows = np.linspace(0, n_articles - 1, min(n_articles, SAMPLE)).astype(np.int64)
    heads = [catalogue.candidates(row, briefly=True)["features"][:DEFAULT_LIMIT] for row in rows.tolist()]
    lines = np.concatenate(heads).astype(np.float64) @ CLOSENESS
    return round(max(MARGIN * float(np.quantile(lines, LEAST)), 0.0), 4) if len(lines) else 0.0
