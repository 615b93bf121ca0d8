"""Lists from an index that was built for real, against the definition applied to the archive's own texts."""

import re
import sqlite3
import threading
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from index.build import build_index
from index.publish import KEPT
from recommender import Article, Recommender, Related
from recommender.chunking import TokenSpans
from recommender.embedding import embed_articles
from recommender.errors import ArticleNotFound, InvalidArticle, ModelError
from tests.archive import records, write_jsonl
from tests.hash_embedder import HashEmbedder
from tests.test_ranking import brute_force, close_enough


def archive_articles(recommender: Recommender) -> list[Article]:
    return [recommender.catalogue.article(row) for row in range(recommender.release.manifest.n_articles)]


def test_every_list_equals_brute_force_over_every_article(recommender: Recommender) -> None:
    articles = archive_articles(recommender)
    embedded = embed_articles(articles, HashEmbedder())
    assert sum(len(chunks) > 1 for chunks, _ in embedded) > 30, "the fixture must have multi-chunk articles"
    vectors = [of for _, of in embedded]
    newest_first = sorted(articles, key=lambda a: (a.published is None, -a.published.timestamp() if a.published else 0, a.id))
    tie_order = [newest_first.index(article) for article in articles]
    for row, article in enumerate(articles):
        expected = brute_force(vectors[row], vectors, tie_order, 10, row)
        found = recommender.related(article.id, limit=10)
        got = [(recommender.catalogue.row(item.id), item.score) for item in found]
        assert close_enough(got, expected)
        assert [item.rank for item in found] == list(range(1, 11))
        assert article.id not in found.ids


def test_a_line_carries_the_targets_card_and_passages_of_both(recommender: Recommender) -> None:
    by_id = {record["id"]: record for record in records()}
    for query in ("harbour-0", "garden-14"):
        for item in recommender.related(query):
            target = by_id[item.id]
            assert (item.title, item.url, item.section) == (target["title"], target["url"], target["section"])
            assert item.published == (datetime.fromisoformat(target["published"]) if target["published"] else None)
            assert item.passages.query in by_id[query]["text"]
            assert item.passages.target in target["text"]
            assert item.passages.target.strip()


def test_the_passages_are_the_best_matching_pair(recommender: Recommender) -> None:
    embedder = HashEmbedder()
    for item in recommender.related("railway-3"):
        query, target = (recommender.catalogue.article(recommender.catalogue.row(id_)) for id_ in ("railway-3", item.id))
        (query_chunks, a), (target_chunks, b) = embed_articles([query, target], embedder)
        cosines = a @ b.T
        best_query, best_target = divmod(int(cosines.argmax()), cosines.shape[1])
        assert (item.passages.query, item.passages.target) == (query_chunks[best_query].text, target_chunks[best_target].text)


def test_a_draft_of_a_stored_text_gets_the_stored_list(recommender: Recommender) -> None:
    stored = recommender.catalogue.article(recommender.catalogue.row("election-5"))
    assert recommender.related_to(stored).items == recommender.related("election-5").items
    without_id = recommender.related_to(replace(stored, id=""))
    assert without_id[0].id == "election-5"
    assert without_id[0].score == 1.0
    assert without_id.article_id is None


def test_all_chunks_of_the_query_count(recommender: Recommender) -> None:
    harbour = "Ship pier crane cargo tide captain dock ferry anchor sailor. " * 6
    both = harbour + "Soil seed pruning rose compost hedge tulip orchard bee lawn. " * 6
    subjects_of_half = {item.section for item in recommender.related_to(Article("", "", harbour), limit=10)}
    subjects_of_both = {item.section for item in recommender.related_to(Article("", "", both), limit=10)}
    assert "garden" not in subjects_of_half
    assert {"harbour", "garden"} <= subjects_of_both


def test_what_is_under_embargo_is_not_shown(tmp_path: Path) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    lines = [{**record, "published": tomorrow} if record["id"] == "harbour-4" else record for record in records(20)]
    build_index([str(write_jsonl(tmp_path / "a.jsonl", lines))], tmp_path / "index", HashEmbedder())
    with Recommender.open(tmp_path / "index", HashEmbedder()) as opened:
        for record in records(20):
            found = opened.related(record["id"], limit=18)
            assert "harbour-4" not in found.ids
            assert [item.rank for item in found] == list(range(1, 19))
        stored = opened.catalogue.article(opened.catalogue.row("harbour-4"))
        assert "harbour-4" not in opened.related_to(replace(stored, id=""), limit=18).ids


@pytest.mark.parametrize("limit", [0, -1, 65])
def test_limits_out_of_range_are_refused(recommender: Recommender, limit: int) -> None:
    message = f"limit is {limit}, it must be 1 to 64"
    with pytest.raises(ValueError, match=message):
        recommender.related("harbour-0", limit)
    with pytest.raises(ValueError, match=message):
        recommender.related_to(Article("", "ship", ""), limit)


def test_unknown_ids_and_empty_drafts(recommender: Recommender) -> None:
    with pytest.raises(ArticleNotFound, match=re.escape("no article with id 'nothing' in this index - check the id")):
        recommender.related("nothing")
    for empty in (" ", "...", "<p></p>"):
        with pytest.raises(InvalidArticle, match="no words"):
            recommender.related_to(Article("", "", empty))


def test_ids_and_urls_are_found_as_they_stand_in_the_archive(tmp_path: Path) -> None:
    odd = {"id": " cafe\u0301  7", "title": "T", "text": "Ship pier.", "url": "https://example.org/cafe\u0301"}
    build_index([str(write_jsonl(tmp_path / "a.jsonl", [*records(5), odd]))], tmp_path / "index", HashEmbedder())
    with Recommender.open(tmp_path / "index") as opened:
        for spelling in (odd["id"], "caf\u00e9 7"):
            assert opened.related(spelling).article_id == "caf\u00e9 7"
        assert opened.catalogue.row_of_url(odd["url"]) == opened.catalogue.row_of_url("https://example.org/caf\u00e9") == 5


def test_another_model_is_refused_naming_both(index_dir: Path) -> None:
    class Other(HashEmbedder):
        sha256 = "e" * 64

    with Recommender.open(index_dir, Other()) as opened, pytest.raises(ModelError, match=f"{'f' * 64}.*{'e' * 64}"):
        opened.related_to(Article("", "ship", ""))


def test_a_model_that_gives_other_vectors_is_refused(index_dir: Path) -> None:
    class Changed(HashEmbedder):
        def token_spans(self, text: str) -> TokenSpans:
            return super().token_spans(text)[1:] if len(super().token_spans(text)) > 1 else super().token_spans(text)

    with Recommender.open(index_dir, Changed()) as opened, pytest.raises(ModelError, match="gives other vectors"):
        opened.related_to(Article("", "ship", ""))


def test_lists_are_the_same_from_many_threads(recommender: Recommender) -> None:
    expected = {record["id"]: recommender.related(record["id"]).items for record in records()}
    wrong: list[str] = []

    def ask() -> None:
        wrong.extend(id_ for _ in range(20) for id_, items in expected.items() if recommender.related(id_).items != items)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_threads_that_end_leave_nothing_open(recommender: Recommender) -> None:
    recommender.related("harbour-0")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(30):
        thread = threading.Thread(target=recommender.related, args=("harbour-0",))
        thread.start()
        thread.join()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


def test_a_closed_recommender_says_so(index_dir: Path) -> None:
    opened = Recommender.open(index_dir)
    opened.related("harbour-0")
    opened.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened.related("harbour-0")


def test_a_release_is_kept_while_it_is_read_and_goes_when_it_is_not(tmp_path: Path) -> None:
    def build(n: int) -> str:
        return build_index([str(write_jsonl(tmp_path / "a.jsonl", records(n)))], tmp_path / "index", HashEmbedder()).release

    first = build(10)
    with Recommender.open(tmp_path / "index", HashEmbedder()) as reading:
        expected = reading.related("harbour-0").ids
        for n in range(11, 16):
            build(n)
        assert reading.related_to(Article("", "ship", ""))
        answers: list[object] = []
        thread = threading.Thread(target=lambda: answers.append(reading.related("harbour-0").ids))
        thread.start()
        thread.join()
        assert answers == [expected]
        assert {folder.name for folder in (tmp_path / "index" / "releases").iterdir()} > {first}
    build(16)
    left = sorted(folder.name for folder in (tmp_path / "index" / "releases").iterdir())
    assert len(left) == KEPT
    assert first not in left


def test_results_are_frozen_and_read_like_a_list(recommender: Recommender) -> None:
    found = recommender.related("harbour-0", limit=3)
    assert len(found) == 3
    assert isinstance(found[0], Related)
    assert found[:2] == tuple(found)[:2]
    with pytest.raises(FrozenInstanceError):
        found[0].score = 1.0  # type: ignore[misc]


def test_the_real_model_relates_pythons_help_topics(demo_index: Path) -> None:
    with Recommender.open(demo_index) as opened:
        assert opened.related("typesseq-mutable", limit=3).ids[0] in ("typesseq", "lists")
        assert "while" in opened.related("for", limit=5).ids
        draft = Article("", "Loops", "How do I repeat a block of statements over each element of a list, and leave it early?")
        assert "for" in opened.related_to(draft, limit=3).ids
