"""Lists from an index that was built for real, against the definition applied to the archive's own texts."""

import math
import re
import sqlite3
import threading
from collections import Counter
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from index.build import build_index
from index.live import upserts
from index.release.publish import KEPT
from recommender import Article, Recommender, Related
from recommender.embedding.embedder import embed_articles
from recommender.errors import ArticleNotFound, InvalidArticle, ModelError
from recommender.lists.selection import Selection, select
from recommender.release.list_codec import EXPLAINED
from recommender.retrieval.candidates import described, neighbours
from recommender.text.chunking import TokenSpans
from recommender.vectors.exact import mean_vector
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder


def archive_articles(recommender: Recommender) -> list[Article]:
    return [recommender.catalogue.article(row) for row in range(recommender.release.manifest.n_articles)]


def tf_idf(articles: list[Article]) -> list[dict[str, float]]:
    """The definition in `recommender.terms.inverted_index`, word for word: unit weights of words and pairs of neighbouring words."""

    def terms(text: str) -> list[str]:
        found = re.findall(r"\w+", text.lower())
        return [*found, *(f"{one} {other}" for one, other in pairwise(found))]

    counts = []
    for article in articles:
        lead = " ".join(re.findall(r"\w+", article.text)[:60])
        counts.append(Counter(terms(article.title) * 2 + terms(article.text) + terms(lead)))
    df = Counter(term for count in counts for term in count)
    weighed = []
    for count in counts:
        weights = {term: math.sqrt(n) * math.log((len(articles) + 1) / (df[term] + 1)) for term, n in count.items() if df[term] > 1}
        norm = math.sqrt(sum(weight**2 for weight in weights.values()))
        weighed.append({term: weight / norm for term, weight in weights.items()})
    return weighed


def pairs(text: str) -> set[tuple[str, str]]:
    return set(pairwise(re.findall(r"\w+", text.lower())))


def share_named(query: Article, target: Article, df: Counter[tuple[str, str]], n_articles: int) -> float:
    """How much of the target's title, by the idf of its pairs of words, stands in the query."""
    idf = {pair: math.log((n_articles + 1) / (df[pair] + 1)) for pair in pairs(target.title)}
    named = pairs(query.title) | pairs(query.text)
    return sum(of for pair, of in idf.items() if pair in named) / max(sum(idf.values()), 1.0)


def hubness(closeness: list[list[float]], row: int) -> float:
    return fmean(sorted((of for other, of in enumerate(closeness[row]) if other != row), reverse=True)[:10])


def test_every_list_equals_brute_force_over_every_article(recommender: Recommender) -> None:
    """Each score from its definition, every article against every other; half precision of stored features is allowed for."""
    articles = archive_articles(recommender)
    embedded = [vectors for _, vectors in embed_articles(articles, HashEmbedder())]
    assert sum(len(vectors) > 1 for vectors in embedded) > 30, "the fixture must have multi-chunk articles"
    assert not any(recommender.catalogue.duplicates(row) for row in range(len(articles)))
    terms = tf_idf(articles)
    df = Counter(pair for article in articles for pair in pairs(article.title) | pairs(article.text))
    maxsim = [[float(((a @ b.T).max(axis=1).mean() + (a @ b.T).max(axis=0).mean()) / 2) for b in embedded] for a in embedded]
    words = [[math.sqrt(sum(weight * b.get(term, 0.0) for term, weight in a.items())) for b in terms] for a in terms]
    means = [mean_vector(vectors) for vectors in embedded]
    for row, article in enumerate(articles):
        expected = {}
        for other, target in enumerate(articles):
            score = (maxsim[row][other] + float(means[row] @ means[other])) / 2 - 0.65 * hubness(maxsim, other)
            score += 0.8 * words[row][other] - 0.2 * hubness(words, other)
            score += 0.3 * share_named(article, target, df, len(articles)) ** 2
            if article.published and target.published:
                days = abs((article.published - target.published).total_seconds()) / 86_400
                score += 0.06 * (math.exp(-days / 30) + math.exp(-days / 365))
            expected[target.id] = 1 / (1 + math.exp(4.1 - 5.2 * score))
        del expected[article.id]
        found = recommender.related(article.id, limit=30)
        assert [item.rank for item in found] == list(range(1, 31))
        for item, best in zip(found, sorted(expected.values(), reverse=True), strict=False):
            assert item.score == pytest.approx(expected[item.id], abs=0.01)
            assert item.score == pytest.approx(best, abs=0.01)
        assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)


def test_a_line_carries_the_targets_card_and_passages_of_both(recommender: Recommender) -> None:
    by_id = {record["id"]: record for record in records()}
    for query in ("harbour-0", "garden-14"):
        for item in recommender.related(query):
            target = by_id[item.id]
            assert (item.title, item.url, item.section) == (target["title"], target["url"], target["section"])
            assert item.published == (datetime.fromisoformat(target["published"]) if target["published"] else None)
            assert item.passages
            assert item.passages.query in by_id[query]["text"]
            assert item.passages.target in target["text"]
            assert item.passages.target.strip()


def test_the_passages_are_sentences_of_the_closest_chunks(recommender: Recommender) -> None:
    embedder = HashEmbedder()
    for item in recommender.related("railway-3"):
        query, target = (recommender.catalogue.article(recommender.catalogue.row(id_)) for id_ in ("railway-3", item.id))
        (query_chunks, a), (target_chunks, b) = embed_articles([query, target], embedder)
        cosines = a @ b.T
        best_query, best_target = divmod(int(cosines.argmax()), cosines.shape[1])
        assert item.passages
        assert item.passages.query in query_chunks[best_query].text
        assert item.passages.target in target_chunks[best_target].text


def test_lines_that_are_not_stored_with_their_reasons_are_explained_when_they_are_shown(recommender: Recommender) -> None:
    """As those are that are: with the same terms, and with sentences of both texts."""
    by_id = {article.id: article for article in archive_articles(recommender)}
    for query in list(by_id)[:5]:
        found = recommender.related(query, limit=60)
        assert len(found) > EXPLAINED, "the fixture must have longer lists"
        row = recommender.row(query)
        again = recommender.catalogue.candidates(row)
        recommender.texts.explain_stored(by_id[query].title, by_id[query].text, again)
        assert np.array_equal(again["terms"][:EXPLAINED], recommender.catalogue.candidates(row)["terms"][:EXPLAINED])
        for item in found.items[EXPLAINED:]:
            assert item.passages
            assert item.passages.query
            assert item.passages.query in by_id[query].text
            assert item.passages.target
            assert item.passages.target in (by_id[item.id].text or by_id[item.id].title)
            assert len(item.terms) == np.count_nonzero(again["terms"][item.rank - 1])


def test_shared_terms_are_shared_and_rare(recommender: Recommender) -> None:
    for item in recommender.related("railway-3"):
        query, target = (recommender.catalogue.article(recommender.catalogue.row(id_)) for id_ in ("railway-3", item.id))
        assert len(item.terms) == 3
        for term in item.terms:
            assert all(re.search(rf"\b{term}\b", re.sub(r"\W+", " ", f"{a.title}. {a.text}".lower())) for a in (query, target))
        assert len({word for term in item.terms for word in term.split()}) == sum(len(term.split()) for term in item.terms)


def test_a_draft_of_a_stored_text_gets_the_stored_list(recommender: Recommender) -> None:
    stored = recommender.catalogue.article(recommender.catalogue.row("election-5"))
    assert recommender.related_to(stored).items == recommender.related("election-5").items
    without_id = recommender.related_to(replace(stored, id=""))
    assert without_id.items == recommender.related("election-5").items, "a text does not recommend itself"
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
    with pytest.raises(ArticleNotFound, match=re.escape("no article 'nothing' in index")):
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
        row = opened.catalogue.row("caf\u00e9 7")
        spellings = (odd["url"], "https://example.org/caf\u00e9", "http://www.example.org/caf%C3%A9/?utm_source=mail#top")
        assert [opened.row_of_url(url) for url in spellings] == [row, row, row]


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
        assert opened.related("typesseq-mutable", limit=3).ids[0] in ("typesseq", "lists", "sequence-types")
        assert "while" in opened.related("for", limit=5).ids
        draft = Article("", "Loops", "How do I repeat a block of statements over each element of a list, and leave it early?")
        assert "for" in opened.related_to(draft, limit=3).ids


def test_a_filter_finds_what_little_it_keeps(tmp_path: Path) -> None:
    """A draft's list among a few articles of many, against all of them; a filter changes no score."""
    made = records(600)
    for number, record in enumerate(made):
        record["section"] = "rare" if number % 50 == 3 else "rest"
    build_index([str(write_jsonl(tmp_path / "a.jsonl", made))], tmp_path / "index", HashEmbedder())
    draft = Article("", "Harbour", made[0]["text"], published=datetime(2011, 3, 8, tzinfo=UTC))
    first = datetime(2011, 3, 1, tzinfo=UTC)
    with Recommender.open(tmp_path / "index", HashEmbedder()) as recommender:
        archive, texts = recommender.archive, recommender.texts
        _, vectors = embed_articles([draft], HashEmbedder())[0]
        query = texts.query(draft, vectors, None, texts.terms(draft), draft=True)
        (near,) = neighbours([query], archive.index, archive.layout, archive.lexical)
        every, _ = described(query, np.arange(600), near, archive)
        rare = every["section"] == archive.facts.sections["rare"]
        week = (every["published"] >= first.timestamp()) & (every["published"] < query.published)
        for wanted, kept in (
            (Selection(sections=("rare",), min_score=0.0), rare),
            (Selection(published_after=first, published_before=draft.published, min_score=0.0), week),
            (Selection(published_after=first, mode="background", min_score=0.0), week),
        ):
            assert 5 < kept.sum() < 20
            expected = select(every[kept], query.published, recommender.ranker, Selection(), 50)
            found = recommender.related_to(draft, 50, wanted)
            rows = every[kept]["article"][expected.places].tolist()
            assert found.ids == tuple(recommender.catalogue.card(row).id for row in rows)
            assert [item.score for item in found] == expected.scores.tolist()
        assert recommender.related_to(draft, 5, Selection(sections=("nothing",))).reason == "filtered_out"


def test_what_is_gone_to_come_or_a_copy_takes_no_place_of_what_a_filter_keeps(tmp_path: Path) -> None:
    """Nearest to the draft: copies of articles elsewhere, articles to come, one that was withdrawn, one that moved away."""
    made = records(160)
    wire, story = made[:10], made[0]["text"]
    for number, record in enumerate(made):
        record["section"] = "wire" if number < 10 else "rest"
        record["published"] = "2019-03-01T08:00:00Z"
    nearer = [
        {**made[10 + number % 70], "id": f"copy-{number}", "section": "wire", "published": "2019-03-02T08:00:00Z"} for number in range(70)
    ]
    to_come = [
        {
            **records(90, seed=4)[number],
            "id": f"soon-{number}",
            "section": "wire",
            "published": "2031-01-01T00:00:00Z",
            "title": f"Soon {number}",
        }
        for number in range(70)
    ]
    index = tmp_path / "index"
    build_index([str(write_jsonl(tmp_path / "a.jsonl", [*made, *nearer, *to_come]))], index, HashEmbedder())
    with Recommender.open(index, HashEmbedder()) as recommender:
        assert recommender.catalogue.duplicates(recommender.row(made[10]["id"])), "the copies are folded"
        draft = Article("", "A draft", story)
        of_wire = {record["id"] for record in wire}
        for section in ("wire", "wire\u200b"):
            assert set(recommender.related_to(draft, 50, Selection(sections=(section,), min_score=0.0)).ids) == of_wire
        upserts.withdraw(index, recommender, wire[3]["id"])
        upserts.put(index, recommender, replace(recommender.article(wire[4]["id"]), section="unheard of"))
        left = of_wire - {wire[3]["id"], wire[4]["id"]}
        assert set(recommender.related_to(draft, 50, Selection(sections=("wire",), min_score=0.0)).ids) == left
        both = recommender.related_to(draft, 50, Selection(sections=("wire", "rest"), min_score=0.0)).ids
        assert wire[3]["id"] not in both
        assert len(set(both)) == len(both)
        assert wire[4]["id"] in recommender.related_to(draft, 50, Selection(sections=("unheard of", "rest"), min_score=0.0)).ids
        upserts.withdraw(index, recommender, made[10]["id"])
        everything = recommender.related_to(Article("", "Another draft", made[10]["text"]), 50).ids
        assert made[10]["id"] not in everything
        assert "copy-0" in everything, "its copy stands for it now"


def test_near_duplicates_follow_the_filters_of_the_list(tmp_path: Path) -> None:
    sentence = (
        "The council of the city voted on Tuesday to close the old harbour bridge, engineer {} said, after cracks were found in arch {}."
    )
    text = " ".join(sentence.format(number, number * 7) for number in range(12))
    days = ["2020-01-01", "2020-01-02"]
    twins = [{"id": f"twin-{day}", "title": "Council closes harbour bridge", "text": text, "published": day} for day in days]
    build_index([str(write_jsonl(tmp_path / "a.jsonl", [*records(12), *twins]))], tmp_path / "index", HashEmbedder())
    first, second = (f"twin-{day}" for day in days)
    with Recommender.open(tmp_path / "index", HashEmbedder()) as opened:

        def shown(wanted: Selection) -> dict[str, list[str]]:
            return {item.id: [other.id for other in item.also] for item in opened.related("harbour-0", 12, wanted)}

        assert shown(Selection())[first] == [second]
        assert shown(Selection(as_of=datetime(2020, 1, 1, 12, tzinfo=UTC)))[first] == []
        assert shown(Selection(published_before=datetime(2020, 1, 2, tzinfo=UTC)))[first] == []
        for on_the_page in (first, second):
            assert first not in shown(Selection(exclude=(on_the_page,)))
        pasted = opened.related_to(Article("", "Council closes harbour bridge", text), 10)
        assert not {first, second} & set(pasted.ids), "a page does not recommend itself"
        with pytest.raises(InvalidArticle, match="without a time zone"):
            opened.related_to(Article("", "Ferry", "A ferry.", published=datetime(2020, 1, 1)))


def test_of_near_duplicates_to_come_the_soonest_stands_for_the_others(tmp_path: Path) -> None:
    text = " ".join(f"Engineer {number} found {number * 7} cracks in the old harbour bridge of the city." for number in range(20))
    now = datetime.now(UTC)
    twins = [
        {"id": f"in-{days}", "title": "Bridge", "text": text, "published": (now + timedelta(days=days)).isoformat()} for days in (2, 1)
    ]
    source = str(write_jsonl(tmp_path / "a.jsonl", [*records(8), *twins]))
    build_index([source], tmp_path / "index", HashEmbedder(), canonical="newest")
    with Recommender.open(tmp_path / "index") as opened:
        canonical = opened.catalogue.facts().canonical
        assert canonical[opened.catalogue.row("in-2")] == opened.catalogue.row("in-1")
