"""Recognize the headings that newsrooms write over hand-made lists, and the headlines under them."""

import re

HEADINGS = {
    "en": (
        *("read more", "read also", "also read", "read next", "see also", "further reading"),
        *("more on this", "more on this story", "more on this topic", "read more on this topic"),
        *("related", "related articles", "related content", "related coverage", "related links", "related news"),
        *("related posts", "related reading", "related stories", "related topics"),
    ),
    "de": (
        *("lesen sie auch", "lies auch", "siehe auch", "weiterlesen", "mehr dazu", "mehr zum thema", "zum thema"),
        *("lesen sie hierzu", "lesen sie hierzu auch", "lesen sie dazu", "lesen sie dazu auch"),
        *("lesen sie mehr", "lesen sie mehr auch"),
    ),
    "fr": (
        *("à lire", "a lire", "lire aussi", "à lire aussi", "a lire aussi"),
        *("lire également", "à lire également", "a lire également", "voir aussi"),
        *("sur le même sujet", "sur le même thème", "pour aller plus loin", "articles liés"),
    ),
    "es": (
        *("lea también", "leé también", "leer también", "ver también", "lee más", "leer más"),
        *("te puede interesar", "le puede interesar", "noticias relacionadas"),
    ),
    "it": (
        *("leggi anche", "vedi anche", "per approfondire", "articoli correlati"),
        *("potrebbe interessarti", "potrebbe interessarti anche"),
    ),
    "pt": ("leia também", "leia mais", "veja também", "saiba mais", "notícias relacionadas", "artigos relacionados"),
    "nl": ("lees ook", "lees verder", "lees meer", "zie ook", "meer over dit onderwerp", "gerelateerde artikelen"),
}
"""Language -> headings of hand-made lists, in lower case."""

LONGEST_FIRST = sorted((phrase for phrases in HEADINGS.values() for phrase in phrases), key=len, reverse=True)
HEADING = re.compile(rf"(?P<heading>{'|'.join(LONGEST_FIRST)})(?!\w)\s*(?P<colon>:)?\s*", re.IGNORECASE)

LONGEST_HEADING = 60
"""Longest heading in characters."""

SENTENCE = re.compile(r"[.…][\"'”’»)\]]*$|[!?][\"”»]$")
"""The end of a sentence. A headline may be a question, but not a quoted one."""

HEADLINE_WORDS = 30
"""Maximum words of a headline."""

LIST_LENGTH = 12
"""Maximum entries of a hand-made list."""


def heading_of(text: str) -> re.Match[str] | None:
    """Match the heading at the beginning of a text. Its group `colon` holds the colon that follows, if any.

    >>> line = "Lesen Sie auch: Die Brücke"
    >>> line[heading_of(line).end():]
    'Die Brücke'
    """
    return HEADING.match(text)


def is_heading(text: str) -> bool:
    """Return whether a text is only a heading."""
    return HEADING.fullmatch(text[: LONGEST_HEADING + 1].rstrip(" .…»›>→↓–—-")) is not None


def is_headline(text: str, words: int = HEADLINE_WORDS) -> bool:
    """Return whether a text is short, and neither a sentence with its full stop nor a quotation.

    Args:
        words: Maximum number of words.
    """
    return 0 < len(text.split()) <= words and not SENTENCE.search(text)
