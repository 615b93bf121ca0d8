"""Analyse texts into tokens, sentences and fingerprints, block by block, with one process per processor.

    titles, texts, chunks -> Digest: their words, numbered within the block; sentences; fingerprints -> index.*_writer

Only the numbers of words depend on the rest of the archive. They are assigned in order of first use, so blocks are
returned in order.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.terms.fingerprints import Fingerprinted, fingerprinted
from index.workers.processes import BlockWorkers
from recommender.retrieval.explanations import FEWEST_WORDS
from recommender.text.chunking import MAX_TEXT, SENTENCE_END
from recommender.text.words import IN_WORD, lowered, normal, word_pattern
from recommender.types import Chunk

BLOCK = 1 << 17
"""Characters per block."""

LONGER = "İ"
"""The one character that becomes two in lower case."""


Spans = Sequence[tuple[int, int]]
"""First and last character of an article's chunks."""


class Text(NamedTuple):
    """The input of an article's digest."""

    title: str
    text: str
    spans: Spans


class TokenStream(NamedTuple):
    """The words of a block.

    Attributes:
        distinct: Distinct words in order of first use.
        numbers: uint32 (n,), index in `distinct` of each word of the first title, the first text, the second title, ...
        lengths: int64 (n_articles, 2), number of words in each title and in the counted part of each text.
    """

    distinct: list[str]
    numbers: NDArray[np.uint32]
    lengths: NDArray[np.int64]


class SentenceSpans(NamedTuple):
    """The sentences of a block, as `recommender.retrieval.explanations.split` cuts them.

    A word that is cut by a chunk's end belongs to the sentence in which it begins.

    Attributes:
        n_of_chunk: int64 (n_chunks,), number of sentences in each chunk.
        spans: int32 (n, 2), first and last character of each sentence in the article's text.
        places: int64 (n, 2), first and last word of each sentence among the words of the block.
    """

    n_of_chunk: NDArray[np.int64]
    spans: NDArray[np.int32]
    places: NDArray[np.int64]


class Digest(NamedTuple):
    words: TokenStream
    sentences: SentenceSpans
    fingerprints: Fingerprinted


def spans_of(chunks: Iterable[Chunk]) -> Spans:
    return [(chunk.start, chunk.end) for chunk in chunks]


def numbering() -> defaultdict[str, int]:
    """Return a dictionary that assigns the next number to every new word on lookup."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    return numbers


def digests(texts: Iterable[Text], processes: BlockWorkers) -> Iterator[Digest]:
    """Yield the digests of blocks of adjacent articles, in order."""
    return processes.everywhere(_digest, _nothing, _blocks(texts))


def _blocks(texts: Iterable[Text]) -> Iterator[list[Text]]:
    block: list[Text] = []
    n_characters = 0
    for one in texts:
        block.append(one)
        n_characters += len(one.title) + len(one.text)
        if n_characters >= BLOCK:
            yield block
            block, n_characters = [], 0
    if block:
        yield block


def _nothing() -> None:
    """Return no shared data: a digest depends on its text alone."""


def _digest(_: None, block: Sequence[Text]) -> Digest:
    found: list[str] = []
    begins, n_of_chunk = [0], []
    sentences: list[tuple[int, int, int, int]] = []
    for title, text, spans in block:
        lower = lowered(title)
        found += word_pattern(lower).findall(lower)
        begins.append(len(found))
        for of_chunk in _sentences(text, spans, found):
            n_of_chunk.append(len(of_chunk))
            sentences += of_chunk
        begins.append(len(found))
    table = np.array(sentences, dtype=np.int64).reshape(-1, 4)
    return Digest(
        TokenStream(*_numbered(found), np.diff(begins).reshape(-1, 2)),
        SentenceSpans(np.array(n_of_chunk), table[:, :2].astype(np.int32), table[:, 2:]),
        fingerprinted([one.title for one in block], [one.text for one in block]),
    )


def _sentences(text: str, spans: Spans, found: list[str]) -> Iterator[list[tuple[int, int, int, int]]]:
    """Yield the sentences of every chunk: first and last character, first and last word.

    Append the words of the text to `found`.
    """
    text = text[:MAX_TEXT]
    lower = lowered(text)
    word = word_pattern(lower)
    grows = len(lower) > len(text)
    reached = 0
    for start, end in spans:
        sentences = []
        begin, first = start, len(found)
        for after in [*(match.end() for match in SENTENCE_END.finditer(text[start:end])), end - start]:
            until = start + after
            there = until + text.count(LONGER, 0, until) if grows else until
            if until == end and there > reached:
                there = _end_of_word(word, lower, reached, there)
            n_found = len(found)
            found += word.findall(lower, reached, there)
            reached = max(reached, there)
            if len(found) - n_found >= FEWEST_WORDS:
                sentence = text[begin:until]
                sentences.append((until - len(sentence.lstrip()), begin + len(sentence.rstrip()), n_found, len(found)))
            begin = until
        yield sentences or [(start, end, first, len(found))]
    found += word.findall(lower, reached)


def _end_of_word(pattern: re.Pattern[str], lower: str, reached: int, there: int) -> int:
    """Return the end of the word that is cut at `there`, or `there` if no word is cut.

    Args:
        reached: No word crosses this position.
    """
    begin = there
    while begin > reached and IN_WORD.match(lower, begin - 1):
        begin -= 1
    for word in pattern.finditer(lower, begin):
        if word.end() > there:
            return word.end() if word.start() < there else there
    return there


def _numbered(found: Sequence[str]) -> tuple[list[str], NDArray[np.uint32]]:
    """Return the distinct words in order of first use, in normal form, and the index of each word among them."""
    spellings, names = numbering(), numbering()
    numbers = np.fromiter(map(spellings.__getitem__, found), dtype=np.uint32, count=len(found))
    of_spelling = np.fromiter((names[normal(word)] for word in spellings), dtype=np.uint32, count=len(spellings))
    return list(names), of_spelling[numbers]
