"""FAISS is asked only what it answers rightly, and its answers are those of plain arithmetic."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender.errors import IndexDamaged
from recommender.manifest import VECTORS
from recommender.tiered_index import open_vectors
from recommender.types import Vectors
from recommender.vector_index import FlatIndex, mean_vectors


def unit_vectors(n: int, dim: int = 16, seed: int = 1) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def test_search_equals_arithmetic() -> None:
    stored, queries = unit_vectors(300), unit_vectors(20, seed=2)
    scores, rows = FlatIndex.build(stored).search(queries, 7)
    products = queries @ stored.T
    expected = np.argsort(-products, axis=1)[:, :7]
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(scores, np.take_along_axis(products, expected, axis=1), atol=1e-6)


def test_no_more_rows_than_there_are() -> None:
    _, rows = FlatIndex.build(unit_vectors(3)).search(unit_vectors(2), 50)
    assert rows.shape == (2, 3)
    assert rows.min() == 0


def test_vectors_come_back_from_a_file(tmp_path: Path) -> None:
    stored = unit_vectors(9)
    np.save(tmp_path / VECTORS, stored)
    opened = open_vectors(tmp_path)
    assert isinstance(opened, FlatIndex)
    assert (len(opened), opened.dim) == (9, 16)
    np.testing.assert_array_equal(opened.vectors(np.array([8, 0, 8])), stored[[8, 0, 8]])
    np.testing.assert_array_equal(opened.search(stored, 1)[1].ravel(), np.arange(9))


@pytest.mark.parametrize("fault", [np.nan, np.inf, 0.0, 2.0])
def test_vectors_that_would_answer_wrongly_are_refused(fault: float) -> None:
    wrong = unit_vectors(4)
    wrong[2] = wrong[2] * fault
    with pytest.raises(ValueError, match="vector 2 is not of unit norm"):
        FlatIndex.build(wrong)
    with pytest.raises(ValueError, match="vector 2 is not of unit norm"):
        FlatIndex.build(unit_vectors(4)).search(wrong, 1)


def test_wrong_calls_are_refused() -> None:
    index = FlatIndex.build(unit_vectors(4))
    with pytest.raises(ValueError, match="k is 0"):
        index.search(unit_vectors(1), 0)
    with pytest.raises(ValueError, match="queries have 8 dimensions, the index has 16"):
        index.search(unit_vectors(1, dim=8), 1)
    with pytest.raises(ValueError, match="2 are needed"):
        index.search(unit_vectors(1)[0], 1)


@pytest.mark.parametrize("array", [np.zeros((3, 4), dtype=np.int8), np.zeros(3, dtype=np.float32)])
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
