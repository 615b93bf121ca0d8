"""The prose of README and docs: short sentences, counted over everything that is neither code nor a table."""

import re
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
GENERATED = {"cli.md"}
HISTORY = {"CHANGELOG.md"}
MOST = 17
"""Words of a sentence, on average over a page."""

FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
NOT_PROSE = re.compile(r"^(    .*|#.*|\|.*|<.*|\s*)$")
ITEM = re.compile(r"^\s*(?:[*-]|\d+\.) ")
END = re.compile(r"(?<=[.!?])[*_)\"”']*\s+|(?<=[.!?][*_)\"”'])\s+")
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
CODE = re.compile(r"`[^`]*`")


def sentences(text: str) -> list[str]:
    """Return the sentences of a page. A list item is at least one. Code in a line is one word."""
    blocks: list[list[str]] = [[]]
    for line in FENCED.sub("", text).splitlines():
        if NOT_PROSE.match(line):
            blocks.append([])
            continue
        if ITEM.match(line):
            blocks.append([])
        blocks[-1].append(ITEM.sub("", line).strip())
    made = []
    for block in blocks:
        plain = CODE.sub("code", LINK.sub(r"\1", " ".join(block)))
        made += [sentence for sentence in END.split(plain) if len(sentence.split()) > 2]
    return made


def words(text: str) -> list[int]:
    return [len(sentence.split()) for sentence in sentences(text)]


def test_sentences_are_counted_as_people_count_them() -> None:
    page = (
        "# A title\n\nOne two `three four` five. One [two three](x.md) four\nfive six: seven.\n\n"
        "    code\n\n* **An item. Of\n  five words.**\n| a | b |\n"
    )
    assert words(page) == [4, 7, 3]


def test_sentences_are_short() -> None:
    of_pages = {
        page.relative_to(ROOT).as_posix(): words(page.read_text(encoding="utf-8")) for page in PAGES if page.name not in GENERATED | HISTORY
    }
    means = {name: fmean(lengths) for name, lengths in of_pages.items() if lengths}
    assert {name: round(mean, 1) for name, mean in means.items() if mean > MOST} == {}
