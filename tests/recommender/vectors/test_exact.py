"""An exact index gives back what was written, and refuses what it would answer wrongly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from index.vectors.vector_writer import to_integers
from recommender.errors import IndexDamaged
from recommender.features.article_features import Layout
from recommender.release.manifest import VECTORS
from recommender.types import Vectors
from recommender.vectors.exact import FlatIndex, mean_vectors
from recommender.vectors.maxsim import nearest
from recommender.vectors.two_tier import StoredChunks, open_vectors


def unit_vectors(n: int, dim: int = 16, seed: int = 1) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def test_vectors_come_back_from_a_file(tmp_path: Path) -> None:
    stored = unit_vectors(9)
    np.save(tmp_path / VECTORS, stored)
    opened = open_vectors(tmp_path)
    assert isinstance(opened, FlatIndex)
    assert (len(opened), opened.dim) == (9, 16)
    np.testing.assert_array_equal(opened.vectors(np.array([8, 0, 8])), stored[[8, 0, 8]])
    np.testing.assert_array_equal(opened.array, stored)


@pytest.mark.parametrize("fault", [np.nan, np.inf, 0.0, 2.0])
def test_vectors_that_would_answer_wrongly_are_refused(fault: float) -> None:
    wrong = unit_vectors(4)
    wrong[2] = wrong[2] * fault
    with pytest.raises(ValueError, match="vector 2 is not of unit norm"):
        FlatIndex.build(wrong)
    for index in (FlatIndex.build(unit_vectors(4)), StoredChunks(*to_integers(unit_vectors(4)))):
        with pytest.raises(ValueError, match="vector 2 is not of unit norm"):
            nearest([wrong], index, Layout(np.arange(5), np.arange(4)), 1, [None])


def test_wrong_calls_are_refused() -> None:
    index, layout = FlatIndex.build(unit_vectors(4)), Layout(np.arange(5), np.arange(4))
    with pytest.raises(ValueError, match="mismatch"):
        nearest([unit_vectors(1, dim=8)], index, layout, 1, [None])
    with pytest.raises(ValueError, match="2 are needed"):
        nearest([unit_vectors(1)[0]], index, layout, 1, [None])


@pytest.mark.parametrize("array", [np.zeros((3, 4), dtype=np.uint8), np.zeros(3, dtype=np.float32)])
def test_files_of_something_else_are_named(tmp_path: Path, array: NDArray[Any]) -> None:
    (tmp_path / VECTORS).write_bytes(b"nothing of ours")
    with pytest.raises(IndexDamaged, match=r"chunks\.npy cannot be read"):
        open_vectors(tmp_path)
    np.save(tmp_path / VECTORS, array)
    with pytest.raises(IndexDamaged, match=r"chunks\.npy is an array of"):
        open_vectors(tmp_path)


@given(st.lists(st.integers(1, 5), max_size=6), st.integers(0, 1000))
def test_means_are_directions_of_sums(sizes: list[int], seed: int) -> None:
    vectors = unit_vectors(sum(sizes), seed=seed)
    means = mean_vectors(vectors, np.cumsum([0, *sizes]))
    expected = [part.sum(axis=0) / np.linalg.norm(part.sum(axis=0)) for part in np.split(vectors, np.cumsum(sizes))[:-1]]
    np.testing.assert_allclose(means, np.reshape(expected, (len(sizes), 16)), atol=1e-5)
