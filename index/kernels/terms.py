"""Compute closeness in words, as `recommender.terms.inverted_index` defines it, nearest neighbours, titles and shared
terms.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from index.kernels.arrays import FREE, Floats, Floats32, Mentions, Near, Numbers32, TermArrays, Titles
from index.kernels.top_k import highest_of, key_of, row_of
from recommender.types import Numbers

SPARE = 8
"""Minimum number of slots per term in a hash table, so that most lookups end at once."""


@njit(cache=True, inline="always")
def _slot(term: Any, n_slots: int) -> Any:
    return ((np.int64(term) * 2654435761) >> 8) & (n_slots - 1)


@njit(cache=True)
def table_of(terms: NDArray[Any], weights: NDArray[Any]) -> tuple[Numbers, NDArray[Any]]:
    """Build a hash table of terms and a parallel table of their weights.

    A term is stored by linear probing, in its own slot or in one of the slots behind it, before the next free slot.
    """
    n_slots = 64
    while n_slots < SPARE * len(terms):
        n_slots *= 2
    table, values = np.full(n_slots, FREE, dtype=np.int64), np.empty(n_slots, dtype=weights.dtype)
    for place in range(len(terms)):
        slot = _slot(terms[place], n_slots)
        while table[slot] != FREE:
            slot = (slot + 1) & (n_slots - 1)
        table[slot], values[slot] = np.int64(terms[place]), weights[place]
    return table, values


@njit(cache=True, inline="always")
def look(table: Numbers, term: Any) -> Any:
    """Return the slot of a term, or FREE if the table does not hold it."""
    slot = _slot(term, len(table))
    while table[slot] != FREE:
        if table[slot] == term:
            return slot
        slot = (slot + 1) & (len(table) - 1)
    return FREE


@njit(cache=True)
def weights_of(words: TermArrays, row: Any) -> tuple[NDArray[np.uint32], Floats32]:
    begin, end = words.offsets[row], words.offsets[row + 1]
    weights = np.empty(end - begin, dtype=np.float32)
    for place in range(begin, end):
        weights[place - begin] = words.halves[words.weights[place]]
    return words.terms[begin:end], weights


@njit(cache=True)
def cosine(table: Numbers, values: Floats32, words: TermArrays, row: Any) -> np.float32:
    total = 0.0
    for place in range(words.offsets[row], words.offsets[row + 1]):
        slot = look(table, np.int64(words.terms[place]))
        if slot != FREE:
            total += np.float64(values[slot] * words.halves[words.weights[place]])
    return np.float32(min(max(total, 0.0), 1.0))


@njit(cache=True)
def nearest_in_words(rows: Numbers, words: TermArrays, n_terms: int, depth: int, limit: int) -> Near:
    """Return the nearest articles by words, as `LexicalIndex.search` finds them.

    Returns:
        Rows int32 (n, limit), FREE-padded, and cosines float32, closest first.
    """
    near, closeness = np.full((len(rows), limit), FREE, dtype=np.int32), np.zeros((len(rows), limit), dtype=np.float32)
    n_articles = len(words.offsets) - 1
    gathered = np.zeros(n_articles, dtype=np.float32)
    touched = np.empty(n_articles, dtype=np.int32)
    for place in range(len(rows)):
        terms, weights = weights_of(words, rows[place])
        keys = np.empty(len(terms), dtype=np.int64)
        for term in range(len(terms)):
            keys[term] = key_of(weights[term], term)
        n_touched = 0
        for key in highest_of(keys, n_terms):
            best = row_of(key)
            for posting in range(words.starts[terms[best]], words.starts[terms[best] + 1]):
                row = words.rows[posting]
                if gathered[row] == 0:
                    touched[n_touched] = row
                    n_touched += 1
                gathered[row] += weights[best] * words.halves[words.impacts[posting]]
        gathered[rows[place]] = 0.0
        keys, n_seen = np.empty(n_touched, dtype=np.int64), 0
        for row in touched[:n_touched]:
            if gathered[row] > 0:
                keys[n_seen] = key_of(gathered[row], row)
                n_seen += 1
                gathered[row] = 0.0
        keys = highest_of(keys[:n_seen], depth)
        table, values = table_of(terms, weights)
        for seen in range(len(keys)):
            row = row_of(keys[seen])
            keys[seen] = key_of(cosine(table, values, words, row), row)
        keys = highest_of(keys, limit)
        for seen in range(len(keys)):
            near[place, seen] = row_of(keys[seen])
            closeness[place, seen] = cosine(table, values, words, near[place, seen])
    return near, closeness


@njit(cache=True)
def _find(keys: NDArray[np.uint64], key: np.uint64) -> Any:
    """Return the index of a key among sorted keys, or FREE if the key is missing."""
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < len(keys) and keys[low] == key else FREE


@njit(cache=True)
def mentioned(rows: Numbers, places: Numbers, begins: Numbers, mentions: Mentions, masses: Floats, named: float, limit: int) -> Numbers32:
    """Return the articles whose titles each article names, as `LexicalIndex.mentioned` finds them.

    Args:
        places: int64: positions in `mentions` of each article's pairs. Article i has places[begins[i]:begins[i + 1]].
        named: The least share of a title that must be named.

    Returns:
        int32 (n, limit), FREE-padded, the most fully named first.
    """
    found = np.full((len(rows), limit), FREE, dtype=np.int32)
    gathered = np.zeros(len(masses))
    touched = np.empty(len(masses), dtype=np.int32)
    for article in range(len(rows)):
        n_touched = 0
        for pair in places[begins[article] : begins[article + 1]]:
            if mentions.idf[pair] <= 0:  # the pair is in every article and carries no information
                continue
            for posting in range(mentions.starts[pair], mentions.starts[pair + 1]):
                row = mentions.rows[posting]
                if gathered[row] == 0:
                    touched[n_touched] = row
                    n_touched += 1
                gathered[row] += mentions.idf[pair]
        keys, n_named = np.empty(n_touched, dtype=np.int64), 0
        for row in touched[:n_touched]:
            share = gathered[row] / masses[row]
            gathered[row] = 0.0
            if share >= named and row != rows[article]:
                keys[n_named] = key_of(min(share, 1.0), row)
                n_named += 1
        keys = highest_of(keys[:n_named], limit)
        for place in range(len(keys)):
            found[article, place] = row_of(keys[place])
    return found


@njit(cache=True)
def title_closeness(query: Any, target: Any, titles: Titles) -> tuple[Any, Any]:
    """Return how far an article names another's title, and how close the titles are.

    See `LexicalIndex.title_features`.
    """
    text = titles.text_keys[titles.text_offsets[query] : titles.text_offsets[query + 1]]
    own = titles.keys[titles.offsets[query] : titles.offsets[query + 1]]
    own_squared = 0.0
    for place in range(titles.offsets[query], titles.offsets[query + 1]):
        own_squared += titles.idf[place] ** 2
    share, overlap, squared = 0.0, 0.0, 0.0
    for place in range(titles.offsets[target], titles.offsets[target + 1]):
        key, idf = titles.keys[place], titles.idf[place]
        squared += idf**2
        if key >= titles.pairs and _find(text, key) != FREE:
            share += idf
        if _find(own, key) != FREE:
            overlap += idf**2
    share = min(max(share / titles.masses[target], 0.0), 1.0)
    norms = np.sqrt(squared * own_squared)
    return np.float32(share) ** 2, min(max(overlap / norms, 0.0), 1.0) if norms > 0 else 0.0


@njit(cache=True)
def shared_terms(
    rows: Numbers, begins: Numbers, targets: Numbers, words: TermArrays, keys: NDArray[np.uint64], n_terms: int
) -> NDArray[np.uint64]:
    """Return the rarest terms that each article shares with its targets, as `LexicalIndex.shared_terms` finds them."""
    found = np.zeros((len(targets), n_terms), dtype=np.uint64)
    used = np.empty(2 * n_terms, dtype=np.int64)
    for article in range(len(rows)):
        table, values = table_of(*weights_of(words, rows[article]))
        products, shared = np.empty(len(table), dtype=np.float32), np.empty(len(table), dtype=np.int64)
        for place in range(begins[article], begins[article + 1]):
            n_shared = 0
            for of in range(words.offsets[targets[place]], words.offsets[targets[place] + 1]):
                slot = look(table, np.int64(words.terms[of]))
                if slot != FREE:
                    products[n_shared] = values[slot] * words.halves[words.weights[of]]
                    shared[n_shared] = words.terms[of]
                    n_shared += 1
            n_used, n_found = 0, 0
            while n_found < n_terms:
                highest, best = np.float32(0.0), FREE
                for term in range(n_shared):
                    if products[term] > highest:
                        highest, best = products[term], term
                if best == FREE:
                    break
                products[best] = 0.0
                key = keys[shared[best]]
                second = np.int64(key & np.uint64(0xFFFFFFFF))
                first = np.int64(key >> np.uint64(32)) - 1  # -1 for a single word
                fresh: Any = True
                for one in range(n_used):
                    fresh = fresh and used[one] != second and (first < 0 or used[one] != first)
                if fresh:
                    used[n_used] = second
                    n_used += 1
                    if first >= 0:
                        used[n_used] = first
                        n_used += 1
                    found[place, n_found] = key + np.uint64(1)
                    n_found += 1
    return found
