"""Score a candidate from its features with a linear ranker, and calibrate the score to a link probability.

    score = sum of weight x feature            confidence = 1 / (1 + exp(-(slope x score + offset)))

The confidence is Platt's calibration (1999), fitted on hand-made lists. Editors link about half of the items with
confidence 0.5. Weights are stored as JSON: the shipped ones, or those that `readmore fit` learned from a
publisher's own lists.
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
"""File in the index's folder, beside CURRENT, with the weights that `readmore fit` wrote."""

DECIMALS = 4
"""Decimals of a score in comparisons. Rounding keeps noise in the last bits from deciding an order."""


@dataclass(frozen=True)
class Ranker:
    """A linear ranker with a calibration.

    Attributes:
        weights: Feature name -> weight per unit of the feature. Features without a weight do not count.
        slope, offset: Parameters of the calibration.
        provenance: Origin of the weights: what they were fitted on, when, and with what result.
    """

    weights: Mapping[str, float]
    slope: float
    offset: float
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def scores(self, features: Features) -> Floats:
        """Return the score of each candidate: float64 (n,), higher is closer, not calibrated."""
        columns, weights = self._columns
        return (features[:, columns].astype(np.float64) @ weights).round(DECIMALS)

    def confidence(self, scores: Floats) -> Floats:
        """Return the probability that an editor would link each: float64 (n,), in [0, 1], rising with the score."""
        return np.asarray(1 / (1 + np.exp(-np.maximum(np.minimum(self.slope * scores + self.offset, 50), -50))))

    @cached_property
    def _columns(self) -> tuple[list[int], Floats]:
        return [column(name) for name in self.weights], np.array(list(self.weights.values()), dtype=np.float64)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_fields(cls, fields: Any, where: Path) -> "Ranker":
        """Build a ranker from the fields of a JSON file, after checking them.

        Raises:
            IndexDamaged: `to_json` did not write the fields, or they name a feature that this version does not have.
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
        """Return the weights that `readmore fit` wrote for an index, or the shipped ones.

        Raises:
            IndexDamaged: See `read`.
        """
        path = index_dir / RANKER
        return cls.read(path) if path.exists() else SHIPPED

    @classmethod
    def read(cls, path: Path) -> "Ranker":
        """Read the file that `readmore fit` wrote.

        Raises:
            IndexDamaged: See `from_fields`. Raised too if the file cannot be read.
        """
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise IndexDamaged(f"{path} cannot be read ({type(error).__name__}) - {CURE}") from error
        return cls.from_fields(fields, path)


CURE = "run readmore fit again, or remove the file to rank by the shipped weights"

SHIPPED = Ranker(
    # Closeness in meaning and in words, each less a share of the target's hubness; the title in the text; nearness in time.
    weights={
        "maxsim": 0.5,
        "mean_cosine": 0.5,
        "maxsim_hubness": -0.65,
        "words": 0.8,
        "words_hubness": -0.2,
        "mention": 0.3,
        "within_month": 0.06,
        "within_year": 0.06,
    },
    slope=5.2,
    offset=-4.1,
    provenance={"from": "shipped with Readmore; nothing of this archive is in them"},
)
"""Weights that work without hand-made lists: see docs/ranking.md."""
