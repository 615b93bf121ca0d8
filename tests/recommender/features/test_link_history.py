"""What the editors linked before, against a plain reading of the definitions; and the search engine's way, likewise."""

import math
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.release.catalogue_writer import CatalogueWriter
from recommender.evaluation.more_like_this import MoreLikeThis
from recommender.features.feature_schema import UNDATED, column
from recommender.features.link_history import EVER, NEVER, LinkHistory
from recommender.release.catalogue import Catalogue
from recommender.text.words import words
from recommender.types import Article

DAY = datetime(2020, 1, 1, tzinfo=UTC)

Lists = list[tuple[int | None, list[int]]]
"""Of every article: the day it was published, and the articles of its list."""

archives = st.integers(2, 9).flatmap(
    lambda n: st.lists(
        st.tuples(st.none() | st.integers(0, 5), st.lists(st.integers(0, n - 1), max_size=4, unique=True)), min_size=n, max_size=n
    )
)


def read(archive: Lists, folder: Path, canonical: dict[int, int]) -> LinkHistory:
    path = folder / "catalogue"
    path.unlink(missing_ok=True)
    writer = CatalogueWriter(path)
    for row, (day, targets) in enumerate(archive):
        published = None if day is None else DAY + timedelta(days=day)
        article = Article(f"a{row}", "title", "text", published=published, read_more=tuple(f"a{target}" for target in targets))
        writer.add(article, [(0, 4)])
    writer.resolve_hand_made_lists()
    for duplicate, of in canonical.items():
        writer.set_canonical(of, [duplicate])
    writer.commit()
    writer.add_hubness(np.zeros((len(archive), 2), dtype=np.float32))
    writer.close()
    with closing(Catalogue(path)) as catalogue:
        return catalogue.precedents(catalogue.facts())


def older_lists(archive: Lists, moment: int, canonical: dict[int, int]) -> dict[int, set[int]]:
    """Of every older list, those of its links that can have been made by then."""

    def was_there(row: int) -> bool:
        day = archive[row][0]
        return day is None or seconds(day) < moment

    return {
        row: {of for target in targets if target != row and was_there(of := canonical.get(target, target))}
        for row, (day, targets) in enumerate(archive)
        if day is not None and seconds(day) < moment and set(targets) - {row}
    }


def seconds(day: int) -> int:
    return int((DAY + timedelta(days=day)).timestamp())


@settings(deadline=None, max_examples=60)
@given(archives, st.sampled_from([NEVER, EVER]) | st.integers(0, 6).map(seconds), st.booleans(), st.data())
def test_only_older_lists_count(
    tmp_path_factory: pytest.TempPathFactory, archive: Lists, moment: int, with_duplicate: bool, data: st.DataObject
) -> None:
    canonical = {1: 0} if with_duplicate else {}
    precedents = read(archive, tmp_path_factory.getbasetemp(), canonical)
    older = older_lists(archive, moment, canonical)
    rows = np.arange(len(archive), dtype=np.int64)
    times = Counter(target for targets in older.values() for target in targets)
    assert precedents.linked(rows, moment) == pytest.approx([math.log(1 + 100 * times[int(row)] / (len(older) + 10)) for row in rows])

    near = data.draw(st.lists(st.tuples(st.integers(0, len(archive) - 1), st.floats(0, 1)), max_size=12))
    voices = [(row, closeness) for row, closeness in near if row in older]
    agreeing = [sum(closeness for row, closeness in voices if int(target) in older[row]) for target in rows]
    everything = sum(closeness for _, closeness in voices) + 1
    found = precedents.linked_nearby(rows, np.array([row for row, _ in near], dtype=np.int64), np.array([of for _, of in near]), moment)
    assert found == pytest.approx([of / everything for of in agreeing])


def test_a_list_never_speaks_for_itself(tmp_path: Path) -> None:
    precedents = read([(3, [1]), (1, []), (3, [1]), (4, [])], tmp_path, {})
    assert not precedents.linked(np.array([1]), seconds(3)).any(), "neither its own list, nor one of the same moment"
    assert precedents.linked(np.array([1]), seconds(4)).all()


def test_a_draft_knows_all_lists_and_an_undated_article_none() -> None:
    from recommender.retrieval.candidates import Query

    assert NEVER == UNDATED
    asked = ((5, 3, False), (5, None, True), (UNDATED, None, True), (UNDATED, None, False), (UNDATED, 3, False))
    moments = [Query(None, None, published, -1, 1.0, row, draft).moment for published, row, draft in asked]  # type: ignore[arg-type]
    assert moments == [5, 5, EVER, NEVER, NEVER]
    assert column("linked") < column("linked_nearby")


vocabulary = st.sampled_from(["ferry", "bridge", "harbour", "strike", "vote", "the", "council"])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(vocabulary, max_size=14).map(" ".join), min_size=6, max_size=12))
def test_more_like_this_is_bm25_of_the_best_terms(texts: list[str]) -> None:
    engine = MoreLikeThis(texts)
    held = [words(text) for text in texts]
    mean = max(sum(map(len, held)) / len(held), 1)
    df = Counter(word for words_of in held for word in set(words_of))

    def idf(word: str) -> float:
        return math.log(1 + (len(texts) - df[word] + 0.5) / (df[word] + 0.5))

    for row, mine in enumerate(held):
        query = [word for word in set(mine) if mine.count(word) >= 2 and df[word] >= 5]
        expected = [
            sum(
                idf(word) * theirs.count(word) / (theirs.count(word) + 1.2 * (0.25 + 0.75 * len(theirs) / mean))
                for word in query
                if word in theirs
            )
            for theirs in held
        ]
        assert engine.scores(row) == pytest.approx(expected)


def test_more_like_this_asks_for_the_25_best_terms() -> None:
    common = " ".join(f"common{number}" for number in range(30))
    texts = [f"{common} {common} rare rare rare", *[common] * 4, *["rare"] * 4, *["other words"] * 40]
    assert MoreLikeThis(texts).scores(0)[5] > 0, "the best of 31 terms is asked for"
    assert (
        np.count_nonzero(MoreLikeThis([f"{common} {common}", *(f"common{n} x y" for n in range(30) for _ in range(5))]).scores(0))
        == 1 + 25 * 5
    )
