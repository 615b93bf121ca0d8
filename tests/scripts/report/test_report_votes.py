"""Votes of the blind comparison, added up; and the intervals they and the report's shares get."""

import doctest
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from recommender.errors import InputError
from scripts.report import add_up, figures, headlines, report_page
from scripts.report.figures import share_interval, wilson
from tests.support.served import ROOT

REPORT = {"title": "Archive", "release": "20261127T120000Z-1f3a", "method": "fused"}


def vote(article: str, first: str, better: str, editors: str) -> dict[str, str]:
    return {"article": article, "first": first, "better": better, "editors": editors}


def saved(path: Path, *votes: dict[str, str], visit: str = "1", report: dict[str, str] = REPORT) -> Path:
    path.write_text(json.dumps({"format": "readmore-votes/1", "report": report, "visit": visit, "votes": votes}))
    return path


def test_votes_add_up_and_a_visit_counts_once(tmp_path: Path) -> None:
    early = saved(tmp_path / "early.json", vote("a", "editors", "first", "first"))
    later = saved(tmp_path / "later.json", vote("a", "editors", "second", "first"), vote("b", "ours", "first", "first"))
    other = saved(tmp_path / "other.json", vote("a", "ours", "neither", "second"), visit="2")
    votes = add_up([early, later, other]).as_dict()
    assert (votes["n_visits"], votes["n_articles"], votes["report"]) == (2, 2, REPORT)
    # a: ours, by the later file; b: ours; a of the other visit: undecided.
    assert votes["ours_better"] == {"hits": 2, "decided": 2, "undecided": 1, "share": 1.0, "interval": [0.3424, 1.0]}
    # a: right; b: the first was ours, so wrong; a of the other visit: right.
    assert {name: votes["editors_told"][name] for name in ("hits", "decided", "undecided")} == {"hits": 2, "decided": 3, "undecided": 0}
    assert {name: votes["first_better"][name] for name in ("hits", "decided", "undecided")} == {"hits": 1, "decided": 2, "undecided": 1}


def test_the_command_prints_the_sum(tmp_path: Path) -> None:
    path = saved(tmp_path / "votes.json", vote("a", "ours", "first", "neither"))
    command = [sys.executable, "scripts/evaluate.py", "--votes", str(path), str(path)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "Archive, fused: 1 articles, 1 visits" in printed
    assert "ours is the better list: 1 of 1 (100%, 95 %: 21% - 100%), 0 undecided" in printed
    assert "the editor's list is recognised: 0 of 0 (-, 95 %: 0% - 100%), 1 undecided" in printed


@pytest.mark.parametrize(
    "broken",
    [
        {"format": "readmore-votes/2"},
        {"votes": [vote("a", "editors", "third", "first")]},
        {"votes": [vote("a", "nobody", "first", "first")]},
        {"votes": [{"article": "a"}]},
        {"votes": [vote("a", "editors", "first", "first") | {"better": ["first"]}]},
        {"votes": 7},
        {"report": None},
        {"visit": None, "report": []},
    ],
)
def test_files_that_hold_no_votes_are_named(tmp_path: Path, broken: dict[str, Any]) -> None:
    path = saved(tmp_path / "votes.json", vote("a", "editors", "first", "first"))
    path.write_text(json.dumps(json.loads(path.read_text()) | broken))
    with pytest.raises(InputError, match=r"votes\.json has no votes \(.+\) - give files that"):
        add_up([path])


@pytest.mark.parametrize("content", ["", "[]", "null", '"votes"', "[" * 100_000, "\ufeff{"])
def test_other_files_are_no_votes(tmp_path: Path, content: str) -> None:
    path = tmp_path / "votes.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="has no votes"):
        add_up([path])
    with pytest.raises(InputError, match="has no votes"):
        add_up([tmp_path / "gone.json"])


def test_votes_on_different_reports_are_not_added_up(tmp_path: Path) -> None:
    one = saved(tmp_path / "one.json", vote("a", "ours", "first", "first"))
    other = saved(tmp_path / "other.json", vote("a", "ours", "first", "first"), report={**REPORT, "method": "fitted"})
    with pytest.raises(InputError, match=r"other\.json has votes on .*fitted.*add up the files of one report"):
        add_up([one, other])


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (7, 12), (0, 40), (399, 400)])
def test_intervals_are_wilsons(hits: int, n: int) -> None:
    found = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((found.low, found.high), abs=1e-6)


def test_lines_of_one_list_are_not_independent() -> None:
    chance = random.Random(3)
    hits = [5 * chance.randint(0, 1) for _ in range(100)]
    low, high = share_interval(hits, [5] * 100)
    blind_low, blind_high = wilson(sum(hits), 500)
    assert low < sum(hits) / 500 < high
    assert high - low == pytest.approx(2.24 * (blind_high - blind_low), rel=0.1), "the root of 5 as wide"


def test_examples_hold() -> None:
    assert all(doctest.testmod(module).failed == 0 for module in (figures, headlines, report_page))
