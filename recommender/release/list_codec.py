"""Encode and read lists: candidates as fixed records, whose bytes are transposed and deflated.

    number of candidates | deflated: articles and features, all first bytes, all second ones, ... | passages and terms

`lists.bin` holds the encoded lists of a release, and `lists.npy` the offset of each. The lists may be in any order,
because the build computes neighbours of each other together. Both files are mapped into memory.

Features that the facts of two articles determine (`recommender.features.feature_assembly`) are not stored. Any other
feature is stored as a two-byte integer: its steps (`feature_schema.STEPS`), its rank (`feature_schema.RANKS`), or else
the bits of its float16. A new feature needs no change here.

Passages and terms are stored for the first `EXPLAINED` candidates. The others are explained when they are shown.
"""

import mmap
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import unreadable
from recommender.features.article_features import ArticleFeatures, Layout
from recommender.features.feature_assembly import FROM_FACTS, Facts, facts_of, from_facts, weighed_facts
from recommender.features.feature_schema import CANDIDATE, FEATURES, RANKS, STEPS, UNTOLD, Candidates, column
from recommender.storage.mapped import mapped

LISTS = "lists.bin"
PLACES = "lists.npy"

PLACE = np.dtype([("begin", "<i8"), ("length", "<i4")])
"""Offset and length of a list in `lists.bin`, in bytes. Every article has an entry."""

EXPLAINED = 12
"""Passages and terms of all 64 candidates would add half the bytes again, and few lists show so long a list."""

STORED = tuple(sorted(FEATURES.keys() - {*FROM_FACTS}, key=lambda name: (name not in STEPS, name not in RANKS, column(name))))
"""The features of a record: those in steps, then ranks, then all others."""

BRIEF = 5
"""The first features of a record, `maxsim` to `mean_cosine`, hold those that the shipped weights use."""

COLUMNS = np.array([column(name) for name in STORED])
OF_FACTS = {name: column(name) for name in FROM_FACTS}
LEVELS = np.array([[STEPS[name]] for name in STORED if name in STEPS], dtype=np.float32)
STEPPED, RANKED = slice(len(LEVELS)), slice(len(LEVELS), len(LEVELS) + len(RANKS))
RECIPROCALS = np.array([0, *(1 / np.arange(1, 256))], dtype=np.float16)

HEADER = struct.Struct("<H")

BEGIN, END = CANDIDATE.fields["query_passage"][1], CANDIDATE.fields["features"][1]  # type: ignore[index]
EXPLANATION = np.dtype({"names": ["bytes"], "formats": [f"V{END - BEGIN}"], "offsets": [BEGIN], "itemsize": CANDIDATE.itemsize})
"""The passages and terms of a `CANDIDATE` as one field, so that one copy moves them all."""


class StoredLists:
    """Read-only access to the stored lists. Safe to share between threads.

    Raises:
        IndexDamaged: A file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._places = mapped(folder / PLACES)
        try:
            with (folder / LISTS).open("rb") as file:
                self._content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise unreadable(folder / LISTS, error) from error

    def __len__(self) -> int:
        return len(self._places)

    def read(self, row: int, *, briefly: bool = False) -> Candidates:
        """Return the candidates of an article, best by the shipped weights first. See `unpack`.

        Raises:
            ValueError: The list is damaged.
        """
        begin, length = self._places[row].tolist()
        return unpack(self._content[begin : begin + length], briefly=briefly)

    def close(self) -> None:
        """Close the file. No thread may be reading."""
        self._content.close()


def pack(candidates: Candidates) -> bytes:
    """Encode the candidates of one article. Features in steps are rounded to the nearest step."""
    features = _coded(np.ascontiguousarray(candidates["features"][:, COLUMNS].T))
    explanations = candidates[:EXPLAINED].view(EXPLANATION)["bytes"].tobytes()
    content = _shuffled(candidates["article"][None]) + _shuffled(features) + explanations
    return HEADER.pack(len(candidates)) + zlib.compress(content, 9, -zlib.MAX_WBITS)


def unpack(packed: bytes, *, briefly: bool = False) -> Candidates:
    """Decode the bytes that `pack` encoded. Features that the facts of the articles determine are 0.

    Args:
        briefly: Decode only the first `BRIEF` features. The others are 0.

    Raises:
        ValueError: The bytes are not an encoded list.
    """
    try:
        (n,) = HEADER.unpack_from(packed)
        content = zlib.decompress(packed[HEADER.size :], -zlib.MAX_WBITS)
    except (struct.error, zlib.error) as error:
        raise ValueError(str(error)) from error
    first = BRIEF if briefly else len(STORED)
    candidates = np.zeros(n, dtype=CANDIDATE)
    candidates["article"] = _unshuffled(content, "<i4", 1, n, 1)[0]
    candidates["features"][:, COLUMNS[:first]] = _decoded(_unshuffled(content[4 * n :], "<i2", len(STORED), n, first)).T
    explanations = candidates[:EXPLAINED].view(EXPLANATION)
    explanations["bytes"] = np.frombuffer(content, EXPLANATION["bytes"], len(explanations), (4 + 2 * len(STORED)) * n)
    candidates["query_passage"][EXPLAINED:] = UNTOLD
    return candidates


def fill_in(found: Candidates, row: int, layout: Layout, facts: ArticleFeatures, *, briefly: bool = False) -> Candidates:
    """Fill in the features of an article's candidates that are not stored because the facts determine them.

    Args:
        briefly: Fill in only the features that the shipped weights use.
    """
    rows = found["article"]
    found["tie"], found["published"], found["section"] = layout.tie_order[rows], facts.published[rows], facts.section[rows]
    query = Facts(int(facts.published[row]), int(facts.section[row]), float(facts.length[row]))
    named = weighed_facts(query, facts_of(rows, facts)) if briefly else from_facts(query, facts_of(rows, facts))
    for name, values in named.items():
        found["features"][:, OF_FACTS[name]] = np.asarray(values, dtype=np.float32)  # rounded as `assemble` rounds
    return found


def _coded(features: NDArray[np.float16]) -> NDArray[np.int16]:
    """Return the `STORED` features as integers: int16 (n_features, n)."""
    codes, ranks = features.view("<i2").copy(), features[RANKED].astype(np.float32)
    codes[STEPPED] = np.rint(features[STEPPED] * LEVELS)
    codes[RANKED] = np.rint(np.divide(1, ranks, out=np.zeros_like(ranks), where=ranks > 0))
    return codes


def _decoded(codes: NDArray[np.int16]) -> NDArray[np.float16]:
    """Return the inverse of `_coded`, for all features or the first ones: float16 (n_features, n)."""
    features = codes.view("<f2").copy()
    features[STEPPED] = codes[STEPPED] / LEVELS[: len(codes)]
    features[RANKED] = RECIPROCALS[codes[RANKED]]
    return features


def _shuffled(columns: NDArray[np.integer[Any]]) -> bytes:
    """Return the first bytes of all numbers, column by column, then the second ones, and so on."""
    return np.ascontiguousarray(columns)[..., None].view(np.uint8).transpose(2, 0, 1).tobytes()


def _unshuffled(content: bytes, dtype: str, n_columns: int, n: int, first: int) -> NDArray[Any]:
    """Return the first columns of the content that `_shuffled` returned: (first, n). Bytes that follow are ignored."""
    n_bytes = np.dtype(dtype).itemsize
    planes = np.frombuffer(content, np.uint8, n_bytes * n_columns * n).reshape(n_bytes, n_columns, n)[:, :first]
    return planes.transpose(1, 2, 0).copy().view(dtype)[..., 0]
