"""By default a list leaves out what is close to nothing, and says so if nothing is left."""

from pathlib import Path

import numpy as np
import pytest

from index.build import build_index
from index.lists.floor import LEAST, MARGIN
from recommender import Article, Recommender
from recommender.features.feature_schema import column
from recommender.lists.selection import Selection
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

N = 240
ELSEWHERE = Article("", "Sourdough at home", "Knead flour, water and salt. Bake bread in a hot oven until its crust crackles. Let it cool.")
ANYTHING = Selection(min_score=0.0)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    folder = tmp_path_factory.mktemp("floor")
    build_index([str(write_jsonl(folder / "a.jsonl", records(N)))], folder / "index", HashEmbedder())
    return Recommender.open(folder / "index", HashEmbedder())


def closeness(recommender: Recommender, row: int) -> np.ndarray:
    of = recommender.catalogue.candidates(row)["features"].astype(np.float64)
    return np.array((of[:, column("maxsim")] + of[:, column("mean_cosine")]) / 2 + of[:, column("words")])


def test_the_floor_is_the_least_close_hundredth_of_the_archives_own_lines(opened: Recommender) -> None:
    lines = np.concatenate([closeness(opened, row)[:5] for row in range(N)])
    assert opened.release.manifest.floor == pytest.approx(MARGIN * np.quantile(lines, LEAST), abs=1e-3)


def test_a_text_on_another_subject_gets_an_empty_list_with_its_reason(opened: Recommender) -> None:
    found = opened.related_to(ELSEWHERE)
    assert (found.items, found.reason) == ((), "nothing_close")
    assert len(opened.related_to(ELSEWHERE, selection=ANYTHING)) == 5, "who asks for a score of 0 gets what there is"


def test_a_text_on_a_subject_of_the_archive_keeps_its_list(opened: Recommender) -> None:
    article = opened.catalogue.article(opened.catalogue.row("harbour-0"))
    assert len(opened.related_to(Article("", article.title, article.text))) == 5


def test_lists_of_the_archive_lose_only_lines_below_the_floor(opened: Recommender) -> None:
    n_lost = 0
    for row in range(N):
        article_id = opened.catalogue.card(row).id
        every, close = opened.related(article_id, 30, ANYTHING).ids, opened.related(article_id, 30).ids
        candidates = opened.catalogue.candidates(row)
        above = {opened.catalogue.card(int(of)).id for of in candidates["article"][closeness(opened, row) >= opened.release.manifest.floor]}
        assert close == tuple(id_ for id_ in opened.related(article_id, 64, ANYTHING).ids if id_ in above)[:30]
        n_lost += len(set(every[:5]) - above)
    assert n_lost <= 2 * LEAST * 5 * N


def test_a_small_archive_has_no_floor(tmp_path: Path) -> None:
    build_index([str(write_jsonl(tmp_path / "a.jsonl", records(40)))], tmp_path / "index", HashEmbedder())
    with Recommender.open(tmp_path / "index", HashEmbedder()) as small:
        assert small.release.manifest.floor == 0.0
        assert len(small.related_to(ELSEWHERE)) == 5
