"""Words are split in every script as a reader would split them, and written in one form."""

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.text.words import LONGEST_WORD, folded, lowered, normal, words
from tests.conftest import shared


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The city's 2 ferries", ["the", "city's", "2", "ferries"]),
        ("हिन्दी में समाचार", ["हिन्दी", "में", "समाचार"]),
        ("தமிழ் செய்தி", ["தமிழ்", "செய்தி"]),
        ("বাংলা খবর", ["বাংলা", "খবর"]),
        ("العَرَبِيَّة إلى ٱلمدينة", ["العربية", "الى", "المدينة"]),
        ("שָׁלוֹם עולם", ["שלום", "עולם"]),
        ("İSTANBUL ISPARTA ısparta", ["istanbul", "isparta", "isparta"]),
        ("می‌خواهم", ["میخواهم"]),
        ("渡船ガイド", ["渡", "船", "ガ", "イ", "ド"]),
        ("ｶﾞｲﾄﾞ", ["ガ", "イ", "ド"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("ភាសា", ["ភា", "សា"]),
        ("မြန်မာ", ["မြ", "န်", "မာ"]),
        ("cafe\u0301 CAFÉ", ["café", "café"]),
        ("co\u00adoperate ﬁre ＡＢＣ", ["cooperate", "fire", "abc"]),
    ],
)
def test_words_of_a_script(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(max_size=80))
@settings(deadline=None)
def test_a_word_has_one_form(text: str) -> None:
    """Every word is in normal form already, and has at least one letter or digit of the text."""
    for word in words(text):
        assert normal(word) == word
        assert 0 < len(word) <= LONGEST_WORD
    assert words(unicodedata.normalize("NFD", text)) == words(unicodedata.normalize("NFC", text))


@given(st.text(alphabet="abé'’ -.٣क्षিগ", max_size=40))
@settings(deadline=None)
def test_normal_words_are_found_in_the_folded_text(text: str) -> None:
    assert all(word in folded(lowered(text)) for word in words(text))


def test_no_word_of_a_real_text_begins_with_a_mark() -> None:
    with shared("fastapi_ml.jsonl").open(encoding="utf-8") as lines:
        texts = [record["text"] for record in map(json.loads, lines)][::7]
    assert not any(unicodedata.category(word[0]).startswith("M") for text in texts for word in words(text))
