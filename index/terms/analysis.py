"""What the build needs of the archive's texts alone, a block of articles at a time, in a process for every processor.

    titles, texts, chunks -> Digest: their words, numbered within the block; sentences; fingerprints -> index.*_writer

Only the numbers of words depend on the rest of the archive: they are given in order of first use, so blocks come back in order.
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
from recommender.text.words import CJK, LONGEST_WORD, WORD, lowered
from recommender.types import Chunk

BLOCK = 1 << 17
"""Characters that are digested at a time."""

LONGER = "İ"
"""The one character that is two in lower case."""

IN_WORD = re.compile(rf"[^\W_{CJK}]|'")
"""A character that may stand inside a word, in lower case."""


Spans = Sequence[tuple[int, int]]
"""First and last character of the chunks of an article."""


class Text(NamedTuple):
    """What is digested of an article."""

    title: str
    text: str
    spans: Spans


class TokenStream(NamedTuple):
    """The words of a block.

    Attributes:
        distinct: In order of first use.
        numbers: uint32 (n,), places among them, of the words of the first title, the first text, the second title, ...
        lengths: int64 (n_articles, 2), how many are in each title, and in what is counted of each text.
    """

    distinct: list[str]
    numbers: NDArray[np.uint32]
    lengths: NDArray[np.int64]


class SentenceSpans(NamedTuple):
    """The sentences of a block, as `recommender.retrieval.explanations.split` cuts them; a word that a chunk's end cuts is in the sentence
    it begins in.

    Attributes:
        n_of_chunk: int64 (n_chunks,), how many each chunk has.
        spans: int32 (n, 2), first and last character of each in the article's text.
        places: int64 (n, 2), first and last of its words among those of the block.
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
    """A dictionary that gives every new word the next number when it is asked for it."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    return numbers


def digests(texts: Iterable[Text], processes: BlockWorkers) -> Iterator[Digest]:
    """The digests of neighbouring articles, in order."""
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
    """A text is all that its digest is made of."""


def _digest(_: None, block: Sequence[Text]) -> Digest:
    found: list[str] = []
    begins, n_of_chunk = [0], []
    sentences: list[tuple[int, int, int, int]] = []
    for title, text, spans in block:
        found += WORD.findall(lowered(title))
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
    """The sentences of every chunk: first and last character, first and last word; the words of the text are appended to those found."""
    text = text[:MAX_TEXT]
    lower = lowered(text)
    grows = len(lower) > len(text)
    reached = 0
    for start, end in spans:
        sentences = []
        begin, first = start, len(found)
        for after in [*(match.end() for match in SENTENCE_END.finditer(text[start:end])), end - start]:
            until = start + after
            there = until + text.count(LONGER, 0, until) if grows else until
            if until == end and there > reached:
                there = _end_of_word(lower, reached, there)
            n_found = len(found)
            found += WORD.findall(lower, reached, there)
            reached = max(reached, there)
            if len(found) - n_found >= FEWEST_WORDS:
                sentence = text[begin:until]
                sentences.append((until - len(sentence.lstrip()), begin + len(sentence.rstrip()), n_found, len(found)))
            begin = until
        yield sentences or [(start, end, first, len(found))]
    found += WORD.findall(lower, reached)


def _end_of_word(lower: str, reached: int, there: int) -> int:
    """Where the word ends that is cut there, if one is; else there.

    Args:
        reached: No word lies on both sides of this.
    """
    begin = there
    while begin > reached and IN_WORD.match(lower, begin - 1):
        begin -= 1
    for word in WORD.finditer(lower, begin):
        if word.end() > there:
            return word.end() if word.start() < there else there
    return there


def _numbered(found: Sequence[str]) -> tuple[list[str], NDArray[np.uint32]]:
    """The distinct ones of some words, in order of first use, and the place of each word among them."""
    if max(map(len, found), default=0) > LONGEST_WORD:
        found = [word[:LONGEST_WORD] for word in found]
    places = numbering()
    numbers = np.fromiter(map(places.__getitem__, found), dtype=np.uint32, count=len(found))
    return list(places), numbers
