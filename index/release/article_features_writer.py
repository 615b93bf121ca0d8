"""Write the features of all articles, which `recommender.features.article_features` maps into memory.

They become known in two steps: first the articles' own fields, then the values that depend on their neighbours.
"""

import json
import sqlite3
from collections import Counter
from pathlib import Path

import numpy as np

from recommender.features.article_features import FACT, FACTS, LANGUAGE_NAMES, LANGUAGES, first_subtag
from recommender.features.feature_schema import UNDATED
from recommender.types import Matrix

SECTIONS = """
INSERT INTO section
SELECT row_number() OVER (ORDER BY min(row)) - 1, section FROM article WHERE section IS NOT NULL GROUP BY section
"""
BY_THEMSELVES = f"""
SELECT coalesce(CAST(strftime('%s', published) AS INTEGER), {UNDATED}), coalesce(number, -1), length(title) + length(text), text = ''
FROM article LEFT JOIN section ON name = section ORDER BY row
"""
FEWEST_OF_LANGUAGE, LEAST_OF_LANGUAGE = 3, 0.02
"""Number and share of articles from which a language is one of the archive's.

A short text is sometimes taken for another language. Such an article must not lose its list.
"""

COLUMNS = ["published", "section", "length", "headline"]
NEWEST_FIRST = "SELECT row FROM article ORDER BY published DESC NULLS LAST, id"


def write_facts(connection: sqlite3.Connection, folder: Path, n_articles: int) -> None:
    """Write the articles' own fields from a catalogue. Each article is its own canonical article, and hubness is 0."""
    connection.execute(SECTIONS)
    facts = np.zeros(n_articles, dtype=FACT)
    of_each = [(name, FACT[name]) for name in COLUMNS]
    found = np.fromiter(connection.execute(BY_THEMSELVES), dtype=of_each, count=n_articles)
    for name in COLUMNS:
        facts[name] = found[name]
    newest_first = np.fromiter((row for (row,) in connection.execute(NEWEST_FIRST)), dtype=np.int64, count=n_articles)
    facts["tie"][newest_first] = facts["canonical"] = np.arange(n_articles)
    np.save(folder / FACTS, facts, allow_pickle=False)
    _write_languages(connection, folder, n_articles)


def _write_languages(connection: sqlite3.Connection, folder: Path, n_articles: int) -> None:
    """Write the language of each article, if the archive has several languages."""
    named = [first_subtag(language) if language else "" for (language,) in connection.execute("SELECT lang FROM article ORDER BY row")]
    counts = Counter(named)
    least = max(FEWEST_OF_LANGUAGE, LEAST_OF_LANGUAGE * n_articles)
    languages = sorted(language for language, n in counts.items() if language and n >= least)
    if len(languages) > 1:
        numbers = {language: number for number, language in enumerate(languages)}
        np.save(folder / LANGUAGES, np.array([numbers.get(language, -1) for language in named], dtype=np.int16), allow_pickle=False)
        (folder / LANGUAGE_NAMES).write_text(json.dumps(languages), encoding="utf-8")


def finish_facts(connection: sqlite3.Connection, folder: Path, hubness: Matrix) -> None:
    """Add canonical articles of near-duplicates, and hubness: float32 (n_articles, 2), in meaning and in words.

    The file is changed in place: processes that have mapped it see the change.
    """
    facts = np.load(folder / FACTS, mmap_mode="r+", allow_pickle=False)
    facts["hubness"] = hubness
    for row, canonical in connection.execute("SELECT row, canonical FROM article WHERE canonical IS NOT NULL"):
        facts["canonical"][row] = canonical
    facts.flush()
