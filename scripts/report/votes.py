"""The votes that readers of a report saved, added up."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recommender.errors import InputError
from scripts.report.figures import wilson

FORMAT = "readmore-votes/1"
SIDES = {("first", "editors"): "editors", ("second", "ours"): "editors", ("first", "ours"): "ours", ("second", "editors"): "ours"}
"""Answer, and which list stood first -> whose list was meant. The third answer, "neither", means nobody's."""


@dataclass(frozen=True, slots=True)
class Share:
    """Of the decided answers to a question, how many were one of the two; `undecided` were neither."""

    hits: int
    decided: int
    undecided: int

    @classmethod
    def of(cls, answers: Iterable[str], wanted: str) -> "Share":
        given = list(answers)
        undecided = given.count("neither")
        return cls(given.count(wanted), len(given) - undecided, undecided)

    def as_dict(self) -> dict[str, Any]:
        """Counts, share and its 95 % interval, to 4 places; the share of nothing is None."""
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
        report: Title, release and method of it.
        n_visits: Times that somebody sat down to vote.
        ours_better: How often ours was the better list.
        editors_told: How often the editor's list was recognised; a half is guessing.
        first_better: How often the first list was the better one; far from a half, it is the place that was judged.
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
    """Add up the files that a report's "Save the votes" wrote; of an article that a visit voted on in several files, the last vote counts.

    Raises:
        InputError: A file is none of these, or they are of different reports.
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
    """Of one file: the report, the visit, and of each article which list stood first, was better, and was taken for the editor's."""
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
