"""Define and read editorial overrides: pins that a list must show, and blocks that no list may show.

Overrides take precedence over the ranking. They come from two sources, which add up: a file kept with the site
(`read_overrides`), and the service (`index.updates.override_store`).

    [[pin]]                                  # show an article in a fixed slot of another article's list
    on = "summit-2026"
    show = "summit-explained"
    slot = 1
    until = 2026-12-31                       # optional. A day counts to its end, in UTC
    reason = "the explainer goes first"      # optional
    owner = "foreign desk"                   # optional

    [[block]]                                # hide on one list, or without `on` on all lists
    on = "summit-2026"
    hide = "an-old-summit"                   # or: section = "Sport"
"""

import difflib
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from recommender.errors import InvalidOverride
from recommender.text.cleaning import clean_line
from recommender.types import in_utc, rfc3339

MOST_SLOTS = 50
MOST_BLOCKS = 200

PIN_KEYS = ("on", "show", "slot", "until", "reason", "owner")
BLOCK_KEYS = ("on", "hide", "section", "until", "reason", "owner")

Line = TypeVar("Line")


@dataclass(frozen=True, slots=True)
class Pin:
    """An article in a fixed slot of a list.

    Attributes:
        slot: 1 for the first item.
        until: When it ends. None: never.
    """

    article_id: str
    slot: int
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """An article or a section that a list hides.

    Attributes:
        until: When it ends. None: never.
    """

    article_id: str | None = None
    section: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """All overrides of one article.

    Attributes:
        pins, blocks: Pins and blocks of its list.
        everywhere: Whether every list hides the article.
        everywhere_until: When that ends. None: never.

    Raises:
        InvalidOverride: The override contradicts itself, or a value is out of range.
    """

    pins: tuple[Pin, ...] = ()
    blocks: tuple[Block, ...] = ()
    everywhere: bool = False
    reason: str = ""
    owner: str = ""
    everywhere_until: datetime | None = None

    def __post_init__(self) -> None:
        if len(self.blocks) > MOST_BLOCKS:
            raise InvalidOverride(
                f"{len(self.blocks)} blocks on one list - at most {MOST_BLOCKS}; block an article or a section everywhere"
            )
        for name, values in (("slot", [pin.slot for pin in self.pins]), ("article", [pin.article_id for pin in self.pins])):
            if len(set(values)) < len(values):
                twice = next(value for value, times in Counter(values).items() if times > 1)
                raise InvalidOverride(f"two pins of {name} {twice!r:.100} - keep one of them")
        wrong = next((pin.slot for pin in self.pins if not 1 <= pin.slot <= MOST_SLOTS), None)
        if wrong is not None:
            raise InvalidOverride(f"slot is {wrong}, it must be 1 to {MOST_SLOTS}")
        for block in self.blocks:
            if (block.article_id is None) == (block.section is None):
                raise InvalidOverride("a block names an article or a section - give one of the two")
        both = {pin.article_id for pin in self.pins} & {block.article_id for block in self.blocks}
        if both:
            raise InvalidOverride(f"{min(map(str, both))!r:.100} is pinned and blocked - keep one of the two")

    def __or__(self, other: "Override") -> "Override":
        """Combine two overrides: blocks add up. If two pins share a slot or an article, those of `other` count."""
        pinned = {pin.article_id for pin in other.pins}
        taken = {pin.slot for pin in other.pins} | pinned | {block.article_id for block in other.blocks}
        pins = tuple(pin for pin in self.pins if pin.slot not in taken and pin.article_id not in taken)
        blocks = tuple(block for block in self.blocks if block.article_id is None or block.article_id not in pinned)
        ends = [override.everywhere_until for override in (self, other) if override.everywhere]
        return Override((*pins, *other.pins), (*blocks, *other.blocks)[-MOST_BLOCKS:], bool(ends), everywhere_until=_last(ends))

    @property
    def ends(self) -> list[datetime]:
        """Return the moments at which a part of the override ends."""
        of_parts = [*(pin.until for pin in self.pins), *(block.until for block in self.blocks)]
        everywhere = [self.everywhere_until] if self.everywhere else []
        return [until for until in (*of_parts, *everywhere) if until is not None]

    def as_dict(self) -> dict[str, Any]:
        """Return the override as in the HTTP answer."""
        return {
            "pins": [{"article_id": pin.article_id, "slot": pin.slot, "until": rfc3339(pin.until)} for pin in self.pins],
            "blocks": [
                {"article_id": block.article_id, "until": rfc3339(block.until)}
                if block.section is None
                else {"section": block.section, "until": rfc3339(block.until)}
                for block in self.blocks
            ],
            "everywhere": self.everywhere,
            "everywhere_until": rfc3339(self.everywhere_until),
            "reason": self.reason,
            "owner": self.owner,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Override":
        """Invert `as_dict`. Ids and sections are cleaned as in the build."""
        pins = tuple(Pin(clean_line(pin["article_id"]), pin["slot"], end_of(pin.get("until"))) for pin in fields.get("pins", ()))
        blocks = tuple(
            Block(_clean(block.get("article_id")), _clean(block.get("section")), end_of(block.get("until")))
            for block in fields.get("blocks", ())
        )
        until = end_of(fields.get("everywhere_until"))
        return cls(pins, blocks, bool(fields.get("everywhere")), fields.get("reason") or "", fields.get("owner") or "", until)


NOTHING = Override()


@dataclass(frozen=True)
class Overrides:
    """The overrides of a file.

    Attributes:
        articles: Id -> override of that article.
        hidden: Blocks that count on every list.
    """

    articles: Mapping[str, Override] = field(default_factory=dict)
    hidden: tuple[Block, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.articles or self.hidden)

    @cached_property
    def everywhere(self) -> Mapping[str, datetime | None]:
        """Return the id of each article that no list shows -> when that ends. None: never."""
        return {article_id: override.everywhere_until for article_id, override in self.articles.items() if override.everywhere}

    @cached_property
    def ends(self) -> Sequence[datetime]:
        """Return the moments at which an override ends."""
        blocks = [block.until for block in self.hidden if block.until is not None]
        return [until for override in self.articles.values() for until in override.ends] + blocks


def place_pins(lines: Sequence[Line], pins: Iterable[tuple[int, Line]], limit: int) -> list[Line]:
    """Insert pinned items in their slots and push the others down. A slot past the end of the list appends its pin.

    >>> place_pins(["a", "b", "c"], [(1, "x"), (3, "y")], limit=4)
    ['x', 'a', 'y', 'b']
    >>> place_pins(["a"], [(5, "x")], limit=5)
    ['a', 'x']
    """
    pinned = sorted(((slot, line) for slot, line in pins if slot <= limit), key=lambda of: of[0])
    placed = list(lines[: limit - len(pinned)])
    for slot, line in pinned:
        placed.insert(slot - 1, line)
    return placed


def read_overrides(path: Path) -> Overrides:
    """Read the overrides of a file.

    Raises:
        InvalidOverride: The file is not TOML, or an entry cannot be used. The message names file and entry.
    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidOverride(f"{path} cannot be read ({error}) - mend it") from error
    pins: dict[str, list[Pin]] = {}
    blocks: dict[str, list[Block]] = {}
    hidden: list[Block] = []
    everywhere: dict[str, None] = {}
    for kind, keys in (("pin", PIN_KEYS), ("block", BLOCK_KEYS)):
        entries = fields.pop(kind, [])
        if not isinstance(entries, list):
            raise InvalidOverride(f"{path}: {kind} is one table - write [[{kind}]], so that there can be more")
        for number, entry in enumerate(entries, start=1):
            where = f"{path}, {kind} {number}"
            given = _checked(entry, keys, where)
            on, until = given.get("on"), given.get("until")
            if kind == "pin":
                if on is None or "show" not in given or not isinstance(given.get("slot"), int):
                    raise InvalidOverride(f"{where}: on, show and slot (a whole number) are needed")
                pins.setdefault(on, []).append(Pin(given["show"], given["slot"], until))
            elif on is None and given.get("hide") is not None and until is None:
                everywhere[given["hide"]] = None
            else:
                (hidden if on is None else blocks.setdefault(on, [])).append(Block(given.get("hide"), given.get("section"), until))
    if fields:
        raise InvalidOverride(f"{path}: {next(iter(fields))!r} is unknown - write [[pin]] or [[block]]")
    try:
        Override(blocks=tuple(hidden))
        articles = {  # in the order of the file, so that all processes name their answers alike
            id_: Override(tuple(pins.get(id_, ())), tuple(blocks.get(id_, ())), id_ in everywhere)
            for id_ in {**pins, **blocks, **everywhere}
        }
    except InvalidOverride as error:
        raise InvalidOverride(f"{path}: {error}") from error
    return Overrides(articles, tuple(hidden))


def _checked(entry: Any, keys: Sequence[str], where: str) -> dict[str, Any]:
    """Return an entry of the file with cleaned ids and an aware `until`."""
    if not isinstance(entry, dict):
        raise InvalidOverride(f"{where} is no table - write it as [[pin]] or [[block]]")
    checked: dict[str, Any] = {}
    for name, value in entry.items():
        if name not in keys:
            near = difflib.get_close_matches(name, keys, n=1)
            raise InvalidOverride(
                f"{where}: {name!r:.50} is unknown - " + (f"did you mean {near[0]}?" if near else f"it takes {', '.join(keys)}")
            )
        if name == "until":
            try:
                checked[name] = end_of(value)
            except InvalidOverride as error:
                raise InvalidOverride(f"{where}: {error}") from error
        elif name == "slot":
            checked[name] = value
        elif not isinstance(value, str) or not clean_line(value):
            raise InvalidOverride(f"{where}: {name} is {value!r:.50}, a text is expected - put it in quotes")
        else:
            checked[name] = clean_line(value)
    return checked


def end_of(given: Any) -> datetime | None:
    """Return the end of an override: a time in UTC. A day ends with its last moment. A time without a zone is UTC."""
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given) if isinstance(given, str) else given
        if isinstance(moment, datetime):
            return in_utc(moment)
        last = datetime.combine(moment, time.max, UTC)  # a time of day without a day raises TypeError
        return last if moment == date.max else last + timedelta(microseconds=1)
    except (ValueError, TypeError):
        raise InvalidOverride(f"until is {given!r:.50}, which is no time - write it as 2026-12-31 or 2026-12-31T18:00:00Z") from None


def _last(ends: Sequence[datetime | None]) -> datetime | None:
    """Return the last of some ends. None: one of them never comes."""
    dated = [end for end in ends if end is not None]
    return max(dated) if dated and len(dated) == len(ends) else None


def _clean(name: str | None) -> str | None:
    return None if name is None else clean_line(name)


def is_over(until: datetime | None, now: datetime) -> bool:
    """Return whether an override with this end is over. An end of None never comes."""
    return until is not None and until <= now
