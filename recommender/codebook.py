"""Unit vectors in 4 bits a number: how the chunks of a large archive are kept.

Kept is how a chunk differs from the centre of its article's cell: less than half of what is to be told. The difference is turned to the
axes along which differences spread most, next most, and so on; a byte tells it along a wide axis and along a narrow one, and the wide
one gets more of its 8 bits. So a third is lost of what plain 4 bits lose (docs/benchmarks.md). Turning all vectors alike changes no cosine.

    codebook/axes.npy      float32 (dim, dim), orthonormal: `vector @ axes` is a vector along the axes
             centres.npy   float32 (n_cells, dim), along the axes
             levels.npy    float32 (dim / 2, 256, 2): the two numbers that a byte tells, at each place
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender.arrays import mapped
from recommender.errors import IndexDamaged
from recommender.types import Vectors

AXES, CENTRES, LEVELS = (f"codebook/{name}.npy" for name in ("axes", "centres", "levels"))


@dataclass(frozen=True, slots=True)
class Codebook:
    """What codes tell.

    Attributes:
        axes: float32 (dim, dim).
        centres: float32 (n_cells, dim).
        levels: complex64 (dim / 2 * 256,): the two numbers of each byte at each place, as one.
        places: int64 (dim / 2,): where the levels of each place begin.
    """

    axes: Vectors
    centres: Vectors
    levels: NDArray[np.complex64]
    places: NDArray[np.int64]

    @classmethod
    def open(cls, folder: Path) -> "Codebook":
        """Read the files of a release.

        Raises:
            IndexDamaged: A file cannot be read, or is of something else.
        """
        axes, centres, levels = (mapped(folder / name) for name in (AXES, CENTRES, LEVELS))
        dim = len(axes)
        for name, array, shape in ((AXES, axes, (dim, dim)), (CENTRES, centres, (len(centres), dim)), (LEVELS, levels, (dim // 2, 256, 2))):
            if array.dtype != np.float32 or array.shape != shape:
                raise IndexDamaged(f"{folder / name} is an array of {array.dtype} {array.shape} - build again")
        return cls.of(axes, centres, levels)

    @classmethod
    def of(cls, axes: Vectors, centres: Vectors, levels: NDArray[np.float32]) -> "Codebook":
        """What the three files hold."""
        places = np.arange(0, 256 * len(levels), 256)
        return cls(axes, centres, np.ascontiguousarray(levels).view(np.complex64).ravel(), places)

    def read(self, codes: NDArray[np.uint8], cells: NDArray[np.uint16]) -> Vectors:
        """The vectors of some chunks, along the axes: float32 (n, dim), unit norm.

        Args:
            codes: uint8 (n, dim / 2).
            cells: uint16 (n,).
        """
        vectors = self.levels.take(codes + self.places).view(np.float32)
        vectors += self.centres.take(cells, axis=0)
        vectors /= np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
        return vectors
