"""What is made of texts block by block, in several processes, is what the library says of one text at a time."""

from contextlib import closing
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from index.terms import analysis
from index.terms.analysis import Digest, Text, digests, spans_of
from index.terms.fingerprints import SETS, STAGED_FINGERPRINTS, FingerprintWriter
from index.terms.inverted_index_writer import STAGED_TERMS, LexicalWriter
from index.terms.sentences import SENTENCES, SentenceWriter
from index.workers.processes import ALONE, Processes
from recommender.retrieval.explanations import split
from recommender.retrieval.near_duplicates import SKETCH, fingerprint
from recommender.terms.inverted_index import FOLDER, count_terms
from recommender.terms.word_dictionary import WORDS
from recommender.text.chunking import MAX_TEXT, chunk_article
from recommender.text.words import words
from recommender.types import Article
from tests.support.archive import digested, records
from tests.support.hash_embedder import HashEmbedder

PIECES = [
    "Port ",
    "port ",
    "it’s ",
    "don't ",
    "İzmir ",
    "ΟΔΟΣ. ",
    "ΟΔΟΣ",
    "20.5 ",
    "a_b ",
    "end. ",
    "No! ",
    "。",
    "渡船",
    "\n\n",
    "“",
    ".” ",
    "'",
    "-",
]
LONG = ["abcdefghij" * 9, "rock'n'roll", "x" * 300, "İ" * 30, "’n’" * 20]


def texts(pieces: list[str]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(pieces), max_size=120).map("".join)


def articles(pieces: list[str]) -> st.SearchStrategy[list[Article]]:
    return st.lists(st.builds(Article, st.just("id"), texts(PIECES), texts(pieces)), min_size=1, max_size=6)


def digest_of(some: list[Article], block: int) -> tuple[list[Text], list[Digest]]:
    cut = [Text(article.title, article.text, spans_of(chunk_article(article, HashEmbedder())) or [(0, 0)]) for article in some]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "BLOCK", block)
        return cut, list(digests(cut, ALONE))


@given(articles(PIECES + LONG), st.integers(1, 500))
@settings(deadline=None, max_examples=200)
@example([Article("id", "", "don'tdon't" * 30)], 1)
def test_words_are_those_of_titles_and_texts_in_order_of_first_use(some: list[Article], block: int) -> None:
    _, found = digest_of(some, block)
    read = []
    for of in (one.words for one in found):
        all_words = [of.distinct[number] for number in of.numbers]
        assert of.distinct == list(dict.fromkeys(all_words))
        bounds = [0, *np.cumsum(of.lengths).tolist()]
        read += [all_words[begin:end] for begin, end in pairwise(bounds)]
    assert read == [words(text) for article in some for text in (article.title, article.text[:MAX_TEXT])]


@given(articles(PIECES + LONG), st.integers(1, 500))
@settings(deadline=None, max_examples=200)
@example([Article("id", "", f"rock'n'roll{'’n’' * 20}渡船rock'n'roll")], 1)
def test_sentences_are_those_of_split(some: list[Article], block: int) -> None:
    cut, found = digest_of(some, block)
    read: list[list[tuple[int, int, list[str]]]] = []
    for of, sentences in ((one.words, one.sentences) for one in found):
        of_sentences = [[of.distinct[number] for number in of.numbers[begin:end]] for begin, end in sentences.places.tolist()]
        every = [(begin, end, of) for (begin, end), of in zip(sentences.spans.tolist(), of_sentences, strict=True)]
        read += [every[begin:end] for begin, end in pairwise([0, *np.cumsum(sentences.n_of_chunk).tolist()])]
    of_chunks = iter(read)
    for article in cut:
        mine = [next(of_chunks) for _ in article.spans]
        if words(article.text) == [word for start, end in article.spans for word in words(article.text[start:end])]:
            assert mine == [split(article.text[start:end], start) for start, end in article.spans]
        else:  # some word is cut by the end of a chunk
            told = [word for chunk in mine for _, _, of in chunk for word in of]
            rest = iter(words(article.text))
            assert all(word in rest for word in told), "whole words of the text, in order, none twice"
    assert not list(of_chunks)


@given(articles(PIECES), st.integers(1, 500))
@settings(deadline=None, max_examples=100)
def test_fingerprints_are_those_of_the_library(some: list[Article], block: int) -> None:
    _, found = digest_of(some, block)
    for name in SETS:
        sets = [getattr(one.fingerprints, name) for one in found]
        read = [values.tolist() for of in sets for values in np.split(of.values, np.cumsum(of.lengths)[:-1])]
        assert read == [getattr(fingerprint(article), name).tolist() for article in some], name


def test_of_a_long_text_the_smallest_hashes_are_kept() -> None:
    article = Article("id", "Title 7", " ".join(f"{number} w{number}" for number in range(2 * SKETCH)))
    (one,) = digested([article])
    expected = fingerprint(article)
    for name in SETS:
        assert getattr(one.fingerprints, name).values.tolist() == getattr(expected, name).tolist()
    assert one.fingerprints.reach.tolist() == [expected.reach]


@given(st.lists(st.tuples(st.text("abc ", max_size=30), st.text("abcde ", max_size=300)), min_size=1, max_size=6))
@settings(deadline=None, max_examples=100)
def test_terms_are_counted_as_the_library_counts_them(some: list[tuple[str, str]]) -> None:
    with TemporaryDirectory() as folder, closing(LexicalWriter(Path(folder))) as writer:
        for one in digested([Article("id", title, text) for title, text in some]):
            writer.extend(one.words)
        writer.write()
        offsets, keys, counts = (np.load(Path(folder) / STAGED_TERMS / f"{name}.npy") for name in ("offsets", "keys", "counts"))
        title_offsets, title_keys = (np.load(Path(folder) / FOLDER / f"title_{name}.npy") for name in ("offsets", "keys"))
        for row, texts_of in enumerate(some):
            expected = count_terms(*([writer.numbers[word] for word in words(text)] for text in texts_of))
            assert keys[offsets[row] : offsets[row + 1]].tolist() == expected.keys.tolist()
            assert counts[offsets[row] : offsets[row + 1]].tolist() == expected.counts.tolist()
            assert title_keys[title_offsets[row] : title_offsets[row + 1]].tolist() == expected.title_keys.tolist()


def written(folder: Path, some: list[Text], processes: Processes) -> dict[str, bytes]:
    folder.mkdir()
    lexical_writer, sentence_writer, fingerprint_writer = LexicalWriter(folder), SentenceWriter(folder), FingerprintWriter(folder, 1 << 20)
    with closing(lexical_writer), closing(sentence_writer), closing(fingerprint_writer):
        for one in digests(some, processes):
            sentence_writer.extend(one.sentences, lexical_writer.extend(one.words))
            fingerprint_writer.extend(one.fingerprints)
        lexical_writer.write()
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.npy")}


def test_several_processes_and_blocks_write_what_one_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = [Text(of["title"], of["text"], [(0, len(of["text"]))]) for of in records(60)]
    one = written(tmp_path / "one", some, ALONE)
    monkeypatch.setattr(analysis, "BLOCK", 1_000)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with Processes(3) as three:
        three.start()
        assert written(tmp_path / "three", some, three) == one
    assert {STAGED_TERMS, SENTENCES, STAGED_FINGERPRINTS, FOLDER, WORDS} == {name.split("/")[0] for name in one}
