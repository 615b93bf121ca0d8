"""Identify the language of a text whose publisher does not name it."""

from functools import cache
from typing import Any

SURE = 0.95
"""Minimum probability of the identified language."""

FEWEST_CHARACTERS = 80
"""Minimum number of characters for an identification."""

LONGEST = 3000
"""Maximum number of characters that are analysed."""


def language_of(text: str) -> str | None:
    """Return the ISO 639-1 code of a text's language, or None if it is uncertain.

    >>> language_of("The ferries did not leave the harbour this morning, because the captains and their crews are on strike.")
    'en'
    """
    if len(text) < FEWEST_CHARACTERS:
        return None
    language, chance = _identifier().classify(text[:LONGEST])
    return str(language) if chance >= SURE else None


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
