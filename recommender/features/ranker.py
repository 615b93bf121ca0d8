"""From a candidate's features to its score, and from the score to the chance that an editor would link it.

    score = sum of weight x feature            confidence = 1 / (1 + exp(-(slope x score + offset)))

The second is Platt's calibration (1999), fitted on hand-made lists: of lines with confidence 0.5, editors link about half.
Weights are kept as JSON: the shipped ones, or those that `scripts/fit_ranker.py` learned from a publisher's own lists.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from recommender.errors import IndexDamaged
from recommender.features.feature_schema import FEATURES, Features, column
from recommender.types import Floats

RANKER = "ranker.json"
"""In the index's folder, beside CURRENT: the weights that `fit_ranker.py` wrote."""

DECIMALS = 4
"""Scores are rounded to so many places before they are compared, so that noise in the last bits decides nothing."""


@dataclass(frozen=True)
class Ranker:
    """A linear ranker with a calibration.

    Attributes:
        weights: Feature name -> weight per unit of the feature; features without one count nothing.
        slope, offset: Of the calibration.
        provenance: Where the weights come from: what they were fitted on, when, and what that gave.
    """

    weights: Mapping[str, float]
    slope: float
    offset: float
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def scores(self, features: Features) -> Floats:
        """Score of each candidate: float64 (n,), higher is closer, not calibrated."""
        columns, weights = self._columns
        return (features[:, columns].astype(np.float64) @ weights).round(DECIMALS)

    def confidence(self, scores: Floats) -> Floats:
        """The chance that an editor would link each: float64 (n,), in [0, 1], rising with the score."""
        return np.asarray(1 / (1 + np.exp(-np.maximum(np.minimum(self.slope * scores + self.offset, 50), -50))))

    @cached_property
    def _columns(self) -> tuple[list[int], Floats]:
        return [column(name) for name in self.weights], np.array(list(self.weights.values()), dtype=np.float64)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_fields(cls, fields: Any, where: Path) -> "Ranker":
        """Check what a JSON file holds.

        Raises:
            IndexDamaged: It is not what `to_json` wrote, or names a feature that this version does not have.
        """
        try:
            weights = {str(name): float(weight) for name, weight in fields["weights"].items()}
            ranker = cls(weights, float(fields["slope"]), float(fields["offset"]), dict(fields["provenance"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise IndexDamaged(f"{where} is no ranker ({type(error).__name__}) - {CURE}") from error
        unknown = sorted(set(weights) - set(FEATURES))
        if unknown:
            raise IndexDamaged(f"{where} weighs {unknown[0]!r}, which is no feature of this version - {CURE}")
        if not all(map(math.isfinite, (*weights.values(), ranker.slope, ranker.offset))) or not ranker.slope > 0:
            raise IndexDamaged(f"{where} holds a weight that is no finite number, or a slope that is not above 0 - {CURE}")
        return ranker

    @classmethod
    def of_index(cls, index_dir: Path) -> "Ranker":
        """The weights that `fit_ranker.py` wrote for an index, or the shipped ones.

        Raises:
            IndexDamaged: See `read`.
        """
        path = index_dir / RANKER
        return cls.read(path) if path.exists() else SHIPPED

    @classmethod
    def read(cls, path: Path) -> "Ranker":
        """Read what `fit_ranker.py` wrote.

        Raises:
            IndexDamaged: See `from_fields`; or the file cannot be read.
        """
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise IndexDamaged(f"{path} cannot be read ({type(error).__name__}) - {CURE}") from error
        return cls.from_fields(fields, path)


CURE = "run scripts/fit_ranker.py again, or remove the file to rank by the shipped weights"

SHIPPED = Ranker(
    # Close in meaning and close in words, each less half of what makes a target close to everything; and named in the text.
    weights={"maxsim": 1.0, "maxsim_hubness": -0.5, "words": 1.0, "words_hubness": -0.5, "mention": 0.6},
    slope=7.0,
    offset=-5.8,
    provenance={"from": "shipped with Readmore; nothing of this archive is in them"},
)
"""Good without any list: see docs/ranking.md."""
