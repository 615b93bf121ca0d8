"""Sentences and the best pair of them equal a slow reading of their definitions."""

import math
import random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.retrieval.explanations import FEWEST_WORDS, Sentences, best_pairs, read_sentences, split
from recommender.text.chunking import SENTENCE_END
from recommender.text.words import words

IDF = {number: math.log(rarity) for number, rarity in enumerate([1, 1.3, 5, 5, 7, 11, 1.3])}


def sentences(of_words: list[list[int]]) -> Sentences:
    distinct = [sorted(set(one)) for one in of_words]
    flat = [number for one in distinct for number in one]
    begins = [sum(map(len, distinct[:place])) for place in range(len(distinct) + 1)]
    spans = [(10 * place, 10 * place + 9) for place in range(len(distinct))]
    idf = np.array([IDF[number] for number in flat], dtype=np.float64)
    return Sentences(np.array(spans, dtype=np.int32), np.array(flat, dtype=np.uint64), idf, np.array(begins, dtype=np.int64))


def slow_best(query: list[list[int]], target: list[list[int]]) -> tuple[int, int]:
    """The formula of the module's docstring, pair by pair; an earlier pair stays unless a later one is better."""
    best, best_score = (0, 0), 0.0
    for first, a in enumerate(query):
        for second, b in enumerate(target):
            masses = sum(IDF[word] for word in set(a)) * sum(IDF[word] for word in set(b))
            score = round(sum(IDF[word] for word in set(a) & set(b)) / math.sqrt(masses or 1.0), 6)
            if score > best_score:
                best, best_score = (first, second), score
    return best


some_sentences = st.lists(st.lists(st.integers(0, 6), max_size=6), min_size=1, max_size=5)


@given(some_sentences, st.lists(some_sentences, min_size=1, max_size=4))
@settings(deadline=None, max_examples=200)
def test_best_pairs_are_those_of_a_double_loop_the_first_of_equals(query: list[list[int]], targets: list[list[list[int]]]) -> None:
    found = best_pairs(sentences(query), [sentences(target) for target in targets])
    assert found == [slow_best(query, target) for target in targets]


def test_where_nothing_is_shared_the_first_sentences_stand() -> None:
    nothing, known, other = sentences([[], []]), sentences([[1, 2], [4]]), sentences([[3], [5], [6]])
    assert best_pairs(known, [other, nothing, known]) == [(0, 0)] * 3
    assert best_pairs(nothing, [known, nothing]) == [(0, 0)] * 2
    assert best_pairs(known, [sentences([[3], [6], [4]])]) == [(1, 2)]


ENDS = [". ", "! ", "? ", "… ", ".” ", '.")\n', ".\n\n", "\n\n", " \n \t\n ", "。", "！"]


@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from(ENDS)), max_size=8), st.integers(0, 500))
@settings(deadline=None)
def test_split_finds_the_sentences_that_a_text_was_made_of(made_of: list[tuple[int, str]], start: int) -> None:
    chunk, expected = "", []
    for n_words, end in made_of:
        sentence = " ".join(["3.5", "it’s", "Mr", "port", "x", "e.g", "old", "U.S", "y"][:n_words])
        begin = len(chunk)
        chunk += sentence + end
        if n_words and len(words(sentence)) >= FEWEST_WORDS:
            expected.append((start + begin, start + begin + len((sentence + end).rstrip())))
    assert [(begin, end) for begin, end, _ in split(chunk, start)] == (expected or [(start, start + len(chunk))])


@given(st.text(st.sampled_from("ab cd ef. gh! ij\n。船」”")), st.integers(0, 99))
@settings(deadline=None, max_examples=300)
def test_split_gives_stripped_sentences_in_order_and_leaves_only_short_ones_out(chunk: str, start: int) -> None:
    text = "-" * start + chunk
    spans = [(begin, end) for begin, end, of in split(chunk, start) if of == words(chunk[begin - start : end - start])]
    assert len(spans) == len(split(chunk, start)), "a sentence comes with its words"
    cuts = [start, *(start + match.end() for match in SENTENCE_END.finditer(chunk)), len(text)]
    pieces = [text[begin:end] for begin, end in pairwise(cuts)]
    long = [piece.strip() for piece in pieces if len(words(piece)) >= FEWEST_WORDS]
    assert [text[begin:end] for begin, end in spans] == (long or [chunk])
    assert [place for span in spans for place in span] == sorted(place for span in spans for place in span)
    assert FEWEST_WORDS == 4


@given(st.integers(0, 10**6), st.integers(0, 99))
@settings(deadline=None)
def test_sentences_hold_the_distinct_words_that_the_archive_knows(seed: int, start: int) -> None:
    chance = random.Random(seed)
    numbers = {"port": 5, "it's": 2, "船": 7, "old": 1 << 31}
    chunk = " ".join(
        " ".join(chance.choices(["Port", "it’s", "船", "OLD", "unknown"], k=chance.randint(1, 9))) + "."
        for _ in range(chance.randint(0, 5))
    )
    asked: list[str] = []

    def numbers_of(of: Sequence[str]) -> dict[str, int]:
        asked.extend(of)
        return {word: number for word, number in numbers.items() if word in asked}

    read = read_sentences(chunk, start, numbers_of, lambda keys: keys.astype(np.float64) / 2)
    text = "-" * start + chunk
    assert read.spans.tolist() == [[begin, end] for begin, end, _ in split(chunk, start)]
    assert asked == [word for begin, end in read.spans for word in words(text[begin:end])]
    expected = [sorted({numbers[word] for word in words(text[begin:end]) if word in numbers}) for begin, end in read.spans]
    assert [read.numbers[begin:end].tolist() for begin, end in pairwise(read.begins)] == expected
    assert len(read.begins) == len(read.spans) + 1
    assert read.begins[-1] == len(read.numbers)
    assert read.idf.tolist() == [number / 2 for of_one in expected for number in of_one]
