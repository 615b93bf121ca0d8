"""Candidates as a release stores them: what comes back, and that no list changes by it."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.lists.list_file_writer import ListWriter
from recommender import Recommender
from recommender.features.article_features import ArticleFeatures, Layout
from recommender.features.feature_assembly import FROM_FACTS, Facts, facts_of, from_facts
from recommender.features.feature_schema import CANDIDATE, FEATURES, N_TERMS, RANKS, STEPS, UNTOLD, Candidates, column, in_steps
from recommender.features.ranker import SHIPPED
from recommender.release.list_codec import BRIEF, EXPLAINED, STORED, StoredLists, fill_in, pack, unpack

COSINES = ("maxsim", "maxsim_there", "mean_cosine", "closest_pair")
AS_THEY_ARE = tuple(name for name in STORED if name not in STEPS and name not in RANKS)


def some(n: int, seed: int, least: float = -1.0) -> Candidates:
    """Candidates of all that can be, extremes among them, whose features lie on steps or not."""
    chance = np.random.default_rng(seed)
    made = np.zeros(n, dtype=CANDIDATE)
    made["article"] = chance.choice([chance.integers(0, 1 << 30, n), chance.integers(0, 9, n)])
    made["query_passage"] = chance.integers(0, 1 << 20, (n, 2))
    made["target_passage"] = chance.integers(0, 200, (n, 2))
    made["terms"] = chance.integers(0, 1 << 63, (n, N_TERMS), dtype=np.uint64) * chance.integers(0, 2, (n, N_TERMS), dtype=np.uint64)
    for name in STEPS:
        values = chance.choice([chance.uniform(least if name in COSINES else 0, 1, n), np.ones(n), np.full(n, least * (name in COSINES))])
        made["features"][:, column(name)] = values
    for name in RANKS:
        ranks = chance.integers(0, 256, n)
        made["features"][:, column(name)] = np.where(ranks > 0, 1 / np.maximum(ranks, 1), 0)
    for name in AS_THEY_ARE:
        made["features"][:, column(name)] = chance.exponential(1.0, n) * chance.integers(0, 2, n)
    return made


@given(st.integers(0, 90), st.integers(0, 10_000))
def test_what_was_packed_comes_back(n: int, seed: int) -> None:
    given_ones = some(n, seed)
    found = unpack(pack(given_ones))
    told = slice(EXPLAINED)
    assert np.array_equal(found["article"], given_ones["article"])
    for name in ("query_passage", "target_passage", "terms"):
        assert np.array_equal(found[name][told], given_ones[name][told])
    assert (found["query_passage"][EXPLAINED:] == UNTOLD).all()
    for name in FEATURES:
        before, after = (of["features"][:, column(name)].astype(np.float64) for of in (given_ones, found))
        if name in STEPS:
            assert np.array_equal(found["features"][:, column(name)], in_steps(name, before).astype(np.float16)), name
            assert np.abs(after - before).max(initial=0) <= 0.5 / STEPS[name] + 2**-11
        else:
            assert np.array_equal(after, before), name
    assert pack(found) == pack(given_ones)


@given(st.integers(0, 64), st.integers(0, 10_000))
def test_a_brief_read_is_a_full_one_less_some_features(n: int, seed: int) -> None:
    packed = pack(some(n, seed))
    brief, whole = unpack(packed, briefly=True), unpack(packed)
    for name in FEATURES:
        if name not in STORED[:BRIEF]:
            whole["features"][:, column(name)] = 0
    assert brief.tobytes() == whole.tobytes()


def test_a_feature_is_stored_unless_it_follows_from_facts() -> None:
    assert sorted([*STORED, *FROM_FACTS]) == sorted(FEATURES)
    assert AS_THEY_ARE == ("linked", "linked_nearby")


def test_every_value_of_a_feature_that_is_stored_as_it_is_comes_back() -> None:
    """All float16: of features that are added later, too."""
    everything = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    for begin in range(0, 1 << 16, 1 << 14):
        made = np.zeros(1 << 14, dtype=CANDIDATE)
        for name in AS_THEY_ARE:
            made["features"][:, column(name)] = everything[begin : begin + len(made)]
        assert unpack(pack(made))["features"].tobytes() == made["features"].tobytes()


@given(st.integers(1, 64), st.integers(0, 10_000), st.data())
def test_bytes_of_something_else_are_refused_or_read_as_some_list(n: int, seed: int, data: st.DataObject) -> None:
    packed = pack(some(n, seed))
    with pytest.raises(ValueError, match=r".+"):
        unpack(packed[: data.draw(st.integers(0, len(packed) - 1))])


def test_every_rank_and_step_comes_back() -> None:
    made = np.zeros(255, dtype=CANDIDATE)
    ranks = np.arange(1, 256)
    made["features"][:, column("maxsim_rank")] = (1 / ranks).astype(np.float32)
    for name, steps in STEPS.items():
        made["features"][:, column(name)] = in_steps(name, np.resize(np.arange(-steps if name in COSINES else 0, steps + 1), 255) / steps)
    assert np.array_equal(unpack(pack(made))["features"], made["features"])


def test_every_step_is_a_float16_of_its_own() -> None:
    for name, steps in STEPS.items():
        values = np.arange(-steps, steps + 1)
        made = np.zeros(len(values), dtype=CANDIDATE)
        made["features"][:, column(name)] = in_steps(name, values / steps)
        assert np.array_equal(unpack(pack(made))["features"], made["features"])
        assert len(np.unique(made["features"][:, column(name)])) == len(values)


def test_the_lists_of_an_index_are_as_they_were_computed(recommender: Recommender) -> None:
    """Features computed anew, of every article: the same bits, so the same order by the shipped weights."""
    texts, view = recommender.texts, recommender.live._view
    for row in range(0, recommender.release.manifest.n_articles, 3):
        stored = recommender.catalogue.candidates(row)
        query = texts.stored_query(row)
        computed, _ = texts.candidates(query, texts.neighbours(query, view), view)
        assert np.array_equal(stored["article"], computed["article"])
        for name in ("tie", "published", "section"):
            assert np.array_equal(stored[name], computed[name])
        apart = np.abs(stored["features"].astype(np.float64) - computed["features"])
        assert apart.max() <= 2**-9, "but for the last bits of sums"
        scores = SHIPPED.scores(stored["features"])
        assert np.array_equal(np.lexsort((stored["tie"], -scores)), np.arange(len(stored)))
        assert np.array_equal(SHIPPED.scores(recommender.catalogue.candidates(row, briefly=True)["features"]), scores)
    weighed = {*STORED[:BRIEF], "maxsim_hubness", "words_hubness", "within_month", "within_year"}
    assert SHIPPED.weights.keys() <= weighed, "what a brief read leaves out weighs nothing"


@given(st.integers(1, 40), st.integers(0, 10_000))
@settings(deadline=None)
def test_what_follows_from_facts_is_filled_in_as_it_is_computed(n: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    facts = ArticleFeatures(
        published=np.where(chance.random(n) < 0.2, np.iinfo(np.int64).min, chance.integers(-(10**9), 2 * 10**9, n)),
        section=chance.integers(-1, 3, n).astype(np.int32),
        length=chance.integers(0, 10**5, n).astype(np.float32),
        headline=np.zeros(n, dtype=np.bool_),
        canonical=np.arange(n, dtype=np.int32),
        hubness=chance.random((n, 2)).astype(np.float16),
        sections={},
    )
    layout = Layout(np.arange(n + 1), chance.permutation(n))
    found = np.zeros(n, dtype=CANDIDATE)
    found["article"] = chance.permutation(n)
    fill_in(found, 0, layout, facts)
    for candidate in found:
        row, of = candidate["article"], dict(zip(FEATURES, candidate["features"].astype(np.float64), strict=True))
        days = (int(facts.published[0]) - int(facts.published[row])) / 86_400
        if np.iinfo(np.int64).min in (facts.published[0], facts.published[row]):
            expected = dict.fromkeys(("older", "days_apart", "days_older", "within_month", "within_year"), 0.0)
        else:
            apart = np.log1p(abs(days))
            expected = {"older": 0.5 if days >= 0 else -0.5, "days_apart": apart, "days_older": np.sign(days) * apart}
            expected |= {"within_month": np.exp(-abs(days) / 30), "within_year": np.exp(-abs(days) / 365)}
        expected["same_section"] = float(facts.section[row] == facts.section[0] >= 0)
        expected["length"] = np.log1p(facts.length[row] / 1000)
        expected["longer"] = expected["length"] - np.log1p(facts.length[0] / 1000)
        expected |= {"maxsim_hubness": facts.hubness[row, 0], "words_hubness": facts.hubness[row, 1]}
        assert expected.keys() == {*FROM_FACTS}
        assert {name: of[name] for name in expected} == pytest.approx(expected, rel=6e-4, abs=1e-5)
        assert (candidate["tie"], candidate["published"]) == (layout.tie_order[row], facts.published[row])
    query = Facts(int(facts.published[0]), int(facts.section[0]), float(facts.length[0]))
    for name, values in from_facts(query, facts_of(found["article"], facts)).items():
        assert np.array_equal(found["features"][:, column(name)], values.astype(np.float32).astype(np.float16))


def test_lists_are_written_in_any_order(tmp_path: Path) -> None:
    lists = [some(n, n) for n in (3, 0, 64, 17)]
    (tmp_path / "staged").mkdir()
    with closing(ListWriter(tmp_path / "staged", 4)) as writer:
        for row in (2, 0, 3, 1):
            writer.add(row, pack(lists[row]))
        writer.finish(tmp_path)
    with closing(StoredLists(tmp_path)) as stored:
        assert len(stored) == 4
        for row, made in enumerate(lists):
            assert stored.read(row).tobytes() == unpack(pack(made)).tobytes()
