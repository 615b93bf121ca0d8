"""Split a text into words."""

import re

LONGEST_WORD = 64

# Chinese and Japanese have no spaces. There a character counts as a word, and pairs of neighbours act as words.
CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"

WORD = re.compile(rf"[{CJK}]|[^\W_{CJK}]+(?:['’][^\W_{CJK}]+)?")


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
