"""Extract the text of an HTML fragment: the body of a post or of a feed's entry."""

import re
from collections.abc import Iterator
from itertools import dropwhile

from lxml.etree import SubElement, iterwalk
from lxml.html import HtmlElement, HTMLParser, document_fromstring

from index.ingest.html.read_more_blocks import BLOCKS, cut_links
from index.ingest.html.read_more_lines import cut_titles
from recommender.text.cleaning import clean_text

UNREAD = ("script", "style", "noscript", "template", "figcaption", "iframe", "object", "svg", "button", "head", "title")
"""Elements that never belong to the story."""

CALLS = re.compile(
    r"(?:^|\s)(?:button-wrapper|captioned-button-wrap|subscription-widget(?:-wrap(?:-editor)?)?|install-substack-app-embed"
    r"|kg-button-card|kg-signup-card|kg-cta-card|wp-block-buttons?)(?:\s|$)"
)
"""Classes of subscribe, share and other buttons in posts of Substack, Ghost and WordPress."""

IN_HEAD = ("title", "meta", "link", "script", "style", "base", "noscript", "template", "object")

SHORTCODE = re.compile(r"\[(?P<end>/)?(?P<name>[a-z][\w-]*)(?P<attributes>\s+[\w-]+=)?[^\[\]\n]*\]")
KNOWN = ("gallery", "more", "nextpage")
HIDING = ("caption", "wp_caption", "embed", "audio", "video", "playlist")
"""Shortcodes whose content does not belong to the story."""

BLANK_LINE = re.compile(r"\n\s*\n")


def fragment_text(html: str) -> tuple[str, list[str]]:
    """Return the text of a fragment, and its hand-made lists.

    Blank lines separate paragraphs, headings and list entries. A blank line inside an element separates too, as in
    posts from WordPress's classic editor.

    Returns:
        The text without the lists, and their entries. An entry is a URL, a path of the site, or a title.

    Raises:
        InvalidArticle: `bad_encoding`.

    >>> fragment_text("<p>Tom &amp; Ann met.</p><p>Read more: <a href='/quay'>The quay</a></p>")
    ('Tom & Ann met.', ['/quay'])
    """
    root = parse_html(f"<body>{_without_shortcodes(clean_text(html))}")
    drop(root, *UNREAD)
    for element in [element for element in root.iter() if _is_call(element)]:
        element.drop_tree()
    links = cut_links(root)
    text, titles = cut_titles("\n\n".join(_paragraphs(root)))
    return text, list(dict.fromkeys([*links, *titles]))


def parse_html(html: str) -> HtmlElement:
    """Parse a page, or `<body>` and a fragment, into a tree without comments and processing instructions.

    Raises:
        lxml.etree.ParserError: The page is empty.
    """
    root = document_fromstring(html.encode("utf-8", "replace"), parser=HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True))
    head = root.find("head")
    strays = [] if head is None else list(dropwhile(lambda element: element.tag in IN_HEAD, head))
    if strays:  # without a <body> tag, the parser does not open the body at elements of HTML5
        body = root.find("body")
        body = SubElement(root, "body") if body is None else body
        for place, element in enumerate(strays):
            body.insert(place, element)
    return root


def _is_call(element: HtmlElement) -> bool:
    classes = element.get("class", "")
    return bool(classes) and (CALLS.search(classes) is not None or (element.tag == "a" and "button" in classes.split()))


def drop(root: HtmlElement, *tags: str) -> None:
    """Drop all elements of some tags with their content."""
    for element in list(root.iter(*tags)):
        element.drop_tree()


def _paragraphs(root: HtmlElement) -> Iterator[str]:
    parts: list[str] = []
    for event, node in iterwalk(root, events=("start", "end")):
        if node.tag in BLOCKS:
            parts.append("\n\n")
        elif node.tag == "br" and event == "start":
            parts.append("\n")
        parts.append((node.text if event == "start" else node.tail if node is not root else "") or "")
    for paragraph in BLANK_LINE.split("".join(parts)):
        if line := " ".join(paragraph.split()):
            yield line


def _without_shortcodes(html: str) -> str:
    """Return the HTML without WordPress's `[gallery ids="1"]` and `[caption] ... [/caption]`.

    Other words in brackets stay.
    """
    codes = list(SHORTCODE.finditer(html))
    last_end = {code["name"]: code.start() for code in codes if code["end"]}
    kept: list[str] = []
    start = 0
    for code in codes:
        name = code["name"]
        if code.start() < start or not (code["end"] or code["attributes"] or name in KNOWN or name in last_end):
            continue
        kept.append(html[start : code.start()])
        hides = name in HIDING and not code["end"] and last_end.get(name, 0) > code.end()
        start = html.index(f"[/{name}", code.end()) if hides else code.end()
    return "".join([*kept, html[start:]])
