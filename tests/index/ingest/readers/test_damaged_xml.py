"""Damaged exports and feeds: each item by itself, nothing lost without a word."""

import gzip
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from index.ingest.html.text import fragment_text
from index.ingest.readers import sources
from index.ingest.readers.xml_items import items
from index.ingest.record import Entry, Mended, PassedOver, Record, Reject
from recommender import Recommender
from recommender.release.manifest import CURRENT
from tests.conftest import Command
from tests.support.archive import short
from tests.support.damaged_wxr import DAMAGES, HEAD, TAIL, body, post, wxr

ADDED = {
    "control character in the body": "Ferry 2 stays in port.\n\nIts captain waits for crew 2.",
    "Windows-1252 in the body": "Ferry 2 stays in port.\n\nIts captain “waits” — café for crew 2.",
    "]]> in the body": "Ferry 2 stays in port.\n\na[b[0]]> 1 Its captain waits for crew 2.",
    "CDATA that a script ends": "Ferry 2 stays in port.\n\nIts captain waits for crew 2.",
    "a body without CDATA": "Ferry 2 stays in port.\n\nIts captain waits for crew 2.",
}
TITLES = {
    "NUL in the title": "Story 2",
    "Latin-1 in the title": "Über Story 2",
    "bare & in the title": "Q&A & more: Story 2",
    "entities of HTML": "Café — Story 2",
    "bare < in the title": "5 < 6, and <3: Story 2",
}


def read(path: Path, content: bytes) -> list[Entry]:
    path.write_bytes(content)
    return list(sources.read(str(path), {}))


def articles(entries: Sequence[Entry]) -> dict[Any, dict[str, Any]]:
    return {entry.fields.get("id"): dict(entry.fields) for entry in entries if isinstance(entry, Record)}


def mended(entries: Sequence[Entry]) -> dict[str, int]:
    return {entry.fault: entry.count for entry in entries if isinstance(entry, Mended)}


@pytest.mark.parametrize("place", [1, 2, 3])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_item_is_read_and_so_are_the_others(tmp_path: Path, damage: str, place: int) -> None:
    content = wxr(*(DAMAGES[damage](post(number)) if number == place else post(number) for number in (1, 2, 3)))
    entries = read(tmp_path / "export.xml", content)
    found = articles(entries)
    assert list(found) == ["1", "2", "3"]
    for number, fields in found.items():
        assert (fields["url"], fields["published"]) == (f"https://news.example/story-{number}/", "2020-03-01T08:00:00Z")
        assert (fields["section"], fields["lang"]) == ("Harbour", "en-GB")
        text, _ = fragment_text(fields["html"])
        assert text.startswith(f"Ferry {number} stays")
        assert text.endswith(f"crew {number}.")
        if int(number) != place:
            assert (fields["title"], fields["html"].encode()) == (f"Story {number}", body(int(number)))
    assert not any(isinstance(entry, Reject | PassedOver) for entry in entries)
    if place == 2:
        assert fragment_text(found["2"]["html"])[0] == ADDED.get(damage, fragment_text(found["2"]["html"])[0])
        assert found["2"]["title"] == TITLES.get(damage, found["2"]["title"])


@pytest.mark.parametrize(
    ("damage", "counted"),
    [
        ("control character in the body", {"control characters": 1}),
        ("control characters in post meta", {"control characters": 2}),
        ("Windows-1252 in the body", {"bytes that are not of the encoding": 4}),
        ("bare & in an address", {"bare & or <": 2}),
        ("]]> in the body", {"]]> inside a text": 1}),
        ("a title that is not closed", {"items with damaged XML": 1}),
        ("an item that is not opened", {"items without their first or last tag": 1}),
        ("a comment between items", {}),
        ("shortcodes and escaped ]]>", {}),
    ],
)
def test_damage_is_counted(tmp_path: Path, damage: str, counted: dict[str, int]) -> None:
    assert mended(read(tmp_path / "export.xml", wxr(post(1), DAMAGES[damage](post(2))))) == counted


def test_a_hundred_posts_with_every_damage_are_a_hundred_articles(tmp_path: Path, command: Command) -> None:
    damages = iter(DAMAGES.values())
    posts = [next(damages, bytes)(post(number)) if number % 3 == 0 else post(number) for number in range(1, 101)]
    assert next(damages, None) is None, "all of them are in it"
    (tmp_path / "export.xml").write_bytes(wxr(*posts))
    code, said = command(tmp_path / "export.xml", "--out", tmp_path / "index")
    assert code == 0
    with Recommender.open(tmp_path / "index") as opened:
        assert {opened.catalogue.card(row).id for row in range(opened.release.manifest.n_articles)} == {str(n) for n in range(1, 101)}
        assert opened.release.manifest.n_articles == 100
    assert re.search(r"mended +.*control characters: \d+;", said)
    assert "left out  nothing" in said


def test_random_damage_loses_no_other_item_and_names_its_own(tmp_path: Path) -> None:
    chance = random.Random(18)
    for _ in range(400):
        place = chance.randrange(6)
        posts = [post(number) for number in range(1, 7)]
        whole = posts[place]
        at = chance.randrange(20, len(whole))
        posts[place] = chance.choice(
            [
                whole[:at] + bytes([chance.randrange(256)]) + whole[at + 1 :],
                whole[:at] + whole[at + chance.randrange(60) :],
                whole[:at] + bytes(chance.choice(b"<>&]![\x00\xff/\"'- ") for _ in range(chance.randrange(8))) + whole[at:],
                whole[:at] + b"\n",
            ]
        )
        entries = read(tmp_path / "export.xml", wxr(*posts))
        found = articles(entries)
        for number in range(1, 7):
            if number != place + 1:
                assert found[str(number)]["html"].encode() == body(number), posts[place]
        named = len(found) + sum(isinstance(entry, Reject | PassedOver) for entry in entries)
        assert named >= 6 or mended(entries), posts[place]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.995])
def test_an_export_that_breaks_off_fails_the_build(tmp_path: Path, command: Command, share: float) -> None:
    index = tmp_path / "index"
    (tmp_path / "good.xml").write_bytes(wxr(post(1)))
    assert command(tmp_path / "good.xml", "--out", index)[0] == 0
    before = (index / CURRENT).read_text()
    whole = wxr(*map(post, range(1, 41)))
    broken = tmp_path / "export.xml"
    broken.write_bytes(whole[: int(len(whole) * share)])
    code, said = command(broken, "--out", index)
    assert (code, (index / CURRENT).read_text()) == (3, before)
    assert re.fullmatch(rf"error: {broken} cannot be read from \d+ on \(bad_xml\): .* --allow-truncated; the index is as it was\n", said)
    assert command(broken, "--out", index, "--allow-truncated", "--max-rejects", "20%")[0] == 0
    with Recommender.open(index) as opened:
        assert opened.release.manifest.n_articles == broken.read_bytes().count(b"</item>") > 2


def test_other_encodings(tmp_path: Path) -> None:
    text = wxr(post(1)).decode().replace("Story 1", "Fähre 1").replace("stays", "bleibt – so")
    for encoding in ("utf-16", "utf-8-sig", "windows-1252", "iso-8859-1"):
        named = text.replace('encoding="UTF-8"', f'encoding="{encoding}"')
        raw = named.encode("windows-1252" if encoding == "iso-8859-1" else encoding)
        assert articles(read(tmp_path / "export.xml", raw))["1"]["title"] == "Fähre 1"
        assert "bleibt – so" in articles(read(tmp_path / "export.xml", raw))["1"]["html"]


def test_two_exports_in_one_file_and_a_compressed_one(tmp_path: Path) -> None:
    assert list(articles(read(tmp_path / "both.xml", wxr(post(1)) + wxr(post(2))))) == ["1", "2"]
    assert list(articles(read(tmp_path / "export.xml.gz", gzip.compress(wxr(post(1), post(2)))))) == ["1", "2"]


def test_a_body_with_an_example_of_rss_is_one_item(tmp_path: Path) -> None:
    example = post(1).replace(b"Its captain", b"<pre><item><title>x</title></item>\n<item></item></pre> Its captain")
    assert list(articles(read(tmp_path / "export.xml", wxr(example, post(2))))) == ["1", "2"]


def test_an_item_whose_status_is_lost_stays_out(tmp_path: Path) -> None:
    draft = post(1, status=b"draft").replace(b"<wp:status><![CDATA[draft]]></wp:status>", b"<wp:sta").replace(b"</title>", b"")
    entries = read(tmp_path / "export.xml", wxr(draft, post(2)))
    assert [short(entry) for entry in entries if isinstance(entry, Reject)] == [(1, "bad_xml", False)]
    assert list(articles(entries)) == ["2"]


RSS = """<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>News</title><language>en</language>
{items}</channel></rss>"""
ATOM = """<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><title>News</title>
{items}</feed>"""


def rss_item(number: int, text: str = "") -> str:
    return f"<item><guid>{number}</guid><title>Story {number}</title><description>Ferry {number}{text} stays.</description></item>"


def atom_entry(number: int, text: str = "") -> str:
    return f"<entry><id>{number}</id><title>Story {number}</title><content type='html'>Ferry {number}{text} stays.</content></entry>"


@pytest.mark.parametrize("text", ["\x0b", " & co", " &nbsp;", "]]>", " < 3", "&#x1f;", "\udce9", "</tittle>"])
@pytest.mark.parametrize("kind", ["rss", "atom"])
def test_a_damaged_feed(tmp_path: Path, kind: str, text: str) -> None:
    entry, frame = (rss_item, RSS) if kind == "rss" else (atom_entry, ATOM)
    feed = frame.format(items="\n".join(entry(number, text if number == 2 else "") for number in (1, 2, 3)))
    found = articles(read(tmp_path / "feed.xml", feed.encode("utf-8", "surrogateescape")))
    assert {id_: fields["title"] for id_, fields in found.items()} == {"1": "Story 1", "2": "Story 2", "3": "Story 3"}
    assert [fields["html"] for id_, fields in found.items() if id_ != "2"] == ["Ferry 1 stays.", "Ferry 3 stays."]
    assert found["2"]["html"].startswith("Ferry 2")
    assert all(fields["lang"] == "en" for fields in found.values())


@pytest.mark.parametrize("kind", ["rss", "atom"])
def test_a_feed_that_breaks_off(tmp_path: Path, kind: str) -> None:
    entry, frame = (rss_item, RSS) if kind == "rss" else (atom_entry, ATOM)
    feed = frame.format(items="\n".join(map(entry, (1, 2, 3)))).encode()
    for end in (feed.index(b"Ferry 3"), feed.index(b"</channel>" if kind == "rss" else b"</feed>")):
        entries = read(tmp_path / "feed.xml", feed[:end])
        assert list(articles(entries))[:2] == ["1", "2"]
        assert [entry.cut for entry in entries if isinstance(entry, Reject)] == [True]


def test_xml_that_is_no_feed_is_one_reject_and_ends_nothing(tmp_path: Path) -> None:
    sitemap = b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>https://n.example</loc></url></urlset>'
    assert [short(entry) for entry in read(tmp_path / "sitemap.xml", sitemap)] == [(1, "no_feed", False)]
    assert [short(entry) for entry in read(tmp_path / "sitemap.xml", sitemap[:-9])] == [(1, "bad_xml", True)]


def test_items_keep_what_stands_in_front_of_them(tmp_path: Path) -> None:
    (tmp_path / "export.xml").write_bytes(HEAD + post(1) + TAIL)
    [item] = items(tmp_path / "export.xml")
    assert not isinstance(item, Reject | Mended)
    assert item.head.encode() == HEAD
