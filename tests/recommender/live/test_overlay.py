"""Views of `live.db` that follow change by change say what a view that reads all of it says, whoever wrote, and in what order."""

import json
import multiprocessing
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from index.build import build_index
from index.live import upserts
from index.live.database import empty_log, writing
from index.updates import override_store
from index.updates.editorial_writer import LocalWriter
from recommender import Article, Recommender
from recommender.errors import ArticleNotFound
from recommender.lists.selection import Selection
from recommender.live.database import LIVE_DB, read_state
from recommender.live.withdrawn import read_withdrawn
from recommender.overrides import Block, Override, Pin
from recommender.storage.timeline import Timeline
from recommender.text.urls import url_key
from recommender.types import LIVE, parse_time
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

STORED = [record["id"] for record in records(24)]
NEW = [f"new-{number}" for number in range(6)]
IDS = [*STORED[:6], *NEW]
URLS = [None, "https://example.org/harbour/0", "https://example.org/one", "https://www.example.org/one/?utm_source=x"]
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
ENDS = [None, SOON, SOON + timedelta(hours=1, microseconds=5), SOON - timedelta(days=2)]

DRAFTS = [Article("", "The pier is closed", "Ferries waited for the tide."), Article("", "Of new-1", "new-2 tells of new-3 and cranes.")]

ends = st.sampled_from(ENDS)
said = st.builds(
    Override,
    pins=st.lists(
        st.builds(Pin, st.sampled_from(IDS), st.integers(1, 5), ends),
        max_size=2,
        unique_by=(lambda pin: pin.slot, lambda pin: pin.article_id),
    ),
    blocks=st.lists(st.builds(Block, section=st.sampled_from(["harbour", "garden"]), until=ends), max_size=1),
    everywhere=st.booleans(),
    everywhere_until=ends,
).map(lambda override: replace(override, pins=tuple(override.pins), blocks=tuple(override.blocks)))
step = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(IDS), st.sampled_from(URLS), ends, st.booleans()),
    st.tuples(st.just("withdraw"), st.sampled_from(IDS)),
    st.tuples(st.just("say"), st.sampled_from(IDS), said),
    st.tuples(st.just("take back"), st.sampled_from(IDS)),
    st.tuples(st.just("forget lists"), st.sampled_from(IDS)),
    st.tuples(st.just("prepare")),
    st.tuples(st.just("build")),
    st.tuples(st.just("replace file"), st.sampled_from(["backup", "empty", "older in place"])),
)


@pytest.fixture(scope="module", autouse=True)
def few_slots() -> Iterator[None]:
    """Have the arrays of live articles grow, and move, as those of many do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recommender.retrieval.live_candidates.FEWEST", 2)
        yield


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("views")
    build_index([str(write_jsonl(folder / "archive.jsonl", records(24)))], folder / "index", HashEmbedder())
    return folder / "index"


MAPS = ("articles", "rows", "urls", "withdrawn", "replaced", "copies", "unprepared", "hidden", "ends")


def as_read(recommender: Recommender) -> dict[str, Any]:
    """Return all that a view says, and what follows from it."""
    with recommender.live.reading() as view:
        shown: dict[str, Any] = {name: dict(getattr(view, name)) for name in MAPS}
        for name in ("dates", "moments"):
            shown[name] = [entry for chunk in getattr(view, name).chunks for entry in chunk]
            assert shown[name] == sorted(shown[name])
        stored = [article_id for article_id in STORED if recommender.catalogue.find_row(article_id) is not None]
        left = [article_id for article_id in [*stored, *view.rows] if article_id not in view.withdrawn]
        shown["lists"] = {article_id: recommender.related(article_id, 20).ids for article_id in left}
        return {**shown, "overridden": view.overridden, "moment": view.moment, "edition": recommender.edition()}


def by_the_tables(index: Path, recommender: Recommender) -> dict[str, Any]:
    """Return the same in part, as the tables say it."""
    with closing(sqlite3.connect(index / LIVE_DB)) as connection:
        rows = connection.execute("SELECT number, id, sequence, withdrawn, url, published FROM article ORDER BY sequence").fetchall()
        bodies = connection.execute("SELECT article_id, body FROM override").fetchall()
        counter = read_state(connection).counter
        prepared = {number for (number,) in connection.execute("SELECT article FROM own WHERE release = ?", (recommender.release.name,))}
    folded, listed = recommender.release.manifest.folded(counter), read_withdrawn(index)
    withdrawn = dict.fromkeys(listed.ids, 0)
    put = {}
    for number, id_, sequence, gone, url, published in rows:
        withdrawn.pop(id_, None)
        if id_ in listed.ids if sequence <= listed.until(counter) else gone:
            withdrawn[id_] = sequence
        elif not gone and sequence > folded:
            put[LIVE + number] = (id_, sequence, url, published)
    said = {id_: Override.from_dict(json.loads(body)) for id_, body in bodies}
    row_of = {id_: row for row, (id_, *_) in put.items()}
    rows_of = {id_: [row for row in (recommender.catalogue.find_row(id_), row_of.get(id_)) if row is not None] for id_ in said}
    urls: dict[str, tuple[int, ...]] = {}
    for row, (_, _, url, _) in put.items():
        if url:
            urls[url_key(url)] = (*urls.get(url_key(url), ()), row)
    return {
        "rows": row_of,
        "urls": urls,
        "withdrawn": withdrawn,
        "unprepared": {row: sequence for row, (_, sequence, *_) in put.items() if row - LIVE not in prepared},
        "hidden": {row: override.everywhere_until for id_, override in said.items() if override.everywhere for row in rows_of[id_]},
        "dates": sorted((parse_time(published), row) for row, (*_, published) in put.items() if published),
        "moments": sorted((end, id_) for id_, override in said.items() for end in set(override.ends)),
        "overridden": bool(said),
    }


def check(recommender: Recommender, index: Path) -> None:
    seen = as_read(recommender)
    with Recommender(recommender.release, HashEmbedder()) as anew:
        assert as_read(anew) == seen
        for draft in DRAFTS:
            assert anew.related_to(draft, 20, explain=True) == recommender.related_to(draft, 20, explain=True)
            wanted = Selection(sections=("harbour",))
            assert anew.related_to(draft, 20, wanted).ids == recommender.related_to(draft, 20, wanted).ids
    expected = by_the_tables(index, recommender)
    assert {name: seen[name] for name in expected} == expected


def article(article_id: str, url: str | None, published: datetime | None, alike: bool) -> Article:
    text = "The pier was closed at noon. Ferries waited for the tide. " * 3 if alike else f"{article_id} tells of {article_id} and cranes."
    return Article(article_id, "The pier is closed" if alike else f"Of {article_id}", text, url, published, "harbour", "en")


def copied(origin: Path, folder: Path) -> Path:
    """Return an index of its own, with a backup of its `live.db`."""
    index = Path(shutil.copytree(origin, folder / "index"))
    upserts.create(index)
    override_store.put(index, STORED[2], Override((Pin(STORED[0], 1, SOON),), everywhere=True), None)
    empty_log(index)
    shutil.copy(index / LIVE_DB, index / "backup.db")
    return index


def do(index: Path, recommender: Recommender, step: tuple[Any, ...]) -> None:
    kind, *given = step
    if kind == "put":
        upserts.put(index, recommender, article(*given))
    elif kind == "withdraw":
        try:
            upserts.withdraw(index, recommender, given[0])
        except ArticleNotFound:
            return
    elif kind == "say":
        override_store.put(index, given[0], given[1], None)
    elif kind == "take back":
        override_store.delete(index, given[0], None)
    elif kind == "replace file":
        replace_file(index, given[0])
    elif kind == "prepare":
        upserts.prepare(index, recommender)
    elif kind == "forget lists":  # as when another release's service put the article
        with writing(index) as connection:
            number = connection.execute("SELECT number FROM article WHERE id = ? AND NOT withdrawn", given).fetchone()
            if number is not None:
                connection.execute("DELETE FROM own WHERE article = ?", number)
                connection.execute("UPDATE article SET sequence = (SELECT sequence + 1 FROM state) WHERE number = ?", number)
                connection.execute("UPDATE state SET sequence = sequence + 1")


def replace_file(index: Path, how: str) -> None:
    backup, path = index / "backup.db", index / LIVE_DB
    if how == "older in place":  # written over, as sqlite3's own restore does
        with closing(sqlite3.connect(backup)) as older, closing(sqlite3.connect(path, isolation_level=None)) as now:
            older.backup(now)
        return
    empty_log(index)
    for end in ("", "-wal", "-shm"):
        (index / f"{LIVE_DB}{end}").unlink(missing_ok=True)
    if how == "backup":
        shutil.copy(backup, path)
    upserts.create(index)


@settings(
    max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.reuse, Phase.generate)
)  # a case takes a second, so that none is made smaller
@example([("replace file", "empty"), ("replace file", "older in place")])  # both files count to the same number
@given(st.lists(step, min_size=3, max_size=14))
def test_following_is_reading_anew(origin: Path, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]) -> None:
    index = copied(origin, tmp_path_factory.mktemp("case"))
    with ExitStack() as stack:
        opened = [stack.enter_context(Recommender.open(index, HashEmbedder())) for _ in range(2)]
        for number, step in enumerate(steps):
            if step[0] == "build":
                build_index([str(origin.parent / "archive.jsonl")], index, HashEmbedder())
                opened[number % 2] = stack.enter_context(Recommender.open(index, HashEmbedder()))
            else:
                do(index, opened[number % 2], step)
            for recommender in opened:
                check(recommender, index)


def follow(index: Path, pipe: Connection) -> None:
    """Be another process, which only reads: say what is seen as often as it is asked for."""
    with Recommender.open(index) as recommender:
        while pipe.recv():
            pipe.send(as_read(recommender))


def test_another_process_follows(origin: Path, tmp_path: Path) -> None:
    index, chance = copied(origin, tmp_path), random.Random(7)
    ours, theirs = multiprocessing.Pipe()
    other = multiprocessing.get_context("spawn").Process(target=follow, args=(index, theirs), daemon=True)
    other.start()
    theirs.close()
    with Recommender.open(index, HashEmbedder()) as recommender:
        for _ in range(60):
            article_id, override = (
                chance.choice(IDS),
                Override((Pin(chance.choice(IDS), 1, chance.choice(ENDS)),), everywhere=chance.random() < 0.5),
            )
            steps: list[tuple[Any, ...]] = [
                ("put", article_id, chance.choice(URLS), chance.choice(ENDS), chance.random() < 0.5),
                ("withdraw", article_id),
                ("say", article_id, override),
                ("take back", article_id),
                ("forget lists", article_id),
                ("prepare",),
                ("replace file", "older in place"),
            ]
            for step in chance.choices(steps, [6, 2, 6, 3, 1, 1, 0.3], k=chance.randint(1, 3)):
                do(index, recommender, step)
            ours.send(True)
            assert ours.poll(60), "it says nothing any more"
            with Recommender.open(index, HashEmbedder()) as anew:
                assert ours.recv() == as_read(recommender) == as_read(anew)
        ours.send(False)
        other.join(30)
    assert other.exitcode == 0


def test_a_change_costs_the_same_however_much_was_said(origin: Path, tmp_path: Path) -> None:
    index = copied(origin, tmp_path)
    with Recommender.open(index, HashEmbedder()) as recommender:
        for article_id in NEW:
            upserts.put(index, recommender, article(article_id, None, SOON, alike=False))

        def work() -> list[int]:
            """Instructions of SQLite, in thousands, of the first look after a change of each kind."""
            done = []
            for change in (
                partial(override_store.put, index, STORED[1], Override((Pin(NEW[0], 1, SOON),)), None),
                partial(override_store.delete, index, STORED[1], None),
                partial(upserts.put, index, recommender, article(NEW[0], None, None, chance.random() < 0.5)),
                partial(upserts.withdraw, index, recommender, NEW[0]),
            ):
                change()
                done.append(instructions(recommender))
            return done

        chance = random.Random(3)
        few = work()
        with writing(index) as connection:
            words = LocalWriter(connection)
            for number in range(5_000):
                body = Override((Pin(STORED[0], 1, SOON + timedelta(seconds=number)),), everywhere=number % 9 == 0).as_dict()
                words.say(f"other-{number}", "put", json.dumps(body), None, "2026-01-01T00:00:00Z")
        as_read(recommender)
        assert work() == few


def instructions(recommender: Recommender) -> int:
    """Return how many thousands of instructions of SQLite the next look takes."""
    n = 0

    def count() -> int:
        nonlocal n
        n += 1
        return 0

    connection = recommender.live._connections.here.connection
    connection.set_progress_handler(count, 1_000)
    with recommender.live.reading():
        pass
    connection.set_progress_handler(None, 0)
    return n


entries = st.sets(st.tuples(st.sampled_from([SOON + timedelta(days=day) for day in range(40)]), st.integers(0, 40)), max_size=900)


@given(entries, entries, st.sampled_from([SOON + timedelta(hours=6 * number) for number in range(-10, 170)]))
@settings(deadline=None, max_examples=60)
def test_a_timeline_is_a_sorted_set(before: set[tuple[datetime, int]], after: set[tuple[datetime, int]], now: datetime) -> None:
    timeline = Timeline().changed((), list(before))
    held = timeline.changed(before - after, list(after - before))
    assert [entry for chunk in timeline.chunks for entry in chunk] == sorted(before), "the one before is as it was"
    assert [entry for chunk in held.chunks for entry in chunk] == sorted(after)
    assert held.last(now) == max((moment for moment, _ in after if moment <= now), default=None)
    assert held.next(now) == min((moment for moment, _ in after if moment > now), default=None)
    assert list(held.until(now)) == sorted((entry for entry in after if entry[0] <= now), reverse=True)
