"""Candidates in few bytes, as a release stores them.

What follows from the facts of the articles (`facts.in_facts`) is left out. The rest becomes columns of whole numbers, which are cut
into bytes; those that say something new in every candidate stand as they are, all others are deflated together:

    header | low bytes of articles, closeness and passages | deflated: all other bytes

Sentences of the article being read, and terms, come again and again in one list: each stands there once, and candidates name
its place. They are kept of the first `EXPLAINED` candidates; the others are explained when they are shown.
"""

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.candidate import CANDIDATE, N_TERMS, STEPS, UNTOLD, Candidates, column

EXPLAINED = 24
"""Passages and terms of all 64 would take a third more bytes, and few lists show so many lines."""

HEADER = struct.Struct("<6H")
"""How many candidates, explained ones, sentences and terms; the least maxsim and the least closeness in words, in steps."""

STEPPED = ("maxsim", "words", "mention", "title_overlap", "maxsim_there", "closest_pair", "mean_cosine")
PER_UNIT = np.array([STEPS[name] for name in STEPPED], dtype=np.float32)[:, None]
ABOVE = np.array([STEPS["maxsim"], 0, 0, 0, 640, 640, 640])[:, None]
"""Added to the steps, so that none is below 0. The last three are cosines, less the maxsim: most have one high byte."""
RATIO = STEPS["maxsim"] // STEPS["maxsim_there"]

BOTH, COSINES, RANKS, LINKED = slice(0, 2), slice(4, 7), slice(7, 9), slice(9, 11)
"""Closeness in meaning and in words; the cosines less the maxsim; and what stands behind the steps."""

PLACES = [*map(column, (*STEPPED, "maxsim_rank", "words_rank", "linked", "linked_nearby"))]
"""Where the features that are stored stand among all."""

N_COLUMNS = 1 + len(PLACES)
N_TOLD = 3 + N_TERMS
FRONT = [0, 1, 2, N_COLUMNS]
"""Bytes of a candidate that are not deflated: of articles the two low ones, of closeness in both ways the lowest."""
ORDER = np.array([*FRONT, *sorted({*range(4 * N_COLUMNS)} - {*FRONT})])
BACK = np.argsort(ORDER)

Order = NDArray[np.int64] | None
Part = tuple[NDArray[np.unsignedinteger[Any]], int]

RECIPROCAL = np.array([0, *(1 / np.arange(1, 256))], dtype=np.float32)


def pack(candidates: Candidates) -> bytes:
    """Candidates of one article, of ranks below 256; features that are kept in steps (`candidate.STEPS`) are rounded to them."""
    n, told = len(candidates), candidates[:EXPLAINED]
    features = candidates["features"][:, PLACES].T.astype(np.float32)
    steps = np.rint(features[: len(STEPPED)] * PER_UNIT).astype(np.int64) + ABOVE
    steps[COSINES] -= (steps[0] - ABOVE[0]) // RATIO
    least = steps[BOTH].min(axis=1) if n else np.zeros(2, dtype=np.int64)
    steps[BOTH] -= least[:, None]
    ranks = np.rint(np.divide(1, features[RANKS], out=np.zeros((2, n)), where=features[RANKS] > 0)).astype(np.int64)
    further = np.diff(ranks.ravel()[_closest_first(steps)], prepend=0) & 0xFF
    linked = candidates["features"][:, PLACES[LINKED]].T.copy().view(np.uint16)
    columns = _cut(np.vstack([candidates["article"], steps, further, linked]))[ORDER]

    sentences, sentence = np.unique(told["query_passage"], axis=0, return_inverse=True)
    terms, term = np.unique(told["terms"], return_inverse=True)
    parts = (
        columns[len(FRONT) :],
        _cut(np.vstack([sentence.ravel(), *np.diff(told["target_passage"], axis=1, prepend=0).T, *term.reshape(-1, N_TERMS).T])),
        _cut(np.diff(sentences, axis=1, prepend=0).T),
        terms.view(np.uint8).reshape(-1, 8).T,
    )
    deflated = zlib.compress(b"".join([part.tobytes() for part in parts]), 9, -zlib.MAX_WBITS)
    header = HEADER.pack(n, len(told), len(sentences), len(terms), *least.tolist())
    return b"".join([header, columns[: len(FRONT)].tobytes(), deflated])


def unpack(packed: bytes) -> Candidates:
    """The inverse of `pack`, but for what follows from the facts of the articles: that is 0.

    Raises:
        ValueError: These are not the bytes of a list.
    """
    try:
        return _unpacked(packed)
    except (struct.error, zlib.error, IndexError) as error:
        raise ValueError(str(error)) from error


def _unpacked(packed: bytes) -> Candidates:
    n, n_told, n_sentences, n_terms, *least = HEADER.unpack_from(packed)
    front = HEADER.size + len(FRONT) * n
    content = packed[HEADER.size : front] + zlib.decompress(packed[front:], -zlib.MAX_WBITS)
    columns, end = _joined(content, 0, N_COLUMNS, n, order=BACK)
    told, end = _joined(content, end, N_TOLD, n_told)
    sentences, end = _joined(content, end, 2, n_sentences)
    terms, end = _joined(content, end, 1, n_terms, np.uint64)

    found = np.zeros(n, dtype=CANDIDATE)
    found["article"] = columns[0]
    features = np.empty((len(PLACES), n), dtype=np.float16)
    of_each = columns[1:]
    steps = of_each[: len(STEPPED)].astype(np.int64)
    steps[BOTH] += np.array(least)[:, None]
    ranks = np.empty((2, n), dtype=np.uint8)
    ranks.ravel()[_closest_first(steps)] = of_each[RANKS].cumsum(axis=1)
    features[RANKS] = RECIPROCAL[ranks]
    steps -= ABOVE
    steps[COSINES] += steps[0] // RATIO
    features[: len(STEPPED)] = steps / PER_UNIT
    features[LINKED] = of_each[LINKED].astype(np.uint16).view(np.float16)
    found["features"][:, PLACES] = features.T

    found["query_passage"][n_told:] = UNTOLD
    shown = found[:n_told]
    shown["query_passage"] = sentences.cumsum(axis=0).T[told[0]]
    shown["target_passage"] = told[1:3].cumsum(axis=0).T
    shown["terms"] = terms[0, told[3:]].T
    return found


def _closest_first(steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """The order of candidates in meaning, and in words, as places among the ranks of both: int64 (2, n)."""
    order = np.argsort(-steps[BOTH], axis=1, kind="stable")
    return np.add(order, [[0], [steps.shape[1]]], dtype=np.int64)


def _cut(columns: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """All lowest bytes of some columns, then the next ones: uint8 (4 n_columns, n)."""
    return np.ascontiguousarray(columns, dtype=np.uint32)[..., None].view(np.uint8).transpose(2, 0, 1).reshape(-1, columns.shape[1])


def _joined(
    content: bytes, begin: int, n_columns: int, n: int, whole: type[np.unsignedinteger[Any]] = np.uint32, order: Order = None
) -> Part:
    """The inverse of `_cut`, and where it ends in what was deflated."""
    size = np.dtype(whole).itemsize
    cut = np.frombuffer(content, np.uint8, size * n_columns * n, begin).reshape(size * n_columns, n)
    if order is not None:
        cut = cut[order]
    return cut.reshape(size, n_columns, n).transpose(1, 2, 0).copy().view(whole)[..., 0], begin + cut.size
