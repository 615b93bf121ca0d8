"""Edit an article's override: each function returns the next `Override`."""

from dataclasses import replace
from datetime import datetime

from recommender.overrides import Block, Override, Pin


def pin(said: Override, article_id: str, slot: int, until: datetime | None = None) -> Override:
    """Pin an article to a slot, from any other slot. Pins in the way move down.

    Args:
        until: End of the pin. None keeps the end of the previous pin, or means no end.

    >>> [(of.article_id, of.slot) for of in pin(Override((Pin("a", 1), Pin("b", 2), Pin("c", 5))), "x", 1).pins]
    [('x', 1), ('a', 2), ('b', 3), ('c', 5)]
    """
    before = next((of.until for of in said.pins if of.article_id == article_id), None)
    placed = [Pin(article_id, slot, until or before)]
    for other in sorted((of for of in said.pins if of.article_id != article_id), key=lambda of: of.slot):
        taken = {of.slot for of in placed}
        free = other.slot
        while free in taken:
            free += 1
        placed.append(replace(other, slot=free))
    blocks = tuple(block for block in said.blocks if block.article_id != article_id)
    return replace(said, pins=tuple(sorted(placed, key=lambda of: of.slot)), blocks=blocks)


def unpin(said: Override, article_id: str) -> Override:
    return replace(said, pins=tuple(of for of in said.pins if of.article_id != article_id))


def block(said: Override, article_id: str | None = None, section: str | None = None, until: datetime | None = None) -> Override:
    """Block an article or a section. A blocked article loses its pin."""
    blocks = unblock(said, article_id, section).blocks
    return replace(said if article_id is None else unpin(said, article_id), blocks=(*blocks, Block(article_id, section, until)))


def unblock(said: Override, article_id: str | None = None, section: str | None = None) -> Override:
    return replace(said, blocks=tuple(of for of in said.blocks if (of.article_id, of.section) != (article_id, section)))


def hide(said: Override, until: datetime | None = None) -> Override:
    """Hide the article from all lists."""
    return replace(said, everywhere=True, everywhere_until=until)


def show(said: Override) -> Override:
    return replace(said, everywhere=False, everywhere_until=None)
