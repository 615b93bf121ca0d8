"""Parse a news page pasted from a site: separate the article from the parts around it.

A page is a column of paragraphs. Only position and form mark the title, the caption and the hand-made list. The rules
below are those of a human reader.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from recommender.errors import InvalidArticle
from recommender.text.cleaning import clean_line, clean_text, has_words
from recommender.text.dates import DATE, parse_date
from recommender.text.read_more_headings import HEADLINE_WORDS, LIST_LENGTH, heading_of, is_headline
from recommender.types import Article

CLOCK = re.compile(r"[\s,|–-]*(?:at )?(?:\d{1,2}:\d{2}[\w\s.:+-]{0,16})?$")  # the rest after a date, parsed or not
WEEKDAY = re.compile("(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,? $", re.IGNORECASE)
UPDATED = re.compile(r"(?:last |first )?(?:updated|published|posted)\b\s*(?:on|at|:)?\s*", re.IGNORECASE)
BYLINE = re.compile(r"by [^.!?]{2,80}$", re.IGNORECASE)

WIDE_GAP = re.compile(r"\n[^\S\n]*\n[^\S\n]*\n")
BULLET = re.compile(r"^[-*•–·>]\s+")

STANDFIRST_WORDS = 60
"""Maximum words of a standfirst. A longer first paragraph is the story itself."""

CAPTION_WORDS = 4
"""Minimum words of a caption. A shorter line that occurs twice is not a caption."""


@dataclass(frozen=True, slots=True)
class Page:
    """The parts of a pasted page.

    Attributes:
        title: The first line. Empty if it is too long for a title.
        standfirst: The line under the title that sums the story up. Empty if there is none.
        body: The story, without captions and without the list.
        captions: Picture captions: lines that occur twice, once for the eye and once for the screen reader.
        updated: The time of update or publication on the page, UTC if it names no zone. None if the zone is given by
            name.
        read_more: Titles of the hand-made list, in order.
    """

    title: str
    standfirst: str
    body: str
    captions: tuple[str, ...]
    updated: datetime | None
    read_more: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the readable text: standfirst and body."""
        return "\n\n".join(part for part in (self.standfirst, self.body) if part)

    def as_article(self, article_id: str = "") -> Article:
        """Return the page as an article. Its list stays with the page, because titles are not ids."""
        return Article(article_id, self.title, self.text, published=self.updated)


def parse_page(pasted: str) -> Page:
    """Parse a pasted page into its parts.

    Raises:
        InvalidArticle: `empty_text`: the page has no words. Or `bad_encoding`.

    >>> page = parse_page("Bridge reopens\\n\\nTraffic is back.\\n\\nRead more:\\n\\nWhy the bridge closed\\n\\nIt took a year.")
    >>> page.title, page.body, page.read_more
    ('Bridge reopens', 'Traffic is back.\\n\\nIt took a year.', ('Why the bridge closed',))
    """
    lines = _lines(pasted)
    updated, lines = _take_updated(lines)
    lines = _drop_site_line(_from_first_word(lines))
    lines = lines[lines[:1] == lines[1:2] :]  # a title that occurs twice is not a caption
    captions = dict.fromkeys(line for line, after in pairwise(lines) if line == after and len(line.split()) >= CAPTION_WORDS)
    lines = [line for line in lines if line not in captions]
    read_more, lines = _take_lists(lines)
    title, *rest = [line for line in lines if line] or [""]
    if len(title.split()) > HEADLINE_WORDS:  # no title at all
        title, rest = "", [title, *rest]
    rest = rest[1:] if rest and BYLINE.match(rest[0]) else rest
    standfirst = ""
    if len(rest) > 1 and is_headline(rest[0], STANDFIRST_WORDS):
        standfirst, *rest = rest
    page = Page(title, standfirst, "\n\n".join(rest), tuple(captions), updated, tuple(read_more))
    if not has_words(f"{page.title} {page.text}"):
        raise InvalidArticle("empty_text", "the page has no words - paste the title and the story")
    return page


def _lines(pasted: str) -> list[str]:
    """Return the lines with text, and an empty line for each wide gap (two blank lines)."""
    lines: list[str] = []
    for block in WIDE_GAP.split(pasted.replace("\r\n", "\n")):
        lines += [line for line in map(clean_line, clean_text(block).split("\n")) if line]
        lines.append("")
    return lines[:-1]


def _take_updated(lines: list[str]) -> tuple[datetime | None, list[str]]:
    """Return the time after "Updated:" or a similar label, and the lines without it.

    A time in a zone given only by name is not guessed.
    """
    updated, others = None, []
    for line in lines:
        label = UPDATED.match(line)
        date = DATE.match(line, label.end()) if label else None
        if not label or not date or not CLOCK.match(line, date.end()):
            others.append(line)
        else:
            with suppress(ValueError):
                moment = parse_date(line[label.end() :])
                updated = max(moment, updated or moment)
    return updated, others


def _drop_site_line(lines: list[str]) -> list[str]:
    """Drop a first line of the site itself above the title: a place and today's date with the day of the week.

    >>> _drop_site_line(["Springfield, Friday 3 May 2024", "Old bridge reopens"])
    ['Old bridge reopens']
    >>> _drop_site_line(["Briefing, Friday 3 May 2024", "The bridge was opened."])
    ['Briefing, Friday 3 May 2024', 'The bridge was opened.']
    """
    date = DATE.search(lines[0]) if lines else None
    if not date or date.end() != len(lines[0]) or not WEEKDAY.search(lines[0], 0, date.start()):
        return lines
    below = _from_first_word(lines[1:])
    return below if below and is_headline(below[0]) else lines


def _from_first_word(lines: list[str]) -> list[str]:
    """Return the lines without the empty ones at the beginning."""
    first = next((place for place, line in enumerate(lines) if line), len(lines))
    return lines[first:]


def _take_lists(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return the titles under (or behind) headings such as "Read more:", and the other lines."""
    titles: list[str] = []
    others: list[str] = []
    rest = iter(range(len(lines)))
    for place in rest:
        heading = heading_of(lines[place])
        behind = lines[place][heading.end() :] if heading else ""
        if not heading or (behind and not (heading["colon"] and is_headline(behind))):
            others.append(lines[place])
        elif behind:
            titles.append(behind)
        else:
            under = _headlines(lines[place + 1 : place + 1 + LIST_LENGTH])
            titles += under
            for _ in under:
                next(rest)
            if not under:
                others.append(lines[place])
    return list(dict.fromkeys(titles)), others


def _headlines(lines: list[str]) -> list[str]:
    """Return the leading lines that look like headlines, up to a wide gap, without bullets."""
    found: list[str] = []
    for line in lines:
        if not line or not is_headline(line):
            break
        found.append(BULLET.sub("", line))
    return found
