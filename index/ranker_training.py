"""Fit the ranker to a publisher's own lists.

Each hand-made list selects the articles to link among an article's candidates. The weights maximise the likelihood of
these selections, by a softmax over each list's candidates (ListNet's top-one loss; Cao and others, 2007):

    loss = - mean over lists, mean over linked candidates of ln(exp(s) / sum over all candidates of exp(s))
           + PULL / lists x |weights - scale x shipped weights|², of standardised features; the scale is fitted too

The last term pulls towards the shipped weights, not towards 0. So a few lists change little, and many lists change
much. The lists are split by date. The weights are fitted on the older lists only. The reported figures, before and
after, are measured on the newer lists.

Judgements of editors at the desk (`index.updates.judgements`) are used for fitting, and never for measuring. The
editors judged lists that the current weights had made, so a measurement would flatter these weights.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from index.updates.judgements import judged, with_judgements
from recommender import Recommender
from recommender.errors import InputError
from recommender.features.feature_schema import FEATURES
from recommender.features.ranker import SHIPPED, Ranker
from recommender.release.catalogue import Catalogue
from recommender.types import Floats, parse_time, rfc3339

SHARE = 0.6
"""Share of the lists, the oldest, used for fitting."""

FEWEST = 10
"""Number of lists needed on either side of the split."""

PULL = 100.0
"""Strength of the regularisation, divided by the number of lists.

It is 2 for fifty lists, and 0.2 for five hundred (docs/ranking.md).
"""


@dataclass(frozen=True, slots=True)
class Split:
    """The split of hand-made lists into a training set and a held-out set.

    Attributes:
        until: Lists of articles published after this moment are held out. None if too few articles have a date, or all
            have the same date. Then two fifths of all lists are held out, chosen by a hash of the id.
    """

    until: datetime | None

    def holds_back(self, article_id: str, published: datetime | None) -> bool:
        if self.until is not None:
            return published is not None and published > self.until
        return hashlib.sha256(article_id.encode()).digest()[0] >= 256 * SHARE

    @classmethod
    def of(cls, published: Sequence[datetime | None]) -> "Split":
        """Split the lists of articles by their dates."""
        dated = sorted(moment for moment in published if moment is not None)
        if not dated or len(dated) < 0.8 * len(published):
            return cls(None)
        until = dated[max(int(SHARE * len(dated)) - 1, 0)]
        return cls(until if dated[-1] > until else None)

    @classmethod
    def of_ranker(cls, ranker: Ranker) -> "Split | None":
        """Return the split that a fitted ranker was made with, or None for the shipped ranker."""
        if "fitted_on" not in ranker.provenance:
            return None
        until = ranker.provenance["fitted_on"]["until"]
        return cls(None if until is None else parse_time(until))


@dataclass(frozen=True, slots=True)
class TrainingLists:
    """Candidates of articles with hand-made lists.

    Attributes:
        ids: Ids of the articles.
        features: One array per article: float64 (n_candidates, len(FEATURES)).
        linked: One array per article: bool (n_candidates,), which candidates the editors linked.
    """

    ids: Sequence[str]
    features: Sequence[Floats]
    linked: Sequence[NDArray[np.bool_]]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted ranker and its held-out lists.

    Attributes:
        effects: Feature -> change of the score for one standard deviation of the feature: its effective weight.
        n_fitted: Number of lists used for fitting.
        n_judged: Number of these lists that editors judged at the desk.
        held_back: Ids of the articles whose lists were held out.
    """

    ranker: Ranker
    effects: Mapping[str, float]
    n_fitted: int
    n_judged: int
    held_back: frozenset[str]


def fit(recommender: Recommender) -> Fit:
    """Fit weights and calibration to the older lists of an index.

    Raises:
        InputError: There are too few lists.
    """
    catalogue = recommender.catalogue
    qrels = catalogue.hand_made_lists()
    published = {article_id: catalogue.card(catalogue.row(article_id)).published for article_id in qrels}
    split = Split.of(list(published.values()))
    held_back = frozenset(article_id for article_id in qrels if split.holds_back(article_id, published[article_id]))
    verdicts = _known(catalogue, judged(recommender.release.folder.parents[1]))
    seen = {article_id: targets for article_id, targets in with_judgements(qrels, verdicts).items() if article_id not in held_back}
    lists = read_lists(recommender, seen)
    if len(lists) < FEWEST or len(held_back) < FEWEST:
        raise InputError(
            f"{len(lists)} hand-made lists to fit on and {len(held_back)} to test on, {FEWEST} of each are needed"
            " - give articles a read_more field with ids of the archive; until then the shipped weights rank"
        )
    everything = np.concatenate(lists.features)
    spread = everything.std(axis=0) + 1e-6
    weights = fit_weights(lists, spread) / spread
    ranker = Ranker(dict(zip(FEATURES, weights.round(6).tolist(), strict=True)), 1.0, 0.0)
    slope, offset = calibrate(ranker.scores(everything), np.concatenate(lists.linked))
    n_judged = len(verdicts.keys() & set(lists.ids))
    provenance = {
        "fitted_on": {
            "until": rfc3339(split.until),
            "n_lists": len(lists),
            "n_judged": n_judged,
            "index_version": recommender.release.name,
        },
        "fitted": rfc3339(datetime.now(UTC).replace(microsecond=0)),
    }
    effects = dict(zip(FEATURES, (weights * spread).tolist(), strict=True))
    return Fit(Ranker(ranker.weights, slope, offset, provenance), effects, len(lists), n_judged, held_back)


def _known(catalogue: Catalogue, verdicts: Mapping[str, Mapping[str, bool]]) -> dict[str, dict[str, bool]]:
    """Return the judgements of articles that the release holds."""
    found = {
        article_id: {target: accepted for target, accepted in of.items() if catalogue.find_row(target) is not None}
        for article_id, of in verdicts.items()
        if catalogue.find_row(article_id) is not None
    }
    return {article_id: of for article_id, of in found.items() if of}


def read_lists(recommender: Recommender, qrels: Mapping[str, Sequence[str]]) -> TrainingLists:
    """Return the candidates of some articles, and which candidates editors linked.

    Skip articles without a linked candidate.
    """
    catalogue = recommender.catalogue
    canonical = catalogue.facts().canonical
    ids, features, linked = [], [], []
    for article_id, targets in qrels.items():
        found = catalogue.candidates(catalogue.row(article_id))
        hits = np.isin(found["article"], canonical[[catalogue.row(target) for target in targets]])
        if hits.any():
            ids.append(article_id)
            features.append(found["features"].astype(np.float64))
            linked.append(hits)
    return TrainingLists(ids, features, linked)


def fit_weights(lists: TrainingLists, spread: Floats) -> Floats:
    """Return the weights of features divided by `spread`: float64 (len(FEATURES),)."""
    from scipy.optimize import minimize

    shipped = np.array([SHIPPED.weights.get(name, 0.0) for name in FEATURES]) * spread
    features = [of / spread for of in lists.features]
    pull = PULL / len(features)

    def loss(values: Floats) -> tuple[float, Floats]:
        scale, weights = np.exp(values[0]), values[1:]
        total, slope = 0.0, np.zeros_like(weights)
        for of, linked in zip(features, lists.linked, strict=True):
            scores = of @ weights
            chances = np.exp(scores - scores.max())
            chances /= chances.sum()
            total -= float(np.log(chances[linked] + 1e-300).mean()) / len(features)
            slope -= (of[linked].mean(axis=0) - chances @ of) / len(features)
        away = weights - scale * shipped
        gradient = np.concatenate([[-2 * pull * scale * (away @ shipped)], slope + 2 * pull * away])
        return total + pull * float(away @ away), gradient

    start = np.concatenate([[np.log(SHIPPED.slope)], SHIPPED.slope * shipped])
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x[1:])


def calibrate(scores: Floats, linked: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the slope and the offset that turn scores into probabilities (Platt 1999).

    Both increase where that is needed, and the slope is always above 0.
    """
    from scipy.optimize import minimize

    def loss(values: Floats) -> float:
        logits = np.exp(values[0]) * scores + values[1]
        return float((np.logaddexp(0, logits) - linked * logits).mean())

    found = minimize(loss, np.array([0.0, -3.0]), method="Nelder-Mead", options={"maxiter": 2000}).x
    return round(float(np.exp(found[0])), 6), round(float(found[1]), 6)
