"""The table of words answers as a dict does."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.terms.word_dictionary_writer import write_words
from recommender.errors import IndexDamaged
from recommender.terms.inverted_index import pair_keys
from recommender.terms.word_dictionary import TRIE, WordTable

letters = st.characters(exclude_categories=("C", "Z"))
some_words = st.lists(st.text(letters, min_size=1, max_size=12), unique=True, max_size=60)


@given(known=some_words, asked=some_words)
@settings(deadline=None, max_examples=100)
def test_words_and_numbers_are_found_as_in_a_dict(known: list[str], asked: list[str]) -> None:
    numbers = {word: number for number, word in enumerate(known)}
    with tempfile.TemporaryDirectory() as folder:
        write_words(numbers, Path(folder) / "words")
        table = WordTable(Path(folder) / "words")
        assert len(table) == len(known)
        for _ in range(2):  # looked up, and kept
            assert table.numbers([*asked, *known[::2], *asked]) == {word: numbers[word] for word in {*asked, *known[::2]} & numbers.keys()}
        assert [table.phrase(number) for number in range(len(known))] == known
        pairs = pair_keys(np.arange(len(known), dtype=np.uint64)).tolist()
        assert [table.phrase(key) for key in pairs] == [" ".join(pair) for pair in pairwise(known)]
        for number in (len(known), -1):
            with pytest.raises(IndexDamaged, match=f"no word of number {number}, of {len(known)}"):
                table.phrase(number)


def test_words_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    words = ["harbours", "harbour", "h", "harb", "渡船", "渡", "zürich", "zurich"]
    write_words(words, tmp_path / "words")
    table = WordTable(tmp_path / "words")
    assert table.numbers([*words, "ha", "harbourss", "", "船"]) == {word: number for number, word in enumerate(words)}


def test_what_is_written_depends_on_the_words_and_their_numbers_alone(tmp_path: Path) -> None:
    """An index may be copied to another machine, and two builds of one archive are equal."""
    words = [f"word{number * 7919 % 1000}" for number in range(1000)]
    for name, given_words in (("a", words), ("b", dict.fromkeys(words)), ("c", words[::-1])):
        write_words(given_words, tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    assert (tmp_path / "a" / TRIE).read_bytes() == (tmp_path / "c" / TRIE).read_bytes(), "whatever order they come in"


def test_threads_share_a_table(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(5_000)]
    write_words(words, tmp_path / "words")
    table = WordTable(tmp_path / "words")

    def ask(first: int) -> bool:
        mine = words[first:] + words[:first]
        return table.numbers(mine) == {word: (first + place) % 5_000 for place, word in enumerate(mine)} and all(
            table.phrase(number) == words[number] for number in range(first % 7, 5_000, 7)
        )

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(0, 5_000, 250)))


@pytest.mark.parametrize("damage", ["cut", "other", "missing", "fewer"])
def test_files_that_are_no_table_are_refused(tmp_path: Path, damage: str) -> None:
    write_words(["a", "b", "c"], tmp_path / "words")
    path = tmp_path / "words" / TRIE
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "other":
        path.write_bytes(b"\0" * 5_000)
    elif damage == "missing":
        path.unlink()
    else:
        np.save(tmp_path / "words" / "places.npy", np.zeros(2, dtype=np.uint32))
    with pytest.raises(IndexDamaged, match="build again"):
        WordTable(tmp_path / "words")
