"""What machines share through PostgreSQL: what is said on one is on all, in the same lists; nothing is lost, nothing counts twice."""

import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.build import build_index
from index.encoder.openvino_export import fastest_embedder
from index.journal import replication
from index.journal.address import VARIABLE, JournalAddress
from index.journal.checks import check_followed, check_missed
from index.journal.connect import opened
from index.journal.import_local import adopt
from index.journal.replication import follow
from index.live import upserts as live
from index.live.live_lists import live_lists
from index.release.publish import publish, set_current
from index.remote.pull_release import pull
from index.remote.push_release import push
from index.remote.store import Store
from index.updates import judgements, override_edits, override_store
from index.wings import wings_at
from recommender import Recommender
from recommender.errors import ArticleNotFound, ArticleWithdrawn, InputError, InvalidOverride, JournalUnavailable
from recommender.live.database import LIVE_DB
from recommender.live.withdrawn import WITHDRAWN
from recommender.overrides import Override, Pin
from recommender.release.manifest import current_folder
from service.settings import read_settings
from tests.index.live.test_upserts import to_article
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder
from tests.support.machines import TABLES, Machine, machine, rows
from tests.support.postgres_server import PASSWORD, USER, WRITTEN, Running
from tests.support.served import ROOT

NEW = [to_article(record) for record in records(60, seed=9)[40:]]


@pytest.fixture
def address(postgres: Running) -> str:
    """A journal in which nothing was said yet."""
    return postgres.make(uuid4().hex)


@pytest.fixture
def machines(index_dir: Path, tmp_path: Path, address: str) -> Iterator[list[Machine]]:
    """Two that share a journal, and one that is alone."""
    with ExitStack() as stack:
        yield [stack.enter_context(machine(index_dir, tmp_path / name, of)) for name, of in (("a", address), ("b", address), ("c", ""))]


def test_machines_come_to_the_same_lists_as_one_that_is_alone(machines: list[Machine]) -> None:
    a, b, alone = machines
    for number, article in enumerate(NEW[:8]):
        one, other = (a, b) if number % 2 else (b, a)
        assert one.put(article)
        other.follow()
        assert alone.put(article)
    corrected = to_article({**records(60, seed=9)[41], "title": "Put anew", "text": "The tide was late. Ships and ferries waited."})
    for said in (a, alone):
        assert not said.put(corrected)
        said.withdraw(NEW[2].id)
        said.withdraw("harbour-0")
        override_store.put(said.index, "harbour-4", Override((Pin(NEW[3].id, 1),)), "key", said.journal)
    b.follow()
    for table in TABLES:
        expected = rows(alone.index, table)
        assert expected
        assert rows(a.index, table) == expected
        assert rows(b.index, table) == expected
    assert a.seen() == b.seen() == alone.seen()
    assert a.lists() == b.lists() == alone.lists()
    assert b.recommender.related("harbour-4")[0].id == NEW[3].id
    with pytest.raises(ArticleWithdrawn):
        b.recommender.related("harbour-0")
    new = {article.id for article in NEW[:8]}
    assert sum(bool(new & {item.id for item in items}) for items in b.lists().values()) > 20, "both ways"


def test_a_build_folds_in_what_any_machine_said_once_and_the_others_follow(machines: list[Machine], address: str, tmp_path: Path) -> None:
    a, b, alone = machines
    journal = a.journal
    assert journal is not None
    alone.put(NEW[5])
    a.put(NEW[0])
    b.put(NEW[1])
    b.withdraw("harbour-0")
    source = [str(write_jsonl(tmp_path / "again.jsonl", records()))]
    report = build_index(source, a.index, HashEmbedder(), wings=wings_at(live=address))
    assert (report.n_live, report.n_articles) == (2, 41)
    shutil.copytree(a.index / "releases" / report.release, b.index / "releases" / report.release)
    set_current(b.index / "releases" / report.release, b.index)
    shutil.copytree(a.index / "releases" / report.release, alone.index / "releases" / report.release)
    set_current(alone.index / "releases" / report.release, alone.index)
    with Recommender.open(alone.index, HashEmbedder()) as now, now.live.reading() as view:
        assert list(view.rows) == [NEW[5].id], "its number is below that of the release, which is of another count"
    b.put(NEW[2])  # under the older release, which b has open still
    for index in (a.index, b.index):
        with Recommender.open(index, HashEmbedder()) as now:
            follow(index, journal, now)
            live.prepare(index, now)
            with now.live.reading() as view:
                assert [live.card.id for live in view.articles.values()] == [NEW[2].id], "what is in the release counts once"
            assert now.related(NEW[0].id).items
            assert now.related(NEW[2].id).items
            with pytest.raises(ArticleWithdrawn):
                now.related("harbour-0")
    a.recommender.close()  # else its release stays
    b.put(NEW[3])
    for _ in range(2):  # until no kept release needs what was put first
        build_index(source, a.index, HashEmbedder(), wings=wings_at(live=address))
    with psycopg.connect(address) as connection:
        left = [article_id for (article_id,) in connection.execute("SELECT id FROM readmore_article ORDER BY number")]
    assert left == ["harbour-0", NEW[2].id, NEW[3].id]
    assert [row[1] for row in rows(a.index, "article")] == left
    assert [row[1] for row in rows(b.index, "article")] == [NEW[0].id, NEW[1].id, *left], "b keeps its older release"
    b.put(NEW[4])
    with machine(a.index, tmp_path / "new", address) as new:
        new.follow()
        assert list(new.seen()["rows"]) == [NEW[4].id], "a machine without a live.db learns what its release does not hold"
        assert new.seen()["withdrawn"] == {"harbour-0"}


def test_a_build_needs_the_journal_at_its_beginning_alone(
    machines: list[Machine], address: str, tmp_path: Path, postgres: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, _ = machines
    b.put(NEW[0])
    source = [str(write_jsonl(tmp_path / "again.jsonl", records()))]
    before = current_folder(a.index).name
    postgres.kill()
    try:
        with pytest.raises(JournalUnavailable, match="PostgreSQL at 127"):
            build_index(["there is no such file"], a.index, HashEmbedder(), wings=wings_at(live=address))
        assert current_folder(a.index).name == before
    finally:
        postgres.start()

    def killed_then_published(*given: Any) -> Path:
        postgres.kill()
        return publish(*given)

    monkeypatch.setattr("index.build.publish", killed_then_published)
    try:
        assert build_index(source, a.index, HashEmbedder(), wings=wings_at(live=address)).n_live == 1
    finally:
        postgres.start()
    with Recommender.open(a.index, HashEmbedder()) as now:
        assert now.release.name != before
        assert now.related(NEW[0].id).items


def test_of_two_who_change_an_override_at_once_neither_undoes_what_the_other_did(machines: list[Machine]) -> None:
    a, b, alone = machines
    for of in (a, b, alone):  # b has not followed
        override_store.change(of.index, "harbour-4", lambda said: override_edits.pin(said, "garden-2", 1), "first", "Ann", "1", of.journal)
        if of is b:
            continue
        override_store.change(of.index, "harbour-4", lambda said: override_edits.block(said, "garden-6"), "then", "Ann", "1", of.journal)
    override_store.change(b.index, "harbour-4", lambda said: override_edits.unblock(said, "garden-6"), "last", "Bea", "2", b.journal)
    with pytest.raises(InvalidOverride):
        override_store.put(a.index, "harbour-4", Override((Pin("a", 1), Pin("b", 1))), None, a.journal)
    assert override_store.undo(b.index, "harbour-4", "Bea", "2", b.journal)
    a.follow()
    told = override_store.history(a.index, "harbour-4")
    assert [entry["reason"] for entry in told] == ["undo", "last", "first", "then", "first"]
    assert (told[0]["pins"], told[0]["blocks"]) == (told[3]["pins"], told[3]["blocks"])
    assert override_store.history(b.index, "harbour-4") == told
    assert override_store.delete(b.index, "harbour-4", None, b.journal)
    assert not override_store.delete(b.index, "harbour-4", None, b.journal)
    a.follow()
    assert "harbour-4" not in a.seen()["overrides"]


def test_what_many_change_at_once_is_all_there(machines: list[Machine]) -> None:
    a, b, _ = machines

    def block(of: Machine, name: str) -> None:
        for number in range(15):
            override_store.change(
                of.index, "harbour-4", partial(override_edits.block, article_id=f"{name}-{number}"), "", "", None, of.journal
            )

    threads = [threading.Thread(target=block, args=of) for of in ((a, "one"), (b, "two"), (a, "three"), (b, "four"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for of in (a, b):
        of.follow()
        assert len(of.seen()["overrides"]["harbour-4"].blocks) == 60
    assert rows(a.index, "override_history") == rows(b.index, "override_history")


def test_what_editors_think_of_lines_is_shared(machines: list[Machine]) -> None:
    a, b, _ = machines
    judgements.judge(a.index, "harbour-0", {"harbour-4": True, "garden-2": False}, "Ann", None, a.journal)
    judgements.judge(b.index, "harbour-0", {"garden-2": None}, "Bea", None, b.journal)
    a.follow()
    assert judgements.judged(a.index) == judgements.judged(b.index) == {"harbour-0": {"harbour-4": True}}


def test_the_audit_trail_stays(machines: list[Machine], address: str) -> None:
    override_store.put(machines[0].index, "harbour-0", Override(everywhere=True), "key", machines[0].journal)
    table = "readmore_override_history"
    for sql in (f"DELETE FROM {table}", f"UPDATE {table} SET key = 'x'", f"TRUNCATE {table}"):
        with psycopg.connect(address) as connection, pytest.raises(psycopg.errors.RaiseException, match="never changed"):
            connection.execute(sql)


def test_a_machine_that_was_away_shows_withdrawals_first_and_all_lists_in_the_end(machines: list[Machine]) -> None:
    a, b, alone = machines
    for number in range(36):
        article = to_article({**records(60, seed=9)[40 + number % 20], "id": f"new-{number}", "url": f"https://example.org/new/{number}"})
        a.put(article)
        alone.put(article)
    for of in (a, alone):
        of.withdraw("harbour-0")
    assert b.journal is not None
    follow(b.index, b.journal, b.recommender)
    assert b.seen()["withdrawn"] == {"harbour-0"}
    assert not rows(b.index, "own"), "36 lists take longer than a withdrawal may wait"
    assert live.prepare(b.index, b.recommender) == 36
    assert b.seen() == a.seen() == alone.seen()
    assert a.lists() == alone.lists()


def test_what_a_machine_said_alone_is_not_lost(index_dir: Path, tmp_path: Path, address: str) -> None:
    with machine(index_dir, tmp_path / "a") as a:
        a.put(NEW[0])
        a.put(NEW[1])
        a.withdraw("harbour-0")
        override_store.put(a.index, "harbour-4", Override((Pin("garden-2", 1),)), "key")
        override_store.delete(a.index, "harbour-4", "key")
        override_store.put(a.index, "garden-2", Override((Pin("harbour-8", 1),)), "key")
        judgements.judge(a.index, "garden-2", {"garden-6": True}, "Ann", None)
        before, told = a.seen(), rows(a.index, "override_history")
        build_index([str(write_jsonl(tmp_path / "again.jsonl", records()))], a.index, HashEmbedder())
        live.put(a.index, a.recommender, NEW[2])
    with machine(index_dir, tmp_path / "b", address) as b:
        journal = b.journal
        assert journal is not None
        for refused in (lambda: check_followed(a.index, journal), lambda: follow(a.index, journal)):
            with pytest.raises(InputError, match="readmore share"):
                refused()
        b.put(NEW[3])
        override_store.put(b.index, "garden-2", Override((Pin("garden-6", 1),)), "other", journal)
        done = adopt(a.index, journal)
        everything = [NEW[0].id, NEW[1].id, "harbour-0", NEW[2].id]
        assert done.articles == everything, "not all kept releases hold what the newest one does"
        assert (done.overrides, done.judgements, done.kept) == (["harbour-4"], 1, ["garden-2"])
        assert done.aside == a.index / "live.db.alone"
        again = adopt(a.index, journal)
        assert (again.articles, again.overrides, again.judgements, again.kept) == ([], [], 0, [])
        b.follow()
        assert b.seen()["withdrawn"] == before["withdrawn"]
        assert set(b.seen()["rows"]) == {article.id for article in NEW[:4]}
        assert b.recommender.related("garden-2")[0].id == "garden-6"
        assert judgements.judged(b.index) == {"garden-2": {"garden-6": True}}
        assert {row[1:] for row in told if row[1] == "harbour-4"} <= {row[1:] for row in rows(b.index, "override_history")}
        with machine(a.index, a.index, address) as now:
            now.follow()
            assert set(now.seen()["rows"]) == {article.id for article in NEW[:4]}
            assert {now.recommender.related(article.id).article_id for article in NEW[:4]} == {article.id for article in NEW[:4]}
        with pytest.raises(InputError, match="READMORE_LIVE"):
            live.put(a.index, b.recommender, NEW[4])
        with pytest.raises(InputError, match="READMORE_LIVE"):
            check_followed(a.index, None)


@pytest.mark.parametrize("others", [0, 2, 4, 8])
def test_a_journal_that_was_put_back_is_seen_and_made_whole_by_a_copy(machines: list[Machine], address: str, others: int) -> None:
    a, b, _ = machines
    assert a.journal is not None
    a.put(NEW[0])
    b.follow()
    a.put(NEW[1])
    a.withdraw("harbour-0")
    override_store.put(a.index, "harbour-4", Override((Pin("garden-2", 1),)), "key", a.journal)
    a.put(to_article({**records(60, seed=9)[41], "title": "Put anew"}))
    expected = a.seen()
    with psycopg.connect(address) as connection:  # as a backup of before would have it
        connection.execute("ALTER TABLE readmore_override_history DISABLE TRIGGER ALL")
        for table in ("article", "override", "override_history", "mark"):
            connection.execute(f"DELETE FROM readmore_{table} WHERE sequence > 1")
        connection.execute("UPDATE readmore_state SET sequence = 1, numbered = 1")
        connection.execute("ALTER TABLE readmore_override_history ENABLE TRIGGER ALL")
    with pytest.raises(InputError, match="put back to an older state"):
        a.follow()
    with pytest.raises(JournalUnavailable, match="was put back"):
        a.put(NEW[4])
    with pytest.raises(JournalUnavailable, match="was put back"):
        override_store.put(a.index, "garden-2", Override((Pin("garden-6", 1),)), "key", a.journal)
    for article in NEW[5 : 5 + others]:
        b.put(article)
    if others:  # the numbers that a knows were given again
        with pytest.raises(InputError, match="put back to an older state"):
            a.follow()
    assert adopt(a.index, a.journal).aside == a.index / "live.db.alone"
    b.withdraw("harbour-4")
    for of in (a, b):
        of.follow()
        assert set(of.seen()["rows"]) == expected["rows"].keys() | {article.id for article in NEW[5 : 5 + others]}
        assert of.seen()["withdrawn"] == {"harbour-0", "harbour-4"}
        assert of.seen()["overrides"] == expected["overrides"]
        assert of.recommender.article(NEW[1].id).title == "Put anew"
    for table in ("article", "override", "override_history"):
        assert rows(a.index, table) == rows(b.index, table)


def test_an_article_that_the_journal_forgot_and_that_is_put_again(machines: list[Machine]) -> None:
    a, b, alone = machines
    assert a.journal is not None
    for of in (a, alone):
        of.put(NEW[0])
    b.follow()
    a.journal.purge(1)
    for title in ("Put anew", "And again"):
        for of in (a, alone):
            of.put(replace(NEW[0], title=title))
        b.follow()
    assert b.recommender.article(NEW[0].id).title == "And again"
    assert a.lists() == b.lists() == alone.lists()
    a.journal.purge(3)
    b.withdraw(NEW[0].id)  # which it shows, though neither the journal nor its release holds it
    a.follow()
    for of in (a, b):
        assert not rows(of.index, "own")
        assert not rows(of.index, "place")


def test_a_machine_that_missed_what_the_journal_forgot_says_so_and_fetches_it(
    machines: list[Machine], address: str, tmp_path: Path
) -> None:
    a, b, _ = machines
    assert a.journal is not None
    assert b.journal is not None
    a.withdraw("harbour-0")
    b.follow()
    a.put(next(to_article(record) for record in records() if record["id"] == "harbour-0"))
    a.put(NEW[0])
    source = str(write_jsonl(tmp_path / "again.jsonl", records()))
    build_index([source], a.index, HashEmbedder(), wings=wings_at(live=address))
    a.journal.purge(3)
    a.withdraw("garden-2")
    b.follow()
    assert b.seen()["withdrawn"] == {"garden-2"}, "harbour-0 was put again"
    with pytest.raises(InputError, match=r"newer releases alone.*readmore pull"):
        check_missed(b.index, b.recommender.release.manifest)
    with pytest.raises(InputError, match="newer releases alone"):
        build_index([source], b.index, HashEmbedder(), wings=wings_at(live=address))
    push(a.index, Store(str(tmp_path / "store")))
    pull(Store(str(tmp_path / "store")), b.index)
    with machine(b.index, b.index, address) as now:
        check_missed(now.index, now.recommender.release.manifest)
        assert now.recommender.related(NEW[0].id).article_id == NEW[0].id
    build_index([source], b.index, HashEmbedder(), wings=wings_at(live=address))


def test_what_all_kept_releases_hold_leaves_the_copy_of_a_machine_that_only_pulls(
    machines: list[Machine], address: str, tmp_path: Path
) -> None:
    a, b, _ = machines
    store = Store(str(tmp_path / "store"))
    a.put(NEW[0])
    b.follow()
    before = current_folder(b.index)
    for number in range(2):
        build_index(
            [str(write_jsonl(tmp_path / "again.jsonl", records(40 + number)))], a.index, HashEmbedder(), wings=wings_at(live=address)
        )
        push(a.index, store)
        pull(store, b.index)
        assert [row[1] for row in rows(b.index, "article")] == [NEW[0].id]
    shutil.rmtree(before)
    build_index([str(write_jsonl(tmp_path / "again.jsonl", records(42)))], a.index, HashEmbedder(), wings=wings_at(live=address))
    push(a.index, store)
    pull(store, b.index)
    assert rows(b.index, "article") == rows(b.index, "own") == rows(b.index, "place") == []


def test_tables_that_are_gone_are_not_made_anew(machines: list[Machine], address: str) -> None:
    a, _, _ = machines
    assert a.journal is not None
    a.put(NEW[0])
    with psycopg.connect(address) as connection:
        for table in ("state", "mark", "article", "override", "override_history", "judgement"):
            connection.execute(f"DROP TABLE readmore_{table}")
        connection.execute("DROP FUNCTION readmore_stays")
    with pytest.raises(JournalUnavailable):
        a.follow()
    with pytest.raises(JournalUnavailable, match="tables of the journal are gone"):
        a.follow()
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT to_regclass('readmore_state')").fetchone() == (None,)


def test_a_database_that_cannot_hold_all_texts_is_refused(postgres: Running) -> None:
    with psycopg.connect(postgres.address(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0")
    journal = opened(postgres.address("ascii"))
    assert journal is not None
    with closing(journal), pytest.raises(InputError, match="encoding SQL_ASCII"):
        journal.head()


def test_one_article_whose_lists_fail_holds_up_nothing(machines: list[Machine], monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, _ = machines
    a.put(NEW[0])
    a.put(NEW[1])
    a.withdraw("harbour-0")

    def failing(*given: Any) -> Any:
        if given[2].id == NEW[0].id:
            raise ValueError("nobody expected that")
        return live_lists(*given)

    with monkeypatch.context() as patch:
        patch.setattr(replication, "live_lists", failing)
        patch.setattr(live, "live_lists", failing)
        b.follow()
    assert b.seen()["withdrawn"] == {"harbour-0"}
    assert [row[1] for row in rows(b.index, "own")] == [2]
    b.follow()
    assert [row[1] for row in rows(b.index, "own")] == [1, 2]
    assert b.recommender.related(NEW[0].id)


def site(address: str, name: str) -> str:
    """The address of a schema of its own on the same database."""
    with psycopg.connect(address) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{address}?options=-csearch_path%3D{name}"


articles = st.sampled_from(range(3))
steps = st.one_of(
    st.tuples(st.just("put"), articles, st.integers(0, 2)),
    st.tuples(st.sampled_from(["withdraw", "pin", "block", "undo", "take back"]), articles, st.integers(0, 2)),
    st.tuples(st.just("follow"), articles, st.integers(0, 2)),
)


def take(step: tuple[str, int, int], of: Machine) -> object:
    """Do it on a machine: what it says, or its fault."""
    kind, which, how = step
    name = ("harbour-0", "garden-41", "railway-99")[which]
    edits = {
        "pin": lambda said: override_edits.pin(said, "garden-2", 1 + how),
        "block": lambda said: override_edits.block(said, f"garden-{how}"),
    }
    if kind == "put":
        record = records(60, seed=9)[40 + which]
        return of.put(to_article({**record, "id": name, "title": f"{record['title']} {how}"}))
    if kind == "undo":
        return override_store.undo(of.index, name, "", None, of.journal)
    if kind == "take back":
        return override_store.delete(of.index, name, None, of.journal)
    if kind in edits:
        override_store.change(of.index, name, edits[kind], "", "", None, of.journal)
    elif kind == "follow":
        of.follow()
    else:
        try:
            of.withdraw(name)
        except ArticleNotFound:
            return "not found"
    return None


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), steps), max_size=16))
def test_whatever_is_said_on_two_machines_is_what_one_alone_would_know(
    machines: list[Machine], address: str, said: list[tuple[bool, tuple[str, int, int]]]
) -> None:
    fresh = opened(site(address, f"site_{uuid4().hex}"))
    assert fresh is not None
    with closing(fresh):
        for of in machines:
            for path in (*of.index.glob(f"{LIVE_DB}*"), *of.index.glob(WITHDRAWN)):
                path.rename(of.index / f"before-{uuid4().hex}")  # not removed: what a reader has open keeps its number
            live.create(of.index)
        a, b = (replace(of, journal=fresh) for of in machines[:2])
        alone = machines[2]
        for first, step in said:
            told = take(step, a if first else b)
            assert step[0] == "follow" or told == take(step, alone)
        for of in (a, b):
            of.follow()
        assert a.seen() == b.seen() == alone.seen()
        for table in ("article", "override", "override_history"):
            assert rows(a.index, table) == rows(b.index, table) == rows(alone.index, table)


@pytest.mark.parametrize(
    "address",
    [
        "mysql://host/readmore",
        f"postgresql://{USER}:se@cret@host/readmore",
        f"postgresql://{USER}:se/cret@host/readmore",
        f"postgresql://{USER}:se?cret@host/readmore",
        f"postgresql://{USER}:se#cret@host/readmore",
        f"postgresql://{USER}:se%cret@host/readmore",
        f"postgresql://{USER}:se cret@host/readmore",
        "postgresql://host/readmore?options=%zz",
    ],
)
def test_what_is_no_address_is_refused_and_not_told(address: str) -> None:
    with pytest.raises(InputError, match="no address of a journal") as caught:
        JournalAddress.parse(address)
    assert "cret" not in str(caught.value)
    with pytest.raises(InputError) as caught:
        read_settings({"index": Path("x"), "live": address})
    assert "cret" not in str(caught.value)


def test_an_address_is_shown_without_its_secrets(postgres: Running) -> None:
    address = JournalAddress.parse(f"postgresql://{USER}:secret@one.example:5433,two.example/readmore?sslpassword=secret")
    in_force, _ = read_settings({"index": Path("x"), "live": address.url})
    for shown in (str(address), repr(address), repr(in_force)):
        assert "secret" not in shown
    assert str(address) == "postgresql://one.example:5433,two.example/readmore"
    show = [sys.executable, "scripts/serve.py", "config", "show", "--index", "x", "--live", address.url]
    told = subprocess.run(show, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "postgresql://one.example:5433,two.example/readmore" in told
    assert "secret" not in told
    for wrong in (
        postgres.address().replace(WRITTEN, "secret"),
        postgres.address(options="?sslmode=secret"),
        postgres.address(options="?options=-csecret%3D1"),
        postgres.address("secret-no"),
    ):
        journal = opened(wrong)
        assert journal is not None
        with closing(journal), pytest.raises((JournalUnavailable, InputError)) as caught:
            journal.head()
        assert not any(secret in str(caught.value).replace("secret-no", "") for secret in (PASSWORD, WRITTEN, f'"{USER}"', "secret"))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "index.journal.journal", raising=False)
    with pytest.raises(InputError, match=r"pip install .*\[postgres\]'"):
        opened("postgresql://host/readmore")


def test_a_file_of_an_older_version_is_read_and_brought_up_to_date(index_dir: Path, tmp_path: Path) -> None:
    with machine(index_dir, tmp_path / "a") as a:
        a.put(NEW[0])
        before = a.seen()
    with closing(sqlite3.connect(a.index / LIVE_DB)) as connection:
        connection.executescript(
            "ALTER TABLE place DROP COLUMN score; DROP TABLE computed; DROP TABLE state;"
            "CREATE TABLE state (sequence INTEGER NOT NULL); INSERT INTO state VALUES (1); PRAGMA user_version = 1;"
        )
    with Recommender.open(a.index, HashEmbedder()) as older:
        assert replace(a, recommender=older).seen() == before
        live.withdraw(a.index, older, "harbour-0")
        assert replace(a, recommender=older).seen()["withdrawn"] == {"harbour-0"}


def test_tables_without_a_field_of_articles_get_it(index_dir: Path, tmp_path: Path, address: str) -> None:
    with machine(index_dir, tmp_path / "a", address) as a:
        a.put(NEW[0])
    with psycopg.connect(address) as connection:
        connection.execute("ALTER TABLE readmore_article DROP COLUMN section")
    with machine(index_dir, tmp_path / "b", address) as b, machine(index_dir, tmp_path / "c", address) as c:
        b.put(NEW[1])
        c.follow()
        assert c.recommender.article(NEW[0].id).section is None
        assert c.recommender.article(NEW[1].id).section == NEW[1].section


@pytest.mark.long
def test_how_long_a_put_takes(demo_index: Path, tmp_path: Path, address: str) -> None:
    """With the real model; the figures stand in docs/shared.md."""
    took: dict[str, list[float]] = {"alone": [], "shared": [], "follow": []}
    embedder = fastest_embedder(demo_index)
    addresses = {"c": "", "a": address, "b": address}
    with ExitStack() as stack:
        alone, shared, other = (stack.enter_context(machine(demo_index, tmp_path / name, of, embedder)) for name, of in addresses.items())
        for number, record in enumerate(records(60, seed=9)):
            article = to_article({**record, "id": f"new-{number}", "text": f"{record['text']} {number}"})
            acts: dict[str, Callable[[], object]] = {"alone": partial(alone.put, article), "shared": partial(shared.put, article)}
            acts["follow"] = other.follow
            for name, act in acts.items():
                began = time.perf_counter()
                act()
                took[name].append(time.perf_counter() - began)
        assert other.lists() == shared.lists() == alone.lists()
    medians = {name: statistics.median(of[10:]) * 1000 for name, of in took.items()}
    print({name: f"{of:.1f} ms" for name, of in medians.items()}, f"ratio {medians['shared'] / medians['alone']:.2f}")


def test_workers_of_one_machine_copy_each_change_once(machines: list[Machine], address: str) -> None:
    a, b, _ = machines
    with ExitStack() as stack:
        workers = [b, *(stack.enter_context(machine(b.index, b.index, address)) for _ in range(2))]
        for number in range(4):
            a.put(NEW[number])
            override_store.put(a.index, NEW[number].id, Override(everywhere=True), str(number), a.journal)
        threads = [threading.Thread(target=worker.follow) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for table in TABLES:
            assert rows(b.index, table) == rows(a.index, table)
        assert all(worker.seen() == a.seen() for worker in workers)


def test_the_command_says_what_it_moved(index_dir: Path, tmp_path: Path, address: str) -> None:
    with machine(index_dir, tmp_path / "a") as a:
        a.put(NEW[0])
    share = [sys.executable, "scripts/share.py", "--index", str(a.index)]
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    without = subprocess.run(share, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (without.returncode, VARIABLE in without.stderr) == (2, True)
    for moved in (1, 0):
        done = subprocess.run(
            [*share, "--json"], cwd=ROOT, env=environment | {VARIABLE: address}, capture_output=True, text=True, check=True
        )
        assert len(json.loads(done.stdout)["articles"]) == moved
        assert WRITTEN not in done.stdout + done.stderr
