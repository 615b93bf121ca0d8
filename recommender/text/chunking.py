"""Chunk an article into passages that the model reads to the end.

A sentence-transformers model silently drops all tokens past its limit. So chunks are counted in the model's own tokens
and break at sentences. They leave room for the title, which is put in front of every chunk when it is embedded.
"""

import re
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.types import FIELD, Article, Chunk

MAX_TEXT = FIELD["text"].longest
"""Maximum characters of an article to embed. The build caps a longer text there, and counts it."""

MOST_PASSAGES = 24
"""Maximum chunks of a draft to embed, spread evenly over its text. They decide its list (docs/ranking.md)."""

TITLE_SHARE = 4
"""Divisor of the model's window: the title in front of a chunk takes at most one fourth."""

# A full stop (with closing quotes or brackets) before white space, a paragraph's end, or an ideographic full stop. All
# begin with one of a few characters, so that the regular expression skips the text between them quickly.
SENTENCE_END = re.compile(r"[.!?…؟۔।॥၊။។።\n。！？｡](?:(?<=[.!?…؟۔।॥၊။។።])[\"'”’»)\]]*\s+|(?<=\n)\s*\n|(?<=[。！？｡])[」』）”]*)")

TokenSpans = NDArray[np.int64]
"""int64 (n, 2): start and end character of every token, in order."""


class Tokenizer(Protocol):
    """The interface of a model that the chunker needs.

    Attributes:
        max_tokens: Tokens of text the model reads, special tokens not counted.
    """

    @property
    def max_tokens(self) -> int: ...

    def token_spans(self, text: str) -> TokenSpans: ...


def chunk_article(article: Article, tokenizer: Tokenizer) -> list[Chunk]:
    """Cut the text into as few chunks as fit the model, of about equal length, at sentence ends.

    Returns:
        Chunks in order. They cover every word of the first `MAX_TEXT` characters, once. A title without text gives
        one empty chunk, so that the title alone is embedded.
    """
    text = article.text[:MAX_TEXT]
    spans = tokenizer.token_spans(text)
    budget = tokenizer.max_tokens - len(tokenizer.token_spans(_short_title(article.title, tokenizer)))
    if not len(spans):
        return [Chunk(article.id, 0, 0, 0, "")] if article.title else []
    pieces = _pack(_split_long(_sentences(text, spans), text, spans, budget), budget)
    return [
        Chunk(article.id, position, start, end, text[start:end]) for position, (start, end) in enumerate(_characters(pieces, text, spans))
    ]


def spread(chunks: Sequence[Chunk], most: int) -> list[Chunk]:
    """Return at most `most` of the chunks, spread evenly, including the first and the last."""
    if len(chunks) <= most:
        return list(chunks)
    return [chunks[round(place * (len(chunks) - 1) / (most - 1))] for place in range(most)]


def embedding_text(title: str, passage: str, tokenizer: Tokenizer) -> str:
    """Return the text the model reads for a chunk: the title of its article, then the passage."""
    return f"{_short_title(title, tokenizer)}\n{passage}".strip()


def _short_title(title: str, tokenizer: Tokenizer) -> str:
    """Return the title, cut to its share of the window."""
    share = tokenizer.max_tokens // TITLE_SHARE
    if len(title) <= share:  # a token has at least one character
        return title
    spans = tokenizer.token_spans(title)
    return title if len(spans) <= share else title[: int(spans[share - 1, 1])]


def _sentences(text: str, spans: TokenSpans) -> list[tuple[int, int]]:
    """Return sentences as half-open token ranges without gaps: each begins where the previous one ends."""
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    cuts = np.unique([0, *np.searchsorted(spans[:, 0], ends, side="left").tolist(), len(spans)])
    return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))


def _split_long(sentences: Sequence[tuple[int, int]], text: str, spans: TokenSpans, budget: int) -> list[tuple[int, int]]:
    """Split sentences that are longer than a whole chunk, between words where there are words."""
    pieces: list[tuple[int, int]] = []
    for start, end in sentences:
        while end - start > budget:
            cut = start + budget
            while cut > start and int(spans[cut - 1, 1]) == int(spans[cut, 0]):  # inside a word
                cut -= 1
            cut = cut if cut > start else start + budget
            pieces.append((start, cut))
            start = cut
        pieces.append((start, end))
    return pieces


def _pack(pieces: Sequence[tuple[int, int]], budget: int) -> list[tuple[int, int]]:
    """Join neighbouring pieces into the fewest chunks, filled evenly. A short last chunk would say little."""
    total = pieces[-1][1]
    even = total / -(-total // budget)
    chunks: list[tuple[int, int]] = []
    begin = 0
    for start, end in pieces:
        full = end - begin > budget
        if start > begin and (full or start - begin >= even):
            chunks.append((begin, start))
            begin = start
    chunks.append((begin, total))
    return chunks


def _characters(pieces: Sequence[tuple[int, int]], text: str, spans: TokenSpans) -> list[tuple[int, int]]:
    """Convert token ranges to adjacent character ranges, with trimmed ends.

    Marks that the tokenizer ignores stay in a chunk.
    """
    starts = [0] + [int(spans[start, 0]) for start, _ in pieces[1:]]
    ranges = []
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        passage = text[start:end]
        left = start + len(passage) - len(passage.lstrip())
        ranges.append((left, left + len(passage.strip())))
    return ranges
