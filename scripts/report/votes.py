"""Add up the votes that readers saved from a report."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recommender.errors import InputError
from scripts.report.figures import wilson

FORMAT = "readmore-votes/1"
SIDES = {("first", "editors"): "editors", ("second", "ours"): "editors", ("first", "ours"): "ours", ("second", "editors"): "ours"}
"""(Answer, list in first position) -> the list that the voter chose. The third answer, "neither", chooses none."""


@dataclass(frozen=True, slots=True)
class Share:
    """The share of one answer among the decided answers to a question. `undecided` answers chose neither."""

    hits: int
    decided: int
    undecided: int

    @classmethod
    def of(cls, answers: Iterable[str], wanted: str) -> "Share":
        given = list(answers)
        undecided = given.count("neither")
        return cls(given.count(wanted), len(given) - undecided, undecided)

    def as_dict(self) -> dict[str, Any]:
        """Return counts, share and its 95 % interval, to 4 places. The share of no answers is None."""
        share = round(self.hits / self.decided, 4) if self.decided else None
        interval = [round(end, 4) for end in wilson(self.hits, self.decided)]
        return {"hits": self.hits, "decided": self.decided, "undecided": self.undecided, "share": share, "interval": interval}

    def __str__(self) -> str:
        low, high = wilson(self.hits, self.decided)
        share = f"{self.hits / self.decided:.0%}" if self.decided else "-"
        return f"{self.hits} of {self.decided} ({share}, 95 %: {low:.0%} - {high:.0%}), {self.undecided} undecided"


@dataclass(frozen=True, slots=True)
class Votes:
    """The votes on one report.

    Attributes:
        report: Title, release and method of the report.
        n_visits: Number of voting sessions.
        ours_better: How often ours was the better list.
        editors_told: How often the editor's list was recognised. A half is guessing.
        first_better: How often the first list was better. A share far from a half means that voters judged the
            position.
    """

    report: dict[str, str]
    n_visits: int
    n_articles: int
    ours_better: Share
    editors_told: Share
    first_better: Share

    def as_dict(self) -> dict[str, Any]:
        shares = {"ours_better": self.ours_better, "editors_told": self.editors_told, "first_better": self.first_better}
        counts = {"n_visits": self.n_visits, "n_articles": self.n_articles}
        return {"report": self.report, **counts, **{name: share.as_dict() for name, share in shares.items()}}


def add_up(paths: Sequence[Path]) -> Votes:
    """Add up the files that a report's "Save the votes" wrote.

    If a visit voted on an article in several files, the last vote counts.

    Raises:
        InputError: A file holds no votes, or the files belong to different reports.
    """
    report: dict[str, str] | None = None
    votes: dict[tuple[str, str], tuple[str, str, str]] = {}
    for path in paths:
        about, visit, cast = _read(path)
        if report is not None and about != report:
            raise InputError(f"{path} has votes on {about}, the files before it on {report} - add up the files of one report")
        report = about
        votes |= {(visit, article): vote for article, vote in cast}
    if report is None:
        raise InputError("no files of votes - give those that a report's “Save the votes” wrote")
    return Votes(
        report,
        len({visit for visit, _ in votes}),
        len({article for _, article in votes}),
        Share.of((SIDES.get((better, first), "neither") for first, better, _ in votes.values()), "ours"),
        Share.of((SIDES.get((editors, first), "neither") for first, _, editors in votes.values()), "editors"),
        Share.of((better for _, better, _ in votes.values()), "first"),
    )


def _read(path: Path) -> tuple[dict[str, str], str, list[tuple[str, tuple[str, str, str]]]]:
    """Return the report, the visit, and the votes of one file.

    Each vote holds the article, the list in first position, the better list, and the one taken for the editor's.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']}")
        about = {name: str(found["report"][name]) for name in ("title", "release", "method")}
        cast = [(str(vote["article"]), (vote["first"], vote["better"], vote["editors"])) for vote in found["votes"]]
        for article, (first, *answers) in cast:
            if first not in ("editors", "ours") or not {*answers} <= {"first", "second", "neither"}:
                raise ValueError(f"the vote on {article}")
        return about, str(found["visit"]), cast
    except (OSError, UnicodeDecodeError, ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise InputError(f"{path} has no votes ({error!r:.100}) - give files that a report's “Save the votes” wrote") from error
