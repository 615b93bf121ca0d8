"""Make the codebook of a large archive, and write its chunks by it; see `recommender.codebook`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.codebook import AXES, CENTRES, LEVELS, Codebook
from recommender.types import Vectors

Cells = NDArray[np.integer[Any]]

ROUNDS = 50
"""Of Lloyd's algorithm; after some dozens levels hardly move."""

MOST_BITS = 7
"""For one of the two numbers of a byte."""

BINS = 2048
"""Into which numbers along an axis are sorted, to be looked up: so many are much finer than the levels, and faster than a search."""


@dataclass(frozen=True, slots=True)
class CodebookWriter:
    """Writes vectors as a codebook reads them.

    Attributes:
        codebook: Reads them.
        first, per_bin: float32 (dim,): the lowest number along each axis, and the width of a bin.
        parts: uint8 (dim, BINS): what the number of each bin gives to its byte.
    """

    codebook: Codebook
    first: Vectors
    per_bin: Vectors
    parts: NDArray[np.uint8]

    @classmethod
    def fitted(cls, vectors: Vectors, cells: Cells, centres: Vectors) -> "CodebookWriter":
        """Fitted to some chunks of an archive.

        Args:
            vectors: float32 (n, dim), dim even, unit norm.
            cells: (n,): the cell of each.
            centres: float32 (n_cells, dim), unit norm.
        """
        dim = vectors.shape[1]
        centres = centres * np.einsum("ij,ij->i", vectors, centres[cells]).mean()
        rest = vectors - centres[cells]
        variances, axes = np.linalg.eigh(rest.T @ rest / len(rest))
        wide_and_narrow = np.stack([np.arange(dim - 1, dim // 2 - 1, -1), np.arange(dim // 2)], axis=1).ravel()
        axes = np.ascontiguousarray(axes[:, wide_and_narrow], dtype=np.float32)
        spreads = np.sqrt(np.maximum(variances[wide_and_narrow], 1e-12))
        wide = np.clip(np.rint(4 + np.log2(spreads[::2] / spreads[1::2]) / 2), 4, MOST_BITS).astype(int)
        bits = np.stack([wide, 8 - wide], axis=1).ravel().tolist()
        along = np.sort(rest @ axes, axis=0)
        levels = [_levels(values, 1 << n) for values, n in zip(along.T, bits, strict=True)]
        codebook = Codebook.of(axes, centres @ axes, np.stack([_grid(*levels[place : place + 2]) for place in range(0, dim, 2)]))
        first, per_bin = along[0], np.maximum((along[-1] - along[0]) / BINS, 1e-9)
        middles = first[:, None] + per_bin[:, None] * (np.arange(BINS) + 0.5)
        parts = np.stack([np.searchsorted((of[1:] + of[:-1]) / 2, middle) for of, middle in zip(levels, middles, strict=True)])
        parts[1::2] <<= wide[:, None]  # the wide number is in the lower bits
        return cls(codebook, first, per_bin, parts.astype(np.uint8))

    def save(self, folder: Path) -> None:
        """Write what `Codebook.open` reads."""
        (folder / AXES).parent.mkdir()
        levels = self.codebook.levels.view(np.float32).reshape(-1, 256, 2)
        for name, array in ((AXES, self.codebook.axes), (CENTRES, self.codebook.centres), (LEVELS, levels)):
            np.save(folder / name, array, allow_pickle=False)

    def codes(self, vectors: Vectors, cells: Cells) -> NDArray[np.uint8]:
        """The codes of some vectors, each of a cell: uint8 (n, dim / 2)."""
        along = vectors @ self.codebook.axes
        along -= self.codebook.centres[cells]
        bins = np.clip((along - self.first) / self.per_bin, 0, BINS - 1).astype(np.int32)
        parts = self.parts.ravel().take(bins + np.arange(0, self.parts.size, BINS, dtype=np.int32))
        return np.asarray(parts[:, ::2] | parts[:, 1::2])


def _levels(values: NDArray[np.float32], n: int) -> NDArray[np.float64]:
    """The n levels that lose the least of some ascending values, by Lloyd's algorithm: ascending."""
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    levels = np.quantile(values.astype(np.float64), (np.arange(n) + 0.5) / n)
    for _ in range(ROUNDS):
        ends = np.concatenate([[0], np.searchsorted(values, (levels[1:] + levels[:-1]) / 2), [len(values)]])
        counts = np.diff(ends)
        levels = np.where(counts, np.diff(sums[ends]) / np.maximum(counts, 1), levels)
    return levels


def _grid(wide: NDArray[np.float64], narrow: NDArray[np.float64]) -> NDArray[np.float32]:
    """Both numbers of each byte: float32 (256, 2)."""
    return np.stack([np.tile(wide, len(narrow)), np.repeat(narrow, len(wide))], axis=1).astype(np.float32)
