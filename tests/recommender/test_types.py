"""The fields of articles are defined once, and the types have them."""

from dataclasses import fields
from datetime import UTC, datetime

from recommender import Article, Related
from recommender.types import CARD_FIELDS, FIELD, FIELDS, Card, article_of, card_of, card_values, stored_values

PIER = Article(
    "a", "The pier", "It is open.", "https://example.org/a", datetime(2020, 3, 1, 9, 30, 0, 250_000, UTC), "Harbour", "en", ("b", "c")
)


def test_articles_cards_and_items_have_the_fields() -> None:
    assert [field.name for field in fields(Article) if field.name not in ("id", "read_more")] == list(FIELD)
    on_cards = [field.name for field in CARD_FIELDS]
    assert [field.name for field in fields(Card) if field.name not in ("row", "id")] == on_cards
    assert [field.name for field in fields(Related) if field.name in FIELD] == on_cards


def test_what_is_stored_is_read_back() -> None:
    empty = Article("b", "", "")
    for article in (PIER, empty):
        columns = [article.id, *stored_values(article).values()]
        assert article_of(columns, article.read_more) == article
        assert all(value is None or isinstance(value, str) for value in columns)
        card = card_of([7, article.id, *stored_values(article, CARD_FIELDS).values()])
        assert (card.row, card.id) == (7, article.id)
        assert card_values(card) == card_values(article) == tuple(getattr(article, field.name) for field in FIELDS if field.on_cards)
