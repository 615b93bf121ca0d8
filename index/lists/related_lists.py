"""Compute the related list of every article once, in the build, so that a reader never waits for it.

The work takes two passes over the archive. The first pass (`index.lists.nearest`) finds every article's nearest
neighbours, from which hubness and near-duplicates follow. The second pass, in this module, computes features and
explanations of the candidates. Each pass processes independent blocks. If there are enough articles, one process per
processor does the work. The processes read their inputs from the staged files.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from index import kernels
from index.lists.inputs import BuildInputs
from index.workers.processes import BlockWorkers, OfFolder
from recommender.features.feature_assembly import Figures, assemble, facts_of, reciprocal_ranks
from recommender.features.feature_schema import CANDIDATE, N_TERMS, UNDATED, Candidates, column
from recommender.features.link_history import NEVER
from recommender.features.ranker import SHIPPED
from recommender.release.list_codec import pack
from recommender.retrieval.candidates import N_CANDIDATES, N_MENTIONED, OWN_TITLE
from recommender.storage.ragged import stretches
from recommender.terms.inverted_index import NAMED
from recommender.terms.term_dictionary import PAIRS
from recommender.types import Matrix, Rows

Begins = NDArray[np.int64]


def related_lists(staged: BuildInputs, done: NDArray[np.bool_], processes: BlockWorkers) -> Iterator[tuple[int, bytes]]:
    """Yield the row and the packed candidates of every article, each once, in any order.

    Nearest neighbours, hubness and near-duplicates must be written already.

    Args:
        done: bool (n_articles,), articles whose lists are known.
    """
    opened = OfFolder(partial(BuildInputs, n_articles=staged.n_articles), staged.folder)
    for found in processes.everywhere(_lists, opened, staged.blocks(done)):
        yield from ((row, packed) for row, packed in found if not done[row])


def _lists(staged: BuildInputs, rows: Rows) -> list[tuple[int, bytes]]:
    targets, begins = _targets(staged, rows)
    figures, pairs = kernels.describe(rows, begins, targets, staged.chunks, staged.words, staged.titles)
    owners = np.repeat(np.arange(len(rows)), np.diff(begins))
    found = np.zeros(len(targets), dtype=CANDIDATE)
    found["article"], found["tie"] = targets, staged.layout.tie_order[targets]
    found["published"], found["section"] = staged.facts.published[targets], staged.facts.section[targets]
    found["features"] = _features(staged, rows, owners, targets, figures)
    itself = staged.facts.headline[targets] & (found["features"][:, column("title_overlap")] >= OWN_TITLE)
    language = staged.facts.language
    foreign = staged.facts.foreign(-1 if language is None else language[rows[owners]], targets)
    order = np.lexsort((found["tie"], -SHIPPED.scores(found["features"]), foreign, owners))
    order = order[~itself[order]]
    place = np.arange(len(order)) - np.searchsorted(owners[order], owners[order])
    order = order[place < N_CANDIDATES]
    best, owners = found[order], owners[order]
    begins = np.searchsorted(owners, np.arange(len(rows) + 1))
    _explain(staged, rows, begins, owners, best, pairs[order])
    return [(int(row), pack(best[begins[place] : begins[place + 1]])) for place, row in enumerate(rows)]


def _targets(staged: BuildInputs, rows: Rows) -> tuple[Rows, Begins]:
    """Return the candidates of every article of a block: its nearest neighbours and the articles it names.

    Near-duplicates are replaced by their canonical articles.
    """
    titles, mentions, canonical = staged.titles, staged.mentions, staged.facts.canonical
    places, begins = stretches(titles.text_offsets, rows)
    keys = titles.text_keys[places]
    known = np.searchsorted(mentions.keys, keys)
    there = np.flatnonzero((keys >= PAIRS) & (known < len(mentions.keys)))
    there = there[mentions.keys[known[there]] == keys[there]]
    named = kernels.mentioned(rows, known[there], np.searchsorted(there, begins), mentions, titles.masses, NAMED, N_MENTIONED)
    found = np.concatenate([staged.near.in_meaning[rows], staged.near.in_words[rows], named], axis=1)
    found = np.where(found == kernels.FREE, kernels.FREE, canonical[found])
    found.sort(axis=1)
    keep = (found != kernels.FREE) & (found != canonical[rows, None])
    keep[:, 1:] &= found[:, 1:] != found[:, :-1]
    return found[keep].astype(np.int64), np.concatenate([[0], np.cumsum(keep.sum(axis=1))])


def _features(staged: BuildInputs, rows: Rows, owners: Rows, targets: Rows, figures: NDArray[np.float64]) -> Matrix:
    """Return the features of all candidates of a block, as `candidates.features` does: float32 (n_pairs,
    len(FEATURES)).
    """
    near, own = staged.near, rows[owners]
    return assemble(
        Figures(*figures.T),
        facts_of(own, staged.facts),
        facts_of(targets, staged.facts),
        maxsim_rank=reciprocal_ranks(targets, near.in_meaning[own]),
        words_rank=reciprocal_ranks(targets, near.in_words[own]),
        **_linked(staged, rows, owners, targets),
    )


def _linked(staged: BuildInputs, rows: Rows, owners: Rows, targets: Rows) -> dict[str, NDArray[np.float64]]:
    """Return the features of previous links by editors, for archives with hand-made lists."""
    found = {"linked": np.zeros(len(targets)), "linked_nearby": np.zeros(len(targets))}
    if not len(staged.precedents.targets):
        return found
    for place, row in enumerate(rows.tolist()):
        own = np.flatnonzero(owners == place)
        published = int(staged.facts.published[row])
        moment = published if published != UNDATED else NEVER
        near = np.concatenate([staged.near.in_meaning[row], staged.near.in_words[row]])
        closeness = np.concatenate([staged.near.maxsim[row], staged.near.words[row]]).astype(np.float64)
        found["linked"][own] = staged.precedents.linked(targets[own], moment)
        found["linked_nearby"][own] = staged.precedents.linked_nearby(
            targets[own], near[near != kernels.FREE], closeness[near != kernels.FREE], moment
        )
    return found


def _explain(staged: BuildInputs, rows: Rows, begins: Begins, owners: Rows, best: Candidates, pairs: NDArray[np.int64]) -> None:
    """Fill in the best-matching sentences and the shared terms."""
    targets = best["article"].astype(np.int64)
    best["terms"] = kernels.shared_terms(rows, begins, targets, staged.words, staged.lexical.arrays["keys"], N_TERMS)
    query_chunks = pairs[:, 0] + staged.layout.offsets[rows[owners]]
    together = np.argsort(query_chunks, kind="stable")
    spans = np.empty((len(best), 4), dtype=np.int32)
    spans[together] = kernels.best_sentences(query_chunks[together], pairs[together, 1], staged.sentences)
    best["query_passage"], best["target_passage"] = spans[:, :2], spans[:, 2:]
