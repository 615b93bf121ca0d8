"""What is spilled and pruned says what it said in memory."""

import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.storage.external_sort import NONE, Runs
from index.storage.npy_append import Growing
from index.terms import analysis
from index.terms.fingerprints import FingerprintWriter
from index.terms.inverted_index_writer import LexicalWriter
from index.terms.pruned_index_writer import _save_offsets, prune_terms
from recommender.retrieval.near_duplicates import is_duplicate
from recommender.storage.mapped import mapped
from recommender.terms import pruned_index
from recommender.terms.inverted_index import FOLDER, LexicalIndex, count_terms
from recommender.terms.pruned_index import PrunedIndex, open_terms
from recommender.terms.term_dictionary import PAIRS, SortedKeys
from recommender.text.words import words
from recommender.types import Article
from tests.support.archive import digested

LITTLE, PLENTY = 2_000, 1 << 30

batches = st.lists(st.lists(st.integers(0, 40), max_size=12), max_size=12)
keys = st.sets(st.builds(lambda upper, lower: upper << 32 | lower, st.integers(0, 6), st.integers(0, 9)), max_size=30)


@given(batches, st.integers(1, 3_000))
@settings(deadline=None, max_examples=60)
def test_runs_count_and_number_what_was_added(added: list[list[int]], memory: int) -> None:
    everything = [value for batch in added for value in batch]
    counts = Counter(everything)
    with tempfile.TemporaryDirectory() as folder:
        counting, numbering = (Runs(Path(folder) / name, memory, np.uint64) for name in ("counting", "numbering"))
        for batch in added:
            counting.add(np.array(batch, dtype=np.uint64))
            numbering.add(np.array(batch, dtype=np.uint64))
        counted = [pair for part in counting.counted() for pair in zip(*(of.tolist() for of in part), strict=True)]
        several = [pair for part in numbering.numbered() for pair in zip(*(of.tolist() for of in part), strict=True)]
        numbers = [number for part in numbering.numbers() for number in part.tolist()]
    assert counted == sorted(counts.items())
    assert several == [pair for pair in sorted(counts.items()) if pair[1] > 1]
    place = {value: number for number, (value, _) in enumerate(several)}
    assert numbers == [place.get(value, int(NONE)) for value in everything]


@given(keys, keys)
def test_keys_are_found_as_in_a_list(known: set[int], asked: set[int]) -> None:
    table = SortedKeys(np.array(sorted(known), dtype=np.uint64))
    places, there = table.find(np.array(sorted(asked), dtype=np.uint64))
    assert there.tolist() == [key in known for key in sorted(asked)]
    assert places.tolist() == [sorted(known).index(key) for key in sorted(asked) if key in known]
    assert table.at(np.arange(len(table))).tolist() == sorted(known)


@pytest.mark.parametrize(("last", "n_bytes"), [(0, 4), ((1 << 32) - 1, 4), (1 << 32, 8)])
def test_offsets_take_four_bytes_while_they_fit(tmp_path: Path, last: int, n_bytes: int) -> None:
    _save_offsets(tmp_path / "offsets", np.array([0, last]))
    stored = np.load(tmp_path / "offsets.npy")
    assert (stored.tolist(), stored.itemsize) == ([0, last], n_bytes)


def test_a_growing_array_is_a_file_of_numpy(tmp_path: Path) -> None:
    with Growing(tmp_path / "a.npy", np.uint32) as growing:
        growing.add([1, 2])
        growing.add(np.arange(100_000))
    assert np.load(tmp_path / "a.npy").tolist() == [1, 2, *range(100_000)]
    with Growing(tmp_path / "none.npy", np.float16):
        pass
    assert mapped(tmp_path / "none.npy").tolist() == []


def some_articles(n: int) -> list[Article]:
    chance = np.random.default_rng(3)
    pool = np.array([f"word{number}" for number in range(60)])
    return [Article(f"{number}", " ".join(chance.choice(pool, 4)), " ".join(chance.choice(pool, 40))) for number in range(n)]


def write(folder: Path, memory: int, articles: list[Article]) -> LexicalWriter:
    folder.mkdir()
    with closing(LexicalWriter(folder, memory)) as writer:
        for of_block in digested(articles):
            writer.extend(of_block.words)
        writer.write()
    return writer


def test_with_little_memory_the_same_files_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    articles = some_articles(60)
    monkeypatch.setattr(analysis, "BLOCK", 1)
    for name, memory in (("little", LITTLE), ("plenty", PLENTY)):
        write(tmp_path / name, memory, articles)
    assert len(list((tmp_path / "little/terms/runs").iterdir())) > 10 * len(list((tmp_path / "plenty/terms/runs").iterdir()))
    written = sorted((tmp_path / "plenty" / FOLDER).iterdir())
    assert len(written) == 14
    for path in written:
        assert path.read_bytes() == (tmp_path / "little" / FOLDER / path.name).read_bytes(), path.name
    for name, memory in (("little", LITTLE), ("plenty", PLENTY)):
        prune_terms(tmp_path / name, len(articles), memory)
    for path in sorted((tmp_path / "plenty" / FOLDER).iterdir()):
        assert path.read_bytes() == (tmp_path / "little" / FOLDER / path.name).read_bytes(), path.name


@pytest.mark.parametrize(("kept", "found_by"), [(512, 512), (12, 6)])
def test_a_pruned_index_answers_nearly_as_the_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, found_by: int) -> None:
    articles = some_articles(60)
    numbers = write(tmp_path / "whole", PLENTY, articles).numbers
    write(tmp_path / "pruned", PLENTY, articles)
    monkeypatch.setattr("index.terms.pruned_index_writer.KEPT", kept)
    monkeypatch.setattr("index.terms.pruned_index_writer.FOUND_BY", found_by)
    prune_terms(tmp_path / "pruned", len(articles), PLENTY)
    assert {path.name for path in (tmp_path / "pruned").iterdir()} == {FOLDER, "terms", "words"}
    whole, pruned = (open_terms(tmp_path / name / FOLDER, len(articles)) for name in ("whole", "pruned"))
    assert type(whole) is LexicalIndex
    assert type(pruned) is PrunedIndex
    rows, complete = np.arange(len(articles)), kept == 512
    assert np.diff(pruned.arrays["offsets"]).max() <= kept
    for row, article in enumerate(articles):
        counted = count_terms(*([numbers[word] for word in words(text)] for text in (article.title, article.text)))
        mine, its = whole.weigh(counted), pruned.weigh(counted)
        cosines, approximate = whole.cosines(mine, rows), pruned.cosines(its, rows)
        assert approximate == pytest.approx(cosines, abs=0.02 if complete else 0.35)
        assert pruned.mentioned(its, 5, row).tolist() == whole.mentioned(mine, 5, row).tolist()
        for expected, found in zip(whole.title_features(mine, rows), pruned.title_features(its, rows), strict=True):
            assert found == pytest.approx(expected, abs=0.03)
        assert pruned.search(its, 3, None)[0][0] == row, "a text finds itself"
        if complete:
            assert whole.search(mine, 3, row)[0][0] in pruned.search(its, 3, row)[0]
        shared = pruned.shared_terms(its, rows[:5], 3)
        assert set(shared.ravel().tolist()) <= {0, *(counted.keys + np.uint64(1)).tolist()}
        words_of = counted.keys[counted.keys < PAIRS]
        assert pruned.idf_of(words_of) == pytest.approx(whole.idf_of(words_of), abs=0.01), "of all words, kept or not"


def test_weights_of_one_byte_keep_two_digits() -> None:
    weights = np.linspace(0.02, 1, 500, dtype=np.float32)
    assert pruned_index.SQUARES[pruned_index.one_byte(weights)] == pytest.approx(weights, rel=0.03)


def test_sketches_hide_no_duplicate(tmp_path: Path) -> None:
    """Texts that share from nothing to all of their words with the first, short, long, and longer than what is sampled."""
    chance = np.random.default_rng(5)
    texts = []
    for length in (8, 60, 300, 900, 3_000):
        first = chance.integers(0, 10**6, length)
        for share in np.linspace(0, 1, 9):
            own = np.where(np.arange(length) < share * length, first, chance.integers(0, 10**6, length))
            texts.append(" ".join(f"w{number}" for number in own))
    very_long = " ".join(f"w{number}" for number in chance.integers(0, 10**6, 8_000))
    texts += [very_long, very_long[: len(very_long) // 20]]  # of which few shingles are compared, and all of these are in both
    with closing(FingerprintWriter(tmp_path, LITTLE)) as writer:
        for of_block in digested([Article(f"{number}", "", text) for number, text in enumerate(texts)]):
            writer.extend(of_block.fingerprints)
        known = writer.read()
    some, others = (of.astype(np.int64) for of in np.triu_indices(len(texts), 1))
    looked_at = known.may_be_duplicates(some, others)
    said = np.array([is_duplicate(known[a], known[b], 0.0) for a, b in zip(some.tolist(), others.tolist(), strict=True)])
    assert said.any()
    assert looked_at[said].all()
    assert looked_at.sum() < len(looked_at) / 2
