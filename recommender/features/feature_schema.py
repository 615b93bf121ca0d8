"""Define a candidate: an article that the list of another may show, with the data for ranking and explaining it."""

from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InvalidArticle

FEATURES = {
    "maxsim": "closeness in meaning: MaxSim of the chunk embeddings, mean of both ways",
    "maxsim_hubness": "the target's mean MaxSim to its own 10 nearest: high for articles that are close to everything",
    "words": "closeness in words: square root of the TF-IDF cosine",
    "words_hubness": "the target's mean closeness in words to its own 10 nearest",
    "mention": "how far the text names the target's title: share of the title's word pairs, by idf, squared",
    "maxsim_there": "MaxSim from the query's chunks to the target's",
    "mean_cosine": "cosine of the mean chunk embeddings",
    "closest_pair": "cosine of the closest two chunks",
    "title_overlap": "cosine of the titles' terms",
    "maxsim_rank": "1 / rank among the closest in meaning; 0 if not among them",
    "words_rank": "1 / rank among the closest in words; 0 if not among them",
    "older": "0.5 if the target is older, -0.5 if it is newer, 0 if a date is unknown",
    "days_apart": "ln(1 + days between them)",
    "days_older": "the same, negative if the target is newer",
    "within_month": "exp(-days / 30)",
    "within_year": "exp(-days / 365)",
    "same_section": "1 if both are in one section",
    "length": "ln(1 + characters of the target / 1000)",
    "longer": "the same, less the query's",
    "linked": "ln(1 + 100 x share of the editors' older lists that hold the target)",
    "linked_nearby": "how far the editors' older lists of near articles hold the target",
}
"""Name and meaning of every feature, in the order of a candidate's columns."""

STEPS = {
    "maxsim": 1024,
    "words": 1024,
    "mention": 255,
    "maxsim_there": 256,
    "mean_cosine": 256,
    "closest_pair": 256,
    "title_overlap": 255,
}
"""Quantization levels per unit. Finer levels enlarge the release and improve no list."""

RANKS = ("maxsim_rank", "words_rank")
"""Features with the value 1 / a rank below 256, or 0."""

COLUMNS = {name: place for place, name in enumerate(FEATURES)}

N_TERMS = 3

CANDIDATE = np.dtype(
    [
        ("article", "<i4"),  # row
        ("tie", "<i4"),  # place among ties: newest first, then by id
        ("published", "<i8"),  # seconds since 1970, UNDATED if unknown
        ("section", "<i4"),  # row of its section, -1 if it has none
        ("query_passage", "<i4", (2,)),  # first and last character of the best-matching sentences
        ("target_passage", "<i4", (2,)),
        ("terms", "<u8", (N_TERMS,)),  # keys of shared terms + 1, padded with 0
        ("features", "<f2", (len(FEATURES),)),
    ]
)

UNTOLD = -1
"""First and last character of a query passage that is not stored. Such a candidate is explained when it is shown."""

UNDATED = np.iinfo(np.int64).min


def seconds(moment: datetime | None) -> int:
    """Return the seconds since 1970, or UNDATED if the moment is unknown.

    Raises:
        InvalidArticle: The moment has no time zone.
    """
    if moment is None:
        return UNDATED
    if moment.tzinfo is None:
        raise InvalidArticle("bad_date", f"published is {moment}, without a time zone - give one, such as UTC")
    return int(moment.timestamp())


Candidates = NDArray[np.void]
"""Array of `CANDIDATE`."""

Features = NDArray[np.floating[Any]]
"""float16, as stored, or wider: (n, len(FEATURES))."""


def in_steps(name: str, values: NDArray[Any]) -> NDArray[np.float32]:
    """Round the values of a quantized feature to the nearest step: float32 (n,)."""
    steps: NDArray[np.float32] = np.rint(values * STEPS[name]).astype(np.float32)
    return steps / np.float32(STEPS[name])


def column(name: str) -> int:
    """Return the column of a feature."""
    return COLUMNS[name]
