"""One table of headings: every phrase is a heading alone and in front of a headline, in every reader of the table."""

import pytest

from index.ingest.html.read_more_lines import cut_titles
from recommender.text.pasted_page import parse_page
from recommender.text.read_more_headings import HEADINGS, heading_of, is_heading

PHRASES = sorted({phrase for phrases in HEADINGS.values() for phrase in phrases})


@pytest.mark.parametrize("phrase", PHRASES)
def test_every_phrase_is_read_whole(phrase: str) -> None:
    for heading in (phrase, phrase.upper(), phrase.capitalize()):
        found = heading_of(f"{heading}: The pier")
        assert found is not None
        assert (found["heading"], found["colon"], found.end()) == (heading, ":", len(heading) + 2)
        assert is_heading(heading)
        assert is_heading(f"{heading} »")
        assert not is_heading(f"{heading} The pier")
    part = heading_of(f"{phrase}x")
    assert part is None or part["heading"] != phrase, "only whole words"


@pytest.mark.parametrize("phrase", PHRASES)
def test_texts_and_pasted_pages_have_the_same_headings(phrase: str) -> None:
    story = f"The pier\n\nIt is open.\n\n{phrase.capitalize()}: Why the pier closed\n\nIt took a year."
    assert cut_titles(story)[1] == ["Why the pier closed"]
    assert parse_page(story).read_more == ("Why the pier closed",)
