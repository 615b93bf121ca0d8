"""One table of headings: every phrase is a heading alone and in front of a headline, in every reader of the table."""

import pytest

from index.ingest.html.read_more_blocks import cut_links
from index.ingest.html.read_more_lines import cut_titles
from index.ingest.html.text import parse_html
from recommender.text.pasted_page import parse_page
from recommender.text.read_more_headings import ALL_PHRASES, HEADINGS, STRONG_PHRASES, heading_of, is_heading, is_headline

PHRASES = sorted(STRONG_PHRASES)


@pytest.mark.parametrize("phrase", PHRASES)
def test_every_phrase_is_read_whole(phrase: str) -> None:
    upper = phrase.upper() if len(phrase.upper()) == len(phrase) else phrase  # Armenian has a ligature without a capital
    for heading in (phrase, upper, phrase.capitalize()):
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


@pytest.mark.parametrize("phrase", sorted(ALL_PHRASES - STRONG_PHRASES))
def test_weak_phrases_need_links(phrase: str) -> None:
    assert heading_of(f"{phrase}: The pier") is None or phrase not in STRONG_PHRASES
    assert cut_links(parse_html(f"<body><p>Open.</p><p>{phrase}: <a href='/quay'>The quay</a></p><p>Wet.</p>")) == ["/quay"]
    page = parse_html(f"<body><p>Open.</p><h3>{phrase}</h3><ul><li>The quay wall is new</li><li>The bridge is shut</li></ul><p>Wet.</p>")
    assert cut_links(page) == []


def test_many_languages_have_headings() -> None:
    assert len(HEADINGS) >= 45


@pytest.mark.parametrize("language", sorted(HEADINGS))
@pytest.mark.parametrize(
    "form",
    [
        "<p>{0}: <a href='/quay'>The quay</a></p>",
        "<p><strong>[{0}: <a href='/quay'>The quay</a>]</strong></p>",
        "<p>&gt;&gt; {0}: <a href='/quay'>The quay</a></p>",
        "<h3>{0}</h3><ul><li><a href='/quay'>The quay</a></li></ul>",
    ],
)
def test_lists_are_cut_in_every_language(language: str, form: str) -> None:
    for phrase in " ".join(HEADINGS[language].split()).split(", "):
        root = parse_html(f"<body><p>The pier is open.</p>{form.format(phrase.capitalize())}<p>It took a year.</p>")
        assert cut_links(root) == ["/quay"], phrase
        assert " ".join(root.text_content().split()) == "The pier is open.It took a year.", phrase


@pytest.mark.parametrize(
    "line",
    [
        "[Related: The pier]",
        "(Leggi anche su: The pier)",
        "• Läs också: The pier",
        ">> Czytaj też: The pier",
        "関連記事：The pier",
        "Read more on News.example: The pier",
    ],
)
def test_marks_and_sites_around_a_heading(line: str) -> None:
    found = heading_of(line)
    assert found is not None
    assert found["colon"]
    assert line[found.end() :].rstrip(")]") == "The pier"


@pytest.mark.parametrize("line", ["Related parties agreed.", "Readmore", "More: the pier", "A related story: x", "читайтека: x"])
def test_sentences_are_not_headings(line: str) -> None:
    assert heading_of(line) is None or not heading_of(line)["colon"]  # type: ignore[index]
    assert not is_heading(line)


def test_a_label_is_no_headline() -> None:
    assert not is_headline("The story so far:")
    assert is_headline("The story so far")
