"""Generate a random archive of any size, for measuring how cost grows, not for judging lists.

Articles belong to stories, and stories to subjects. Both sizes follow Zipf's law, and so do words. Most words are
common to all articles, some belong to the subject, and a few to the story. Most articles are from the last years and
from a few sections. A text names its article, so the embedder places its vector without a model: near its article's
vector, which is near its story's, which is near its subject's. The distances match those of real texts.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recommender.text.chunking import TokenSpans
from recommender.types import Article, Vectors

N_CHUNKS = 4
WORDS = 120
"""Mean words per chunk."""

PER_STORY, PER_SUBJECT = 8, 400
"""Mean articles per story and per subject."""

VOCABULARY = 200_000
OWN_WORDS = 40
"""Own words of a subject, and of a story."""

SECTIONS = 24
LAST = datetime(2026, 6, 1, tzinfo=UTC)
YEARS = 25

SUBJECT, STORY, ARTICLE, CHUNK = 0.48, 0.47, 0.50, 0.55
"""Weights of the subject's, story's, article's and chunk's own vector in a chunk's vector.

Chunks of an article have a mean cosine of .70. The mean vectors of an article and its tenth nearest article have one of
.6. The values for Reuters and digitalgov are .66-.75 and .53-.62.
"""

PLACES = np.arange(384)
SPREAD = ((1 + PLACES / 5) ** -0.25 * np.exp(-PLACES / 250)).astype(np.float32)
"""Spread of vectors along each axis, as that of all-MiniLM-L6-v2 along its principal axes.

digitalgov's chunks vary 13 times the average along the first axis, twice along the 50th, a fourth along the 250th.
"""

WORD = re.compile(r"\w+|[^\w\s]")
PLACE = re.compile(r"subject(\d+) story(\d+)")


def articles(n: int, seed: int = 0, words: int = WORDS) -> Iterator[Article]:
    """Yield the first `n` articles. The result is deterministic for `n`, seed and words per chunk."""
    chance = np.random.default_rng(seed)
    subjects = _zipf(chance, max(1, n // PER_SUBJECT), n)
    stories = _zipf(chance, np.maximum(1, np.bincount(subjects)[subjects] // PER_STORY), n)
    ages = chance.beta(0.7, 2.0, n) * YEARS * 365.25 * 86_400
    sections = _zipf(chance, SECTIONS, n)
    for number in range(n):
        subject, story = int(subjects[number]), int(stories[number])
        n_words = int(chance.integers(int(0.7 * N_CHUNKS * words), int(1.3 * N_CHUNKS * words)))
        text = _words(chance, subject, story, n_words)
        sentences = (" ".join(text[begin : begin + 20]).capitalize() for begin in range(0, n_words, 20))
        title = f"subject{subject} story{story} {' '.join(_words(chance, subject, story, 4))}"
        published = LAST - timedelta(seconds=int(ages[number]))
        yield Article(f"a{number:08d}", title, ". ".join(sentences) + ".", None, published, f"section {sections[number]}", "en")


class SyntheticEmbedder:
    """Embedder that reads the vector from the text itself. Each word is a token.

    Args:
        words: Mean words per chunk.
    """

    name, sha256, dim = "synthetic", "5" * 64, len(SPREAD)

    def __init__(self, words: int = WORDS) -> None:
        self.max_tokens = words * 5 // 4

    def token_spans(self, text: str) -> TokenSpans:
        """Return the start and end character of every word."""
        return np.array([match.span() for match in WORD.finditer(text)], dtype=np.int64).reshape(-1, 2)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            place = PLACE.search(text)
            subject, story = (int(place[1]), int(place[2])) if place else (0, 0)
            article, chunk = (_noise(part) for part in (text.partition("\n")[0], text))
            vectors[row] = SUBJECT * _direction(subject, 0) + STORY * _direction(subject, 1 + story) + ARTICLE * article + CHUNK * chunk
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


@lru_cache(1 << 16)
def _direction(subject: int, story: int) -> Vectors:
    return _spread(np.random.default_rng((subject, story)))


def _noise(text: str) -> Vectors:
    return _spread(np.random.Generator(np.random.SFC64(zlib.crc32(text.encode()))))


def _spread(chance: np.random.Generator) -> Vectors:
    return chance.standard_normal(len(SPREAD), dtype=np.float32) * SPREAD


def _words(chance: np.random.Generator, subject: int, story: int, n: int) -> list[str]:
    """Return random words: half of them common, a third from the subject, the rest from the story."""
    common = VOCABULARY ** chance.random(n)  # Zipf's law with exponent 1, truncated
    own = OWN_WORDS ** chance.random(n)
    kind = chance.random(n)
    return [
        f"w{of:.0f}" if which < 0.5 else f"s{subject}x{its:.0f}" if which < 0.85 else f"s{subject}t{story}x{its:.0f}"
        for of, its, which in zip(common.tolist(), own.tolist(), kind.tolist(), strict=True)
    ]


def _zipf(chance: np.random.Generator, n_kinds: int | NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return n kinds from 0 to n_kinds - 1. Kind k has a frequency proportional to 1 / (k + 5)."""
    return (5 * ((n_kinds + 5) / 5) ** chance.random(n) - 5).astype(np.int64)
