"""An archive of any size, made of chance: for measuring how cost grows, not for judging lists.

Articles belong to stories, stories to subjects; both sizes follow Zipf's law, as do words, of which most are everybody's, some the
subject's and a few the story's. Most articles are of the last years, most are of few sections. A text says which article it is part
of, and so the embedder knows where its vector lies without a model: near its article's, which lies near its story's, which lies
near its subject's, as far apart as those of real texts do.
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
"""In a chunk, on average."""

PER_STORY, PER_SUBJECT = 8, 400
"""Articles, on average."""

VOCABULARY = 200_000
OWN_WORDS = 40
"""Of a subject, and of a story."""

SECTIONS = 24
LAST = datetime(2026, 6, 1, tzinfo=UTC)
YEARS = 25

SUBJECT, STORY, ARTICLE, CHUNK = 0.48, 0.47, 0.50, 0.55
"""How much of a chunk's vector is its subject's, its story's, its article's, and its own. So chunks of an article have a cosine of .70 on
average, and the mean vectors of an article and its tenth nearest one of .6; of Reuters and digitalgov .66-.75 and .53-.62."""

PLACES = np.arange(384)
SPREAD = ((1 + PLACES / 5) ** -0.25 * np.exp(-PLACES / 250)).astype(np.float32)
"""How far vectors spread along each axis, as those of all-MiniLM-L6-v2 do along their principal ones: digitalgov's chunks vary 13 times as
much as on average along the first, twice along the 50th, a fourth along the 250th."""

WORD = re.compile(r"\w+|[^\w\s]")
PLACE = re.compile(r"subject(\d+) story(\d+)")


def articles(n: int, seed: int = 0, words: int = WORDS) -> Iterator[Article]:
    """The first `n` articles; the same for the same `n`, seed and words of a chunk."""
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
    """Vectors by what a text says of itself; each word is a token.

    Args:
        words: Of a chunk, on average.
    """

    name, sha256, dim = "synthetic", "5" * 64, len(SPREAD)

    def __init__(self, words: int = WORDS) -> None:
        self.max_tokens = words * 5 // 4

    def token_spans(self, text: str) -> TokenSpans:
        """Start and end character of every word."""
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
    """Half of everybody's words, a third of the subject's, the rest of the story's."""
    common = VOCABULARY ** chance.random(n)  # Zipf's law with exponent 1, cut off
    own = OWN_WORDS ** chance.random(n)
    kind = chance.random(n)
    return [
        f"w{of:.0f}" if which < 0.5 else f"s{subject}x{its:.0f}" if which < 0.85 else f"s{subject}t{story}x{its:.0f}"
        for of, its, which in zip(common.tolist(), own.tolist(), kind.tolist(), strict=True)
    ]


def _zipf(chance: np.random.Generator, n_kinds: int | NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Kinds 0 to n_kinds - 1, the first the most frequent: kind k as often as 1 / (k + 5)."""
    return (5 * ((n_kinds + 5) / 5) ** chance.random(n) - 5).astype(np.int64)
