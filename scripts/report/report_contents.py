"""What a report shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from recommender.evaluation.measures import CollectionFacts, Group
from recommender.types import PassagePair


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric of one method: its mean over the queries, and the ends of the mean's 95 % interval, rounded to 4 places.

    Attributes:
        p: Of the difference to the baseline, Holm-corrected for the number of methods; None for the baseline itself.
    """

    mean: float
    low: float
    high: float
    p: float | None = None


@dataclass(frozen=True, slots=True)
class HandMade:
    """One line of a list that an editor made."""

    id: str
    title: str
    published: datetime | None = None
    section: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One line of ours.

    Attributes:
        score: In [0, 1]; NaN if the method's line is not among the lines of the index.
        relation: How it is related, in a word; None if the method does not say.
        passages: The best-matching pair; None if the method has none.
        in_hand_made: The editor chose it too.
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
    """An article with its hand-made list and ours, both in their order.

    Attributes:
        ndcg: nDCG@5 of ours.
        ndcg_of_baseline: nDCG@5 of the method that ours is compared with.
        scored: Score of each line of ours, `ours` and those below it down to the depth of the evaluation; whether the editor linked it.
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
        """Lines of ours that the editor chose too."""
        return sum(item.in_hand_made for item in self.ours)

    @property
    def gain(self) -> float:
        """How much better than the baseline's ours is, in nDCG@5, to 4 places."""
        return round(self.ndcg - self.ndcg_of_baseline, 4)


@dataclass(frozen=True, slots=True)
class Report:
    """All that the page is made of.

    Attributes:
        title: Name of the archive.
        release: The release of the index that was measured.
        protocol: What was measured and how, name to value.
        methods: Method -> metric -> estimate, as from `compare`; every method has all of `recommender.evaluation.measures.METRICS`.
        baseline: The method that the p-values are against.
        method: The method whose figures, groups and lists are shown.
        sections: nDCG@5 of `method` by section, as from `by_group`.
        years: The same by year.
        facts: Method -> facts of its lists of the whole archive.
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
