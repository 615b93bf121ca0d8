"""Compare a new release with an old one before it is published: articles, lists, near-duplicates, sections."""

import sqlite3
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from index.archive.merged_archive import FIELDS, as_given
from index.maintenance.rank_overlap import jaccard, rank_biased_overlap
from recommender import Recommender
from recommender.errors import IndexNotFound
from recommender.evaluation.measures import NOT_GIVEN, CollectionFacts, collection_facts
from recommender.lists.selection import Selection, select
from recommender.release.catalogue import immutable_uri
from recommender.release.manifest import CATALOGUE, MANIFEST, RELEASES, open_release, verify
from recommender.types import DEFAULT_LIMIT, Rows, Vectors

SHOWN = DEFAULT_LIMIT
"""Length of the compared lists."""

EXAMPLES = 10
"""Number of example ids for each kind of change."""

Lists = Mapping[str, Sequence[str]]
"""Article id -> ids of its list, closest first."""


@dataclass(frozen=True, slots=True)
class Ids:
    """A set of articles: their number, and the first of them by id."""

    n: int
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """The figures of one of the two releases.

    Attributes:
        model: Name of the embedding model.
        model_sha256: The sha256 of the model's weights.
        weights: Weights of the ranker in force, by feature.
        facts: Quality figures of its lists.
        n_duplicates: Number of lists that show two near-duplicates, by the groups of either release.
        sections: Section -> share of all lines of all lists that lead there.
    """

    release: str
    format: int
    model: str
    model_sha256: str
    weights: Mapping[str, float]
    n_articles: int
    n_chunks: int
    facts: CollectionFacts
    n_duplicates: int
    sections: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Difference:
    """The changes from one release to another.

    Attributes:
        changed: Articles of both releases with at least one changed field.
        changed_fields: Field -> articles in which the field has changed.
        n_common: Number of articles of both releases, whose lists are compared.
        lists_changed: Articles whose lists differ in content or order.
        overlap: Mean over the common articles of the Jaccard index of the two lists.
        rank_biased_overlap: Mean over the same of `rank_biased_overlap`.
        section_shifts: Section -> share of lines after less before, the greatest shift first.
    """

    old: Side
    new: Side
    added: Ids
    lost: Ids
    changed: Ids
    changed_fields: Mapping[str, int]
    n_common: int
    lists_changed: Ids
    overlap: float
    rank_biased_overlap: float
    section_shifts: Mapping[str, float]

    @property
    def lost_share(self) -> float:
        """Return the share of the old release's articles that is lost."""
        return self.lost.n / max(self.old.n_articles, 1)

    @property
    def lists_changed_share(self) -> float:
        """Return the share of the common articles whose lists changed."""
        return self.lists_changed.n / max(self.n_common, 1)

    @property
    def largest_shift(self) -> float:
        """Return the greatest change of a section's share, up or down."""
        return max(map(abs, self.section_shifts.values()), default=0.0)

    @property
    def notices(self) -> tuple[str, ...]:
        """Return notices of other changes that affect lists: everything that differs besides the archive."""
        old, new = self.old, self.new
        named = []
        if old.format != new.format:
            named.append(f"format: {old.format} -> {new.format}")
        if (old.model, old.model_sha256) != (new.model, new.model_sha256):
            named.append(f"model: {old.model} ({old.model_sha256[:12]}) -> {new.model} ({new.model_sha256[:12]})")
        if old.weights != new.weights:
            named.append("ranker: the weights are others")
        return tuple(named)

    def as_dict(self) -> dict[str, Any]:
        shares = {"lost_share": self.lost_share, "lists_changed_share": self.lists_changed_share, "largest_shift": self.largest_shift}
        return {**asdict(self), **shares, "notices": list(self.notices)}


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a new release's changes. None: no limit. A figure equal to its limit is within it.

    Attributes:
        lists_changed: Share of the common articles' lists.
        articles_lost: Share of the old release's articles.
        duplicates: Lists of the new release that show two near-duplicates.
        section_shift: Greatest change of a section's share of the lines.
    """

    lists_changed: float | None = None
    articles_lost: float | None = None
    duplicates: int | None = None
    section_shift: float | None = None

    def broken(self, found: Difference) -> list[str]:
        """Return one line for each limit that is broken."""
        lines = []
        for what, share, limit in (
            ("lists changed", found.lists_changed_share, self.lists_changed),
            ("articles lost", found.lost_share, self.articles_lost),
            ("largest shift of a section", found.largest_shift, self.section_shift),
        ):
            if limit is not None and share > limit + ROUNDING:
                lines.append(f"{what}: {share:.2%}, the limit is {limit:.2%}")
        if self.duplicates is not None and found.new.n_duplicates > self.duplicates:
            lines.append(f"lists with near-duplicates: {found.new.n_duplicates}, the limit is {self.duplicates}")
        return lines


ROUNDING = 1e-12
"""Tolerance for rounding errors: a share equal to its limit does not break the limit."""


def compare(old: Path, new: Path) -> Difference:
    """Compare two releases. A folder of an index means its serving release.

    Lists are cut to `SHOWN` lines. They are the lists that readers would get now, by the weights in force in each
    index.

    Raises:
        IndexNotFound: There is neither an index nor a release in a folder.
        IndexDamaged: A release is damaged.
        FormatUnsupported: A release has another format than this version reads.
    """
    with _open(old) as before, _open(new) as after:
        now = Selection(as_of=datetime.now(UTC))  # one moment for both sides: an embargo that ends in between would count as a change
        sides = _Lines(before, now), _Lines(after, now)
        common = [article_id for article_id in sides[0].lists if article_id in sides[1].lists]
        pairs = [(sides[0].lists[article_id], sides[1].lists[article_id]) for article_id in common]
        changed, fields = _changed(*(side.recommender.release.folder / CATALOGUE for side in sides))
        shares = [side.sections for side in sides]
        shifts = {name: shares[1].get(name, 0.0) - shares[0].get(name, 0.0) for name in {**shares[0], **shares[1]}}
        groups = [side.groups for side in sides]
        return Difference(
            old=sides[0].summary(groups),
            new=sides[1].summary(groups),
            added=_ids(sides[1].lists.keys() - sides[0].lists.keys()),
            lost=_ids(sides[0].lists.keys() - sides[1].lists.keys()),
            changed=changed,
            changed_fields=fields,
            n_common=len(common),
            lists_changed=_ids(article_id for article_id, (one, other) in zip(common, pairs, strict=True) if one != other),
            overlap=fmean(jaccard(one, other) for one, other in pairs) if pairs else 0.0,
            rank_biased_overlap=fmean(rank_biased_overlap(one, other) for one, other in pairs) if pairs else 0.0,
            section_shifts=dict(sorted(shifts.items(), key=lambda item: (-abs(item[1]), item[0]))),
        )


class _Lines:
    """The lists of one release, by ids."""

    def __init__(self, recommender: Recommender, wanted: Selection) -> None:
        self.recommender = recommender
        catalogue = recommender.catalogue
        self._facts = catalogue.facts()
        self._cards = [catalogue.card(row) for row in range(recommender.release.manifest.n_articles)]
        self._section_of = {card.id: card.section for card in self._cards}
        self.lists: Lists = {card.id: self._list(card.row, wanted) for card in self._cards}

    def _list(self, row: int, wanted: Selection) -> list[str]:
        found = self.recommender.catalogue.candidates(row)
        chosen = select(found, int(self._facts.published[row]), self.recommender.ranker, wanted, SHOWN, _no_vectors)
        return [self._cards[int(article)].id for article in found["article"][chosen.places]]

    @cached_property
    def groups(self) -> Mapping[str, Hashable]:
        """Return article id -> row of its canonical article."""
        return {card.id: int(self._facts.canonical[card.row]) for card in self._cards}

    @cached_property
    def sections(self) -> Mapping[str, float]:
        """Return section -> share of the lines that lead there."""
        lines = Counter(self._section_of[target] or NOT_GIVEN for targets in self.lists.values() for target in targets)
        return {name: n / lines.total() for name, n in lines.most_common()}

    def summary(self, groups: Sequence[Mapping[str, Hashable]]) -> Side:
        """Return all figures. `groups` are the near-duplicate groups of both releases."""
        manifest = self.recommender.release.manifest
        return Side(
            release=manifest.release,
            format=manifest.format,
            model=manifest.model.label,
            model_sha256=manifest.model.sha256,
            weights=dict(self.recommender.ranker.weights),
            n_articles=manifest.n_articles,
            n_chunks=manifest.n_chunks,
            facts=collection_facts(
                self.lists,
                group_of_article=self.groups,
                published={card.id: card.published for card in self._cards},
                section_of=self._section_of,
            ),
            n_duplicates=sum(any(_same(a, b, groups) for a, b in combinations(shown, 2)) for shown in self.lists.values()),
            sections=self.sections,
        )


def _same(a: str, b: str, groups: Sequence[Mapping[str, Hashable]]) -> bool:
    """Return whether two articles are near-duplicates in either release."""
    return any(a in of and b in of and of[a] == of[b] for of in groups)


def _no_vectors(rows: Rows) -> Vectors:
    raise AssertionError("lists without diversity are made without vectors")


def _ids(found: Any) -> Ids:
    ids = sorted(found)
    return Ids(len(ids), tuple(ids[:EXAMPLES]))


def _changed(old: Path, new: Path) -> tuple[Ids, dict[str, int]]:
    """Return the articles that differ between two catalogues, and the number of differences by field."""
    with closing(sqlite3.connect(immutable_uri(old), uri=True)) as connection:
        connection.execute("ATTACH ? AS new", (immutable_uri(new),))
        for schema in ("main", "new"):
            connection.execute(f"CREATE TEMP VIEW {schema}_article AS {as_given(schema)}")
        differs = [f"one.{name} IS NOT other.{name}" for name in FIELDS]
        both = "main_article AS one JOIN new_article AS other USING (id)"
        found = connection.execute(f"SELECT id, {', '.join(differs)} FROM {both} WHERE {' OR '.join(differs)}").fetchall()
    counts = np.array([row[1:] for row in found], dtype=np.int64).reshape(-1, len(FIELDS)).sum(axis=0)
    fields = {name.replace("names", "read_more"): int(n) for name, n in zip(FIELDS, counts, strict=True) if n}
    return _ids(row[0] for row in found), fields


def _open(folder: Path) -> Recommender:
    if (folder / MANIFEST).exists():
        return Recommender(verify(folder.resolve()))
    if folder.parent.name == RELEASES or not folder.is_dir():
        raise IndexNotFound(f"{folder} is neither an index nor a release - give the folder of one")
    return Recommender(open_release(folder))
