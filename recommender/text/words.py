"""Split a text into words, in every script. Every part of Readmore that splits words does it here.

A combining mark belongs to its letter (Unicode Standard Annex 29), so no word of Hindi, Tamil or vocalised Arabic is cut
at a vowel sign. Chinese, Japanese, Thai, Lao, Khmer and Burmese have no spaces: there a character with its marks counts
as a word, and pairs of neighbours act as words.
"""

import re
from collections.abc import Iterator
from unicodedata import category, is_normalized, normalize

LONGEST_WORD = 64

UNSPACED = (
    "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff"  # kana and Chinese characters
)
"""Characters of scripts that are written without spaces, for a character class of a regular expression."""

WITH_MARKS = ((0x300, 0x1E00), (0x20D0, 0x2100), (0x3099, 0x309B), (0xA66F, 0xAC00), (0xFB1E, 0xFB1F), (0xFE00, 0xFE30), (0x11000, 0x11D00))
"""Ranges of characters that hold all combining marks of living scripts."""


def _marks() -> Iterator[str]:
    for first, end in WITH_MARKS:
        yield from (chr(code) for code in range(first, end) if category(chr(code)).startswith("M"))


JOINERS = "\u00ad\u0640\u200c\u200d\uff9e\uff9f"
"""Characters that occur inside words and are not letters: soft hyphen, tatweel, joiners, half-width voicing marks."""

MARKS = "".join(_marks()) + JOINERS

IS_MARK = frozenset(MARKS)


def _patterns(letters: str, mark: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return the patterns of a word, and of a word or figure, given those of letters and of the marks that may follow one."""
    one = rf"[{UNSPACED}]{mark}"
    return re.compile(rf"{one}|{letters}(?:['’]{letters})?"), re.compile(rf"{one}|{letters}(?:[.,/]\d+)*")


MARKED = _patterns(rf"(?:[^\W_{UNSPACED}]++[{MARKS}]*+)++", rf"[{MARKS}]*+")
PLAIN = _patterns(rf"[^\W_{UNSPACED}]+", "")
"""Patterns for texts without marks. They are three times as fast."""

IN_WORD = re.compile(rf"[^\W_{UNSPACED}]|['{MARKS}]")
"""A character of a lower-case word."""

FOLDED = {
    **dict.fromkeys([*map(ord, JOINERS), 0x307], None),  # a dot above that is left belongs to a Turkish i
    **{ord(one): ord(other) for one, other in zip("ıأإآٱ", "iاااا", strict=True)},
    **dict.fromkeys([*range(0x64B, 0x660), 0x670, *range(0x591, 0x5BE), 0x5BF, 0x5C1, 0x5C2, 0x5C4, 0x5C5, 0x5C7], None),
}
"""Characters that are one to a reader: dotted and dotless i, forms of alef. Vowel points of Arabic and Hebrew go."""


def words(text: str) -> list[str]:
    """Return the words of a text, in lower case and normal form.

    >>> words("The city's 2 ferries, 渡船")
    ['the', "city's", '2', 'ferries', '渡', '船']
    """
    lower = lowered(text)
    return list(map(normal, word_pattern(lower).findall(lower)))


def word_pattern(text: str) -> re.Pattern[str]:
    """Return the pattern of a word, for a lower-case text."""
    return _patterns_for(text)[0]


def _patterns_for(text: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    return PLAIN if text.isascii() or IS_MARK.isdisjoint(text) else MARKED


def lowered(text: str) -> str:
    """Return the lower-case text in which words are searched."""
    return text.lower().replace("’", "'")


def normal(word: str) -> str:
    """Return a lower-case word in the one form in which it is compared: NFKC, folded, at most `LONGEST_WORD` characters.

    >>> normal("kı̇tap"), normal("إِلَى"), normal("ﬁre")
    ('kitap', 'الى', 'fire')
    """
    return (word if word.isascii() else folded(word))[:LONGEST_WORD]


def folded(text: str) -> str:
    """Return a lower-case text in which normal words can be searched."""
    if text.isascii():
        return text
    return (text if is_normalized("NFKC", text) else normalize("NFKC", text).lower()).translate(FOLDED)


def words_and_figures(text: str) -> list[str]:
    """Return the words of a text for the comparison of two wordings: a figure stays whole, and quotes do not matter.

    >>> words_and_figures("The city's £1,200.50 ferry")
    ['the', 'city', 's', '1,200.50', 'ferry']
    """
    same_case = text.casefold()
    return _patterns_for(same_case)[1].findall(same_case)
