"""Recognize the headings that newsrooms write over hand-made lists."""

import re

from recommender.text.pasted_page import HEADLINE_WORDS, LIST_HEADING, SENTENCE

HEADINGS = {
    "en": "related (?:posts|coverage|content|reading|links|news)|(?:read )?more on this topic|read also|also read|read next",
    "de": "lesen sie auch|lies auch|lesen sie (?:hierzu|dazu|mehr)(?: auch)?|mehr zum thema|mehr dazu|zum thema|siehe auch|weiterlesen",
    "fr": "(?:à |a )?lire (?:aussi|également)|(?:à |a )lire|voir aussi|sur le même (?:sujet|thème)|pour aller plus loin|articles liés",
    "es": "le[aé] también|leer también|lee más|leer más|te puede interesar|le puede interesar|ver también|noticias relacionadas",
    "it": "leggi anche|per approfondire|vedi anche|articoli correlati|potrebbe interessarti(?: anche)?",
    "pt": "leia (?:também|mais)|veja também|saiba mais|notícias relacionadas|artigos relacionados",
    "nl": "lees (?:ook|verder|meer)|zie ook|meer over dit onderwerp|gerelateerde artikelen",
}
"""Headings of hand-made lists, in addition to those of a pasted page (`recommender.text.pasted_page.LIST_HEADING`)."""

HEADING = re.compile(rf"(?P<heading>{'|'.join(HEADINGS.values())})(?!\w)\s*(?P<colon>:)?\s*", re.IGNORECASE)

LONGEST_HEADING = 60
"""Longest heading in characters."""


def heading_of(text: str) -> re.Match[str] | None:
    """Match the heading at the beginning of a text. Its group `colon` holds the colon that follows, if any.

    >>> line = "Lesen Sie auch: Die Brücke"
    >>> line[heading_of(line).end():]
    'Die Brücke'
    """
    return HEADING.match(text) or LIST_HEADING.match(text)


def is_heading(text: str) -> bool:
    """Return whether a text is only a heading."""
    text = text[: LONGEST_HEADING + 1].rstrip(" .…»›>→↓–—-")
    return bool(HEADING.fullmatch(text) or LIST_HEADING.fullmatch(text))


def is_headline(text: str) -> bool:
    """Return whether a text is short and not a sentence with a full stop."""
    return 0 < len(text.split()) <= HEADLINE_WORDS and not SENTENCE.search(text)
