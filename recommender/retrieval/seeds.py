"""Combine the candidates of several seed articles: rank articles close to some seeds and not to others.

    confidence = mean over the positive seeds - mean over the negative ones, at least 0

An article that is not a candidate of a seed counts 0 for it (CombSUM; Fox and Shaw, 1994, divided by the number
of seeds).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.features.feature_schema import CANDIDATE, Candidates
from recommender.features.ranker import Ranker


def combined(
    positive: Sequence[Candidates], negative: Sequence[Candidates], seeds: Sequence[int], ranker: Ranker
) -> tuple[Candidates, NDArray[np.float64]]:
    """Combine the candidates of some seeds. Each is kept once, as a candidate of its closest seed.

    Args:
        seeds: Rows to leave out.

    Returns:
        The candidates without passages and terms, and their confidence: float64 (n,), in [0, 1].
    """
    total: dict[int, float] = {}
    closest: dict[int, tuple[float, np.void]] = {}
    for sign, lists in ((1 / len(positive), positive), (-1 / max(len(negative), 1), negative)):
        for found in lists:
            for candidate, confidence in zip(found, ranker.confidence(ranker.scores(found["features"])).tolist(), strict=True):
                row = int(candidate["article"])
                total[row] = total.get(row, 0.0) + sign * confidence
                if sign > 0 and confidence > closest.get(row, (-1.0, candidate))[0]:
                    closest[row] = confidence, candidate
    rows = [row for row in closest if row not in seeds and total[row] > 0]
    return np.array([closest[row][1] for row in rows], dtype=CANDIDATE), np.array([min(total[row], 1.0) for row in rows])
