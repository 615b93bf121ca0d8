"""Place the articles by t-SNE of their mean vectors, so that related articles are close together.

On digitalgov, 60 % of the list items are among the twenty nearest articles on the map. UMAP reaches 58 % at best, and
needs an extra installation. The first two principal axes reach 9 %. The twenty nearest articles by the vectors
themselves cover 79 %.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InputError
from recommender.installation import not_installed
from recommender.types import Vectors
from scripts.archive_map.map_contents import ELSEWHERE

Places: TypeAlias = NDArray[np.float32]
"""float32 (n, 2): x to the right and y upward, each 0 to 1."""

PERPLEXITY = 30.0
"""t-SNE perplexity: roughly the number of neighbours that stay close to an article."""

NEAR = 20


def laid_out(vectors: Vectors) -> Places:
    """Return the layout of mean vectors. It is deterministic: seeded, and on one thread, so sums have a fixed order.

    20,000 articles take about three minutes.

    Raises:
        InputError: scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise InputError(not_installed("scikit-learn", "build")) from error
    if len(vectors) < 3:
        return _within(np.eye(len(vectors), 2, dtype=np.float32))
    start = principal(vectors) * 1e-4
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    with threadpool_limits(1):
        return _within(TSNE(init=start, perplexity=perplexity, random_state=0).fit_transform(vectors))


def principal(vectors: Vectors) -> Places:
    """Return coordinates on the two principal axes, in units of the first axis's standard deviation."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    found: Places = centred @ axes[:, :-3:-1]
    return found / np.float32(max(found[:, 0].std(), 1e-6))


def kept(places: Places, lines: NDArray[np.uint16]) -> float:
    """Return the share of list items on the map that are among the NEAR articles nearest to the article being read.

    The share is NaN if no list item is on the map.

    Args:
        lines: As `Contents.lines`.
    """
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=min(NEAR, len(places) - 1)).fit(places).kneighbors(return_distance=False)
    on_map = lines < ELSEWHERE
    found = (lines[:, :, None] == near[:, None, :]).any(axis=2)
    return float(found[on_map].mean()) if on_map.any() else float("nan")


def _within(places: Places) -> Places:
    """Shift and scale the layout into the unit square. The aspect ratio stays."""
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    span = float(np.ptp(places, axis=0).max()) or 1.0
    inside: Places = np.clip((places - middle) / np.float32(span) + np.float32(0.5), 0, 1)
    return inside
