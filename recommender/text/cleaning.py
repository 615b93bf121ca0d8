"""Clean text in the same way for an archive, a draft and a pasted page."""

import re
import unicodedata

from recommender.errors import InvalidArticle

# Line ends of other systems, and the separators that are frequent in old exports.
LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1f\x85\u2028\u2029]")
# C0 and C1 controls except tab and newline, zero-width characters without meaning, byte order mark, soft hyphen.
# Joiners (U+200C, U+200D) stay: Persian, Hindi and emoji need them.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff]")
TAG = re.compile(r"<[^<>]*>")
# More combining marks on one letter than any language has: ordering n of them takes n * n steps.
MARKS = re.compile(r"[^\w\s\x00-\x7f]{31,}")
MOST_MARKS = 30
"""Maximum marks kept on one letter, as in Unicode's stream-safe text format (UAX 15)."""
BLANK_LINES = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")


def clean_text(text: str) -> str:
    """Normalize text: NFC, `\\n` line ends, no invisible characters, one blank line between paragraphs.

    Raises:
        InvalidArticle: `bad_encoding`: the text contains half of a surrogate pair.

    >>> clean_text("Cafe\\u0301\\r\\n\\r\\n\\r\\n\\x00Two\\u200b ")
    'Café\\n\\nTwo'
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArticle(
            "bad_encoding", f"character {error.start} is half of a surrogate pair - the text was cut or decoded wrongly; export it as UTF-8"
        ) from None
    text = MARKS.sub(_fewer_marks, UNSEEN.sub("", LINE_ENDS.sub("\n", text)))
    return BLANK_LINES.sub("\n\n", unicodedata.normalize("NFC", text)).strip()


def clean_line(text: str) -> str:
    """Apply `clean_text` and join the lines, for titles and names.

    >>> clean_line("Two\\n lines")
    'Two lines'
    """
    return " ".join(clean_text(text).split())


def has_words(text: str) -> bool:
    """Return whether the text contains anything to read besides tags.

    >>> has_words("<p>\\n<br/></p>"), has_words("<p>Yes"), has_words("...")
    (False, True, False)
    """
    return any(character.isalnum() for character in TAG.sub(" ", text))


def _fewer_marks(run: re.Match[str]) -> str:
    kept: list[str] = []
    marks = 0
    for character in run[0]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)
