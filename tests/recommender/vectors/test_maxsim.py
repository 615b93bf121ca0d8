"""Closeness in meaning equals a plain, slow reading of its definition: every article, every chunk, no shortcuts."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recommender.features.article_features import ArticleFeatures, Layout
from recommender.features.filters import SearchFilter
from recommender.features.ranker import DECIMALS
from recommender.types import Vectors
from recommender.vectors.exact import FlatIndex, mean_vector
from recommender.vectors.maxsim import compare, nearest, scores_of_all

Ranked = list[tuple[int, float]]


def brute_force(query: Vectors, articles: list[Vectors], tie_order: list[int], limit: int, own_row: int | None) -> Ranked:
    """The definition in the module's docstring, word for word."""
    scored = []
    for row, target in enumerate(articles):
        if row == own_row:
            continue
        there = float(np.mean([max(float(q @ t) for t in target) for q in query]))
        back = float(np.mean([max(float(q @ t) for q in query) for t in target]))
        scored.append((row, min(max(round((there + back) / 2, DECIMALS), 0.0), 1.0)))
    return sorted(scored, key=lambda line: (-line[1], tie_order[line[0]]))[:limit]


def archive(sizes: list[int], seed: int, spread: float) -> list[Vectors]:
    """Articles around a few directions; a small spread makes near-duplicates, and so ties and long fetches."""
    chance = np.random.default_rng(seed)
    centres = chance.standard_normal((3, 8))
    made = []
    for size in sizes:
        vectors = centres[chance.integers(3)] + spread * chance.standard_normal((size, 8))
        made.append((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32))
    return made


def close_enough(found: Ranked, expected: Ranked) -> bool:
    """The same list, where sums in another order may round the last place differently."""
    rounding = 2 * 10.0**-DECIMALS
    if len(found) != len(expected) or any(abs(a - b) > rounding for (_, a), (_, b) in zip(found, expected, strict=True)):
        return False
    # Where the order differs, the articles are as good as equal: the last place may also let another one in.
    true_scores = dict(expected)
    return all(abs(score - true_scores.get(row, expected[-1][1])) <= rounding for row, score in found)


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=40),
    st.integers(0, 10_000),
    st.sampled_from([0.0, 0.01, 0.3, 1.0]),
    st.integers(1, 12),
)
def test_equals_brute_force(sizes: list[int], seed: int, spread: float, limit: int) -> None:
    articles = archive(sizes, seed, spread)
    tie_order = np.random.default_rng(seed).permutation(len(articles))
    layout = Layout(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), tie_order)
    index = FlatIndex.build(np.concatenate(articles))
    found = nearest(articles, index, layout, limit, range(len(articles)))
    for row, (rows, scores) in enumerate(found):
        expected = brute_force(articles[row], articles, tie_order.tolist(), limit, row)
        got = list(zip(rows.tolist(), scores.tolist(), strict=True))
        assert row not in rows
        assert close_enough(got, expected), (got, expected)
        compared = compare(articles[row], rows, index, layout)
        for place, target in enumerate(rows):
            cosines = articles[row] @ articles[target].T
            chosen = cosines[compared.query_chunk[place], compared.target_chunk[place] - layout.offsets[target]]
            assert chosen >= cosines.max() - 1e-6, "not the best-matching pair"
            assert abs(compared.closest[place] - cosines.max()) < 1e-6
            assert abs(compared.there[place] - cosines.max(axis=1).mean()) < 1e-6
            assert abs(compared.back[place] - cosines.max(axis=0).mean()) < 1e-6
            assert abs(compared.mean_cosine[place] - mean_vector(articles[row]) @ mean_vector(articles[target])) < 1e-5


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.floats(0, 1), st.booleans())
def test_a_filter_of_any_share_equals_brute_force(seed: int, share: float, own: bool) -> None:
    """Few articles are compared one block at a time, most of an archive by one product of all its chunks."""
    chance = np.random.default_rng(seed)
    articles = archive(chance.integers(1, 9, size=300).tolist(), seed, spread=2.0)
    layout = Layout(np.concatenate([[0], np.cumsum([len(article) for article in articles])]), chance.permutation(300))
    wanted = filtered(chance.random(300) < share)
    rows, scores = nearest([articles[7]], FlatIndex.build(np.concatenate(articles)), layout, 20, [7 if own else None], wanted)[0]
    assert wanted.mask[rows].all()
    all_ranked = brute_force(articles[7], articles, layout.tie_order.tolist(), 300, 7 if own else None)
    expected = [(row, score) for row, score in all_ranked if wanted.mask[row]][:20]
    assert close_enough(list(zip(rows.tolist(), scores.tolist(), strict=True)), expected)


def filtered(mask: NDArray[np.bool_]) -> SearchFilter:
    """Only the articles of a mask, all of which stand for themselves."""
    n, none = len(mask), np.zeros(len(mask), dtype=np.float32)
    section, hubness = (~mask).astype(np.int32), np.zeros((n, 2), dtype=np.float16)
    facts = ArticleFeatures(
        np.zeros(n, dtype=np.int64), section, none, none > 0, np.arange(n, dtype=np.int32), hubness, {"in": 0, "out": 1}
    )
    return SearchFilter(facts, ("in",))


def test_one_long_article_does_not_crowd_the_others_out() -> None:
    query = np.eye(1, 8, dtype=np.float32)
    articles = [np.repeat(query, 500, axis=0), *archive([1] * 10, seed=3, spread=1.0)]
    layout = Layout(np.concatenate([[0], np.cumsum([len(article) for article in articles])]), np.arange(11))
    rows, _ = nearest([query], FlatIndex.build(np.concatenate(articles)), layout, 5, [None])[0]
    assert rows.tolist() == [row for row, _ in brute_force(query, articles, list(range(11)), 5, None)]


def test_equal_scores_go_by_tie_order() -> None:
    articles = [np.eye(1, 4, dtype=np.float32)] * 6
    tie_order = np.array([3, 5, 0, 2, 4, 1])
    found, scores = nearest([articles[0]], FlatIndex.build(np.concatenate(articles)), Layout(np.arange(7), tie_order), 6, [None])[0]
    assert found.tolist() == [2, 5, 3, 0, 4, 1]
    assert set(scores.tolist()) == {1.0}


def test_an_article_alone_has_no_list() -> None:
    article = np.eye(2, 4, dtype=np.float32)
    assert len(nearest([article], FlatIndex.build(article), Layout(np.array([0, 2]), np.array([0])), 5, [0])[0][0]) == 0


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.integers(0, 10_000), st.sampled_from([0.02, 0.5]))
@settings(deadline=None)
def test_all_are_scored_in_one_pass(sizes: list[int], seed: int, spread: float) -> None:
    articles = archive(sizes, seed, spread)
    query = archive([3], seed + 1, spread)[0]
    layout = Layout(np.cumsum([0, *sizes]), np.arange(len(sizes)))
    expected = dict(brute_force(query, articles, list(range(len(sizes))), len(sizes), None))
    found = scores_of_all(query, np.concatenate(articles), layout)
    np.testing.assert_allclose(found, [expected[row] for row in range(len(sizes))], atol=1.5 * 10.0**-DECIMALS)
