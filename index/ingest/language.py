"""The language of a text whose publisher does not name it."""

from functools import cache
from typing import Any

SURE = 0.95
"""The least chance of the language found."""

FEWEST_CHARACTERS = 80
"""A shorter text is not guessed at."""

LONGEST = 3000
"""Characters that are looked at."""


def language_of(text: str) -> str | None:
    """ISO 639-1 code of a text's language; None where it is not clear.

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
