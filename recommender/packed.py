"""Candidates in few bytes, as a release stores them.

What follows from the facts of the articles (`recommender.facts`) is left out. The rest becomes columns of whole numbers, which are
cut into bytes; those that say something new in every candidate stand as they are, all others are deflated together:

    header | low bytes of articles, maxsim and closeness in words | deflated: the rest of these, `BRIEF`, passages, terms
           | deflated: features that only other weights than the shipped ones weigh

Passages and terms are kept of the first `EXPLAINED` candidates; the others are explained when they are shown.
"""

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.candidate import CANDIDATE, FEATURES, N_TERMS, STEPS, UNTOLD, Candidates, column

EXPLAINED = 12
"""Passages and terms of all 64 would take half as many bytes again, and few lists show so many lines."""

HEADER = struct.Struct("<5H")
"""How many candidates, and explained ones; the least places of maxsim and words in `VALUES`; bytes of what is deflated first."""

TOLD = np.dtype([("facts", "V20"), ("passages", "V16"), ("terms", f"V{8 * N_TERMS}"), ("features", f"V{2 * len(FEATURES)}")])
"""A `CANDIDATE` in pieces, so that its passages, and its terms, are copied at once."""

BRIEF = ("maxsim", "words", "mention")
"""The stored features that the shipped weights weigh."""
BRIEF_PLACES = np.array([column(name) for name in BRIEF])
VALUES = np.concatenate([np.arange(-1024, 1025) / 1024, np.arange(1025) / 1024, np.arange(256) / 255]).astype(np.float16)
"""All that these can be, by `STEPS`: one after the other."""
BEGINS = np.array([[1024], [2049], [3074]])
"""Where 0 stands in them."""

COSINES = ("maxsim_there", "closest_pair", "mean_cosine")
"""Stored by how far they are from maxsim."""
RANKS = ("maxsim_rank", "words_rank")
LINKED = ("linked", "linked_nearby")

ABOVE = 640
"""Added to these differences, so that none is below 0 and most have one high byte."""
RATIO = STEPS["maxsim"] // STEPS["maxsim_there"]
RECIPROCAL = np.array([0, *(1 / np.arange(1, 256))], dtype=np.float32)

N_COLUMNS = 1 + len(BRIEF)
N_MORE = 1 + len(COSINES) + len(RANKS) + len(LINKED)
FRONT = [0, 1, 2, N_COLUMNS]
"""Bytes of a candidate that are not deflated: of articles the two low ones, of closeness in both ways the lowest."""
ORDER = np.array([*FRONT, *sorted({*range(4 * N_COLUMNS)} - {*FRONT})])
BACK = np.argsort(ORDER)

Numbers = NDArray[np.int64]


def pack(candidates: Candidates) -> bytes:
    """Candidates of one article, of ranks below 256; features that are kept in steps (`candidate.STEPS`) are rounded to them."""
    n, told = len(candidates), candidates[:EXPLAINED]
    places = _steps(candidates, BRIEF) + BEGINS
    least = places[:2].min(axis=1) if n else np.zeros(2, dtype=np.int64)
    columns = _cut(np.vstack([candidates["article"], places - [[least[0]], [least[1]], [0]]]))[ORDER]
    first = _deflated(columns[len(FRONT) :], told.view(TOLD)["passages"], told.view(TOLD)["terms"])
    ranks = np.rint(np.divide(1, found := _features(candidates, RANKS), out=np.zeros((2, n)), where=found > 0)).astype(np.int64)
    more = [
        _steps(candidates, ("title_overlap",)),
        _steps(candidates, COSINES) - _maxsim(places) + ABOVE,
        np.diff(ranks.ravel()[_closest_first(places)], prepend=0) & 0xFF,
        _features(candidates, LINKED).astype(np.float16).view(np.uint16),
    ]
    header = HEADER.pack(n, len(told), *least.tolist(), len(first))
    return b"".join([header, columns[: len(FRONT)].tobytes(), first, _deflated(_cut(np.vstack(more)))])


def unpack(packed: bytes, *, briefly: bool = False) -> Candidates:
    """The inverse of `pack`, but for what follows from the facts of the articles: that is 0.

    Args:
        briefly: Leave all features 0 but `BRIEF`, which takes half the time.

    Raises:
        ValueError: These are not the bytes of a list.
    """
    try:
        return _unpacked(packed, briefly)
    except (struct.error, zlib.error, IndexError) as error:
        raise ValueError(str(error)) from error


def _unpacked(packed: bytes, briefly: bool) -> Candidates:
    n, n_told, least_maxsim, least_words, size = HEADER.unpack_from(packed)
    front = HEADER.size + len(FRONT) * n
    content = packed[HEADER.size : front] + zlib.decompress(packed[front : front + size], -zlib.MAX_WBITS)
    columns = _joined(content, N_COLUMNS, n, BACK)

    found = np.zeros(n, dtype=CANDIDATE)
    found["article"] = columns[0]
    places = columns[1:]
    places[0] += least_maxsim
    places[1] += least_words
    found["features"][:, BRIEF_PLACES] = VALUES[places].T
    if not briefly:
        _add_more(found, places.astype(np.int64), zlib.decompress(packed[front + size :], -zlib.MAX_WBITS))

    told = found[:n_told].view(TOLD)
    told["passages"] = np.frombuffer(content, TOLD["passages"], n_told, 4 * N_COLUMNS * n)
    told["terms"] = np.frombuffer(content, TOLD["terms"], n_told, 4 * N_COLUMNS * n + told["passages"].nbytes)
    found["query_passage"][n_told:] = UNTOLD
    return found


def _add_more(found: Candidates, places: Numbers, content: bytes) -> None:
    """Unpack the features beyond `BRIEF`, whose places among all values are known."""
    columns = _joined(content, N_MORE, len(found)).astype(np.int64)
    features = found["features"].T
    features[column("title_overlap")] = columns[0] / STEPS["title_overlap"]
    cosines = columns[1:4] - ABOVE + _maxsim(places)
    ranks = np.empty((2, len(found)), dtype=np.uint8)
    ranks.ravel()[_closest_first(places)] = columns[4:6].cumsum(axis=1)
    linked = columns[6:].astype(np.uint16).view(np.float16)
    for names, values in ((COSINES, cosines / STEPS["maxsim_there"]), (RANKS, RECIPROCAL[ranks]), (LINKED, linked)):
        features[[*map(column, names)]] = values


def _features(candidates: Candidates, names: tuple[str, ...]) -> NDArray[np.float32]:
    """Some features of candidates: float32 (n_features, n)."""
    return candidates["features"][:, [*map(column, names)]].T.astype(np.float32)


def _steps(candidates: Candidates, names: tuple[str, ...]) -> Numbers:
    """Some features in steps: int64 (n_features, n)."""
    return np.rint(_features(candidates, names) * np.array([[STEPS[name]] for name in names], dtype=np.float32)).astype(np.int64)


def _maxsim(places: Numbers) -> Numbers:
    """Maxsim in the steps of the other cosines."""
    maxsim: Numbers = places[0] - BEGINS[0]
    return maxsim // RATIO


def _closest_first(places: Numbers) -> Numbers:
    """The order of candidates in meaning, and in words, as places among the ranks of both: int64 (2, n)."""
    order: Numbers = np.argsort(-places[:2], axis=1, kind="stable")
    order[1] += places.shape[1]
    return order


def _deflated(*parts: NDArray[Any]) -> bytes:
    return zlib.compress(b"".join([part.tobytes() for part in parts]), 9, -zlib.MAX_WBITS)


def _cut(columns: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """All lowest bytes of some columns, then the next ones: uint8 (4 n_columns, n)."""
    n_columns, n = columns.shape
    return np.ascontiguousarray(columns, dtype=np.uint32)[..., None].view(np.uint8).transpose(2, 0, 1).reshape(4 * n_columns, n)


def _joined(content: bytes, n_columns: int, n: int, order: Numbers | slice = slice(None)) -> NDArray[np.uint32]:
    """The inverse of `_cut`: uint32 (n_columns, n)."""
    cut = np.frombuffer(content, np.uint8, 4 * n_columns * n).reshape(4 * n_columns, n)[order]
    return cut.reshape(4, n_columns, n).transpose(1, 2, 0).copy().view(np.uint32)[..., 0]
