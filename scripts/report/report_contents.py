"""Define the contents of a report."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from recommender.evaluation.measures import CollectionFacts, Group
from recommender.types import PassagePair


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric of one method: the mean over queries and its 95 % interval, rounded to 4 places.

    Attributes:
        p: p-value of the difference to the baseline, Holm-corrected for the number of methods. None for the baseline.
    """

    mean: float
    low: float
    high: float
    p: float | None = None


@dataclass(frozen=True, slots=True)
class HandMade:
    """One line of a hand-made list."""

    id: str
    title: str
    published: datetime | None = None
    section: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One line of our list.

    Attributes:
        score: In [0, 1]; NaN if the method's line is not among the lines of the index.
        relation: Kind of the relation, in a word; None if the method states none.
        passages: The best-matching pair; None if the method has none.
        in_hand_made: True if the editor chose the article too.
    """

    id: str
    title: str
    score: float
    published: datetime | None
    relation: str | None
    passages: PassagePair | None
    in_hand_made: bool
    section: str | None = None


@dataclass(frozen=True, slots=True)
class QueryArticle:
    """An article with its hand-made list and ours, both in rank order.

    Attributes:
        ndcg: nDCG@5 of ours.
        ndcg_of_baseline: nDCG@5 of the baseline method.
        scored: Score of each line of ours, `ours` and lower lines down to the depth of the evaluation; True if the
            editor linked it.
    """

    id: str
    title: str
    url: str | None
    published: datetime | None
    section: str | None
    by_hand: tuple[HandMade, ...]
    ours: tuple[Suggestion, ...]
    ndcg: float
    ndcg_of_baseline: float
    scored: tuple[tuple[float, bool], ...] = ()

    @property
    def n_matches(self) -> int:
        """Return the number of our lines that the editor chose too."""
        return sum(item.in_hand_made for item in self.ours)

    @property
    def gain(self) -> float:
        """Return the gain of our nDCG@5 over the baseline's, to 4 places."""
        return round(self.ndcg - self.ndcg_of_baseline, 4)


@dataclass(frozen=True, slots=True)
class Report:
    """The contents of the page.

    Attributes:
        title: Name of the archive.
        release: The measured release of the index.
        protocol: What was measured and how, name to value.
        methods: Method -> metric -> estimate, as from `compare`; with all of `recommender.evaluation.measures.METRICS`.
        baseline: The method that the p-values compare with.
        method: The method whose figures, groups and lists are shown.
        sections: nDCG@5 of `method` by section, as from `by_group`.
        years: The same by year.
        facts: Method -> facts of its lists over the whole archive.
        articles: In the archive's order.
    """

    title: str
    release: str
    protocol: Mapping[str, str | int | float]
    methods: Mapping[str, Mapping[str, Estimate]]
    baseline: str
    method: str
    sections: tuple[Group, ...]
    years: tuple[Group, ...]
    facts: Mapping[str, CollectionFacts]
    articles: tuple[QueryArticle, ...]
