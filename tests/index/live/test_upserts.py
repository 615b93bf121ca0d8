"""Articles put and withdrawn between two builds: effective at once, both ways; durable; folded in by the next build, once."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.build import build_index
from index.live import upserts
from index.live.database import writing
from index.live.live_lists import named_pairs, pairs_of
from index.maintenance.release_rollback import roll_back
from index.release.publish import publish
from recommender import Article, Recommender
from recommender.errors import ArticleNotFound, ArticleWithdrawn
from recommender.features.feature_schema import CANDIDATE, FEATURES, RANKS, column
from recommender.features.ranker import SHIPPED
from recommender.live.database import LIVE_DB
from recommender.text.words import words
from recommender.types import LIVE, parse_time
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

ALL = records(48)
HELD_BACK = 44


def to_article(record: dict[str, Any]) -> Article:
    given = {name: record[name] for name in ("id", "title", "text", "url", "section", "lang")}
    return Article(**given, published=parse_time(record["published"]), read_more=tuple(record["read_more"]))


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """An index of all but the last articles."""
    build_index([str(write_jsonl(tmp_path / "first.jsonl", ALL[:HELD_BACK]))], tmp_path / "index", HashEmbedder())
    return tmp_path / "index"


@pytest.fixture
def opened(index: Path) -> Iterator[Recommender]:
    with Recommender.open(index, HashEmbedder()) as recommender:
        yield recommender


def rebuilt(index: Path, articles: list[dict[str, Any]]) -> Recommender:
    folder = index.parent / "whole"
    build_index([str(write_jsonl(folder.with_suffix(".jsonl"), articles))], folder, HashEmbedder())
    return Recommender.open(folder, HashEmbedder())


def test_an_article_is_in_both_directions_what_a_build_makes_of_it(index: Path, opened: Recommender) -> None:
    for record in ALL[HELD_BACK:]:
        assert upserts.put(index, opened, to_article(record))
    with rebuilt(index, ALL) as whole:
        agree = []
        for record in ALL:
            now, later = opened.related(record["id"]), whole.related(record["id"])
            agree.append(len(set(now.ids) & set(later.ids)) / max(len(later), 1))
            by_id = {item.id: item for item in later}
            for item in now:
                if item.id in by_id and item.id in {of["id"] for of in ALL[HELD_BACK:]}:
                    assert item.score == pytest.approx(by_id[item.id].score, abs=0.15)
        assert np.mean(agree) >= 0.8, "idf and hubness move with four more articles; most of the lists do not"
        new = {record["id"] for record in ALL[HELD_BACK:]}
        assert sum(bool(new & set(opened.related(record["id"]).ids)) for record in ALL[:HELD_BACK]) >= 20


def test_its_features_in_older_lists_are_those_that_their_articles_find(index: Path, opened: Recommender) -> None:
    for record in ALL[HELD_BACK:]:
        upserts.put(index, opened, to_article(record))
    columns = [column(name) for name in FEATURES if name not in RANKS]
    with opened.live.reading() as view, closing(sqlite3.connect(index / LIVE_DB)) as connection:
        places = connection.execute("SELECT query, target, candidate FROM place WHERE query < ?", (LIVE,)).fetchall()
        assert len(places) > 40
        for query_row, number, candidate in places:
            query = opened.texts.stored_query(query_row)
            found, _ = opened.texts.candidates(query, opened.texts.neighbours(query, view), view)
            (there,) = found[found["article"] == LIVE + number]
            mirrored = np.frombuffer(candidate, dtype=CANDIDATE)[0]
            for name in ("published", "section", "tie"):
                assert mirrored[name] == there[name]
            assert mirrored["features"][columns] == pytest.approx(there["features"][columns], abs=2**-9)


def test_it_is_folded_into_the_next_build_once(index: Path, opened: Recommender) -> None:
    changed = {**ALL[2], "title": "Another title", "text": ALL[2]["text"] + " Ships and ferries."}
    for record in [*ALL[HELD_BACK:], changed]:
        upserts.put(index, opened, to_article(record))
    upserts.withdraw(index, opened, ALL[5]["id"])
    first = write_jsonl(index.parent / "again.jsonl", ALL[:HELD_BACK])  # the source knows nothing of it
    report = build_index([str(first)], index, HashEmbedder(), delete_missing=True)
    assert (report.n_live, report.n_articles) == (5, len(ALL) - 1)
    as_it_is = [changed if record["id"] == changed["id"] else record for record in ALL if record["id"] != ALL[5]["id"]]
    with Recommender.open(index, HashEmbedder()) as folded, rebuilt(index, as_it_is) as whole:
        with folded.live.reading() as view:
            assert not view.articles
        for record in as_it_is:
            assert folded.related(record["id"]).items == whole.related(record["id"]).items
            assert folded.catalogue.article(folded.row(record["id"])) == whole.catalogue.article(whole.row(record["id"]))
        with pytest.raises(ArticleWithdrawn):
            folded.related(ALL[5]["id"])
    second = build_index([str(first)], index, HashEmbedder())
    assert (second.n_live, second.n_articles) == (0, len(ALL) - 1)


def test_lines_of_what_was_put_anew_tell_its_new_words(tmp_path: Path) -> None:
    many = records(150)  # more than the candidates of a list: so the new text is not near enough to all that the old one was near
    build_index([str(write_jsonl(tmp_path / "many.jsonl", many))], tmp_path / "index", HashEmbedder())
    new_text = "Nobody wrote of tides before. They were late again that day."
    changed = {**many[2], "title": "Of the tides", "text": new_text}
    with Recommender.open(tmp_path / "index", HashEmbedder()) as recommender:
        upserts.put(tmp_path / "index", recommender, to_article(changed))
        shown = 0
        for record in many[3:]:
            kept_its_place = not len(recommender.live.places(recommender.row(record["id"])))
            lines = recommender.related(record["id"], limit=64).items if kept_its_place else ()
            for line in (of for of in lines if of.id == changed["id"]):
                shown += 1
                assert line.passages is not None
                assert line.passages.target in new_text
                assert line.passages.query in record["text"]
                told = {word for term in line.terms for word in term.split()}
                assert told <= {*words(changed["title"]), *words(new_text)}
                assert told <= {*words(record["title"]), *words(record["text"])}
    assert shown > 10


def test_what_was_put_while_a_build_ran_outlives_it(index: Path, opened: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    late = to_article(ALL[-1])

    def publish_late(*given: Any) -> Any:
        upserts.put(index, opened, late)  # after the build has taken what there was
        return publish(*given)

    monkeypatch.setattr("index.build.publish", publish_late)
    upserts.put(index, opened, to_article(ALL[-2]))
    report = build_index([str(index.parent / "first.jsonl")], index, HashEmbedder())
    assert report.n_live == 1
    with Recommender.open(index, HashEmbedder()) as after:
        with after.live.reading() as view:
            assert [card.card.id for card in view.articles.values()] == [late.id]
            assert len(view.unprepared) == 1
        assert not after.related(late.id).items
        assert upserts.prepare(index, after) == 1
        assert after.related(late.id).items
        expected = after.related_to(Article(late.id, late.title, late.text, published=late.published, section=late.section))
        assert after.related(late.id).ids == expected.ids


def test_going_back_to_an_older_release_loses_nothing(index: Path, opened: Recommender) -> None:
    upserts.put(index, opened, to_article(ALL[-1]))
    build_index([str(index.parent / "first.jsonl")], index, HashEmbedder())
    with Recommender.open(index, HashEmbedder()) as newer:
        upserts.put(index, newer, to_article(ALL[-2]))
    roll_back(index, opened.release.name)
    with Recommender.open(index, HashEmbedder()) as older:
        assert older.release.name == opened.release.name
        upserts.prepare(index, older)
        for record in ALL[-2:]:
            assert older.related(record["id"]).items
        assert {ALL[-1]["id"], ALL[-2]["id"]} <= {id_ for record in ALL[:HELD_BACK] for id_ in older.related(record["id"], 20).ids}


def test_a_correction_is_shown_where_the_old_text_was(index: Path, opened: Recommender) -> None:
    target = opened.related(ALL[0]["id"])[0].id
    before = {record["id"]: target in opened.related(record["id"]).ids for record in ALL[:HELD_BACK]}
    old = opened.catalogue.article(opened.row(target))
    corrected = Article(target, f"{old.title}, corrected", old.text, old.url, old.published, old.section, old.lang)
    assert not upserts.put(index, opened, corrected), "its id is known"
    assert opened.row(target) >= LIVE
    for record in ALL[:HELD_BACK]:
        found = {item.id: item for item in opened.related(record["id"])}
        if before[record["id"]] and target in found:
            assert found[target].title == corrected.title
            passages = found[target].passages
            assert passages
            assert passages.target in corrected.text
    assert sum(target in opened.related(record["id"]).ids for record in ALL[:HELD_BACK]) >= 0.6 * sum(before.values())
    assert target not in opened.related(target).ids


def test_the_same_article_put_again_changes_nothing(index: Path, opened: Recommender) -> None:
    article = to_article(ALL[-1])
    assert upserts.put(index, opened, article)
    with opened.live.reading() as view:
        sequence = view.sequence
    assert not upserts.put(index, opened, article)
    with opened.live.reading() as view:
        assert view.sequence == sequence


def test_what_is_withdrawn_is_nowhere_until_it_is_put_again(index: Path, opened: Recommender) -> None:
    stored, put = ALL[1]["id"], to_article(ALL[-1])
    upserts.put(index, opened, put)
    for gone in (stored, put.id):
        upserts.withdraw(index, opened, gone)
        upserts.withdraw(index, opened, gone)
        with pytest.raises(ArticleWithdrawn, match="was withdrawn"):
            opened.related(gone)
        for record in ALL[:HELD_BACK]:
            if record["id"] != gone and record["id"] != stored:
                assert gone not in opened.related(record["id"], 40).ids
        draft = opened.related_to(Article("", ALL[1]["title"], ALL[1]["text"]), 40)
        assert gone not in draft.ids
    raw = b"".join(path.read_bytes() for path in index.glob(LIVE_DB + "*"))
    assert put.text.encode() not in raw, "its text is wiped"
    assert upserts.put(index, opened, put), "a new article again"
    assert opened.related(put.id).items
    with pytest.raises(ArticleNotFound):
        upserts.withdraw(index, opened, "never there")


@pytest.mark.parametrize("size", [60, 20_000], ids=["short", "over many pages"])
def test_not_a_word_of_what_is_withdrawn_is_left_in_the_file(index: Path, opened: Recommender, size: int) -> None:
    """Nor in its log, nor in pages that nothing uses any more."""
    word = "zeppelinharbourmaster"
    upserts.put(
        index, opened, Article("secret", f"Of {word}", f"The {word} left at noon. " * (size // 40 + 1), url=f"https://example.org/{word}")
    )
    upserts.put(index, opened, to_article(ALL[-1]))
    assert word.encode() in b"".join(path.read_bytes() for path in index.glob(LIVE_DB + "*"))
    upserts.withdraw(index, opened, "secret")
    assert word.encode() not in b"".join(path.read_bytes() for path in index.glob(LIVE_DB + "*"))


def test_what_is_written_is_on_the_disk_and_over_what_was_there(index: Path) -> None:
    """No test can pull the plug: SQLite's own word that it waits for the disk after each transaction, and overwrites what is deleted."""
    with writing(index) as connection:
        in_force = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "secure_delete", "journal_mode")}
    assert in_force == {"synchronous": 2, "secure_delete": 1, "journal_mode": "wal"}


def test_live_articles_answer_drafts_and_each_other(index: Path, opened: Recommender) -> None:
    twins = [
        Article(
            f"zeppelin-{number}", f"Zeppelin hangar {number}", f"The zeppelin left hangar {number} at noon. Engines hummed over fields."
        )
        for number in range(3)
    ]
    for article in twins:
        upserts.put(index, opened, article)
    assert opened.related_to(Article("", "Zeppelin", "A zeppelin over the hangar. Its engines hummed.")).ids[0].startswith("zeppelin")
    for article in twins:
        found = opened.related(article.id)
        assert sum(id_.startswith("zeppelin") for id_ in found.ids) == 2


def test_another_process_sees_it_at_once(index: Path, opened: Recommender) -> None:
    with Recommender.open(index) as reader:  # a connection of its own, and no model
        before = reader.related(ALL[0]["id"], 40).ids
        upserts.put(index, opened, to_article(ALL[-4]))
        assert ALL[-4]["id"] in reader.related(ALL[0]["id"], 40).ids
        assert ALL[-4]["id"] not in before
        assert reader.related(ALL[-4]["id"]).items


def test_a_damaged_file_leaves_the_lists_of_the_release(index: Path, opened: Recommender, caplog: pytest.LogCaptureFixture) -> None:
    expected = opened.related(ALL[0]["id"])
    upserts.put(index, opened, to_article(ALL[-4]))
    opened.close()
    for path in index.glob(LIVE_DB + "*"):
        path.unlink()
    (index / LIVE_DB).write_bytes(b"no database" * 1000)
    with Recommender.open(index) as reader:
        assert reader.related(ALL[0]["id"]) == expected
        assert "live.db cannot be read" in str(reader.live.fault)


def test_a_near_duplicate_is_folded(index: Path, opened: Recommender) -> None:
    body = " ".join(f"Sentence {number} tells what the harbour master said about quay {chr(97 + number)}." for number in range(20))
    first = Article("wire-1", "Harbour master speaks about the quay", body, published=parse_time("2021-05-01T08:00:00Z"))
    again = Article("wire-2", "Harbour master speaks about the quay", body, published=parse_time("2021-05-01T18:00:00Z"))
    upserts.put(index, opened, first)
    upserts.put(index, opened, again)
    showing = [opened.related(record["id"], 40) for record in ALL[:HELD_BACK]]
    assert not any("wire-2" in found.ids for found in showing)
    also = [item.also for found in showing for item in found if item.id == "wire-1"]
    assert also
    assert all([copy.id for copy in copies] == ["wire-2"] for copies in also)
    assert "wire-1" not in opened.related("wire-2").ids
    upserts.withdraw(index, opened, "wire-1")


def test_numbers_are_never_given_twice(index: Path, opened: Recommender) -> None:
    upserts.put(index, opened, to_article(ALL[-1]))
    number = opened.row(ALL[-1]["id"])
    opened.close()
    for _ in range(4):  # until no kept release needs it
        build_index([str(index.parent / "first.jsonl")], index, HashEmbedder())
    with Recommender.open(index, HashEmbedder()) as after:
        upserts.put(index, after, to_article(ALL[-1]))
        assert after.row(ALL[-1]["id"]) > number


def test_a_list_keeps_its_best_live_candidates(index: Path, opened: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.live.rows.N_CANDIDATES", 100)
    new = [to_article({**record, "id": f"more-{record['id']}"}) for record in records(24, seed=9)]
    for article in new:
        upserts.put(index, opened, article)

    def places() -> dict[int, list[tuple[float, int]]]:
        with closing(sqlite3.connect(index / LIVE_DB)) as connection:
            found: dict[int, list[tuple[float, int]]] = {}
            for query, target, score, candidate in connection.execute("SELECT query, target, score, candidate FROM place"):
                assert score == SHIPPED.scores(np.frombuffer(candidate, dtype=CANDIDATE)["features"])[0]
                found.setdefault(query, []).append((score, target))
            return found

    every = places()
    assert max(map(len, every.values())) > 6
    for article in new:
        upserts.withdraw(index, opened, article.id)
    assert not places()
    monkeypatch.setattr("index.live.rows.N_CANDIDATES", 4)
    for article in new:
        upserts.put(index, opened, article)
    few = places()
    stored = {query: found for query, found in every.items() if query < LIVE}
    assert {query: sorted(found) for query, found in few.items() if query < LIVE} == {
        query: sorted(sorted(found, reverse=True)[:4]) for query, found in stored.items()
    }, "the best of all that were put, in whatever order"
    assert max(map(len, few.values())) == 4


WORDS = st.sampled_from(["tide", "Tide", "tides", "ferry", "of", "the", "of the", "渡船", "city’s", "_", "-", "x" * 70])


@given(st.lists(WORDS, max_size=9), st.lists(WORDS, min_size=2, max_size=4), st.sampled_from([" ", ", ", "__", "\n"]))
def test_pairs_of_words_are_found_as_splitting_finds_them(text: list[str], title: list[str], between: str) -> None:
    pairs = set(pairwise(words(" ".join(title))))
    said = between.join(text)
    assert named_pairs(["", said], pairs_of(pairs)) == pairs & set(pairwise(words(said)))
