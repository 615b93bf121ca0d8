"""Read a news page as pasted from a site: what is the article, and what stands around it.

A page is a column of paragraphs. Nothing marks the title, the caption or the hand-made list but where they stand and
how they look; the rules below are those a reader uses.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from recommender.cleaning import clean_line, clean_text, has_words
from recommender.errors import InvalidArticle
from recommender.types import Article

MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
MONTH = "|".join(f"{name}|{name[:3]}" for name in MONTHS)
DATE = re.compile(
    rf"(?P<day>\d{{1,2}}) (?P<month>{MONTH})\.?,? (?P<year>\d{{4}})|(?P<month2>{MONTH})\.? (?P<day2>\d{{1,2}}),? (?P<year2>\d{{4}})"
)
TIME = re.compile(r"(?P<hour>\d{1,2}):(?P<minute>\d{2})\s*(?P<half>[AaPp]\.?[Mm]\.?)?")
UPDATED = re.compile(r"(?:last |first )?(?:updated|published|posted)\b\s*(?:on|at|:)?\s*", re.IGNORECASE)
LIST_HEADING = re.compile(
    r"(?P<heading>read more|more on this(?: story)?|related(?: stories| articles| topics)?|see also|further reading)\s*(?P<colon>:)?\s*",
    re.IGNORECASE,
)
SENTENCE = re.compile(r"[.…][\"'”’»)\]]*$")

WIDE_GAP = re.compile(r"\n[^\S\n]*\n[^\S\n]*\n")
BULLET = re.compile(r"^[-*•–·>]\s+")

HEADLINE_WORDS = 30
"""A paragraph of more words is no headline."""

STANDFIRST_WORDS = 60
"""A first paragraph of more words is the story itself."""

LIST_LENGTH = 12
"""A hand-made list has no more entries."""


@dataclass(frozen=True, slots=True)
class Page:
    """The parts of a pasted page.

    Attributes:
        title: The first line; empty where it is too long for a title.
        standfirst: The line under the title that sums the story up; empty where there is none.
        body: The story, without captions and without the list.
        captions: Picture captions: lines that the page has twice, once for the eye and once for the screen reader.
        updated: The time the page says it was updated or published; UTC where it names no zone.
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
        """What there is to read: standfirst and body."""
        return "\n\n".join(part for part in (self.standfirst, self.body) if part)

    def as_article(self, article_id: str = "") -> Article:
        """The page as an article; its list stays with the page, as titles are no ids."""
        return Article(article_id, self.title, self.text, published=self.updated)


def parse_page(pasted: str) -> Page:
    """Take a pasted page apart.

    Raises:
        InvalidArticle: `empty_text`, there are no words; `bad_encoding`.

    >>> page = parse_page("Bridge reopens\\n\\nTraffic is back.\\n\\nRead more:\\n\\nWhy the bridge closed\\n\\nIt took a year.")
    >>> page.title, page.body, page.read_more
    ('Bridge reopens', 'Traffic is back.\\n\\nIt took a year.', ('Why the bridge closed',))
    """
    lines = _lines(pasted)
    updated, lines = _take_updated(lines)
    lines = _drop_site_line(lines)
    captions = dict.fromkeys(line for line, after in pairwise(lines) if line == after != "")
    lines = [line for line in lines if line not in captions]
    read_more, lines = _take_lists(lines)
    title, *rest = [line for line in lines if line] or [""]
    if len(title.split()) > HEADLINE_WORDS:  # no title at all
        title, rest = "", [title, *rest]
    standfirst = ""
    if len(rest) > 1 and _is_headline(rest[0], STANDFIRST_WORDS):
        standfirst, *rest = rest
    page = Page(title, standfirst, "\n\n".join(rest), tuple(captions), updated, tuple(read_more))
    if not has_words(f"{page.title} {page.text}"):
        raise InvalidArticle("empty_text", "the page has no words - paste the title and the story")
    return page


def _lines(pasted: str) -> list[str]:
    """The lines that hold something, and an empty one wherever the page leaves a wide gap (two blank lines)."""
    lines: list[str] = []
    for block in WIDE_GAP.split(pasted.replace("\r\n", "\n")):
        lines += [line for line in map(clean_line, clean_text(block).split("\n")) if line]
        lines.append("")
    return lines[:-1]


def _take_updated(lines: list[str]) -> tuple[datetime | None, list[str]]:
    """The time behind a line that begins with "Updated:" or its like, and the other lines."""
    updated, others = None, []
    for line in lines:
        label = UPDATED.match(line)
        moment = _moment(line[label.end() :]) if label else None
        if moment:
            updated = max(moment, updated or moment)
        else:
            others.append(line)
    return updated, others


def _moment(text: str) -> datetime | None:
    """A date, with a time if one follows, when the text is nothing but that.

    >>> _moment("September 11, 2018 10:41 AM").isoformat()
    '2018-09-11T10:41:00+00:00'
    >>> _moment("September 11, 2018 was a Tuesday")
    """
    date = DATE.match(text)
    if not date:
        return None
    time = TIME.search(text, date.end())
    if len(text[time.end() if time else date.end() :].split()) > 1:  # a time zone may follow, a sentence may not
        return None
    day, month, year = date["day"] or date["day2"], date["month"] or date["month2"], date["year"] or date["year2"]
    hour, minute = (int(time["hour"]), int(time["minute"])) if time else (0, 0)
    if time and time["half"]:
        hour = hour % 12 + (12 if time["half"][0] in "Pp" else 0)
    number = next(number for number, name in enumerate(MONTHS, start=1) if name.startswith(month[:3]))
    try:
        return datetime(int(year), number, int(day), hour, minute, tzinfo=UTC)
    except ValueError:
        return None


def _drop_site_line(lines: list[str]) -> list[str]:
    """Drop a first line that is the site's own: a place and today's date above the title."""
    date = DATE.search(lines[0]) if lines else None
    return lines[1:] if date and len(lines) > 1 and date.end() == len(lines[0]) and len(lines[0].split()) <= 10 else lines


def _take_lists(lines: list[str]) -> tuple[list[str], list[str]]:
    """The titles under (or behind) headings such as "Read more:", and the other lines."""
    titles: list[str] = []
    others: list[str] = []
    rest = iter(range(len(lines)))
    for place in rest:
        heading = LIST_HEADING.match(lines[place])
        behind = lines[place][heading.end() :] if heading else ""
        if not heading or (behind and not heading["colon"]):
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
    """The lines at the beginning that look like headlines, up to a wide gap; bullets are cut off."""
    found: list[str] = []
    for line in lines:
        if not line or not _is_headline(line, HEADLINE_WORDS):
            break
        found.append(BULLET.sub("", line))
    return found


def _is_headline(line: str, words: int) -> bool:
    """Short, and not a sentence with its full stop."""
    return len(line.split()) <= words and not SENTENCE.search(line)
