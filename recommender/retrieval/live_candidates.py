"""Find candidates among the live articles, kept in memory as an archive of their own beside the release.

Each live article is compared with every query, exactly, in two passes over flat arrays. The nearest become candidates.
Words and hubness are those of the release: a word that is rare there is rare here.

The arrays are append-only. An upserted article takes the next slot and leaves its old one. An archive consists of the
number of slots at one moment, and a mask of the slots in use. When more than half are unused, the others move to new
arrays.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from immutables import Map
from numpy.typing import DTypeLike, NDArray

from recommender.features.article_features import ArticleFeatures, Layout
from recommender.features.feature_schema import CANDIDATE, Candidates, column, seconds
from recommender.features.filters import SearchFilter
from recommender.features.link_history import LinkHistory
from recommender.live.database import LiveArticles
from recommender.live.overlay import EMPTY
from recommender.retrieval.candidates import N_CANDIDATES, N_MENTIONED, CandidateSource, Neighbours, Query, described, least_score
from recommender.storage.ragged import sums
from recommender.terms.inverted_index import FILTER, NAMED, LexicalIndex, Terms
from recommender.terms.term_dictionary import PAIRS, SortedKeys
from recommender.types import LIVE, Rows, Vectors, parse_time
from recommender.vectors import maxsim
from recommender.vectors.exact import FlatIndex, check_unit

FEWEST = 64
"""Number of slots up to which none is reclaimed."""


def pack_terms(terms: Terms) -> bytes:
    """Encode terms as `live.db` stores them: three int32 lengths, keys, title keys, terms, weights.

    Nobody reads the keys, so none are stored.
    """
    lengths = np.array([0, len(terms.title_keys), len(terms.terms)], dtype=np.int32)
    parts = (terms.title_keys, terms.terms.astype(np.uint32), terms.weights.astype(np.float16))
    return b"".join([lengths.tobytes(), *(part.tobytes() for part in parts)])


def unpack_terms(packed: bytes) -> Terms:
    """Invert `pack_terms`."""
    n_keys, n_title, n_terms = np.frombuffer(packed, dtype=np.int32, count=3).tolist()
    ends = 12 + np.cumsum([8 * n_keys, 8 * n_title, 4 * n_terms])
    return Terms(
        terms=np.frombuffer(packed[ends[1] : ends[2]], dtype=np.uint32).astype(np.int64),
        weights=np.frombuffer(packed[ends[2] :], dtype=np.float16).astype(np.float32),
        keys=np.frombuffer(packed[12 : ends[0]], dtype=np.uint64),
        title_keys=np.frombuffer(packed[ends[0] : ends[1]], dtype=np.uint64),
    )


class Column:
    """An append-only array. Parts read earlier stay as they were."""

    def __init__(self, dtype: DTypeLike, *width: int) -> None:
        self._values: NDArray[Any] = np.empty((FEWEST, *width), dtype=dtype)
        self._n = 0

    def append(self, values: NDArray[Any]) -> None:
        end = self._n + len(values)
        if end > len(self._values):
            before, self._values = self._values, np.empty((2 * end, *self._values.shape[1:]), dtype=self._values.dtype)
            self._values[: self._n] = before[: self._n]
        self._values[self._n : end] = values
        self._n = end

    @property
    def now(self) -> NDArray[Any]:
        """Return the current content."""
        return self._values[: self._n]


FACT = np.dtype(
    [
        ("row", "i8"),
        ("published", "i8"),
        ("section", "i4"),
        ("length", "f4"),
        ("headline", "?"),
        ("hubness", "f2", (2,)),
        ("mass", "f8"),
        ("least", "f8"),
    ]
)


class Slots:
    """The arrays of the module. `chunks`, `terms` and `titles` hold where each slot's entries end."""

    def __init__(self, dim: int) -> None:
        self.facts = Column(FACT)
        self.chunks, self.vectors, self.spans = _from_0(), Column(np.float32, dim), Column(np.int32, 2)
        self.terms, self.term, self.weight = _from_0(), Column(np.uint32), Column(np.float16)
        self.titles, self.title_key, self.title_idf = _from_0(), Column(np.uint64), Column(np.float32)

    def read(self, live: LiveArticles, row: int, release: CandidateSource) -> None:
        """Append a live article in the next slot."""
        title, length, published, section, spans, vectors, hubness, packed, candidates = live.compared(row)
        terms, lexical = unpack_terms(packed), release.lexical
        known = np.frombuffer(vectors, dtype=np.float32).reshape(-1, self.vectors.now.shape[1])
        check_unit(known)
        fact = np.zeros(1, dtype=FACT)
        fact["row"], fact["published"], fact["section"] = row, seconds(parse_time(published)), release.facts.sections.get(section or "", -1)
        fact["length"], fact["headline"] = len(title) + length, not length
        fact["hubness"], fact["mass"] = np.frombuffer(hubness, dtype=np.float32), lexical.title_mass(terms.title_keys)
        fact["least"] = least_score(np.frombuffer(candidates, dtype=CANDIDATE))
        self.vectors.append(known)
        self.spans.append(np.frombuffer(spans, dtype=np.int32).reshape(-1, 2))
        self.term.append(terms.terms)
        self.weight.append(terms.weights)
        self.title_key.append(terms.title_keys)
        self.title_idf.append(lexical.idf_of(terms.title_keys))
        for ends, values in ((self.chunks, self.vectors), (self.terms, self.term), (self.titles, self.title_key)):
            ends.append(np.array([len(values.now)]))
        self.facts.append(fact)

    def only(self, slots: Rows) -> "Slots":
        """Return some of the slots, in arrays of their own."""
        kept = Slots(self.vectors.now.shape[1])
        kept.facts.append(self.facts.now[slots])
        for ends, names in (("chunks", ("vectors", "spans")), ("terms", ("term", "weight")), ("titles", ("title_key", "title_idf"))):
            offsets = getattr(self, ends).now
            stays = np.repeat(np.isin(np.arange(len(offsets) - 1), slots), np.diff(offsets))
            getattr(kept, ends).append(np.cumsum(np.diff(offsets)[slots]))
            for name in names:
                getattr(kept, name).append(getattr(self, name).now[stays])
        return kept


def _from_0() -> Column:
    ends = Column(np.int64)
    ends.append(np.zeros(1))
    return ends


@dataclass(frozen=True, slots=True)
class LiveArchive:
    """Live articles of one moment as candidates.

    Attributes:
        slots: Slot of each live article, by its row.
        counts: bool (n_slots,), whether a slot holds an article of this moment.
        archive: Vectors, terms and facts, slot by slot.
        vectors: float32 (n_chunks, dim), of the chunks.
        spans: int32 (n_chunks, 2), first and last character of each chunk.
        rows: int64 (n_slots,): row of the article in each slot.
        title_idf: float32, of each of the titles' terms.
        least: float64 (n_slots,), minimum score for a place among the candidates of each article.
    """

    slots: Map[int, int]
    counts: NDArray[np.bool_]
    archive: CandidateSource
    vectors: Vectors
    spans: NDArray[np.int32]
    rows: NDArray[np.int64]
    title_idf: NDArray[np.float32]
    least: NDArray[np.float64]

    def slots_of(self, rows: Rows) -> Rows:
        """Return the slots of some live articles."""
        return np.array([self.slots[row] for row in rows.tolist()], dtype=np.int64)

    def candidates(
        self, query: Query, near: Neighbours, own_row: int | None, limit: int = N_CANDIDATES, wanted: SearchFilter | None = None
    ) -> tuple[Candidates, maxsim.Comparison]:
        """Return the nearest live articles, and those that the query names, as candidates in order of rows.

        The query itself is left out.

        Args:
            near: The nearest neighbours in the release.
            own_row: Row of the query, if it is a live article.
            limit: Number of nearest articles in meaning, and in words.
            wanted: Filter. The nearest articles that pass it are candidates too.

        Returns:
            Candidates and their comparison with the query. The comparison counts only chunks of live articles.
        """
        others = self.counts.copy()
        if own_row is not None and own_row in self.slots:
            others[self.slots[own_row]] = False
        in_meaning, in_words = self._maxsim(query), self._cosines(query.terms)
        chosen = [self._best(in_meaning, others, limit), self._best(in_words, others & (in_words > 0), limit), self._named(query, others)]
        if wanted is not None:
            fit = others & self._fit(wanted)
            chosen += [self._best(in_meaning, fit, limit), self._best(in_words, fit & (in_words > 0), limit)]
        slots = np.unique(np.concatenate(chosen))
        nothing = np.empty(0, dtype=np.int64)
        none = Neighbours(nothing, np.empty(0), nothing, np.empty(0))
        found, compared = described(query, slots[np.argsort(self.rows[slots])], none, self.archive)
        for feature, rank, theirs in (("maxsim", "maxsim_rank", near.maxsim), ("words", "words_rank", near.words)):
            found["features"][:, column(rank)] = _reciprocal_ranks(found["features"][:, column(feature)], theirs)
        found["article"] = self.rows[found["article"]]
        found["tie"] = LIVE - found["article"]  # before all of the release, the last upserted first
        return found, compared

    def chunk(self, chunk_row: int) -> tuple[int, int, int]:
        """Return the row of the article of a chunk, and where in its text the chunk begins and ends."""
        slot = int(np.searchsorted(self.archive.layout.offsets, chunk_row, side="right")) - 1
        return (int(self.rows[slot]), *self.spans[chunk_row].tolist())

    def _best(self, closeness: NDArray[np.float64], among: NDArray[np.bool_], limit: int) -> Rows:
        """Return the slots of the closest articles. Among ties, the last upserted come first."""
        slots = np.flatnonzero(among)
        return slots[np.lexsort((-self.rows[slots], -closeness[slots]))[:limit]]

    def _maxsim(self, query: Query) -> NDArray[np.float64]:
        """Return the MaxSim of each slot, rounded, so that it does not depend on the order of slots."""
        return maxsim.scores_of_all(query.vectors, self.vectors, self.archive.layout)

    def _cosines(self, query: Terms) -> NDArray[np.float64]:
        """Return the cosine of each slot's terms and the query's."""
        arrays = self.archive.lexical.arrays
        places, own = _among(arrays["terms"], query.terms)
        products = (query.weights[own] * arrays["weights"][places].astype(np.float32)).astype(np.float64)
        return np.asarray(sums(products, np.searchsorted(places, arrays["offsets"])).round(6))

    def _named(self, query: Query, among: NDArray[np.bool_]) -> Rows:
        """Return the slots whose titles the text names at least by half, the most fully named first."""
        arrays = self.archive.lexical.arrays
        keys = arrays["title_keys"]
        places, _ = _among(keys, query.terms.keys)
        places = places[keys[places] >= PAIRS]
        shares = sums(self.title_idf[places].astype(np.float64), np.searchsorted(places, arrays["title_offsets"])) / arrays["title_masses"]
        return self._best(shares, among & (shares >= NAMED), N_MENTIONED)

    def _fit(self, wanted: SearchFilter) -> NDArray[np.bool_]:
        """Return which slots pass a filter. Articles of sections that the release does not know can pass too."""
        facts = self.archive.facts
        return wanted.lets_through(facts.published, facts.section) | (wanted.lets_through(facts.published, None) & (facts.section < 0))


class LiveArchives:
    """Builds the archive of each moment from the previous one. Not safe to share between threads."""

    def __init__(self, live: LiveArticles, release: CandidateSource) -> None:
        self._live = live
        self._release = release
        self._slots = Slots(release.index.dim)
        self._of: Map[int, int] = EMPTY

    def changed(self, rows: Iterable[int], prepared: Iterable[int]) -> LiveArchive | None:
        """Return the archive after some live articles changed, or None if it is empty.

        Args:
            rows: Rows of the articles that changed.
            prepared: Those of them whose lists are computed, and which count.
        """
        of, prepared = self._of.mutate(), set(prepared)
        for row in sorted(rows):
            of.pop(row, None)
            if row in prepared:
                of[row] = len(self._slots.facts.now)
                self._slots.read(self._live, row, self._release)
        self._of = of.finish()
        if len(self._slots.facts.now) > max(FEWEST, 2 * len(self._of)):
            kept = np.sort(np.array(list(self._of.values()), dtype=np.int64))
            self._slots = self._slots.only(kept)
            self._of = Map(zip(self._slots.facts.now["row"].tolist(), range(len(kept)), strict=True))
        return self._archive() if self._of else None

    def _archive(self) -> LiveArchive:
        slots, facts = self._slots, self._slots.facts.now
        n = len(facts)
        counts = np.zeros(n, dtype=np.bool_)
        counts[list(self._of.values())] = True
        none: Rows = np.empty(0, dtype=np.int64)
        nowhere = np.zeros(n + 1, dtype=np.int64)
        terms = {
            "offsets": slots.terms.now,
            "terms": slots.term.now,
            "weights": slots.weight.now,
            "title_offsets": slots.titles.now,
            "title_keys": slots.title_key.now,
            "title_masses": facts["mass"],
        }
        archive = CandidateSource(
            index=FlatIndex(slots.vectors.now),
            layout=Layout(slots.chunks.now, np.arange(n)),
            lexical=self._release.lexical.sharing_vocabulary(terms),
            facts=ArticleFeatures(
                published=facts["published"],
                section=facts["section"],
                length=facts["length"],
                headline=facts["headline"],
                canonical=np.arange(n, dtype=np.int32),
                hubness=facts["hubness"],
                sections=self._release.facts.sections,
            ),
            precedents=LinkHistory(none, nowhere, none, none, nowhere, none, facts["published"]),
        )
        return LiveArchive(self._of, counts, archive, slots.vectors.now, slots.spans.now, facts["row"], slots.title_idf.now, facts["least"])


def _among(values: NDArray[Any], some: NDArray[Any]) -> tuple[Rows, Rows]:
    """Return the places of the values that are among some others, ascending, and the place of each in those.

    The others must be ascending.
    """
    bits = np.uint64(FILTER - 1)
    maybe = np.zeros(FILTER, dtype=np.bool_)
    maybe[some.astype(np.uint64) & bits] = True
    places = np.flatnonzero(maybe[values & bits.astype(values.dtype)])
    own, known = SortedKeys(some).find(values[places])
    return places[known], own


def _reciprocal_ranks(closeness: NDArray[np.float16], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / rank of live articles among all that are near, both of the release and live. It is 0 past the last."""
    nearer = (others[None, :] > closeness[:, None]).sum(axis=1) + (closeness[None, :] > closeness[:, None]).sum(axis=1)
    return np.where(nearer < N_CANDIDATES, 1.0 / (1 + nearer), 0.0)


def lexical_of(terms: Sequence[Terms], release: LexicalIndex) -> LexicalIndex:
    """Build an index of the terms of some texts, by the vocabulary of the release."""
    arrays = {
        "offsets": np.cumsum([0, *(len(of.terms) for of in terms)]),
        "terms": np.concatenate([of.terms for of in terms]),
        "weights": np.concatenate([of.weights for of in terms]),
        "title_offsets": np.cumsum([0, *(len(of.title_keys) for of in terms)]),
        "title_keys": np.concatenate([of.title_keys for of in terms]),
        "title_masses": np.array([release.title_mass(of.title_keys) for of in terms]),
    }
    return release.sharing_vocabulary(arrays)
