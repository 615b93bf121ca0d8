"""Cut hand-made lists out of plain text: "Read more: ..." on a line, or a heading and short lines under it."""

import re
from itertools import takewhile

from recommender.text.pasted_page import BULLET
from recommender.text.read_more_headings import LIST_LENGTH, heading_of, is_heading, is_headline

MARKDOWN_LINK = re.compile(r"\[([^\]\n]*)\]\(([^\s()]+)[^()\n]*\)")
MARKDOWN = re.compile(r"^#{1,6}\s|\*{2,3}|__")


def cut_titles(text: str) -> tuple[str, list[str]]:
    """Cut the hand-made lists out of a plain text.

    Returns:
        The text without the lists, and the titles or URLs in them.

    >>> cut_titles("The pier is open.\\n\\nRead more: Why the pier closed\\n\\nIt took a year.")
    ('The pier is open.\\n\\nIt took a year.', ['Why the pier closed'])
    """
    lines = text.split("\n")
    kept: list[str] = []
    names: list[str] = []
    at = 0
    while at < len(lines):
        line = _bare(lines[at])
        heading = heading_of(line)
        behind = line[heading.end() :] if heading and heading["colon"] else ""
        under = _lines_under(lines, at + 1, with_colon=bool(heading and heading["colon"])) if is_heading(line) else []
        if is_headline(behind):
            names.append(_name_of(behind))
        elif under:
            names += [_name_of(_bare(lines[place])) for place in under]
            at = under[-1]
        else:
            kept.append(lines[at])
        at += 1
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip() if names else text, list(dict.fromkeys(names))


def _lines_under(lines: list[str], start: int, with_colon: bool) -> list[int]:
    """Return the lines of the list under a heading, or none if there is no list.

    A list is a whole paragraph, or paragraphs of one line each.
    """
    filled = [place for place in range(start, min(len(lines), start + 4 * LIST_LENGTH)) if lines[place].strip()]
    if not filled:
        return []
    paragraph = list(takewhile(lambda place: place < len(lines) and lines[place].strip(), range(filled[0], len(lines))))
    bullets = list(takewhile(lambda place: BULLET.match(lines[place]), filled))
    if bullets:
        found = bullets
    elif len(paragraph) > 1 or filled[0] == start:
        found = paragraph
    else:  # Up to the story. A heading without a colon may belong to the story, so then up to the end.
        found = list(takewhile(lambda place: is_headline(lines[place]) and not "".join(lines[place + 1 : place + 2]).strip(), filled))
        if not with_colon and "".join(lines[found[-1] + 1 :] if found else []).strip():
            return []
    return found if len(found) <= LIST_LENGTH and all(is_headline(_bare(lines[place])) for place in found) else []


def _bare(line: str) -> str:
    """Return a line without its bullet and the Markdown marks of headings and emphasis."""
    return MARKDOWN.sub("", BULLET.sub("", line.strip())).strip()


def _name_of(title: str) -> str:
    """Return the target of a Markdown link, or else the title."""
    link = MARKDOWN_LINK.fullmatch(title)
    return link[2 if link[2].lower().startswith(("http://", "https://", "/")) else 1] if link else title
