"""The editors' word: pins stand in their slots, blocks hide, both end; from a file and through the service."""

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.live import upserts
from index.live.database import writing
from index.updates import override_store
from index.updates.judgements import judge, judged
from recommender import Recommender
from recommender.errors import InvalidOverride
from recommender.lists.selection import Selection
from recommender.live.database import LIVE_DB
from recommender.overrides import Block, Override, Overrides, Pin, place_pins, read_overrides
from recommender.types import Article
from tests.support.hash_embedder import HashEmbedder

PAST, FUTURE = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
EXAMPLE = Path(__file__).parents[3] / "examples" / "overrides.toml"


@pytest.fixture
def index(index_dir: Path, tmp_path: Path) -> Path:
    shutil.copytree(index_dir, tmp_path / "index")
    upserts.create(tmp_path / "index")
    return tmp_path / "index"


@pytest.fixture
def opened(index: Path) -> Iterator[Recommender]:
    with Recommender.open(index, HashEmbedder()) as recommender:
        yield recommender


slots = st.lists(st.tuples(st.integers(1, 12), st.integers(100, 200)), max_size=6, unique_by=(lambda of: of[0], lambda of: of[1]))


@given(st.lists(st.integers(0, 99), max_size=12, unique=True), slots, st.integers(1, 12))
def test_pins_stand_in_their_slots_and_the_rest_keeps_its_order(lines: list[int], pins: list[tuple[int, int]], limit: int) -> None:
    placed = place_pins(lines, pins, limit)
    within = [(slot, line) for slot, line in pins if slot <= limit]
    rest = [line for line in placed if line < 100]
    assert len(placed) == min(limit, len(lines) + len(within))
    assert rest == lines[: len(rest)]
    assert sorted(line for line in placed if line >= 100) == sorted(line for _, line in within)
    for slot, line in within:
        place = placed.index(line) + 1
        assert place == slot or (place < slot and all(other >= 100 for other in placed[place:])), "only behind the end of a short list"


def test_a_pin_is_marked_and_ends(index: Path, opened: Recommender) -> None:
    before = opened.related("harbour-0", 5)
    edition = opened.edition().name
    override_store.put(index, "harbour-0", Override((Pin("garden-2", 2, FUTURE), Pin("garden-6", 1, PAST), Pin(before.ids[3], 5))), None)
    assert opened.edition().name != edition
    assert opened.edition().changes_at == FUTURE
    now = opened.related("harbour-0", 5)
    assert now.ids == (before.ids[0], "garden-2", before.ids[1], before.ids[2], before.ids[3])
    assert [item.source for item in now] == ["model", "pinned", "model", "model", "pinned"]
    assert [item.rank for item in now] == [1, 2, 3, 4, 5]
    assert now[1].as_dict()["source"] == "pinned"
    assert now[1].passages is None
    assert opened.related("harbour-0", 2, Selection(offset=2)).ids == now.ids[2:4], "pages of one list"
    assert "garden-2" not in opened.related("harbour-0", 5, Selection(exclude=("garden-2",))).ids


def test_blocks_of_a_pair_of_an_article_and_of_a_section(index: Path, opened: Recommender) -> None:
    first, second = opened.related("harbour-0", 2).ids
    override_store.put(index, "harbour-0", Override(blocks=(Block(first), Block(section="railway"))), None)
    ids = opened.related("harbour-0", 50).ids
    assert first not in ids
    assert ids[0] == second
    assert not any(id_.startswith("railway") for id_ in ids)
    elsewhere = [id_ for id_ in ids if first in opened.related(id_, 50).ids]
    assert elsewhere, "a pair is one list's"
    override_store.put(index, first, Override(everywhere=True), None)
    assert not any(first in opened.related(id_, 50).ids for id_ in elsewhere)
    assert first not in opened.related_to(Article("", "Harbour", "ship pier crane"), 50).ids
    assert override_store.delete(index, first, None)
    assert not override_store.delete(index, first, None)
    assert all(first in opened.related(id_, 50).ids for id_ in elsewhere)


def test_what_is_hidden_does_not_come_back_as_a_pin_a_copy_or_to_fill_a_list(index: Path, opened: Recommender) -> None:
    override_store.put(index, "garden-2", Override(everywhere=True), None)
    override_store.put(index, "harbour-0", Override((Pin("garden-2", 1), Pin("nobody", 2), Pin("harbour-0", 3))), None)
    assert all(item.source == "model" for item in opened.related("harbour-0", 10))
    close = opened.related("harbour-0", 3)
    filled = opened.related("harbour-0", 50, Selection(min_score=close[2].score, fallback=True))
    assert filled.ids[:3] == close.ids
    assert {item.source for item in filled[3:]} == {"fallback"}
    assert len(filled) > 20
    assert "garden-2" not in filled.ids
    assert len(set(filled.ids)) == len(filled.ids)
    first = next(item for item in filled if item.source == "fallback")
    assert first.section == "harbour", "of the same section first"


def test_the_file_and_the_service_add_up(index: Path, tmp_path: Path) -> None:
    file = tmp_path / "overrides.toml"
    file.write_text(
        '[[pin]]\non = "harbour-0"\nshow = "garden-2"\nslot = 1\nuntil = 2999-12-31\n'
        '[[pin]]\non = "harbour-0"\nshow = "garden-6"\nslot = 2\n'
        '[[block]]\nhide = "garden-10"\n[[block]]\nsection = "railway"\n',
        encoding="utf-8",
    )
    with Recommender.open(index, HashEmbedder(), file) as opened:
        assert opened.related("harbour-0", 3).ids[:2] == ("garden-2", "garden-6")
        override_store.put(index, "harbour-0", Override((Pin("election-1", 1),)), None)
        assert opened.related("harbour-0", 3).ids[:2] == ("election-1", "garden-6"), "the service's pin takes the slot"
        assert all("garden-10" not in opened.related(id_, 50).ids for id_ in ("garden-2", "garden-6", "harbour-0"))
        assert not any(item.section == "railway" for item in opened.related("railway-3", 50))


def test_what_is_hidden_everywhere_comes_back_at_its_end() -> None:
    soon, over, for_good = (Override(everywhere=True, everywhere_until=end) for end in (FUTURE, PAST, None))
    assert soon.ends == [FUTURE]
    assert (soon | over).everywhere_until == (over | soon).everywhere_until == FUTURE, "of two ends the later one"
    assert (soon | for_good).everywhere
    assert (soon | for_good).everywhere_until is None
    assert (soon | Override()).everywhere_until == FUTURE, "an override that hides nothing takes nothing back"
    assert Override(everywhere_until=FUTURE).ends == [], "nothing ends where nothing is hidden"
    assert Overrides({"a": soon, "b": for_good, "c": Override((Pin("a", 1),))}).everywhere == {"a": FUTURE, "b": None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[pin]]\non = "a"\nshow = "b"\nslott = 1\n', "did you mean slot"),
        ('[[pin]]\non = "a"\nshow = "b"\n', "on, show and slot"),
        ('[[pin]]\non = "a"\nshow = "b"\nslot = 0\n', "1 to 50"),
        ('[[pin]]\non = "a"\nshow = "b"\nslot = 1\n[[pin]]\non = "a"\nshow = "c"\nslot = 1\n', "two pins of slot 1"),
        ('[[pin]]\non = "a"\nshow = "b"\nslot = 1\n[[block]]\non = "a"\nhide = "b"\n', "pinned and blocked"),
        ('[[block]]\non = "a"\n', "an article or a section"),
        ('[[block]]\nhide = "a"\nuntil = "soon"\n', "no time"),
        ('[pin]\non = "a"\nshow = "b"\nslot = 1\n', "[[pin]]"),
        ("[[pins]]\n", "'pins' is unknown"),
        ("pin", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_names_the_cure(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "overrides.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidOverride) as caught:
        read_overrides(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)


def test_the_example_file_is_one() -> None:
    said = read_overrides(EXAMPLE)
    assert said.articles
    assert said.hidden


def test_the_audit_trail_stays(index: Path) -> None:
    override_store.put(index, "harbour-0", Override((Pin("garden-2", 1),), reason="it explains", owner="foreign desk"), "abcd")
    override_store.delete(index, "harbour-0", "ef01")
    told = override_store.history(index, "harbour-0")
    assert [(entry["action"], entry["key"]) for entry in told] == [("delete", "ef01"), ("put", "abcd")]
    assert told[1]["reason"] == "it explains"
    assert told[1]["pins"] == [{"article_id": "garden-2", "slot": 1, "until": None}]
    with sqlite3.connect(index / LIVE_DB) as connection:
        for sql in ("DELETE FROM override_history", "UPDATE override_history SET key = 'x'"):
            with pytest.raises(sqlite3.IntegrityError, match="audit trail"):
                connection.execute(sql)
    connection.close()


def test_an_override_is_kept_exactly() -> None:
    said = Override((Pin("a", 1, FUTURE),), (Block("b"), Block(section="Sport", until=FUTURE)), everywhere=True, reason="r", owner="o")
    assert Override.from_dict(said.as_dict()) == said


def test_who_reads_the_trail_waits_for_no_writer(index: Path) -> None:
    assert override_store.history(index, "harbour-0") == []
    assert judged(index) == {}
    override_store.put(index, "harbour-0", Override(everywhere=True), "key")
    judge(index, "harbour-0", {"harbour-4": True}, "an editor", "key")
    with writing(index):  # nobody else may write until it ends
        assert [entry["action"] for entry in override_store.history(index, "harbour-0")] == ["put"]
        assert judged(index) == {"harbour-0": {"harbour-4": True}}
