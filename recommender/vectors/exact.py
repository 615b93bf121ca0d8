"""Define the `VectorIndex` interface, and search exactly with a flat index.

Chunk vectors are one array, `chunks.npy`, mapped into memory. Processes share its pages, and pages are read on demand.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from recommender.features.filters import SearchFilter
from recommender.release.manifest import FLAT
from recommender.types import Rows, Vectors


class VectorIndex(Protocol):
    """Chunk vectors, by row.

    Attributes:
        dim: Length of a vector.
    """

    @property
    def dim(self) -> int: ...

    def __len__(self) -> int: ...

    def vectors(self, rows: Rows) -> Vectors:
        """Return the stored vectors of some rows: float32 (len(rows), dim), unit norm."""
        ...


@runtime_checkable
class ArticleIndex(VectorIndex, Protocol):
    """An index that finds articles to compare chunk by chunk. Large archives are searched with it."""

    def near(self, queries: Sequence[Vectors], k: int, wanted: SearchFilter | None = None) -> list[Rows]:
        """Return the rows of the articles worth comparing with each query, about k of them, in no order.

        Args:
            queries: The chunk vectors of each query article: float32 (n_chunks, dim), unit norm.
            wanted: Filter: only these articles. None: any.
        """
        ...


class FlatIndex:
    """Float vectors, all of which are compared with a query. The reference for every other back end.

    Args:
        vectors: float32 (n, dim), unit norm.

    Attributes:
        array: These vectors.
    """

    kind = FLAT

    def __init__(self, vectors: Vectors) -> None:
        self.array = vectors

    @classmethod
    def build(cls, vectors: Vectors) -> "FlatIndex":
        """Index unit vectors: float32 (n, dim).

        Raises:
            ValueError: A vector is not finite or not of unit norm.
        """
        check_unit(vectors)
        return cls(np.ascontiguousarray(vectors, dtype=np.float32))

    @property
    def dim(self) -> int:
        return int(self.array.shape[1])

    def __len__(self) -> int:
        return len(self.array)

    def vectors(self, rows: Rows) -> Vectors:
        """See `VectorIndex.vectors`."""
        return self.array.take(rows, axis=0)


def mean_vectors(vectors: Vectors, begins: Rows) -> Vectors:
    """Return the mean chunk vector of each of some articles: float32 (n_articles, dim), unit norm.

    Args:
        vectors: float32 (n_chunks, dim), article by article.
        begins: int64 (n_articles + 1,): where each article begins.
    """
    means = np.add.reduceat(vectors, begins[:-1], axis=0)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return means


def check_unit(vectors: Vectors) -> None:
    """Refuse invalid vectors, which a search would accept silently and rank wrongly.

    Raises:
        ValueError: The array is not two-dimensional, not finite (NaN, infinity), or has a row not of length 1.
    """
    if vectors.ndim != 2:
        raise ValueError(f"vectors have {vectors.ndim} dimensions, 2 are needed: (n, dim)")
    norms = np.einsum("ij,ij->i", vectors, vectors)
    wrong = np.flatnonzero(~(np.abs(norms - 1.0) < 1e-3))  # NaN compares false
    if len(wrong):
        raise ValueError(f"vector {wrong[0]} is not of unit norm (squared norm {norms[wrong[0]]}); normalise, and drop empty texts")


def mean_vector(vectors: Vectors) -> Vectors:
    """Return the direction of the mean of an article's chunk vectors: float32 (dim,), unit norm."""
    mean = vectors.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)
