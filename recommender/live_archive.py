"""The live articles as an archive of their own, in memory: what a text is compared with besides the release.

They are few, so each is compared with every query, exactly. Words and hubness are those of the release: what is rare there is rare here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender import maxsim
from recommender.candidate import Candidates, column, seconds
from recommender.facts import Facts, Layout
from recommender.lexical import LexicalIndex, Terms
from recommender.live import LiveArticles
from recommender.precedents import Precedents
from recommender.retrieval import N_CANDIDATES, Archive, Neighbours, Query, described
from recommender.types import Article, Vectors
from recommender.vector_index import FlatIndex, Rows
from recommender.view import LIVE


@dataclass(frozen=True, slots=True)
class LiveText:
    """What is compared of a live article.

    Attributes:
        sequence: The change that it is of.
        chunks: int32 (n_chunks, 2), first and last character of each.
        vectors: float32 (n_chunks, dim), unit norm.
        hubness: float32 (2,), in meaning and in words.
    """

    sequence: int
    article: Article
    chunks: NDArray[np.int32]
    vectors: Vectors
    terms: Terms
    hubness: NDArray[np.float32]


def pack_terms(terms: Terms) -> bytes:
    """Terms as `live.db` keeps them: three lengths as int32, keys, title keys, terms, weights."""
    lengths = np.array([len(terms.keys), len(terms.title_keys), len(terms.terms)], dtype=np.int32)
    parts = (terms.keys, terms.title_keys, terms.terms.astype(np.uint32), terms.weights.astype(np.float16))
    return b"".join([lengths.tobytes(), *(part.tobytes() for part in parts)])


def unpack_terms(packed: bytes) -> Terms:
    """The inverse of `pack_terms`."""
    n_keys, n_title, n_terms = np.frombuffer(packed, dtype=np.int32, count=3).tolist()
    ends = 12 + np.cumsum([8 * n_keys, 8 * n_title, 4 * n_terms])
    return Terms(
        terms=np.frombuffer(packed[ends[1] : ends[2]], dtype=np.uint32).astype(np.int64),
        weights=np.frombuffer(packed[ends[2] :], dtype=np.float16).astype(np.float32),
        keys=np.frombuffer(packed[12 : ends[0]], dtype=np.uint64),
        title_keys=np.frombuffer(packed[ends[0] : ends[1]], dtype=np.uint64),
    )


def read_live_text(live: LiveArticles, row: int, sequence: int, dim: int) -> LiveText:
    """Read what is compared of a live article."""
    chunks, vectors, hubness, terms = live.compared(row)
    return LiveText(
        sequence=sequence,
        article=live.article(row),
        chunks=np.frombuffer(chunks, dtype=np.int32).reshape(-1, 2),
        vectors=np.frombuffer(vectors, dtype=np.float32).reshape(-1, dim),
        terms=unpack_terms(terms),
        hubness=np.frombuffer(hubness, dtype=np.float32),
    )


class LiveArchive:
    """Live articles as candidates.

    Attributes:
        rows: Row of each, ascending.
        archive: Their vectors, terms and facts, in that order.
    """

    def __init__(self, texts: Mapping[int, LiveText], release: Archive) -> None:
        self.rows = np.array(list(texts), dtype=np.int64)
        self._texts = list(texts.values())
        self.archive = _archive(self._texts, release)

    def __len__(self) -> int:
        return len(self.rows)

    def candidates(self, query: Query, near: Neighbours, own_row: int | None) -> tuple[Candidates, maxsim.Comparison]:
        """All live articles as candidates of a query, but for itself.

        Args:
            near: The nearest of the release.
            own_row: The query's, if it is a live article.

        Returns:
            Candidates and their comparison with the query, which counts chunks of live articles only.
        """
        nothing = np.empty(0, dtype=np.int64)
        none = Neighbours(nothing, np.empty(0), nothing, np.empty(0))
        found, compared = described(query, np.flatnonzero(self.rows != own_row), none, self.archive)
        for feature, rank, others in (("maxsim", "maxsim_rank", near.maxsim), ("words", "words_rank", near.words)):
            found["features"][:, column(rank)] = _reciprocal_ranks(found["features"][:, column(feature)], others)
        found["article"] = self.rows[found["article"]]
        found["tie"] = LIVE - found["article"]  # before all of the release, the last that was put first
        return found, compared

    def chunk(self, chunk_row: int) -> tuple[int, str]:
        """Where a chunk begins in its article's text, and what it says."""
        offsets = self.archive.layout.offsets
        place = int(np.searchsorted(offsets, chunk_row, side="right")) - 1
        text = self._texts[place]
        start, stop = text.chunks[chunk_row - offsets[place]].tolist()
        return start, text.article.text[start:stop]


def _reciprocal_ranks(closeness: NDArray[np.float16], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / rank of live articles among all that are near: those of the release, and one another; 0 behind the last."""
    nearer = (others[None, :] > closeness[:, None]).sum(axis=1) + (closeness[None, :] > closeness[:, None]).sum(axis=1)
    return np.where(nearer < N_CANDIDATES, 1.0 / (1 + nearer), 0.0)


def _archive(texts: Sequence[LiveText], release: Archive) -> Archive:
    n, facts = len(texts), release.facts
    offsets = np.cumsum([0, *(len(text.vectors) for text in texts)])
    articles = [text.article for text in texts]
    published = np.array([seconds(article.published) for article in articles], dtype=np.int64)
    nowhere = np.zeros(n + 1, dtype=np.int64)
    none: Rows = np.empty(0, dtype=np.int64)
    return Archive(
        index=FlatIndex.build(np.concatenate([text.vectors for text in texts])),
        layout=Layout(offsets, np.arange(n)),
        lexical=lexical_of([text.terms for text in texts], release.lexical),
        facts=Facts(
            published=published,
            section=np.array([facts.sections.get(article.section or "", -1) for article in articles], dtype=np.int32),
            length=np.array([len(article.title) + len(article.text) for article in articles], dtype=np.float32),
            headline=np.array([not article.text for article in articles], dtype=np.bool_),
            canonical=np.arange(n, dtype=np.int32),
            hubness=np.stack([text.hubness for text in texts]).astype(np.float16),
            sections=facts.sections,
        ),
        precedents=Precedents(none, nowhere, none, none, nowhere, none, published),
    )


def lexical_of(terms: Sequence[Terms], release: LexicalIndex) -> LexicalIndex:
    """The terms of some texts, by the vocabulary of the release."""
    arrays = {
        "offsets": np.cumsum([0, *(len(of.terms) for of in terms)]),
        "terms": np.concatenate([of.terms for of in terms]),
        "weights": np.concatenate([of.weights for of in terms]),
        "title_offsets": np.cumsum([0, *(len(of.title_keys) for of in terms)]),
        "title_keys": np.concatenate([of.title_keys for of in terms]),
        "title_masses": np.array([release.title_mass(of.title_keys) for of in terms]),
    }
    return release.sharing_vocabulary(arrays)
