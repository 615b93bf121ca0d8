"""Where the articles lie: t-SNE of their mean vectors, so that what is related lies together.

Of the lines of digitalgov's lists, 60 % are among the twenty articles that lie nearest on the map. UMAP keeps 58 % at best, and would have
to be installed; the first two principal axes keep 9 %; among the twenty nearest by the vectors themselves are 79 %.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InputError
from recommender.types import Vectors
from scripts.archive_map.map_contents import ELSEWHERE

Places: TypeAlias = NDArray[np.float32]
"""float32 (n, 2): right and up, 0 to 1."""

PERPLEXITY = 30.0
"""How many neighbours an article wants to keep near, about."""

NEAR = 20


def laid_out(vectors: Vectors) -> Places:
    """The same for the same vectors: chance is seeded, and one thread adds up in one order.

    20,000 articles take some three minutes.

    Raises:
        InputError: scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise InputError("the map needs scikit-learn - pip install 'readmore[map]'") from error
    if len(vectors) < 3:
        return _within(np.eye(len(vectors), 2, dtype=np.float32))
    start = principal(vectors) * 1e-4
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    with threadpool_limits(1):
        return _within(TSNE(init=start, perplexity=perplexity, random_state=0).fit_transform(vectors))


def principal(vectors: Vectors) -> Places:
    """Along the two axes on which the vectors differ most, in units of the first one's standard deviation."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    found: Places = centred @ axes[:, :-3:-1]
    return found / np.float32(max(found[:, 0].std(), 1e-6))


def kept(places: Places, lines: NDArray[np.uint16]) -> float:
    """The share of lines, of those that are on the map, that are among the NEAR articles nearest to the one being read; nan of none.

    Args:
        lines: As `Contents.lines`.
    """
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=min(NEAR, len(places) - 1)).fit(places).kneighbors(return_distance=False)
    on_map = lines < ELSEWHERE
    found = (lines[:, :, None] == near[:, None, :]).any(axis=2)
    return float(found[on_map].mean()) if on_map.any() else float("nan")


def _within(places: Places) -> Places:
    """Moved and shrunk into the unit square, as wide as high."""
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    span = float(np.ptp(places, axis=0).max()) or 1.0
    inside: Places = np.clip((places - middle) / np.float32(span) + np.float32(0.5), 0, 1)
    return inside
