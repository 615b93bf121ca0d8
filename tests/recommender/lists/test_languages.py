"""A list is in the language of the article being read, unless the reader asks for any."""

from pathlib import Path

import pytest

from index.build import build_index
from index.live.upserts import put
from recommender import Article, Recommender
from recommender.features.article_features import LANGUAGE_NAMES
from recommender.lists.selection import Selection
from tests.support.archive import write_jsonl
from tests.support.hash_embedder import HashEmbedder

TOPICS = ("ferry harbour", "library council", "bread oven", "storm coast", "carmaker share")
ANY = Selection(langs=("any",))


def text(n: int, lang: str) -> str:
    """Texts of one topic share most of their words in all languages, so only the language tells them apart."""
    return f"{TOPICS[n % len(TOPICS)]} number{n} {'the and of' if lang == 'en' else 'der und von'} report {n % 7}"


@pytest.fixture(scope="module")
def index_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("languages")
    fields = [
        {"id": f"{lang}-{n}", "title": f"{TOPICS[n % 5]} {n}", "text": text(n, lang), "lang": lang}
        for n in range(20)
        for lang in ("en", "de-AT")
    ]
    fields.append({"id": "unknown", "title": "ferry harbour", "text": text(0, "en")[:40]})
    build_index([str(write_jsonl(folder / "a.jsonl", fields))], folder / "index", HashEmbedder())
    return folder / "index"


def languages(recommender: Recommender, items: tuple[object, ...]) -> set[str]:
    return {str(item.id).split("-")[0] for item in items}  # type: ignore[attr-defined]


def test_lists_by_id_stay_in_their_language(index_dir: Path) -> None:
    with Recommender.open(index_dir, embedder=HashEmbedder()) as recommender:
        for lang in ("en", "de"):
            for n in range(20):
                article_id = f"en-{n}" if lang == "en" else f"de-AT-{n}"
                found = recommender.related(article_id, 10).items
                assert languages(recommender, found) <= {lang, "unknown"}
                assert len(found) == 10
        assert languages(recommender, recommender.related("en-0", 20, ANY).items) >= {"en", "de"}
        assert languages(recommender, recommender.related("en-0", 20, Selection(langs=("de",))).items) == {"de"}
        assert languages(recommender, recommender.related("unknown", 20).items) == {"en", "de"}, "an unknown language leaves nothing out"


def test_drafts_with_and_without_a_language(index_dir: Path) -> None:
    with Recommender.open(index_dir, embedder=HashEmbedder()) as recommender:
        for lang in ("de", None):
            found = recommender.related_to(Article("", "library council", text(1, "de") + " der und von", lang=lang), 8).items
            assert languages(recommender, found) <= {"de", "unknown"}, lang
        foreign = recommender.related_to(Article("", "library council", text(1, "de"), lang="fr"), 8).items
        assert foreign, "a language that the archive lacks leaves nothing out"


def test_a_new_article_enters_lists_of_its_language_alone(index_dir: Path) -> None:
    with Recommender.open(index_dir, embedder=HashEmbedder()) as recommender:
        put(index_dir, recommender, Article("en-new", "bread oven 2", text(2, "en"), lang="en-GB"))
        assert languages(recommender, recommender.related("en-new", 10).items) <= {"en", "unknown"}
        shown = {lang: [item.id for item in recommender.related(f"{lang}-2", 10).items] for lang in ("en", "de-AT")}
        assert "en-new" in shown["en"]
        assert "en-new" not in shown["de-AT"]
        assert "en-new" in [item.id for item in recommender.related("de-AT-2", 30, ANY).items]


def test_an_archive_of_one_language_stores_none(tmp_path: Path) -> None:
    fields = [{"id": str(n), "title": f"{TOPICS[n % 5]} {n}", "text": text(n, "en"), "lang": "en"} for n in range(99)]
    fields.append({"id": "99", "title": "x", "text": text(0, "de"), "lang": "la"})
    build_index([str(write_jsonl(tmp_path / "a.jsonl", fields))], tmp_path / "index", HashEmbedder())
    assert not list((tmp_path / "index").rglob(LANGUAGE_NAMES)), "a single article may be taken for another language"
