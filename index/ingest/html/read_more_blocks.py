"""Cut hand-made lists out of HTML: "Read more: ..." and a link, or a heading such as "Related" with links under it.

Lists are recognized by their heading, or by the class or id of the enclosing element. They must contain only links or
titles: a sentence that begins with "Related" is not a list. They are cut out, so that a text does not reveal the links
to be predicted from it.
"""

import re

from lxml.etree import iterwalk
from lxml.html import HtmlElement, defs

from recommender.text.read_more_headings import LIST_LENGTH, LONGEST_HEADING, heading_of, is_heading, is_headline

ENCLOSING = re.compile(
    r"(?:^|[\s_-])(?:related|read-?(?:more|also|next)|see-?also|further-?reading|lire-?aussi|leggi-?anche|lees-?ook)", re.IGNORECASE
)

MOSTLY = 0.6
"""Minimum share of link characters in an enclosing element that is a list. Its heading is not counted."""

SECTIONS = {"article", "aside", "body", "details", "figcaption", "figure", "footer", "header", "main", "nav", "section", "summary"}
BLOCKS = SECTIONS | defs.block_tags - {"del", "ins"}
"""Elements that begin a new line."""

EMPHASIS = frozenset(["b", "strong", "em", "i", "u", "span"])
WHOLE = frozenset(["html", "body", "main", "article", "a"])
"""Elements that are never lists, whatever their class or id."""

BETWEEN = re.compile(r"(?:[\s,;|/•·.:：、，»›>→&\[\](){}（）【】「」–—-]|\b(?:and|or|und|et|y|e|en)\b)*")
"""Text that may occur between links and around them."""

NO_ARTICLE = re.compile(
    r"(?:https?://[^/]+)?/(?:[\w-]+/)*(?:tags?|topics?|authors?|search|category)(?:/[\w-]+){0,2}/?(?:\?.*)?$", re.IGNORECASE
)
"""Addresses of pages that list articles: of a tag, a topic, an author, a search. They are cut out, and are no entries."""

Piece = tuple[str, HtmlElement | None]
"""A piece of text, and the link that contains it."""

Found = tuple[list[HtmlElement], list[str]]
"""Elements of a hand-made list, heading included, and its entries."""


def cut_links(root: HtmlElement) -> list[str]:
    """Cut the hand-made lists out of a tree without scripts, styles and comments.

    Returns:
        Distinct entries in order. Each is a URL, a path of the site (`/...`), or the title if there is neither.
    """
    names: list[str] = []
    gone: set[HtmlElement] = set()
    for element in list(root.iterdescendants()):
        if element in gone:
            continue
        found = _enclosed(element) or _under_heading(element) or _in_line(element)
        if found:
            for part in found[0]:
                gone.update(part.iter())
                part.drop_tree()
            names += found[1]
    return [name for name in dict.fromkeys(names) if not NO_ARTICLE.match(name)]


def _enclosed(element: HtmlElement) -> Found | None:
    """Return a list that the class or id of its element reveals."""
    if element.tag in WHOLE or not ENCLOSING.search(f"{element.get('class', '')} {element.get('id', '')}"):
        return None
    pieces = _pieces(element)
    linked = sum(len(text) for text, link in pieces if link is not None)
    loose = sum(len(text) for text, link in pieces if link is None and not is_heading(text, linked=True))
    names = _names(pieces)
    return ([element], names) if 0 < len(names) <= LIST_LENGTH and linked >= MOSTLY * (linked + loose) else None


def _under_heading(element: HtmlElement) -> Found | None:
    """Return the list under a heading: a list element, or paragraphs or lines of one link each."""
    if element.tag not in BLOCKS | EMPHASIS or not is_heading(heading := _short_text(element), linked=True):
        return None
    is_weak = not is_heading(heading)
    top = element
    while (parent := top.getparent()) is not None and parent.tag not in WHOLE and _short_text(parent) == heading:
        top = parent
    parts: list[HtmlElement] = [top]
    names: list[str] = []
    for part in [] if (top.tail or "").strip(" \n\t:") else top.itersiblings():
        if part.tag != "br":
            found = [] if part.tag not in BLOCKS and (part.tail or "").strip() else _listed(part, is_weak)
            if not found or len(names) + len(found) > LIST_LENGTH:
                break
            parts.append(part)
            names += found
            if len(found) > 1 or part.find(".//li") is not None:
                break
        if (part.tail or "").strip():
            break
    return (parts, names) if names else None


def _in_line(element: HtmlElement) -> Found | None:
    """Return a list in a paragraph: a heading and then only links. The heading may be part of the first link."""
    if (
        element.tag not in BLOCKS
        or not heading_of(_short_text(element), linked=True)
        or any(inner.tag in BLOCKS for inner in element.iterdescendants())
    ):
        return None
    (first, link), *rest = _pieces(element)
    heading = heading_of(first, linked=True)
    if not heading or not (heading["colon"] or heading_of(first)):  # weak, and no label
        return None
    behind = first[heading.end() :]
    if link is None and (not BETWEEN.fullmatch(behind) or not (heading["colon"] or behind or not (element.text or "").strip())):
        return None
    if link is not None:
        if not heading["colon"] or not behind:
            return None
        rest = [(behind, link), *rest]
    return ([element], _names(rest)) if _is_links(rest) else None


def _listed(element: HtmlElement, only_links: bool = False) -> list[str]:
    """Return the entries of a list, of an element that contains one, or of a paragraph with only one link.

    Return none otherwise.

    Args:
        only_links: Refuse titles without a link.
    """
    items = [_pieces(item) for item in element.iter("li") if item.find(".//li") is None]
    if not items:
        names = _names(_pieces(element))
        return names if len(names) == 1 and _is_links(_pieces(element)) else []
    items = [item for item in items if item]
    texts = [" ".join(text for text, _ in item) for item in items]
    around = len(_short_text(element, len("".join(texts)) + 4 * LONGEST_HEADING)) - len(" ".join(texts))
    if around > LONGEST_HEADING or not all(
        _is_links(item) or (not only_links and is_headline(text)) for item, text in zip(items, texts, strict=True)
    ):
        return []
    return [next(iter(_names(item)), text) for item, text in zip(items, texts, strict=True)]


def _pieces(element: HtmlElement) -> list[Piece]:
    """Return the element's texts in order. Adjacent texts with the same link, or with none, are joined."""
    parts: list[tuple[list[str], HtmlElement | None]] = []
    link = None
    for event, node in iterwalk(element, events=("start", "end")):
        if event == "start" and node.tag == "a":
            link = node
        elif event == "end" and node is link:
            link = None
        text = node.text if event == "start" else node.tail if node is not element else None
        if not parts or parts[-1][1] is not link:
            parts.append(([], link))
        parts[-1][0].append((" " if node.tag in BLOCKS or node.tag == "br" else "") + (text or ""))
    pieces = ((" ".join("".join(texts).split()), link) for texts, link in parts)
    return [(text, link) for text, link in pieces if text]


def _names(pieces: list[Piece]) -> list[str]:
    """Return the entries of the links. A link with only the text "Read more" has none."""
    return [_target(text, link) for text, link in pieces if link is not None and not is_heading(text)]


def _target(title: str, link: HtmlElement) -> str:
    url = (link.get("href") or "").strip()
    if url.startswith("//"):
        return f"https:{url}"
    return url if url.lower().startswith(("http://", "https://", "/")) else title


def _is_links(pieces: list[Piece]) -> bool:
    return bool(_names(pieces)) and all(link is not None or BETWEEN.fullmatch(text) for text, link in pieces)


def _short_text(element: HtmlElement, longest: int = 4 * LONGEST_HEADING) -> str:
    """Return the element's text, or the beginning of a very long text."""
    text = ""
    for part in element.itertext():
        text += part
        if len(text) > longest:
            break
    return " ".join(text.split())
