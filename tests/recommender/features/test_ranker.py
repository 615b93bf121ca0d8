"""Weights, calibration and the file they are kept in; and what fitting makes of an archive's lists."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from index.build import build_index
from index.ranker_training import FEWEST, Split, fit
from recommender import Recommender
from recommender.errors import IndexDamaged, InputError
from recommender.features.feature_schema import FEATURES
from recommender.features.ranker import RANKER, SHIPPED, Ranker
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder


def test_confidence_rises_with_the_score_and_stays_between_0_and_1() -> None:
    confidence = SHIPPED.confidence(np.array([-1e9, 0.0, 0.5, 1.0, 1e9]))
    assert (np.diff(confidence) > 0).all()
    assert confidence.min() >= 0
    assert confidence.max() <= 1


def test_the_shipped_weights_assume_nothing_of_the_order_of_dates_of_sections_or_of_lengths() -> None:
    """Nearness in time counts, in both directions alike."""
    assert SHIPPED.weights.keys() <= {
        *("maxsim", "mean_cosine", "maxsim_hubness", "words", "words_hubness", "mention", "within_month", "within_year"),
    }
    assert SHIPPED.weights["within_year"] > 0


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff", b"{", b'{"weights": {}}', b"[" * 100_000]
    + [
        replace(SHIPPED, **change).to_json().encode()
        for change in ({"weights": {"charm": 1.0}}, {"weights": {"words": float("nan")}}, {"slope": 0.0}, {"offset": float("inf")})
    ],
)
def test_a_damaged_ranker_is_named_and_the_builds_weights_rank(tmp_path: Path, content: bytes) -> None:
    build_index([str(write_jsonl(tmp_path / "a.jsonl", records(8)))], tmp_path / "index", HashEmbedder())
    path = tmp_path / "index" / RANKER
    path.write_bytes(content)
    with pytest.raises(IndexDamaged, match=r"ranker\.json.* - run readmore fit again"):
        Ranker.read(path)
    with Recommender.open(tmp_path / "index") as opened:
        assert str(path) in str(opened.degraded)
        assert opened.ranker.weights == SHIPPED.weights
        assert len(opened.related("harbour-0")) == 5


def test_weights_written_are_weights_read(tmp_path: Path) -> None:
    ranker = Ranker(dict.fromkeys(FEATURES, 0.25), 3.0, -1.5, {"fitted_on": {"until": None}})
    (tmp_path / RANKER).write_text(ranker.to_json(), encoding="utf-8")
    assert Ranker.of_index(tmp_path) == ranker


def test_lists_held_back_change_no_weight(tmp_path: Path) -> None:
    def fitted(change: bool) -> tuple[Ranker, frozenset[str]]:
        lines = records(60)
        for line in lines:
            if change and line["id"] in held:
                line["read_more"] = [lines[0]["id"]]
        folder = tmp_path / str(change)
        folder.mkdir()
        build_index([str(write_jsonl(folder / "a.jsonl", lines))], folder / "index", HashEmbedder())
        with Recommender.open(folder / "index", HashEmbedder()) as opened:
            found = fit(opened)
        return found.ranker, found.held_back

    held: frozenset[str] = frozenset()
    ranker, held = fitted(False)
    assert len(held) >= FEWEST
    changed, still_held = fitted(True)
    assert still_held == held
    assert changed.weights == ranker.weights
    assert (changed.slope, changed.offset) == (ranker.slope, ranker.offset)


def test_too_few_lists_are_refused(tmp_path: Path) -> None:
    build_index([str(write_jsonl(tmp_path / "a.jsonl", records(12)))], tmp_path / "index", HashEmbedder())
    with Recommender.open(tmp_path / "index", HashEmbedder()) as opened, pytest.raises(InputError, match="hand-made lists to fit on"):
        fit(opened)


def test_lists_are_split_by_date_where_dates_tell_them_apart() -> None:
    days = [datetime(2020, 1, day, tzinfo=UTC) for day in range(1, 11)]
    assert Split.of(days) == Split(days[5])
    assert [Split.of(days).holds_back("a", day) for day in days] == [False] * 6 + [True] * 4
    assert Split.of([days[0]] * 10) == Split(None), "all of one moment"
    assert Split.of([*days[:7], None, None, None]) == Split(None), "too few have a date"
    held = [Split(None).holds_back(f"article-{number}", None) for number in range(1000)]
    assert 0.35 < sum(held) / 1000 < 0.45


def test_an_archive_without_lists_cannot_be_fitted(tmp_path: Path) -> None:
    lines = [{**record, "read_more": []} for record in records(12)]
    build_index([str(write_jsonl(tmp_path / "a.jsonl", lines))], tmp_path / "index", HashEmbedder())
    with Recommender.open(tmp_path / "index", HashEmbedder()) as opened, pytest.raises(InputError, match="0 hand-made lists to fit on"):
        fit(opened)
