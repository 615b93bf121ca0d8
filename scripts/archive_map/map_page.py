"""Render the map as a page: one file that opens from disk and loads nothing else.

The archive's contents are embedded as JSON, which no browser executes, and the page inserts them as text. Only http
and https addresses become links. The page's own policy (a CSP with the hashes of its one style and one script) blocks
everything else.
"""

import base64
import json
from collections import Counter
from datetime import UTC, datetime
from os.path import commonprefix
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InputError
from recommender.installation import not_installed
from scripts.archive_map.layout import Places
from scripts.archive_map.map_contents import Contents
from scripts.report.report_page import csp_hash, web_url

PAGE = Path(__file__).parent / "page"

SCRIPT = ("articles.js", "drawing.js", "hands.js")
"""Parts of one script: the page's text, the drawing, the input handling."""

LONGEST_TITLE = 200
"""Characters of a title that the page shows."""

NO_DAY = -(2**31)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_page(path: Path, contents: Contents, places: Places) -> None:
    """Write the map as one HTML file.

    Raises:
        InputError: Jinja2 is not installed.
        OSError: The file cannot be written.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise InputError(not_installed("Jinja2", "build")) from error
    environment = Environment(loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["csp_hash"] = csp_hash
    style, *parts = ((PAGE / name).read_text(encoding="utf-8") for name in ("page.css", *SCRIPT))
    script = f'"use strict";\n{{\n{"".join(parts)}}}\n'
    archive = _as_json(contents, places)
    page = environment.get_template("page.html").render(contents=contents, style=style, script=script, archive=archive)
    path.write_bytes(page.encode())


def _as_json(contents: Contents, places: Places) -> str:
    """Return the JSON that the script reads. It contains no `<`, so no title can close its script element."""
    urls = [web_url(card.url) for card in contents.cards]
    start = commonprefix([url for url in urls if url])  # noqa: RUF071 - even in the middle of a word
    sections = [name for name, _ in Counter(card.section for card in contents.cards if card.section).most_common()]
    number = {name: place for place, name in enumerate(sections)}
    fields = {
        "titles": [_shortened(card.title or card.id) for card in contents.cards],
        "start": start,
        "urls": [url and url[len(start) :] for url in urls],
        "sections": sections,
        "section": _packed(np.array([number.get(card.section or "", 0xFFFF) for card in contents.cards], dtype="<u2")),
        "day": _packed(np.array([_day(card.published) for card in contents.cards], dtype="<i4")),
        "x": _packed((places[:, 0] * 0xFFFF).round().astype("<u2")),
        "y": _packed((places[:, 1] * 0xFFFF).round().astype("<u2")),
        "lines": _packed(contents.lines.astype("<u2")),
        "scores": _packed((contents.scores * 100).round().clip(0, 100).astype("u1")),
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _packed(numbers: NDArray[np.generic]) -> str:
    return base64.b64encode(numbers.tobytes()).decode()


def _shortened(title: str) -> str:
    return title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 1] + "…"


def _day(published: datetime | None) -> int:
    """Return the days since 1970."""
    return NO_DAY if published is None else (published - EPOCH).days
