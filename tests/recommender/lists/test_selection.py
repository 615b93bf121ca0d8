"""Time, filters, diversity and confidence, on candidates made by hand."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from recommender.errors import OutOfRange
from recommender.features.feature_schema import CANDIDATE, UNDATED, Candidates, column
from recommender.features.ranker import SHIPPED
from recommender.lists.selection import Selected, Selection, relation, select

NOW = datetime.now(UTC)
DIRECTIONS = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)


def candidates(closeness: list[float], ages: list[float | None], sections: list[int] | None = None) -> Candidates:
    """Candidates with only MaxSim as evidence, so many days old."""
    made = np.zeros(len(closeness), dtype=CANDIDATE)
    made["article"] = made["tie"] = np.arange(len(closeness))
    made["features"][:, column("maxsim")] = closeness
    made["published"] = [UNDATED if age is None else int((NOW - timedelta(days=age)).timestamp()) for age in ages]
    made["section"] = -1 if sections is None else sections
    return made


def chosen(found: Candidates, wanted: Selection, limit: int = 10, query_age: float = 0.0) -> Selected:
    means = DIRECTIONS[found["article"]]
    return select(found, int((NOW - timedelta(days=query_age)).timestamp()), SHIPPED, wanted, limit, means)


def test_of_two_equal_articles_the_older_one_is_lower_and_halved_at_the_half_life() -> None:
    found = candidates([0.9, 0.9], [60.0, 30.0])
    plain = chosen(found, Selection())
    assert plain.places.tolist() == [0, 1]
    assert plain.scores[0] == plain.scores[1]
    decayed = chosen(found, Selection(half_life_days=30))
    assert decayed.places.tolist() == [1, 0]
    assert decayed.scores[0] == pytest.approx(plain.scores[0] / 2, abs=1e-4)
    assert decayed.scores[1] == pytest.approx(plain.scores[0] / 4, abs=1e-4)
    assert chosen(found, Selection(mode="latest")).places.tolist() == [1, 0]


def test_the_future_is_never_shown_and_as_of_hides_what_came_later() -> None:
    found = candidates([0.9, 0.8, 0.7, 0.6], [-1.0, 1.0, 10.0, None])
    assert chosen(found, Selection()).places.tolist() == [1, 2, 3]
    assert chosen(found, Selection(as_of=NOW + timedelta(days=5))).places.tolist() == [1, 2, 3]
    assert chosen(found, Selection(as_of=NOW - timedelta(days=5))).places.tolist() == [2, 3]
    assert chosen(found, Selection(mode="background"), query_age=5).places.tolist() == [2]
    assert chosen(found, Selection(published_after=NOW - timedelta(days=5))).places.tolist() == [1]
    assert chosen(found, Selection(published_before=NOW - timedelta(days=5))).places.tolist() == [2]


def test_diversity_and_sections() -> None:
    found = candidates([0.9, 0.89, 0.8, 0.7], [1.0] * 4, [0, 0, 0, 1])
    assert chosen(found, Selection(), 2).places.tolist() == [0, 1]
    assert chosen(found, Selection(diversity=0.5), 2).places.tolist() == [0, 2]
    assert chosen(found, Selection(diversity=1.0), 3).places.tolist()[:1] == [0]
    assert 1 not in chosen(found, Selection(diversity=1.0), 3).places
    assert chosen(found, Selection(max_per_section=1)).places.tolist() == [0, 3]


def test_the_least_score_shortens_the_list_and_says_why() -> None:
    found = candidates([0.9, 0.5], [1.0, 1.0])
    scores = chosen(found, Selection()).scores
    assert chosen(found, Selection(min_score=float(scores[0]))).places.tolist() == [0]
    assert chosen(found, Selection(min_score=1.0)).reason == "below_threshold"
    assert chosen(found, Selection(published_before=NOW - timedelta(days=9))).reason == "filtered_out"
    assert chosen(found[:0], Selection()).reason == "no_candidates"


@pytest.mark.parametrize(
    "wrong", [{"diversity": 1.1}, {"min_score": -0.1}, {"half_life_days": 0.0}, {"mode": "new"}, {"max_per_section": 0}]
)
def test_values_out_of_range_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(OutOfRange, match=next(iter(wrong))):
        Selection(**wrong)  # type: ignore[arg-type]


def test_relations() -> None:
    found = candidates([0.9, 0.3, 0.3, 0.9, 0.9], [6.0, 4.0, 6.0, 9.0, None])
    found["features"][:, column("words")] = 0.5
    published = int((NOW - timedelta(days=5)).timestamp())
    assert [relation(of, published) for of in found] == ["same_story", "follow_up", "background", "background", "background"]
    assert {relation(of, UNDATED) for of in found} == {"background"}


def test_articles_older_than_asked_for_or_undated_are_left_out() -> None:
    found = candidates([0.9, 0.8, 0.7], [1.0, 10.0, None])
    assert chosen(found, Selection(max_age_days=5)).places.tolist() == [0]
    assert chosen(found, Selection(max_age_days=5, as_of=NOW - timedelta(days=8))).places.tolist() == [1]
    for days in (0, -1, float("nan"), 1e7):
        with pytest.raises(OutOfRange, match="max_age_days is"):
            Selection(max_age_days=days)


def test_only_what_is_among_is_chosen() -> None:
    found = candidates([0.9, 0.8, 0.7], [1.0] * 3)
    among = np.array([False, True, False])
    picked = select(found, 0, SHIPPED, Selection(), 5, among=among)
    assert picked.places.tolist() == [1]
    nothing = select(found, 0, SHIPPED, Selection(), 5, among=~among & among)
    assert (nothing.places.tolist(), nothing.reason) == ([], "filtered_out")


def test_the_latest_of_an_old_archive_keep_their_order_and_undated_ones_come_last() -> None:
    found = candidates([0.9, 0.8, 0.7, 0.95], [3000.0, 2000.0, 2500.0, None])
    for wanted in (Selection(mode="latest"), Selection(mode="latest", diversity=0.01)):
        assert chosen(found, wanted).places.tolist()[0] == 1
        assert chosen(found, wanted).places.tolist()[-1] in (0, 3)
    assert chosen(found, Selection(mode="latest")).places.tolist() == [1, 2, 3, 0]
    ancient = candidates([0.9, 0.8], [200_000.0, 100_000.0])
    assert chosen(ancient, Selection(mode="latest")).places.tolist() in ([0, 1], [1, 0])


def test_the_least_score_is_asked_before_age() -> None:
    found = candidates([2.0, 0.1], [3000.0, 3000.0])
    assert chosen(found, Selection(mode="latest", min_score=0.5)).places.tolist() == [0]
