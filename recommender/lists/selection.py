"""Select the items of a list from candidates: filters, age, MMR diversity, and the minimum confidence.

    score = confidence x 0.5 ** (age / half-life)

Age is counted back from `as_of`, the moment of the request by default. Without a half-life, age does not count. An
article without a date counts as one half-life old. If the oldest candidate is older, it counts as old as that one.
The minimum score applies to the confidence, before age. Diversity picks items one by one, by maximal marginal
relevance (MMR; Carbonell and Goldstein, 1998):

    (1 - diversity) x score / highest score - diversity x largest cosine to what is already in the list
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from recommender.errors import OutOfRange
from recommender.features.article_features import ArticleFeatures
from recommender.features.feature_schema import FEATURES, UNDATED, Candidates, column
from recommender.features.filters import SearchFilter
from recommender.features.ranker import DECIMALS, Ranker
from recommender.text.cleaning import clean_line
from recommender.types import Floats, Relation, Rows, Vectors

Mode = Literal["mixed", "background", "latest"]

ANY_LANGUAGE = "any"
LATEST_HALF_LIFE_DAYS = 14.0
DAY = 86_400
MOST_HALVINGS = 900.0
"""Cap on halvings of a score, so that the oldest articles of a very old archive still have an order."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Filters and preferences for a list. The defaults leave everything to the ranking.

    Attributes:
        mode: "background": only articles older than the one being read. "latest": newer articles first, by a half-life
            of 14 days unless `half_life_days` gives another. "mixed": all.
        half_life_days: Age in days that halves the score. None: age does not count.
        max_age_days: Maximum age in days, counted back from `as_of`. Undated articles are left out.
        sections, langs: Keep only articles of these. Empty keeps all sections, and the language of the article being read
            where the archive has several. `ANY_LANGUAGE` keeps all languages.
        exclude: Ids of articles to leave out because they are on the page already.
        published_after, published_before: Keep only articles published at the first or later, and before the second.
            Aware. Undated articles are left out.
        as_of: Return the list as of this moment, from the candidates that the build stored. None: now. Aware.
        diversity: 0 (none) to 1: penalty for similarity to the items above.
        max_per_section: Maximum number of items of one section. None: any number.
        offset: Number of items to skip at the head of the list.
        fallback: Fill a short list with the newest articles, first of the same section.
        min_score: Minimum score of an item, 0 to 1. Editors would link about half of the items at 0.5. None: the floor of
            the archive decides, which leaves out what is close to nothing.

    Raises:
        OutOfRange: A value is not in its range.
    """

    mode: Mode = "mixed"
    half_life_days: float | None = None
    max_age_days: float | None = None
    sections: tuple[str, ...] = ()
    langs: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    published_after: datetime | None = None
    published_before: datetime | None = None
    as_of: datetime | None = None
    diversity: float = 0.0
    max_per_section: int | None = None
    min_score: float | None = None
    offset: int = 0
    fallback: bool = False

    @property
    def counts_age(self) -> bool:
        """Return whether the list depends on the moment of the request."""
        return self.half_life_days is not None or self.max_age_days is not None or self.mode == "latest"

    @property
    def half_life(self) -> float | None:
        """Return the days that halve a score. None: age does not count."""
        return self.half_life_days or (LATEST_HALF_LIFE_DAYS if self.mode == "latest" else None)

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise OutOfRange(f"mode is {self.mode!r:.50}, it must be one of {', '.join(get_args(Mode))}")
        for name in ("diversity", "min_score"):
            if not 0 <= (getattr(self, name) or 0) <= 1:
                raise OutOfRange(f"{name} is {getattr(self, name)}, it must be 0 to 1")
        for name in ("half_life_days", "max_age_days"):
            days = getattr(self, name)
            if days is not None and not 0 < days <= 1e6:
                raise OutOfRange(f"{name} is {days}, it must be above 0 and at most 1000000")
        if self.max_per_section is not None and self.max_per_section < 1:
            raise OutOfRange(f"max_per_section is {self.max_per_section}, it must be at least 1")
        for name in ("published_after", "published_before", "as_of"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise OutOfRange(f"{name} is {moment}, without a time zone - give one, such as UTC")


CLOSENESS = np.zeros(len(FEATURES))
CLOSENESS[[column("maxsim"), column("mean_cosine"), column("words")]] = 0.5, 0.5, 1.0
"""Weights of the features that say how close an article is, in meaning and in words, whatever else the archive holds.

Hubness, names and dates order a list. They do not say whether its items belong there.
"""


@dataclass(frozen=True, slots=True)
class Selected:
    """The selected items of a list.

    Attributes:
        places: Places of the candidates, in the order of the list.
        scores: float64 (n,), in [0, 1], rounded.
        reason: Reason for an empty list. None if there are items.
    """

    places: Rows
    scores: NDArray[np.float64]
    reason: str | None = None


def select(
    found: Candidates,
    published: int,
    ranker: Ranker,
    wanted: Selection,
    limit: int,
    means: Vectors | None = None,
    among: NDArray[np.bool_] | None = None,
    confidence: NDArray[np.float64] | None = None,
    floor: float = 0.0,
) -> Selected:
    """Select the items of a list.

    Args:
        published: Publication time of the query article, in seconds since 1970. UNDATED if unknown.
        means: Mean vectors of the candidates, float32 (n_candidates, dim). Only diversity needs them.
        among: bool (n_candidates,), candidates that pass the filters a candidate does not store: section, language, id.
            None allows all.
        confidence: float64 (n_candidates,), in [0, 1]. None: computed by the ranker.
        floor: Minimum `CLOSENESS` of an item, if the selection has no minimum score.
    """
    as_of = _as_of(wanted)
    allowed = _allowed(found, published, wanted, as_of)
    places = np.flatnonzero(allowed if among is None else allowed & among)
    if not len(places):
        return _none("no_candidates" if not len(found) else "filtered_out")
    if floor and wanted.min_score is None and confidence is None:
        places = places[found["features"][places].astype(np.float64) @ CLOSENESS >= floor]
        if not len(places):
            return _none("nothing_close")
    confidence = ranker.confidence(ranker.scores(found["features"][places])) if confidence is None else confidence[places]
    confidence = confidence.round(DECIMALS)
    if wanted.min_score:
        confident = confidence >= wanted.min_score
        places, confidence = places[confident], confidence[confident]
        if not len(places):
            return _none("below_threshold")
    scores = confidence * _decay(found["published"][places], wanted.half_life, as_of) if wanted.half_life is not None else confidence
    order = np.lexsort((found["tie"][places], -scores))
    places, scores = places[order], scores[order]
    if wanted.diversity or wanted.max_per_section is not None:  # an item depends on the items above it
        assert means is not None or not wanted.diversity  # noqa: S101 - the caller's part
        chosen = _choose(found["section"][places], scores, wanted, limit, None if means is None else means[places])
        places, scores = places[chosen], scores[chosen]
    return Selected(places[:limit], scores[:limit].round(DECIMALS))


def narrowed(wanted: Selection, published: int, facts: ArticleFeatures) -> SearchFilter | None:
    """Return the filter of a selection that a search can apply while it searches. None: no filter.

    Args:
        published: Publication time of the query article, in seconds since 1970. UNDATED if unknown.
    """
    after, before = wanted.published_after, wanted.published_before
    firsts = [] if after is None else [after.timestamp()]
    ends = [] if before is None else [before.timestamp()]
    if wanted.max_age_days is not None:
        firsts.append(_as_of(wanted) - wanted.max_age_days * DAY)
    if wanted.mode == "background" and published != UNDATED:
        ends.append(published)
    if not (wanted.sections or firsts or ends or wanted.as_of):
        return None
    sections = tuple(map(clean_line, wanted.sections))
    return SearchFilter(facts, sections, ceil(max(firsts)) if firsts else None, ceil(min(ends)) if ends else None, _as_of(wanted))


def may_show(published: datetime | None, wanted: Selection) -> bool:
    """Return whether an article of some date may be shown beside another, as its near-duplicate."""
    now = datetime.now(UTC)
    if published is None:
        return wanted.published_after is None and wanted.published_before is None
    after, before = wanted.published_after or published, wanted.published_before
    return after <= published <= min(wanted.as_of or now, now) and (before is None or published < before)


def _none(reason: str) -> Selected:
    return Selected(np.empty(0, dtype=np.int64), np.empty(0), reason)


def _as_of(wanted: Selection) -> int:
    """Return the moment of a list: seconds since 1970."""
    now = datetime.now(UTC)
    return int(min(wanted.as_of or now, now).timestamp())


def _allowed(found: Candidates, published: int, wanted: Selection, as_of: int) -> NDArray[np.bool_]:
    """Return which candidates may be shown. Unpublished candidates never are."""
    moments = found["published"]
    allowed = moments <= as_of  # undated ones pass: UNDATED is the smallest value
    dated = moments != UNDATED
    if wanted.mode == "background":
        allowed &= dated & (moments < published) if published != UNDATED else True
    if wanted.max_age_days is not None:
        allowed &= dated & (moments >= as_of - wanted.max_age_days * DAY)
    if wanted.published_after is not None:
        allowed &= dated & (moments >= wanted.published_after.timestamp())
    if wanted.published_before is not None:
        allowed &= dated & (moments < wanted.published_before.timestamp())
    return np.asarray(allowed)


def _decay(moments: NDArray[np.int64], half_life: float, as_of: int) -> NDArray[np.float64]:
    """Return the factor by which age reduces a score: float64 (n,), in (0, 1]."""
    dated = moments != UNDATED
    age = (as_of - np.where(dated, moments, as_of)) / DAY
    undated = max(half_life, float(age.max()))
    return np.asarray(0.5 ** np.minimum(np.where(dated, age, undated) / half_life, MOST_HALVINGS))


def _choose(sections: NDArray[np.int32], scores: Floats, wanted: Selection, limit: int, means: Vectors | None) -> Rows:
    """Pick items one by one, in order of score or of marginal relevance (MMR)."""
    relevance = scores / (float(scores.max()) or 1.0)
    likeness = np.zeros(len(scores))
    left = np.ones(len(scores), dtype=np.bool_)
    per_section: dict[int, int] = {}
    chosen: list[int] = []
    while len(chosen) < limit and left.any():
        gain = np.where(left, (1 - wanted.diversity) * relevance - wanted.diversity * likeness, -np.inf)
        place = int(gain.argmax())
        left[place] = False
        section = int(sections[place])
        if section >= 0 and wanted.max_per_section is not None:
            if per_section.get(section, 0) == wanted.max_per_section:
                continue
            per_section[section] = per_section.get(section, 0) + 1
        chosen.append(place)
        if means is not None and wanted.diversity:
            likeness = np.maximum(likeness, means @ means[place])
    return np.array(chosen, dtype=np.int64)


SAME_STORY_DAYS = 3.5
SAME_STORY_MAXSIM = 0.65
SAME_STORY_WORDS = 0.3
"""Closeness from which two articles of the same days tell the same story. Measured in docs/ranking.md."""


MAXSIM, WORDS = column("maxsim"), column("words")


def relation(candidate: np.void, published: int) -> Relation:
    """Return how a candidate relates to the article being read. Undated articles are background.

    Args:
        published: Publication time of the article being read, in seconds since 1970. UNDATED if unknown.
    """
    moment = int(candidate["published"])
    if UNDATED in (moment, published):
        return "background"
    if abs(published - moment) <= SAME_STORY_DAYS * DAY:
        features = candidate["features"]
        if features[MAXSIM] >= SAME_STORY_MAXSIM and features[WORDS] >= SAME_STORY_WORDS:
            return "same_story"
    return "follow_up" if moment > published else "background"
