"""The compiled loops of the batch job against what they repeat: numpy and sorting, and the library's own code for one text."""

import random
import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import kernels
from index.build import build_index
from index.kernels import terms as words
from index.kernels import top_k
from recommender import Recommender, SentenceTransformerEmbedder
from recommender.features.feature_schema import FEATURES
from recommender.features.ranker import SHIPPED
from recommender.live.overlay import LiveOverlay
from recommender.release.list_codec import EXPLAINED
from recommender.retrieval.candidates import candidates, neighbours
from recommender.text.chunking import chunk_article
from recommender.text.words import words as words_of
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

values = st.lists(st.integers(-1000, 1000).map(lambda number: np.float32(number / 1000)), max_size=80)


@settings(deadline=None)
@given(values, st.integers(1, 90))
def test_the_highest_are_those_of_a_sort(of: list[float], limit: int) -> None:
    """Highest values first, lower rows first where they are equal."""
    made = np.array([top_k.key_of(value, row) for row, value in enumerate(of)], dtype=np.int64)
    found = [int(top_k.row_of(key)) for key in top_k.highest_of(made, limit)]
    assert found == sorted(range(len(of)), key=lambda row: (-of[row], row))[:limit]


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 5), st.integers(0, 2**32))
def test_a_heap_keeps_the_highest_of_several_stretches(n: int, k: int, n_stretches: int, seed: int) -> None:
    products = np.random.default_rng(seed).choice(np.linspace(-1, 1, 41, dtype=np.float32), (3, n))
    rows, kept = np.arange(n, dtype=np.int32), np.zeros((3, k), dtype=np.int64)
    for part in np.array_split(np.arange(n), n_stretches):
        kernels.keep_highest(np.ascontiguousarray(products[:, part]), rows[part], kept)
    for query, found in enumerate(kernels.rows_of(kept)):
        expected = np.sort(products[query])[::-1][:k]
        found = found[found != kernels.FREE]
        np.testing.assert_array_equal(np.sort(products[query, found])[::-1], expected)
        assert len(set(found.tolist())) == min(n, k)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), unique=True, max_size=200), st.lists(st.integers(0, 2**32 - 1), max_size=50))
def test_a_table_holds_what_was_put_into_it(terms: list[int], others: list[int]) -> None:
    table, weights = words.table_of(np.array(terms, dtype=np.uint32), np.arange(len(terms), dtype=np.float32))
    for place, term in enumerate(terms):
        assert weights[words.look(table, term)] == place
    for term in set(others) - set(terms):
        assert words.look(table, term) == kernels.FREE


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32))
def test_scores_of_products_are_maxsim_both_ways(n_queries: int, n_targets: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    ends, begins = (np.concatenate([[0], np.cumsum(chance.integers(1, 5, n))]) for n in (n_queries, n_targets))
    products = chance.uniform(-1, 1, (ends[-1], begins[-1])).astype(np.float32)
    scores = np.empty((n_queries, n_targets))
    kernels.scores_of_products(products, ends, begins, scores)
    for query in range(n_queries):
        for target in range(n_targets):
            own = products[ends[query] : ends[query + 1], begins[target] : begins[target + 1]]
            expected = (own.max(axis=1).mean() + own.max(axis=0).mean()) / 2
            assert scores[query, target] == pytest.approx(min(max(expected, 0.0), 1.0), abs=1e-4)


def test_stored_candidates_are_those_of_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every candidate of every article: features, passages, terms. Archives have hand-made lists; stretches are short."""
    monkeypatch.setattr("index.lists.nearest.STRETCH", 50)
    build_index([str(write_jsonl(tmp_path / "a.jsonl", records(150, seed=3)))], tmp_path / "index", HashEmbedder())
    with Recommender.open(tmp_path / "index", HashEmbedder()) as opened:
        texts, archive = opened.texts, opened.archive
        seen = np.zeros(len(FEATURES))
        for row in range(opened.release.manifest.n_articles):
            article, query = opened.catalogue.article(row), texts.stored_query(row)
            near = neighbours([query], archive.index, archive.layout, archive.lexical)[0]
            expected, compared = candidates(query, near, archive)
            texts.explain(article, chunk_article(article, HashEmbedder()), query.terms, expected, compared, LiveOverlay())
            stored = opened.catalogue.candidates(row)
            place = {of: position for position, of in enumerate(expected["article"].tolist())}
            assert place.keys() == set(stored["article"].tolist())
            same = expected[[place[of] for of in stored["article"].tolist()]]
            np.testing.assert_allclose(stored["features"].astype(np.float32), same["features"].astype(np.float32), atol=0.002)
            assert (np.diff(SHIPPED.scores(stored["features"])) <= 0).all()
            for name in ("query_passage", "target_passage", "terms"):
                np.testing.assert_array_equal(stored[name][:EXPLAINED], same[name][:EXPLAINED], err_msg=name)
            seen += np.abs(stored["features"].astype(np.float64)).sum(axis=0)
        assert (seen > 0).all(), "every feature was put to the test"


@pytest.mark.parametrize("n", [1, 2, 40])
def test_titles_that_all_articles_have_bring_no_candidate(tmp_path: Path, n: int) -> None:
    """Their pairs of words stand everywhere, so their idf is 0: nothing is gathered, and nothing written where nothing is."""
    title = "The Morning Brief of the old harbour town and its seven islands"
    lines = [{"id": f"a{row}", "title": title, "text": f"{title}. {record['text']}"} for row, record in enumerate(records(n))]
    build_index([str(write_jsonl(tmp_path / "a.jsonl", lines))], tmp_path / "index", HashEmbedder())
    with Recommender.open(tmp_path / "index", HashEmbedder()) as opened:
        for row in range(n):
            assert len(opened.catalogue.candidates(row)) <= n - 1
            assert (opened.catalogue.candidates(row)["features"][:, list(FEATURES).index("mention")] == 0).all()


def test_a_text_cut_within_a_word_is_built(tmp_path: Path, model: SentenceTransformerEmbedder) -> None:
    """An address longer than a chunk leaves parts of words that the text does not have."""
    address = "https://example.org/" + "/".join("".join(random.Random(part).choices(string.ascii_lowercase, k=40)) for part in range(30))
    lines = [*records(6), {"id": "long", "title": "An address", "text": f"It stands at {address} and nowhere else."}]
    report = build_index([str(write_jsonl(tmp_path / "a.jsonl", lines))], tmp_path / "index", model)
    assert report.n_articles == 7
    with Recommender.open(tmp_path / "index", model) as opened:
        offsets = opened.catalogue.layout().offsets
        row = opened.catalogue.row("long")
        parts = [opened.catalogue.chunk(chunk)[1] for chunk in range(*offsets[row : row + 2].tolist())]
        assert not {word for part in parts for word in words_of(part)} <= {*words_of(opened.catalogue.article(row).text)}
        assert len(opened.related("long", limit=5)) == 5
