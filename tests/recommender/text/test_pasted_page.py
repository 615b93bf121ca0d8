"""A page as pasted: what is the article, and what stands around it."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender import Article
from recommender.errors import InvalidArticle
from recommender.text.cleaning import LINE_ENDS, UNSEEN
from recommender.text.pasted_page import parse_page
from tests.conftest import shared

PAGE = """Springfield, Friday 3 May 2024

Old bridge reopens after a year

Traffic is back on the river crossing that was closed for repairs

Cars on the bridge on its first day. Photo: City
Cars on the bridge on its first day. Photo: City

The bridge was opened by the mayor on Friday.

“We are proud,” she said.


Read more:

Why the bridge was closed

- Who pays for the repairs?

* Ferry service ends on Sunday


The repairs took a year.

Read more: Where to park in the old town

They cost more than planned.

Updated: May 4, 2024 9:05 PM"""


def test_the_parts_of_a_page() -> None:
    page = parse_page(PAGE)
    assert page.title == "Old bridge reopens after a year"
    assert page.standfirst == "Traffic is back on the river crossing that was closed for repairs"
    assert page.body.split("\n\n") == [
        "The bridge was opened by the mayor on Friday.",
        "“We are proud,” she said.",
        "The repairs took a year.",
        "They cost more than planned.",
    ]
    assert page.captions == ("Cars on the bridge on its first day. Photo: City",)
    assert page.updated == datetime(2024, 5, 4, 21, 5, tzinfo=UTC)
    assert page.read_more == (
        "Why the bridge was closed",
        "Who pays for the repairs?",
        "Ferry service ends on Sunday",
        "Where to park in the old town",
    )
    assert page.as_article("x").text == f"{page.standfirst}\n\n{page.body}"
    assert page.as_article("x").published == page.updated


def test_the_customers_sample() -> None:
    page = parse_page(shared("sample-page.txt").read_text(encoding="utf-8"))
    assert page.title.startswith("US in ")
    assert page.title.endswith("second meeting between Trump and Kim")
    assert page.standfirst.startswith("White House press secretary")
    assert page.body.startswith("North Korean leader Kim Jong-un requested")
    assert page.body.endswith("according to a Washington Post report.")
    assert "torch parade" not in page.text
    assert "Read more" not in page.text
    assert "UAE" not in page.text
    assert "Updated" not in page.text
    assert len(page.body.split("\n\n")) == 15
    assert page.updated == datetime(2018, 9, 11, 10, 41, tzinfo=UTC)
    assert [title.split()[0] for title in page.read_more] == ["North", "North", "Trump"]
    assert not any(title in page.text for title in page.read_more)


@pytest.mark.parametrize(
    ("pasted", "title", "body"),
    [
        ("A title\n\nA sentence.", "A title", "A sentence."),
        ("A title\r\n\r\nA sentence.\r\n", "A title", "A sentence."),
        ("\ufeffA title\n\nRelated work is hard.", "A title", "Related work is hard."),
        ("A title\n\nRead more often.\n\nIt helps.", "A title", "Read more often.\n\nIt helps."),
        ("A title\n\nUpdated rules apply from May 4, 2024.", "A title", "Updated rules apply from May 4, 2024."),
        ("A title\n\nText.\n\nRead more:", "A title", "Text.\n\nRead more:"),
        ("A title\n\nRelated: two men were held, officials said.\n\nB.", "A title", "Related: two men were held, officials said.\n\nB."),
        (
            "A title\n\nPublished 3 May 2018 by him, it was leaked at 10:41.",
            "A title",
            "Published 3 May 2018 by him, it was leaked at 10:41.",
        ),
        ("A title\n\n“No.”\n“No.”\n\nB.", "A title", "“No.”\n\n“No.”\n\nB."),
        ("Briefing, Tuesday 12 March 2024\n\nThe council voted.", "Briefing, Tuesday 12 March 2024", "The council voted."),
        ("What we know about September 11, 2001\n\nA story.", "What we know about September 11, 2001", "A story."),
        ("A title\nA title\n\nA story.", "A title", "A story."),
        ("\n\n\nTown, Friday 3 May 2024\n\n\nA title\n\nA story.", "A title", "A story."),
        ("Updated: 3 May 2024\n\n\nA title\n\nBy Somebody Else\n\nA story.", "A title", "A story."),
    ],
)
def test_what_looks_like_furniture_but_is_text_stays(pasted: str, title: str, body: str) -> None:
    page = parse_page(pasted)
    assert (page.title, page.body, page.read_more) == (title, body, ())


@pytest.mark.parametrize(
    ("line", "updated"),
    [
        ("Updated: September 11, 2018 10:41 AM", "2018-09-11T10:41:00+00:00"),
        ("Updated Sept. 11, 2018 10:41 a.m.", "2018-09-11T10:41:00+00:00"),
        ("UPDATED 11 SEP 2018", "2018-09-11T00:00:00+00:00"),
        ("Published: 2018-09-11 10:41", "2018-09-11T10:41:00+00:00"),
        ("Last updated on 11 September 2018 at 12:05 PM GMT", "2018-09-11T12:05:00+00:00"),
        ("Updated: 2018-09-11T10:41:00+04:00", "2018-09-11T06:41:00+00:00"),
        ("Updated: September 11, 2018 10:41 PM -0500", "2018-09-12T03:41:00+00:00"),
        ("Updated: September 11, 2018 10:41 AM IST", None),  # the name of several zones is not guessed
        ("Updated: September 31, 2018", None),
    ],
)
def test_times_of_pages(line: str, updated: str | None) -> None:
    page = parse_page(f"A title\n\nA story.\n\n{line}")
    assert page.updated == (updated and datetime.fromisoformat(updated))
    assert page.body == "A story."


def test_a_list_ends_where_somebody_speaks() -> None:
    page = parse_page("A title\n\nA.\n\nRead more\n\nWill it hold?\n\n“We go on,” she said, “until it is done!”\n\nB.")
    assert page.read_more == ("Will it hold?",)
    assert page.body.endswith("it is done!”\n\nB.")


def test_a_title_alone_and_a_text_without_a_title() -> None:
    assert parse_page("A title alone").as_article() == Article("", "A title alone", "")
    long = "A paragraph that somebody has pasted without its title, " * 5
    assert parse_page(long).as_article() == Article("", "", long.strip())


@pytest.mark.parametrize("pasted", ["", " \n\n\t", "...\n\n---"])
def test_a_page_without_words_is_refused(pasted: str) -> None:
    with pytest.raises(InvalidArticle) as caught:
        parse_page(pasted)
    assert caught.value.code == "empty_text"


@pytest.mark.parametrize("line", ["Related\n", "{0}\n{0}\n", "1 May 2024\n", '."\n\n\n', "Updated: ", "<", "\n \n", "\x0b", "\u0301\u0316"])
def test_a_hostile_page_takes_no_longer_than_a_long_one(line: str) -> None:
    """Twice the page takes about twice the time: four times as long would be a square."""

    def seconds(n: int) -> float:
        page = "Title\n\n" + "".join(line.format(number) for number in range(n))
        start = time.perf_counter()
        parse_page(page)
        return time.perf_counter() - start

    short, long = min(seconds(10_000) for _ in range(3)), min(seconds(80_000) for _ in range(3))
    assert long < 24 * short + 0.01  # 8 times for a line, 64 for a square


@given(st.lists(st.sampled_from([*PAGE.split("\n"), "", "Related", "See also:", "1 May 2024"]) | st.text(max_size=30)).map("\n".join))
def test_any_text_is_taken_apart_or_refused_and_nothing_is_invented(pasted: str) -> None:
    try:
        page = parse_page(pasted)
    except InvalidArticle:
        return
    given_words = set("".join(c if c.isalnum() else " " for c in UNSEEN.sub("", LINE_ENDS.sub(" ", pasted))).split())
    for part in (page.title, page.text, *page.captions, *page.read_more):
        ascii_words = {word for word in "".join(c if c.isalnum() else " " for c in part).split() if word.isascii()}
        assert all(any(word in given for given in given_words) for word in ascii_words)
