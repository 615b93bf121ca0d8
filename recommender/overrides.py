"""The editors' word: what a list must show, and what no list may show, whatever the ranking says.

It comes from two places, which add up: a file that is kept with the site (`read_overrides`), and the service (`index.overrides`).

    [[pin]]                                  # on the list of one article, another stands in a fixed place
    on = "summit-2026"
    show = "summit-explained"
    slot = 1
    until = 2026-12-31                       # may be left out; a day counts to its end, in UTC
    reason = "the explainer goes first"      # may be left out
    owner = "foreign desk"                   # may be left out

    [[block]]                                # never shown: on one list, or without `on` on all of them
    on = "summit-2026"
    hide = "an-old-summit"                   # or: section = "Sport"
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar

from recommender.cleaning import clean_line
from recommender.errors import InvalidOverride
from recommender.types import in_utc, rfc3339

MOST_SLOTS = 50
MOST_BLOCKS = 200

PIN_KEYS = ("on", "show", "slot", "until", "reason", "owner")
BLOCK_KEYS = ("on", "hide", "section", "until", "reason", "owner")

Line = TypeVar("Line")


@dataclass(frozen=True, slots=True)
class Pin:
    """An article in a fixed place of a list.

    Attributes:
        slot: 1 for the first line.
        until: When it ends; None: never.
    """

    article_id: str
    slot: int
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """What a list does not show: one article, or a section.

    Attributes:
        until: When it ends; None: never.
    """

    article_id: str | None = None
    section: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """All that is said of one article.

    Attributes:
        pins, blocks: Of its list.
        everywhere: Whether it is shown on no list.
        everywhere_until: When that ends; None: never.

    Raises:
        InvalidOverride: It contradicts itself, or a value is not in its range.
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
        of: dict[str, list[object]] = {"slot": [pin.slot for pin in self.pins], "article": [pin.article_id for pin in self.pins]}
        for name, values in of.items():
            twice = next((value for value in values if values.count(value) > 1), None)
            if twice is not None:
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

    def as_dict(self) -> dict[str, Any]:
        """As the HTTP answer has it."""
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
        """The inverse of `as_dict`; ids and sections are cleaned as the build cleans them."""
        pins = tuple(Pin(clean_line(pin["article_id"]), pin["slot"], end_of(pin.get("until"))) for pin in fields.get("pins", ()))
        blocks = tuple(
            Block(_clean(block.get("article_id")), _clean(block.get("section")), end_of(block.get("until")))
            for block in fields.get("blocks", ())
        )
        until = end_of(fields.get("everywhere_until"))
        return cls(pins, blocks, bool(fields.get("everywhere")), fields.get("reason") or "", fields.get("owner") or "", until)


NOTHING = Override()


@dataclass(frozen=True, slots=True)
class Overrides:
    """All that is said, of all articles.

    Attributes:
        articles: Id -> what is said of that article.
        hidden: Blocks that count on every list.
    """

    articles: Mapping[str, Override] = field(default_factory=dict)
    hidden: tuple[Block, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.articles or self.hidden)

    def __or__(self, other: "Overrides") -> "Overrides":
        """Both: blocks add up; of two pins of one slot or one article, those of `other` count."""
        articles = dict(self.articles)
        for article_id, said in other.articles.items():
            before = articles.get(article_id, NOTHING)
            taken = {pin.slot for pin in said.pins} | {pin.article_id for pin in said.pins} | {block.article_id for block in said.blocks}
            pins = tuple(pin for pin in before.pins if pin.slot not in taken and pin.article_id not in taken)
            pinned = {pin.article_id for pin in said.pins}
            blocks = tuple(block for block in before.blocks if block.article_id is None or block.article_id not in pinned)
            ends = [of.everywhere_until for of in (before, said) if of.everywhere]
            articles[article_id] = Override(
                (*pins, *said.pins), (*blocks, *said.blocks)[-MOST_BLOCKS:], bool(ends), everywhere_until=_last(ends)
            )
        return Overrides(articles, (*self.hidden, *other.hidden))

    def pins(self, article_id: str, now: datetime) -> list[Pin]:
        """The pins of an article's list that have not ended, by slot."""
        said = self.articles.get(article_id)
        return [] if said is None else sorted((pin for pin in said.pins if _counts(pin, now)), key=lambda pin: pin.slot)

    def blocks(self, article_id: str | None, now: datetime) -> list[Block]:
        """What an article's list does not show; None: the list of a text."""
        said = self.articles.get(article_id, NOTHING) if article_id is not None else NOTHING
        return [block for block in (*said.blocks, *self.hidden) if _counts(block, now)]

    def everywhere(self, now: datetime) -> list[str]:
        """Ids of articles that no list shows."""
        until = {article_id: said.everywhere_until for article_id, said in self.articles.items() if said.everywhere}
        return [article_id for article_id, end in until.items() if end is None or end > now]

    @property
    def ends(self) -> list[datetime]:
        """When something that is said ends."""
        pins = [pin.until for said in self.articles.values() for pin in said.pins]
        blocks = [block.until for said in self.articles.values() for block in said.blocks]
        everywhere = [said.everywhere_until for said in self.articles.values()]
        return [until for until in (*pins, *blocks, *everywhere, *(block.until for block in self.hidden)) if until is not None]


def place_pins(lines: Sequence[Line], pins: Iterable[tuple[int, Line]], limit: int) -> list[Line]:
    """Put pinned lines in their slots and push the others down; behind the end of a shorter list, a pin comes last.

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
    """Read the file.

    Raises:
        InvalidOverride: It is not TOML, or an entry cannot be used; the message names file and entry.
    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidOverride(f"{path} cannot be read ({error}) - mend it") from error
    pins: dict[str, list[Pin]] = {}
    blocks: dict[str, list[Block]] = {}
    hidden: list[Block] = []
    everywhere: set[str] = set()
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
                everywhere.add(given["hide"])
            else:
                (hidden if on is None else blocks.setdefault(on, [])).append(Block(given.get("hide"), given.get("section"), until))
    if fields:
        raise InvalidOverride(f"{path}: {next(iter(fields))!r} is unknown - write [[pin]] or [[block]]")
    try:
        Override(blocks=tuple(hidden))
        articles = {
            id_: Override(tuple(pins.get(id_, ())), tuple(blocks.get(id_, ())), id_ in everywhere) for id_ in {*pins, *blocks, *everywhere}
        }
    except InvalidOverride as error:
        raise InvalidOverride(f"{path}: {error}") from error
    return Overrides(articles, tuple(hidden))


def _checked(entry: Any, keys: Sequence[str], where: str) -> dict[str, Any]:
    """An entry of the file with cleaned ids and an aware `until`."""
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
    """When something ends: a time in UTC; of a day its end; UTC where no zone is given."""
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given) if isinstance(given, str) else given
        if isinstance(moment, datetime):
            return in_utc(moment)
        last = datetime.combine(moment, time.max, UTC)  # of a time of day without a day: TypeError
        return last if moment == date.max else last + timedelta(microseconds=1)
    except (ValueError, TypeError):
        raise InvalidOverride(f"until is {given!r:.50}, which is no time - write it as 2026-12-31 or 2026-12-31T18:00:00Z") from None


def _last(ends: Sequence[datetime | None]) -> datetime | None:
    """The last of some ends; None: one of them is never."""
    dated = [end for end in ends if end is not None]
    return max(dated) if dated and len(dated) == len(ends) else None


def _clean(name: str | None) -> str | None:
    return None if name is None else clean_line(name)


def _counts(said: Pin | Block, now: datetime) -> bool:
    return said.until is None or said.until > now
