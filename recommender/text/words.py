"""Split a text into words. Every part of Readmore that splits words does it here."""

import re

LONGEST_WORD = 64

# Chinese and Japanese have no spaces. There a character counts as a word, and pairs of neighbours act as words.
CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
LETTERS = rf"[^\W_{CJK}]+"

WORD = re.compile(rf"[{CJK}]|{LETTERS}(?:['’]{LETTERS})?")
IN_WORD = re.compile(rf"[^\W_{CJK}]|'")
"""A character of a lower-case word."""

WHOLE_FIGURE = re.compile(rf"[{CJK}]|{LETTERS}(?:[.,/]\d+)*")


def words(text: str) -> list[str]:
    """Return the words of a text, in lower case.

    >>> words("The city's 2 ferries, 渡船")
    ['the', "city's", '2', 'ferries', '渡', '船']
    """
    found: list[str] = WORD.findall(lowered(text))
    return found if max(map(len, found), default=0) <= LONGEST_WORD else [word[:LONGEST_WORD] for word in found]


def lowered(text: str) -> str:
    """Return the lower-case text in which words are searched."""
    return text.lower().replace("’", "'")


def words_and_figures(text: str) -> list[str]:
    """Return the words of a text for the comparison of two wordings: a figure stays whole, and quotes do not matter.

    >>> words_and_figures("The city's £1,200.50 ferry")
    ['the', 'city', 's', '1,200.50', 'ferry']
    """
    return WHOLE_FIGURE.findall(text.casefold())
