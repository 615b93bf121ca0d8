"""The lexical index equals a slow reading of its definition: terms as tuples of words, dicts, and sums one by one."""

import math
import random
import re
import struct
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.terms import analysis, inverted_index_writer, postings_writer
from index.terms.inverted_index_writer import MEMORY, STAGED_TERMS, LexicalWriter
from recommender.terms import inverted_index, vocabulary
from recommender.terms.inverted_index import FOLDER, LEAD, LexicalIndex, Terms, count_terms
from recommender.terms.vocabulary import Weights
from recommender.terms.word_dictionary import words_of_key
from recommender.text.words import LONGEST_WORD, MARKS, UNSPACED, normal, words
from recommender.types import Article, Rows
from tests.support.archive import digested

Term = tuple[str, ...]
Texts = list[tuple[str, str]]

UNKNOWN = 1 << 31
POOL = ["the", "city", "Harbour", "ferry’s", "pier", "9", "渡", "船", "vote", "Dock"] + [f"rare{number}" for number in range(40)]


def slow_words(text: str) -> list[str]:
    def spaceless(one: str) -> bool:
        return bool(re.match(f"[{UNSPACED}]", one))

    def with_marks(end: int) -> int:
        while end < len(text) and text[end] in MARKS:
            end += 1
        return end

    def letters(begin: int) -> int:
        end = begin
        while end < len(text) and text[end].isalnum() and not spaceless(text[end]):
            end = with_marks(end + 1)
        return end

    text, found, at = text.lower(), [], 0
    while at < len(text):
        end = with_marks(at + 1) if spaceless(text[at]) else letters(at)
        if end == at:
            at += 1
            continue
        if not spaceless(text[at]) and text[end : end + 1] in ("'", "’"):
            further = letters(end + 1)
            end = further if further > end + 1 else end
        found.append(normal(text[at:end].replace("’", "'")))
        at = end
    return found


def terms_in(text: list[str]) -> list[Term]:
    return [(word,) for word in text] + list(pairwise(text))


@dataclass
class Archive:
    """An archive twice: as the index holds it, and as its definition reads."""

    texts: Texts
    index: LexicalIndex
    terms: list[Terms]
    numbers: dict[str, int]

    def __post_init__(self) -> None:
        self.counts = [self.count(*text) for text in self.texts]
        self.df = Counter(term for counts in self.counts for term in counts)
        self.title_pairs = [set(pairwise(words(title))) for title, _ in self.texts]
        self.term_of = {self.key(term): term for term in self.df}
        self.stored = [self.weights_of(terms) for terms in self.terms]

    def count(self, title: str, text: str) -> Counter[Term]:
        heading, body = terms_in(words(title)), terms_in(words(text))
        return Counter(heading + heading + body + terms_in(words(text)[:LEAD]))

    def key(self, term: Term) -> int:
        first, *second = (self.numbers[word] for word in term)
        return (first + 1) * 2**32 + second[0] if second else first

    def idf(self, term: Term) -> float:
        return math.log((len(self.texts) + 1) / (max(self.df[term], 1) + 1))

    def raw(self, counts: Counter[Term]) -> dict[Term, float]:
        return {term: math.sqrt(n) * self.idf(term) for term, n in counts.items() if self.df[term] >= 2}

    def weights_of(self, terms: Terms) -> dict[Term, float]:
        """What the index weighs, by word; exact, since float16 and so are products of two."""
        keys = self.index.vocabulary.table.at(terms.terms).tolist()
        return {self.term_of[key]: weight for key, weight in zip(keys, terms.weights.tolist(), strict=True)}

    def draft(self, title: str, text: str) -> Terms:
        """A text that is in no archive; its unknown words get numbers above all others."""
        numbers = dict(self.numbers)
        for word in words(title) + words(text):
            numbers.setdefault(word, UNKNOWN + len(numbers))
        return self.index.weigh(count_terms([numbers[word] for word in words(title)], [numbers[word] for word in words(text)]))

    def mass(self, row: int) -> float:
        return max(1.0, sum(self.idf(pair) for pair in self.title_pairs[row]))


def staged_terms(folder: Path, index: LexicalIndex) -> list[Terms]:
    """The terms of all articles as they were written."""
    offsets, keys = (np.load(folder / STAGED_TERMS / f"{name}.npy") for name in ("offsets", "keys"))
    of = {name: np.split(index.arrays[name], index.arrays["offsets"][1:-1]) for name in ("terms", "weights")}
    title_keys = np.split(index.arrays["title_keys"], index.arrays["title_offsets"][1:-1])
    every = zip(of["terms"], of["weights"], np.split(keys, offsets[1:-1]), title_keys, strict=True)
    return [Terms(terms.astype(np.int64), weights.astype(np.float32), own, title) for terms, weights, own, title in every]


def build(texts: Texts, folder: Path | None = None, memory: int = MEMORY) -> Archive:
    with tempfile.TemporaryDirectory() as scratch:
        writer = LexicalWriter(folder or Path(scratch), memory)
        for of_block in digested([Article(id=str(number), title=title, text=text) for number, (title, text) in enumerate(texts)]):
            writer.extend(of_block.words)
        writer.write()
        index = LexicalIndex.open((folder or Path(scratch)) / FOLDER, len(texts))
        terms = staged_terms(folder or Path(scratch), index)
    return Archive(texts, index, terms, writer.numbers)


def some_texts(n: int, seed: int, n_words: int) -> Texts:
    """Texts up to half as long again as the lead; some hold a title, which is a stretch of another's text in part."""
    chance = random.Random(seed)
    vocabulary = chance.sample(POOL, n_words)

    def some(longest: int) -> str:
        return " ".join(chance.choices(vocabulary, [1 / (1 + rank) for rank in range(n_words)], k=chance.randint(0, longest)))

    titles = [some(5) for _ in range(n)]
    return [(title, f"{some(LEAD)} {chance.choice(['', chance.choice(titles)])} {some(LEAD // 2)}") for title in titles]


texts = st.builds(some_texts, st.integers(1, 14), st.integers(0, 10**6), st.sampled_from([4, 12, 40]))


def dot(mine: dict[Term, float], theirs: dict[Term, float]) -> float:
    """Rounded to float32, as the answer is."""
    total = min(1.0, sum(weight * theirs.get(term, 0.0) for term, weight in mine.items()))
    return float(struct.unpack("f", struct.pack("f", total))[0])


def positive(found: tuple[Rows, Weights]) -> list[tuple[int, float]]:
    assert found[0].dtype == np.int64
    lines = list(zip(found[0].tolist(), found[1].tolist(), strict=True))
    assert all(cosine >= 0 for _, cosine in lines)
    return [line for line in lines if line[1] > 0]


@given(st.text(st.one_of(st.sampled_from("abZßİ_’'- 9渡船ーñ\u0301.\n"), st.characters()), max_size=30))
@settings(deadline=None)
def test_words_are_what_a_slow_reading_finds(text: str) -> None:
    assert words(text) == slow_words(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The CITY’s city's CITIES' 'quote'", ["the", "city's", "city's", "cities", "quote"]),
        ("snake_case rock'n'roll 3.5", ["snake", "case", "rock'n", "roll", "3", "5"]),
        ("abc渡船ab", ["abc", "渡", "船", "ab"]),
        ("x" * 70 + " y", ["x" * LONGEST_WORD, "y"]),
        (" _’ ", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected == slow_words(text)


def test_title_counts_twice_lead_once_more_and_pairs_end_with_their_part() -> None:
    counted = count_terms([1, 2], [3] * LEAD + [4, 5])
    pair = {(a, b): (a + 1) << 32 | b for a in range(6) for b in range(6)}
    expected = {1: 2, 2: 2, pair[1, 2]: 2, 3: 2 * LEAD, pair[3, 3]: 2 * (LEAD - 1), pair[3, 4]: 1, 4: 1, pair[4, 5]: 1, 5: 1}
    assert dict(zip(counted.keys.tolist(), counted.counts.tolist(), strict=True)) == expected
    assert counted.title_keys.tolist() == [1, 2, pair[1, 2]]
    assert [words_of_key(key) for key in counted.title_keys.tolist()] == [(1,), (2,), (1, 2)]


@given(texts, st.one_of(st.integers(1, 25), st.just(vocabulary.BEST)))
@settings(deadline=None, max_examples=50)
def test_vocabulary_idf_and_the_best_weights_follow_the_definition(some: Texts, best: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary, "BEST", best)
        archive = build(some)
    assert archive.index.arrays["keys"].tolist() == sorted(archive.key(term) for term, df in archive.df.items() if df >= 2)
    everything = sorted(archive.term_of)
    found = archive.index.idf_of(np.array([*everything, UNKNOWN, 2**62], dtype=np.uint64)).tolist()
    assert found == pytest.approx([archive.idf(archive.term_of[key]) for key in everything] + [archive.idf(())] * 2, abs=1e-6)
    for row, terms in enumerate(archive.terms):
        raw, kept = archive.raw(archive.counts[row]), archive.stored[row]
        strongest = sorted((weight for weight in raw.values() if weight > 1e-9), reverse=True)[:best]  # terms of all articles say nothing
        length = math.sqrt(sum(weight**2 for weight in strongest)) or 1.0
        assert sorted(kept.values(), reverse=True) == pytest.approx([weight / length for weight in strongest], rel=1e-3, abs=1e-6)
        assert kept == pytest.approx({term: raw[term] / length for term in kept}, rel=1e-3, abs=1e-6)
        assert terms.keys.tolist() == sorted(archive.key(term) for term in archive.counts[row])
        assert terms.title_keys.tolist() == sorted({archive.key(term) for term in terms_in(words(some[row][0]))})
        assert archive.index.title_mass(terms.title_keys) == pytest.approx(archive.mass(row), rel=1e-6)


@given(texts)
@settings(deadline=None, max_examples=40)
def test_cosines_are_exact_and_symmetric(some: Texts) -> None:
    archive = build(some)
    rows = np.arange(len(some))
    matrix = [archive.index.cosines(terms, rows).tolist() for terms in archive.terms]
    assert matrix == [[dot(mine, theirs) for theirs in archive.stored] for mine in archive.stored]
    assert matrix == [list(column) for column in zip(*matrix, strict=True)]
    assert archive.index.cosines(archive.terms[0], rows[::-1]).tolist() == matrix[0][::-1], "in the order asked for"


@given(texts, st.integers(1, 15))
@settings(deadline=None, max_examples=40)
def test_search_ranks_as_brute_force_does_where_no_cap_binds(some: Texts, limit: int) -> None:
    archive = build(some)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inverted_index, "QUERY_TERMS", 10_000)
        for own_row in [None, *range(len(some))]:
            row = own_row or 0
            scored = [(other, dot(archive.stored[row], theirs)) for other, theirs in enumerate(archive.stored) if other != own_row]
            expected = sorted((line for line in scored if line[1] > 0), key=lambda line: (-line[1], line[0]))[:limit]
            found = archive.index.search(archive.terms[row], limit, own_row)
            assert positive(found) == expected
            assert own_row not in found[0].tolist()
            assert len(found[0]) <= limit


@given(texts, st.integers(1, 4), st.integers(1, 8), st.integers(1, 5), st.integers(1, 6))
@settings(deadline=None, max_examples=80)
def test_a_capped_search_is_exact_among_what_postings_reach(some: Texts, most: int, terms: int, depth: int, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postings_writer, "POSTINGS", most)
        patch.setattr(inverted_index, "QUERY_TERMS", terms)
        patch.setattr(inverted_index, "DEPTH", depth)
        archive = build(some)
        found = [positive(archive.index.search(query, limit, row)) for row, query in enumerate(archive.terms)]
    for own_row, mine in enumerate(archive.stored):
        gathered: Counter[int] = Counter()
        for term in sorted(mine, key=lambda term: (-mine[term], archive.key(term)))[:terms]:
            holders = [row for row, theirs in enumerate(archive.stored) if term in theirs]
            for row in sorted(holders, key=lambda row: (-archive.stored[row][term], row))[:most]:
                gathered[row] += mine[term] * archive.stored[row][term]  # type: ignore[assignment]
        reached = [line for line in gathered.most_common() if line[0] != own_row]
        exact = {row: dot(mine, archive.stored[row]) for row, _ in reached}
        assert set(found[own_row]) <= set(exact.items())
        cut = max(depth, limit)
        tied = len(reached) > cut and reached[cut - 1][1] - reached[cut][1] < 1e-6  # then either may be looked at
        if not tied and all(gathered.values()):
            best = sorted((row for row, _ in reached[:cut]), key=lambda row: (-exact[row], row))[:limit]
            assert [row for row, _ in found[own_row]] == best


def test_search_finds_no_article_twice() -> None:
    archive = build([("", "we met here today"), ("", "we met here again")])
    assert archive.index.search(archive.terms[0], 10, 0)[0].tolist() in ([], [1])


@given(texts, st.integers(1, 5))
@settings(deadline=None, max_examples=40)
def test_shared_terms_are_the_rarest_that_both_have_no_word_twice(some: Texts, limit: int) -> None:
    archive = build(some)
    for mine, query in zip(archive.stored, archive.terms, strict=True):
        shared = archive.index.shared_terms(query, np.arange(len(some)), limit)
        assert shared.shape == (len(some), limit)
        for line, theirs in zip(shared.tolist(), archive.stored, strict=True):
            product = {term: mine.get(term, 0.0) * theirs[term] for term in theirs}
            chosen = [archive.term_of[key - 1] for key in line if key]
            assert line == [archive.key(term) + 1 for term in chosen] + [0] * (limit - len(chosen))
            used: set[str] = set()
            for term in [*chosen, None][:limit]:
                free = [product[other] for other in product if product[other] > 0 and used.isdisjoint(other)]
                if term is None:
                    assert not free, "there was another term to show"
                    continue
                assert product[term] >= max(free)
                assert product[term] > 0
                assert used.isdisjoint(term)
                used.update(term)


@given(texts)
@settings(deadline=None, max_examples=40)
def test_title_features_follow_their_definition(some: Texts) -> None:
    archive = build(some)
    titles = [set(terms_in(words(title))) for title, _ in some]
    for mine, counts, query in zip(titles, archive.counts, archive.terms, strict=True):
        mention, overlap = archive.index.title_features(query, np.arange(len(some)))
        for row, theirs in enumerate(titles):
            named = sum(archive.idf(pair) for pair in archive.title_pairs[row] if pair in counts)
            assert mention[row] == pytest.approx((named / archive.mass(row)) ** 2, abs=1e-5)
            norms = [math.sqrt(sum(archive.idf(term) ** 2 for term in title)) for title in (mine, theirs)]
            common = sum(archive.idf(term) ** 2 for term in mine & theirs)
            assert overlap[row] == pytest.approx(common / (norms[0] * norms[1] or 1.0), abs=1e-4)


@given(texts, st.integers(1, 15), st.sampled_from([1, 2, 1024]))
@settings(deadline=None, max_examples=60)
def test_mentioned_are_the_titles_that_a_text_names_by_half(some: Texts, limit: int, cap: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inverted_index_writer, "MENTIONS", cap)
        archive = build(some)
    in_titles = Counter(pair for pairs in archive.title_pairs for pair in pairs)
    for own_row in [None, *range(len(some))]:
        counts = archive.counts[own_row or 0]
        shares = {
            row: sum(archive.idf(pair) for pair in pairs if pair in counts and in_titles[pair] <= cap) / archive.mass(row)
            for row, pairs in enumerate(archive.title_pairs)
            if row != own_row
        }
        found = archive.index.mentioned(archive.terms[own_row or 0], limit, own_row).tolist()
        assert all(shares[row] > 0.5 - 1e-6 for row in found)
        best = sorted((share for share in shares.values() if share > 0.5 + 1e-6), reverse=True)[:limit]
        assert [shares[row] for row in found][: len(best)] == pytest.approx(best, abs=1e-6)
        assert len(set(found)) == len(found) <= limit


FILLER = [("", f"filler{number}") for number in range(8)]


def test_equal_cosines_go_by_row() -> None:
    archive = build([("", "alpha beta"), ("", "beta"), ("", "alpha"), *FILLER])
    rows, cosines = archive.index.search(archive.terms[0], 5, 0)
    assert rows.tolist() == [1, 2]
    assert cosines[0] == cosines[1]


def test_a_title_half_of_which_stands_in_a_text_is_mentioned_and_one_word_never_is() -> None:
    archive = build([("Alpha beta gamma", ""), ("Alpha", ""), ("Delta epsilon", ""), *FILLER])
    half = archive.draft("", "alpha beta, the rest is unknown")
    assert archive.index.mentioned(half, 5, None).tolist() == [0]
    assert archive.index.mentioned(half, 5, 0).tolist() == []
    assert archive.index.mentioned(archive.draft("", "gamma beta alpha delta"), 5, None).tolist() == []
    whole = archive.draft("", "Delta epsilon, then alpha beta")
    assert archive.index.mentioned(whole, 5, None).tolist() == [2, 0]
    assert archive.index.mentioned(whole, 1, None).tolist() == [2]
    mention, _ = archive.index.title_features(whole, np.arange(3))
    assert mention.tolist() == pytest.approx([0.25, 0.0, 1.0])


def test_the_mass_of_a_title_is_1_at_least() -> None:
    archive = build([("Port news", "") for _ in range(5)])
    assert archive.index.title_mass(archive.terms[0].title_keys) == 1.0
    assert archive.index.mentioned(archive.terms[0], 5, 0).tolist() == [], "a pair that is everywhere names nothing"


@given(texts)
@settings(deadline=None, max_examples=30)
def test_a_draft_weighs_what_a_stored_article_does_and_unknown_words_match_nothing(some: Texts) -> None:
    archive = build(some)
    rows = np.arange(len(some))
    for stored, (title, text) in zip(archive.terms, some, strict=True):
        same = archive.draft(title, text)
        for name in ("terms", "weights", "keys", "title_keys"):
            assert np.array_equal(getattr(same, name), getattr(stored, name)), name
    strange = archive.draft("unheard", f"{some[0][1]} of words")
    assert archive.weights_of(strange).keys() == {term for term in terms_in(words(some[0][1])) if 2 <= archive.df[term] < len(some)}
    expected = [dot(archive.weights_of(strange), theirs) for theirs in archive.stored]
    assert archive.index.cosines(strange, rows).tolist() == expected
    unheard = archive.draft("unheard of", "words that nobody wrote")
    assert not archive.index.cosines(unheard, rows).any()
    assert not archive.index.search(unheard, 5, None)[0].size
    assert not archive.index.mentioned(unheard, 5, None).size
    assert not archive.index.shared_terms(unheard, rows, 3).any()
    assert not np.concatenate(archive.index.title_features(unheard, rows)).any()


@pytest.mark.parametrize("some", [[("Alone here", "with words of its own")], [("", ""), ("", "")], [("One", "two"), ("Three", "four")]])
def test_an_archive_without_a_vocabulary_finds_nothing(some: Texts) -> None:
    archive = build(some)
    assert not archive.index.arrays["keys"].size
    assert not archive.index.search(archive.terms[0], 5, None)[0].size
    assert archive.index.cosines(archive.terms[0], np.arange(len(some))).tolist() == [0.0] * len(some)
    assert archive.index.shared_terms(archive.terms[0], np.array([0]), 2).tolist() == [[0, 0]]


def test_chinese_articles_find_each_other() -> None:
    archive = build([("渡船停航", "港口的渡船今天停航。"), ("股市下跌", "投资者今天很担心。"), ("港口的渡船", "渡船明天停航。"), *FILLER])
    rows, _ = archive.index.search(archive.terms[0], 5, 0)
    assert rows.tolist() == [2, 1]
    shared = archive.index.shared_terms(archive.terms[0], np.array([1]), 3).tolist()
    assert shared == [[archive.key(("今",)) + 1, archive.key(("天",)) + 1, 0]], "the pair of both is no third"


def test_text_past_what_is_embedded_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "MAX_TEXT", len("one two "))
    writer = LexicalWriter(tmp_path)
    with closing(writer):
        (one,) = digested([Article(id="a", title="longer than that", text="one two three")])
        writer.extend(one.words)
    assert writer.numbers == {"longer": 0, "than": 1, "that": 2, "one": 3, "two": 4}


def test_an_index_read_from_disk_answers_as_the_one_just_written(tmp_path: Path) -> None:
    archive = build(some_texts(30, 5, 40), tmp_path)
    opened = LexicalIndex.open(tmp_path / FOLDER, 30)
    assert (np.load(tmp_path / FOLDER / "mention_keys.npy") >= 2**32).all(), "titles are found by pairs of words alone"

    def answers(of: LexicalIndex, query: Terms, row: int) -> list[Any]:
        searched, features = of.search(query, 9, row), of.title_features(query, np.arange(30))
        shared, named = of.shared_terms(query, np.arange(30), 4).ravel(), of.mentioned(query, 9, row)
        return [array.tolist() for array in (*searched, *features, shared, named)]

    for row, query in enumerate(archive.terms):
        assert answers(opened, query, row) == answers(archive.index, query, row)
