"""Check the contents of a release beyond hashes: whole tables, existing rows, vectors of length 1.

Only a bug of the build breaks them, so tests check them and no command does.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
from marisa_trie import Trie

from recommender.features.article_features import FACT, FACTS, OFFSETS, SPANS
from recommender.release.catalogue import Catalogue, immutable_uri
from recommender.release.list_codec import EXPLAINED, LISTS, PLACES, StoredLists
from recommender.release.manifest import CATALOGUE, MILVUS, Manifest, verify
from recommender.storage.mapped import mapped
from recommender.terms.inverted_index import FOLDER
from recommender.terms.pruned_index import PrunedIndex, open_terms
from recommender.terms.word_dictionary import TRIE, WORDS, WordTable, words_of_key
from recommender.vectors.two_tier import open_vectors


def check_contents(folder: Path) -> None:
    """Assert that all parts of a release fit together."""
    manifest = verify(folder).manifest
    check_catalogue(folder, manifest)
    check_facts(folder, manifest)
    check_words(folder / WORDS)
    check_terms(folder, manifest.n_articles)
    check_lists(folder, manifest)
    if manifest.vectors != MILVUS:
        check_vectors(folder, manifest)


def check_catalogue(folder: Path, manifest: Manifest) -> None:
    """Assert that tables are sound, rows have no gaps, links name articles, and chunks are in their article's text."""
    with closing(sqlite3.connect(immutable_uri(folder / CATALOGUE), uri=True)) as catalogue:
        assert catalogue.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert catalogue.execute("PRAGMA freelist_count").fetchone() == (0,)
        lengths = dict(catalogue.execute("SELECT row, length(text) FROM article ORDER BY row"))
        assert list(lengths) == list(range(manifest.n_articles))
        for table, column in (("article", "canonical"), ("read_more", "article"), ("read_more", "target"), ("named", "article")):
            assert {row for (row,) in catalogue.execute(f"SELECT {column} FROM {table}")} <= {*lengths, None}, (table, column)
    offsets, spans = np.load(folder / OFFSETS), np.load(folder / SPANS)
    assert (len(offsets), len(spans)) == (manifest.n_articles + 1, manifest.n_chunks)
    check_offsets(offsets, len(spans))
    start, stop = spans.T
    assert ((start >= 0) & (start <= stop) & (stop <= np.repeat(list(lengths.values()), np.diff(offsets)))).all()


def check_facts(folder: Path, manifest: Manifest) -> None:
    facts = np.load(folder / FACTS)
    assert (facts.dtype, facts.shape) == (FACT, (manifest.n_articles,))
    assert sorted(facts["tie"]) == list(range(len(facts)))
    assert np.isin(facts["canonical"], np.arange(len(facts))).all()
    assert (facts["canonical"][facts["canonical"]] == facts["canonical"]).all(), "what stands for others stands for itself"
    assert np.isfinite(facts["hubness"]).all()
    assert np.isfinite(facts["length"]).all()


def check_words(folder: Path) -> None:
    """Assert that words and numbers map one to one."""
    trie, table = Trie().mmap(str(folder / TRIE)), WordTable(folder)
    words = list(trie)
    numbers = table.numbers(words)
    assert sorted(numbers.values()) == list(range(len(table)))
    assert [table.phrase(numbers[word]) for word in words] == words


def check_terms(folder: Path, n_articles: int) -> None:
    """Assert that terms consist of existing words, and that offsets divide each array without gaps."""
    n_words, index = len(WordTable(folder / WORDS)), open_terms(folder / FOLDER, n_articles)
    arrays, n_terms = index.arrays, len(index.vocabulary)
    pruned = isinstance(index, PrunedIndex)
    in_titles, mentions = ("title_names", "mention_names") if pruned else ("title_keys", "mention_keys")
    keys = arrays["keys"]
    assert (keys[1:] > keys[:-1]).all()
    assert all(number < n_words for key in keys.tolist() for number in words_of_key(key))
    assert len(arrays["idf"]) == n_terms
    for name, values, n in (("offsets", "terms", n_articles), ("starts", "rows", n_terms), ("title_offsets", in_titles, n_articles)):
        assert len(arrays[name]) == n + 1
        check_offsets(arrays[name], len(arrays[values]))
    assert [len(arrays[name]) for name in ("weights", "impacts", "title_masses")] == [len(arrays["terms"]), len(arrays["rows"]), n_articles]
    for name, n in (("terms", n_terms), ("rows", n_articles), ("mention_rows", n_articles)):
        assert arrays[name].max(initial=0) < n, name
    assert (arrays[mentions][1:] >= arrays[mentions][:-1]).all()
    if pruned:
        assert len(arrays["mention_rows"]) == len(arrays["mention_names"])
    else:
        check_offsets(arrays["mention_starts"], len(arrays["mention_rows"]))


def check_lists(folder: Path, manifest: Manifest) -> None:
    """Assert that every list is readable. Its candidates are other articles, each once, and canonical."""
    places, size = np.load(folder / PLACES), (folder / LISTS).stat().st_size
    assert len(places) == manifest.n_articles
    by_begin = places[np.argsort(places["begin"])]
    check_offsets(np.append(by_begin["begin"], size), size)
    assert (np.diff(np.append(by_begin["begin"], size)) == by_begin["length"]).all()
    canonical, lengths = mapped(folder / FACTS)["canonical"], []
    with closing(Catalogue(folder / CATALOGUE)) as catalogue, closing(StoredLists(folder)) as lists:
        lengths = [len(catalogue.article(row).text) for row in range(manifest.n_articles)]
        for row in range(len(lists)):
            found = catalogue.candidates(row)
            targets = found["article"]
            assert len(found) <= manifest.n_candidates
            assert len(np.unique(targets)) == len(targets)
            assert row not in targets
            assert np.isin(targets, np.arange(manifest.n_articles)).all()
            assert (canonical[targets] == targets).all()
            assert np.isfinite(found["features"]).all()
            for candidate in found[:EXPLAINED]:
                for passage, article in (("query_passage", row), ("target_passage", int(candidate["article"]))):
                    start, stop = candidate[passage].tolist()
                    assert 0 <= start <= stop <= lengths[article]
                assert all(catalogue.words.phrase(key - 1) for key in candidate["terms"].tolist() if key)


def check_vectors(folder: Path, manifest: Manifest) -> None:
    index = open_vectors(folder)
    assert (index.kind, len(index), index.dim) == (manifest.vectors, manifest.n_chunks, manifest.model.dim)
    vectors = index.vectors(np.arange(len(index)))
    np.testing.assert_allclose(np.einsum("ij,ij->i", vectors, vectors), 1, atol=1e-3)


def check_offsets(offsets: np.ndarray, n: int) -> None:
    assert offsets[0] == 0
    assert (offsets[1:] >= offsets[:-1]).all()
    assert offsets[-1] == n
