"""Large archives: vectors in two tiers, against brute force over the floats they were made of."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.build import build_index
from index.vectors import vector_writer as writing
from index.vectors.vector_writer import STAGED_VECTORS, to_integers, write_chunks, write_tiers
from recommender import Article, Recommender
from recommender.errors import IndexDamaged
from recommender.features.article_features import Layout
from recommender.release.manifest import FLAT, TIERED, VECTORS, current_folder, verify
from recommender.types import Vectors
from recommender.vectors import maxsim
from recommender.vectors.exact import FlatIndex, mean_vectors
from recommender.vectors.two_tier import ARTICLES, SCALES, StoredChunks, TieredIndex, open_chunks, open_vectors
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder
from tests.support.release_contents import check_contents

DIM = 48
N = 3_000


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few chunks count as many."""
    monkeypatch.setattr(writing, "EXACT", 20)


@pytest.fixture(scope="module")
def archive() -> tuple[Vectors, Layout]:
    """Articles of one to six chunks, in stories of about six articles."""
    chance = np.random.default_rng(3)
    sizes = chance.integers(1, 7, N)
    stories = chance.standard_normal((N // 6, DIM))
    centers = stories[chance.integers(0, len(stories), N)] + 0.5 * chance.standard_normal((N, DIM))
    chunks = np.repeat(centers, sizes, axis=0) + 0.6 * chance.standard_normal((sizes.sum(), DIM))
    chunks /= np.linalg.norm(chunks, axis=1, keepdims=True)
    return chunks.astype(np.float32), Layout(np.concatenate([[0], np.cumsum(sizes)]), chance.permutation(N))


def written(folder: Path, chunks: Vectors, layout: Layout) -> TieredIndex:
    write_chunks(np.array_split(chunks, 7), len(chunks), DIM, folder)
    write_tiers(layout, folder)
    index = open_vectors(folder)
    assert isinstance(index, TieredIndex)
    return index


def test_the_closest_are_found(few: None, tmp_path: Path, archive: tuple[Vectors, Layout]) -> None:
    chunks, layout = archive
    index, exact = written(tmp_path, chunks, layout), FlatIndex.build(chunks)
    asked = list(range(0, N, 60))
    queries = [chunks[layout.offsets[row] : layout.offsets[row + 1]] for row in asked]
    true = maxsim.nearest(queries, exact, layout, 10, asked)
    found = maxsim.nearest(queries, index, layout, 10, asked)
    recall = [len(np.intersect1d(a, b)) / 10 for (a, _), (b, _) in zip(true, found, strict=True)]
    assert np.mean(recall) >= 0.98
    for row, (_, best), (rows, scores) in zip(asked, true, found, strict=True):
        assert row not in rows
        assert (np.diff(scores) <= 0).all()
        assert scores[0] == pytest.approx(best[0], abs=0.002)
    own_row = maxsim.nearest(queries[:1], index, layout, 10, [None])[0][0][0]
    assert own_row == asked[0], "a draft that is an article of the archive finds it first"


def test_means_are_kept_well_enough_to_find_by(few: None, tmp_path: Path, archive: tuple[Vectors, Layout]) -> None:
    """Of many articles few are compared chunk by chunk. With a bit a number .86 would be among them, with half as many cells .945."""
    chunks, layout = archive
    index = written(tmp_path, chunks, layout)
    means = mean_vectors(chunks, layout.offsets)
    asked = np.arange(0, N, 10)
    found = index.near([means[row : row + 1] for row in asked], 20)
    closest = np.argsort(-(means[asked] @ means.T), axis=1)[:, :10]
    assert np.mean([np.isin(true, rows).mean() for true, rows in zip(closest, found, strict=True)]) > 0.965


def test_comparisons_are_those_of_the_stored_vectors(few: None, tmp_path: Path, archive: tuple[Vectors, Layout]) -> None:
    chunks, layout = archive
    index = written(tmp_path, chunks, layout)
    again = index.vectors(np.arange(len(chunks)))
    assert np.linalg.norm(again, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.einsum("ij,ij->i", again, chunks).min() > 0.9999
    query, articles = chunks[:3], np.arange(5, N, 7)
    compared, expected = (maxsim.compare(query, articles, of, layout) for of in (index, FlatIndex.build(again)))
    for name in ("there", "back", "closest", "mean_cosine"):
        np.testing.assert_allclose(getattr(compared, name), getattr(expected, name), atol=1e-5)
    np.testing.assert_array_equal(compared.target_chunk, expected.target_chunk)


def test_eight_bits_keep_nearly_all_of_the_ten_closest(few: None, tmp_path: Path, archive: tuple[Vectors, Layout]) -> None:
    """Without the upper tier: all articles are compared by the integers, and by the floats they were made of."""
    chunks, layout = archive
    written(tmp_path, chunks, layout)
    index, asked = open_chunks(tmp_path), range(0, N, 30)
    assert isinstance(index, StoredChunks)
    queries = [chunks[layout.offsets[row] : layout.offsets[row + 1]] for row in asked]
    true, found = (maxsim.nearest(queries, of, layout, 10, asked) for of in (FlatIndex.build(chunks), index))
    assert np.mean([len(np.intersect1d(a, b)) / 10 for (a, _), (b, _) in zip(true, found, strict=True)]) > 0.985


def test_the_same_vectors_are_written_alike(few: None, tmp_path: Path, archive: tuple[Vectors, Layout]) -> None:
    """Whatever the blocks are, and to the last byte: a vector's integers depend on nothing else."""
    chunks, layout = archive
    for name, parts in (("one", 1), ("many", 50)):
        (tmp_path / name).mkdir()
        write_chunks(np.array_split(chunks, parts), len(chunks), DIM, tmp_path / name)
        write_tiers(layout, tmp_path / name)
    for name in (VECTORS, SCALES, ARTICLES):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "many" / name).read_bytes(), name


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(2, 60), st.integers(0, 2**32))
def test_integers_keep_the_direction(n: int, dim: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    integers, scales = to_integers(vectors)
    again = integers * scales[:, None]
    assert np.linalg.norm(again, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.einsum("ij,ij->i", again, vectors).min() > 0.9999
    assert (to_integers(again)[0] == integers).all()


def test_lists_of_both_kinds_of_index_are_nearly_the_same(few: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = str(write_jsonl(tmp_path / "a.jsonl", records(90)))
    build_index([source], tmp_path / "tiered", HashEmbedder())
    monkeypatch.undo()
    build_index([source], tmp_path / "exact", HashEmbedder())
    folders = [current_folder(tmp_path / name) for name in ("tiered", "exact")]
    names = [{name for name in (VECTORS, SCALES, ARTICLES, STAGED_VECTORS) if (folder / name).exists()} for folder in folders]
    assert names == [{VECTORS, SCALES, ARTICLES}, {VECTORS}], "what lists were computed from is not published"
    assert [verify(folder).manifest.vectors for folder in folders] == [TIERED, FLAT]
    draft = Article("", "A ferry", "The ferry left the harbour. The captain saw the storm. " * 5)
    with Recommender.open(tmp_path / "tiered", HashEmbedder()) as tiered, Recommender.open(tmp_path / "exact", HashEmbedder()) as exact:
        same = [len(set(tiered.related_to_row(row).ids) & set(exact.related_to_row(row).ids)) / 5 for row in range(90)]
        assert np.mean(same) > 0.95
        assert len(set(tiered.related_to(draft).ids) & set(exact.related_to(draft).ids)) >= 4
    check_contents(folders[0])


@pytest.mark.parametrize("name", [VECTORS, SCALES, ARTICLES])
def test_a_file_that_is_none_is_named(few: None, tmp_path: Path, archive: tuple[Vectors, Layout], name: str) -> None:
    written(tmp_path, *archive)
    (tmp_path / name).write_bytes(b"nothing of ours")
    with pytest.raises(IndexDamaged, match=name):
        open_vectors(tmp_path)


def test_an_array_of_something_else_is_named(few: None, tmp_path: Path, archive: tuple[Vectors, Layout]) -> None:
    written(tmp_path, *archive)
    wrong = ((VECTORS, np.zeros((3, 4), dtype=np.uint8)), (SCALES, np.ones(3, dtype=np.float32)), (SCALES, np.ones(len(archive[0]))))
    for name, array in wrong:
        whole = (tmp_path / name).read_bytes()
        np.save(tmp_path / name, array)
        with pytest.raises(IndexDamaged, match=rf"{name} is an array of {array.dtype} "):
            open_vectors(tmp_path)
        (tmp_path / name).write_bytes(whole)
