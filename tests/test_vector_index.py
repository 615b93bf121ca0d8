"""FAISS is asked only what it answers rightly, and its answers are those of plain arithmetic."""

from pathlib import Path

import numpy as np
import pytest

from recommender.errors import IndexDamaged, StorageError
from recommender.types import Vectors
from recommender.vector_index import FlatIndex


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


def test_vectors_come_back_after_saving(tmp_path: Path) -> None:
    stored = unit_vectors(9)
    FlatIndex.build(stored).save(tmp_path / "v.faiss")
    opened = FlatIndex.open(tmp_path / "v.faiss")
    assert (len(opened), opened.dim) == (9, 16)
    np.testing.assert_array_equal(opened.vectors(np.array([8, 0, 8])), stored[[8, 0, 8]])


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


def test_files_that_faiss_cannot_read_or_write_are_named(tmp_path: Path) -> None:
    (tmp_path / "v.faiss").write_bytes(b"IxF2" + b"\xff" * 60)
    with pytest.raises(IndexDamaged, match=r"v\.faiss is not a FAISS index"):
        FlatIndex.open(tmp_path / "v.faiss")
    with pytest.raises(StorageError, match=r"nowhere.*cannot be written"):
        FlatIndex.build(unit_vectors(2)).save(tmp_path / "nowhere" / "v.faiss")
