"""Find the hand-made links to articles whose title the text names.

Such lists reward any method that looks for titles. Lists that editors file beside an article seldom name their titles, so a
ranking is judged with and without these links (docs/ranking.md).
"""

from collections.abc import Mapping, Sequence

from recommender.release.catalogue import Catalogue
from recommender.text.words import words

FEWEST_WORDS = 2
"""Minimum number of words of such a title. A single word is rather a word of the language."""


def named_links(catalogue: Catalogue, qrels: Mapping[str, Sequence[str]]) -> set[tuple[str, str]]:
    """Return the links whose target's title occurs in the text of the article: pairs of ids.

    Only words count, in their order, without gaps.
    """
    found: set[tuple[str, str]] = set()
    for article_id, targets in qrels.items():
        text = _spaced(catalogue.article(catalogue.row(article_id)).text)
        for target in targets:
            title = _spaced(catalogue.card(catalogue.row(target)).title)
            if title.count(" ") > FEWEST_WORDS and title in text:
                found.add((article_id, target))
    return found


def _spaced(text: str) -> str:
    return f" {' '.join(words(text))} "
