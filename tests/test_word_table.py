"""The table of words answers as a dict does."""

import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.word_writer import write_words
from recommender.errors import IndexDamaged
from recommender.word_table import TOGETHER, WordTable, hashes_of

letters = st.characters(exclude_categories=("C", "Z"))
some_words = st.lists(st.text(letters, min_size=1, max_size=12), unique=True, max_size=60)


def few_hashes(spelled: list[bytes]) -> np.ndarray:
    return np.array([len(word) % 3 for word in spelled], dtype=np.uint32)


@pytest.mark.parametrize("hashing", [hashes_of, few_hashes])
@given(known=some_words, asked=some_words)
@settings(deadline=None, max_examples=60)
def test_words_and_numbers_are_found_as_in_a_dict(hashing: object, known: list[str], asked: list[str]) -> None:
    numbers = {word: number for number, word in enumerate(known)}
    with (
        tempfile.TemporaryDirectory() as folder,
        patch("index.word_writer.hashes_of", hashing),
        patch("recommender.word_table.hashes_of", hashing),
        patch("index.word_writer.BATCH", TOGETHER),
    ):
        write_words(numbers, Path(folder) / "words")
        table = WordTable(Path(folder) / "words")
        assert len(table) == len(known)
        for _ in range(2):  # looked up, and kept
            assert table.numbers([*asked, *known[::2], *asked]) == {word: numbers[word] for word in {*asked, *known[::2]} & numbers.keys()}
        assert [table.phrase((number,)) for number in range(len(known))] == known
        assert table.phrase(tuple(range(len(known)))) == " ".join(known)
        for number in (len(known), -1):
            with pytest.raises(IndexDamaged, match=f"no word of number {number}, of {len(known)}"):
                table.phrase((number,))


def test_words_of_one_hash_are_told_apart(tmp_path: Path) -> None:
    same = ["plumless", "buckeroo"]
    assert len(set(hashes_of(word.encode() for word in same).tolist())) == 1
    write_words(["alpha", *same[:1]], tmp_path / "words")
    assert WordTable(tmp_path / "words").numbers(same) == {"plumless": 1}
    write_words([*same, "omega"], tmp_path / "both")
    assert WordTable(tmp_path / "both").numbers(same) == {"plumless": 0, "buckeroo": 1}


def test_what_is_written_is_the_same_always(tmp_path: Path) -> None:
    """An index may be copied to another machine, and served by another Python."""
    write_words(["渡", "zürich", "the"], tmp_path / "words")
    stored = {path.stem: np.load(path).tolist() for path in (tmp_path / "words").iterdir()}
    assert bytes(stored["letters"]).decode() == "渡\nzürich\nthe\n"
    assert stored["begins"] == [0]
    assert stored["hashes"] == sorted(stored["hashes"])
    assert dict(zip(stored["numbers"], stored["hashes"], strict=True))[2] == 0x3C456DE6
