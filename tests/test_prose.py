"""The prose of README, docs and docstrings: short sentences, and no phrase that says nothing."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
GENERATED = {"cli.md"}
HISTORY = {"CHANGELOG.md"}
MOST = 17
"""Words of a sentence, on average over a page."""

BANNED = re.compile(
    r"\b(anew|who asks|as many as may|(?:is|are) (?:told|said)|whoever|stands|lies|and goes|so many (?!that\b))\b", re.IGNORECASE
)
"""Phrases that hide who does what. Name the component, the number or the state instead."""

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


def docstrings() -> Iterator[tuple[str, str]]:
    for package in ("recommender", "index", "service", "scripts"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    yield path.relative_to(ROOT).as_posix(), ast.get_docstring(node) or ""


def test_no_page_and_no_docstring_holds_a_banned_phrase() -> None:
    pages = ((page.name, FENCED.sub("", page.read_text(encoding="utf-8"))) for page in PAGES if page.name not in GENERATED | HISTORY)
    found = [(name, match.group()) for name, text in (*pages, *docstrings()) for match in BANNED.finditer(text)]
    assert found == []
