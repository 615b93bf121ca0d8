"""Pages, fragments and hand-made lists in HTML."""

import json
from pathlib import Path
from typing import Any

import lxml.html
import pytest

from index.ingest.html.read_more_blocks import cut_links
from index.ingest.html.read_more_lines import cut_titles
from index.ingest.html.text import fragment_text, parse_html
from index.ingest.readers.html_folder import MAX_BYTES, _read_page, extract_page, read
from index.ingest.readers.site_folder import File, files_of
from index.ingest.record import Record, Reject
from index.ingest.validation import to_article
from recommender.errors import InvalidArticle


def pages(path: Path) -> list[Record | Reject]:
    return list(read([file for file in files_of(path) if isinstance(file, File) and file.path.suffix != ".txt"]))


STORY = [
    "The harbour ferry will stop running at the end of the month after the council refused to pay for a new engine, its operator said.",
    "Around 400 people cross the water each day, most of them on the way to work & school, and the nearest bridge is nine miles away.",
    "“We have asked for help since the spring,” said Maria Olsen, who has run the boat for 22 years. Nobody has answered her.",
    "A decision on a replacement is expected in June, when the council meets for the first time after the election.",
]
PARAGRAPHS = "\n".join(f"<p>{line.replace('&', '&amp;')}</p>" for line in STORY)
TEXT = "\n\n".join(STORY)

GRAPH = {
    "@context": "https://schema.org",
    "@graph": [
        {"@type": "Organization", "name": "The Post", "url": "https://post.example/"},
        {"@type": "WebPage", "@id": "https://post.example/2024/05/ferry"},
        {
            "@type": ["NewsArticle"],
            "headline": "Ferry to stop &amp; nobody knows why",
            "datePublished": "2024-05-03T10:00:00+02:00",
            "articleSection": ["Transport", "Local"],
            "mainEntityOfPage": {"@type": "WebPage", "@id": "https://post.example/2024/05/ferry"},
            "inLanguage": {"@type": "Language", "name": "English", "alternateName": "en"},
            "identifier": {"@type": "PropertyValue", "value": "no plain string"},
        },
    ],
}

NEWS = f"""<!DOCTYPE html>
<html lang="en-GB"><head><meta charset="utf-8"><title>Ferry to stop | The Post</title>
<link rel="canonical" href="https://post.example/2024/05/ferry">
<meta property="og:title" content="Another title"><meta property="article:section" content="Wrong">
<meta name="robots" content="noindex">
<script type="application/ld+json">{{"@type": "NewsArticle", broken</script>
<script type="application/ld+json">{json.dumps(GRAPH)}</script>
<style>p {{ color: red }}</style></head>
<body><header><nav><ul><li><a href="/">Home</a></li><li><a href="/news">News</a></li><li><a href="/sport">Sport</a></li></ul></nav></header>
<main><article><h1>Ferry to stop &amp; nobody knows why</h1>
<div class="byline">By Ann Reporter</div>
<figure><img src="/boat.jpg"><figcaption>The boat in better days. Photograph: The Post</figcaption></figure>
{PARAGRAPHS}
<div class="ad-slot" id="ad-3"><p>Advertisement</p><a href="https://ads.example/x">Buy shoes now</a></div>
<h3>Related</h3>
<ul><li><a href="/2024/04/engine">Why the engine failed</a></li>
<li><a href="https://post.example/2023/11/bridge">Old bridge reopens</a></li></ul>
<p>Related costs, such as <a href="/fuel">fuel</a>, are paid by the operator alone, and they have doubled in three years.</p>
<p><strong>Read more: <a href="/2024/05/election">Who stands in the election</a></strong></p>
</article>
<aside class="sidebar"><h2>Most read</h2>
<ol><li><a href="/a">Ten best pies in town</a></li><li><a href="/b">Rain again</a></li></ol></aside></main>
<section id="comments"><h2>Comments</h2>
<p>I have always said that the ferry is too slow, and nobody ever listens to me at all.</p></section>
<footer><p>© The Post. All rights reserved. <a href="/privacy">Privacy</a> <a href="/terms">Terms of use</a></p></footer>
<script>console.log("tracking")</script></body></html>"""

META = f"""<html lang="de"><head><title>Fähre | Zeitung</title>
<meta property="og:title" content="Fähre stellt Betrieb ein"><meta property="og:url" content="https://zeitung.example/lokal?id=17">
<meta property="article:published_time" content="2024-05-03T10:00:00Z"><meta property="article:section" content="Lokales">
<meta property="og:locale" content="de_DE"></head>
<body><div id="content"><h1>Fähre stellt Betrieb ein</h1>{PARAGRAPHS}
<h4><span>Lesen Sie auch</span></h4><p><a href="/eins">Eins</a></p><p><a href="//zeitung.example/zwei">Zwei</a></p></div></body></html>"""

BARE = f"<title>Ferry to stop - The Post</title><h1>Ferry to stop</h1>{PARAGRAPHS}"


def page(html: str, name: str = "folder/file") -> dict[str, Any]:
    return extract_page(html.encode(), name)


def test_a_news_page_of_schema_org() -> None:
    assert page(NEWS) == {
        "id": "/2024/05/ferry",
        "title": "Ferry to stop & nobody knows why",
        "published": "2024-05-03T10:00:00+02:00",
        "section": "Transport",
        "url": "https://post.example/2024/05/ferry",
        "lang": "en",
        "text": f"{TEXT}\n\nRelated costs, such as fuel, are paid by the operator alone, and they have doubled in three years.",
        "read_more": ["/2024/04/engine", "https://post.example/2023/11/bridge", "/2024/05/election"],
    }


def test_a_page_of_meta_tags() -> None:
    assert page(META) == {
        "id": "/lokal?id=17",
        "title": "Fähre stellt Betrieb ein",
        "published": "2024-05-03T10:00:00Z",
        "section": "Lokales",
        "url": "https://zeitung.example/lokal?id=17",
        "lang": "de-DE",
        "text": TEXT,
        "read_more": ["/eins", "https://zeitung.example/zwei"],
    }


def test_a_bare_page() -> None:
    assert page(BARE) == {"id": "folder/file", "title": "Ferry to stop", "text": TEXT, "read_more": []}


def with_schema(schema: Any, head: str = "") -> dict[str, Any]:
    return page(
        f'<html><head>{head}<script type="application/ld+json">{schema}</script></head><body><article>{PARAGRAPHS}</article></body></html>'
    )


@pytest.mark.parametrize(
    ("schema", "name", "value"),
    [
        ({"@type": "BlogPosting", "identifier": " post-7 "}, "id", "post-7"),
        ({"@type": "Article", "identifier": 71}, "id", "71"),
        ({"@type": "Article", "url": "https://post.example/"}, "id", "folder/file"),
        ([{"@type": "WebSite", "headline": "no"}, {"@type": "ReportageNewsArticle", "headline": "yes"}], "title", "yes"),
        ({"@type": "WebPage", "mainEntity": {"@type": "http://schema.org/NewsArticle", "headline": "yes"}}, "title", "yes"),
        ({"@type": "Article", "inLanguage": "fr-FR", "isAccessibleForFree": False}, "lang", "fr-FR"),
        ({"@type": "Article", "mainEntityOfPage": True, "url": "https://post.example/x#top"}, "url", "https://post.example/x#top"),
    ],
)
def test_fields_of_schema_org(schema: Any, name: str, value: str) -> None:
    assert with_schema(json.dumps(schema))[name] == value


@pytest.mark.parametrize(
    "schema", ["[" * 20_000, "null", "3", '{"@type": 3}', '{"@type": "Article", "headline": ["x"], "url": {"a": []}}', "<!-- {} -->", "[]"]
)
def test_json_that_says_nothing(schema: str) -> None:
    assert with_schema(schema) == {"id": "folder/file", "text": TEXT, "read_more": []}


def test_json_in_a_comment_and_with_raw_line_ends() -> None:
    assert with_schema('//<![CDATA[\n{"@type": "Article", "headline": "Two\nlines"}\n//]]>')["title"] == "Two lines"


def test_of_several_articles_the_one_of_the_page_speaks() -> None:
    others = [{"@type": "Article", "headline": "other"}, {"@type": "Article", "headline": "own", "url": "https://post.example/own"}]
    assert with_schema(json.dumps(others), '<link rel="canonical" href="https://post.example/own">')["title"] == "own"


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="windows-1252">', "cp1252"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=ISO-8859-1">', "cp1252"),
        ('<?xml version="1.0" encoding="iso-8859-2"?>', "iso-8859-2"),
        ('<meta charset="shift_jis">', "utf-8"),
        ('<meta charset="no-such">', "utf-8"),
        ('<meta charset="utf-8">', "cp1252"),
        ("", "utf-8"),
        ("", "cp1252"),
        ("", "utf-8-sig"),
        ("", "utf-16"),
    ],
)
def test_encodings(head: str, encoding: str) -> None:
    word = {"iso-8859-2": "Läßt Čapek", "cp1252": "Läßt “Ché”"}.get(encoding, "Läßt “Ché” Čapek")
    html = f"{head}<html><body><article><p>{word}</p><p>{'Long words. ' * 40}</p></article></body></html>"
    assert extract_page(html.encode(encoding), "x")["text"].split("\n")[0] == word


@pytest.mark.parametrize("raw", [b"", b"  \n", b"\x00", b"<html><body><nav><a href='/'>Home</a></nav></body></html>", b"<!-- only -->"])
def test_pages_without_a_story(raw: bytes) -> None:
    with pytest.raises(InvalidArticle) as caught:
        extract_page(raw, "x")
    assert caught.value.code == "empty_text"
    assert " - " in str(caught.value)


def test_a_folder_of_pages(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    (folder / "2024" / "deep").mkdir(parents=True)
    (folder / ".git").mkdir()
    outside = tmp_path / "outside.html"
    for place in (folder / "b.html", folder / "2024" / "deep" / "a.XHTML", folder / ".git" / "x.html", folder / ".hidden.html", outside):
        place.write_text(BARE)
    (folder / "notes.txt").write_text("no page")
    (folder / "a.htm").write_text(NEWS)
    (folder / "empty.html").write_text("<html></html>")
    (folder / "c.html").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    with (folder / "huge.html").open("wb") as huge:
        huge.truncate(MAX_BYTES + 1)
    entries = pages(folder)
    assert [
        (Path(entry.file).relative_to(folder).as_posix(), entry.line, entry.fields["id"] if isinstance(entry, Record) else entry.code)
        for entry in entries
    ] == [
        ("2024/deep/a.XHTML", 1, "2024/deep/a"),
        ("a.htm", 1, "/2024/05/ferry"),
        ("b.html", 1, "b"),
        ("empty.html", 1, "empty_text"),
        ("huge.html", 1, "too_large"),
    ]
    huge_one = entries[4]
    assert isinstance(huge_one, Reject)
    assert huge_one.id == "huge"
    assert huge_one.reason == "the file has 20000001 bytes, more than 20000000 - give the text itself"
    first = entries[1]
    assert isinstance(first, Record)
    article, dropped = to_article(first)
    assert dropped == []
    assert article.published is not None
    assert article.published.isoformat() == "2024-05-03T08:00:00+00:00"


def test_one_page(tmp_path: Path) -> None:
    (tmp_path / "ferry.html").write_text(BARE)
    [entry] = pages(tmp_path / "ferry.html")
    assert isinstance(entry, Record)
    assert entry.fields["id"] == "ferry"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pages(tmp_path / "gone.html")
    with pytest.raises(InvalidArticle, match=r"the file cannot be read \(No such file or directory\) - check its permissions") as caught:
        _read_page(str(tmp_path / "gone.html"), "gone")  # listed, and gone before it is read
    assert caught.value.code == "unreadable"


def test_html5_without_body() -> None:
    html = f"<!doctype html><title>T</title><meta charset=utf-8><article>{PARAGRAPHS}</article>"
    assert page(html)["text"] == TEXT


CUT = [
    (
        '<h3>Related</h3><ul><li><a href="/a">A</a></li><li><a href="https://x.org/b">B</a> <span>3 May</span></li></ul>',
        ["/a", "https://x.org/b"],
    ),
    ('<p><strong>Read more:</strong> <a href="/a">A</a></p>', ["/a"]),
    ('<p><strong>Read more</strong> <a href="/a">A</a></p>', ["/a"]),
    ('<p>READ MORE: <a href="/a">A</a> and <a href="b.html">B</a>.</p>', ["/a", "B"]),
    ('<p><a href="/a"><strong>Read more: The title</strong></a></p>', ["/a"]),
    ('<p><strong>Related</strong><br><a href="/a">A</a><br/><a href="/b">B</a></p>', ["/a", "/b"]),
    ('<div><h4><span>Lesen Sie auch</span></h4></div>\n<p><a href="/a">A</a></p>\n<!-- ad -->\n<p>• <a href="/b">B</a></p>', ["/a", "/b"]),
    ('<h2>More on this story:</h2><div><ul><li><a href="#x">The pier</a></li></ul></div>', ["The pier"]),
    ("<h2>See also</h2><ol><li>Old bridge</li><li>New bridge</li></ol>", ["Old bridge", "New bridge"]),
    ('<h2>Further reading</h2><ul><li><a href="/a">A</a><ul><li><a href="/b">B</a></li></ul></li></ul>', ["/b"]),
    (
        '<aside class="c-related-posts"><h3>For you</h3><a href="/a">A long headline</a><a href="/b">Another headline</a></aside>',
        ["/a", "/b"],
    ),
    ('<div id="see-also"><p>See also</p><p><a href="/a">A</a></p></div>', ["/a"]),
    ('<p>À lire aussi : <a href="/a">Le pont</a></p>', ["/a"]),
    ('<p>Lire aussi <a href="/a">Le pont</a></p>', None),
    ('<p>Te puede interesar: <a href="javascript:x()">El puente</a></p>', ["El puente"]),
    ('<p><em>Leggi anche: <a href="/a">Il ponte</a></em></p>', ["/a"]),
    ('<p><b>Leia também:</b></p><p><a href="/a">A ponte</a></p>', ["/a"]),
    ('<blockquote>Lees ook: <a href="/a">De brug</a></blockquote>', ["/a"]),
    ("<p>Related costs have doubled.</p>", None),
    ('<p>See also the <a href="/a">report</a>.</p>', None),
    ('<p>Related <a href="/a">laws</a></p>', None),
    ('<p><b>Related</b> <a href="/a">laws</a> were passed.</p>', None),
    ('<p>Related: The council, which <a href="/a">voted</a> last week, will meet.</p>', None),
    ('<p>Read more about it in <a href="/a">the report</a></p>', None),
    ('<h2>Related work</h2><p><a href="/a">A</a></p>', None),
    ("<h2>Related</h2><p>A paragraph of the story.</p>", None),
    ('<h2>Related</h2><p>The <a href="/a">council</a> met on Monday.</p>', None),
    ("<h2>Further reading</h2><ul><li>Smith, J. (2010). The book of things.</li></ul>", None),
    ('<div class="related-content"><p>The whole story stands in here, with <a href="/a">a link</a>.</p></div>', None),
    ('<div class="unrelated"><a href="/a">A</a></div>', None),
    ('<p class="read-more"><a href="/self">Read more</a></p>', None),
    ('<p>More <a class="read-more" href="/self">of it</a></p>', None),
    ("<h2>Related</h2><ul>" + '<li><a href="/a">A</a></li>' * 13 + "</ul>", None),
]


@pytest.mark.parametrize(("html", "names"), CUT)
def test_lists_in_html(html: str, names: list[str] | None) -> None:
    root = parse_html(f"<body><p>Before.</p>\n{html}\n<p>After.</p></body>")
    whole = lxml.html.tostring(root, encoding="unicode")
    assert cut_links(root) == (names or [])
    left = lxml.html.tostring(root, encoding="unicode")
    assert left == whole if names is None else root.text_content().split() == ["Before.", "After."]


@pytest.mark.parametrize(
    ("text", "left", "names"),
    [
        ("Story.\n\nRead more: A title\n\nMore story.", "Story.\n\nMore story.", ["A title"]),
        ("Story.\nREAD MORE: https://x.org/a\nMore story.", "Story.\nMore story.", ["https://x.org/a"]),
        ("Story.\n\nRelated\n\nA title\n\nB title", "Story.", ["A title", "B title"]),
        ("Related:\n- A\n• B\nStory goes on.", "Story goes on.", ["A", "B"]),
        ("See also\nA\nB\n\nStory goes on.", "Story goes on.", ["A", "B"]),
        ("Mehr zum Thema:\n\nDie Brücke\n\nEs dauerte ein Jahr.", "Es dauerte ein Jahr.", ["Die Brücke"]),
        ("Story.\n\n## See also\n\n* [A](/a)\n* [B](b.md)\n\nEnd.", "Story.\n\nEnd.", ["/a", "B"]),
        ("**Read more:** [A title](https://x.org/a)", "", ["https://x.org/a"]),
        ("See also: The council said it would appeal.", None, []),
        ("Related stories of the town\nare told here.", None, []),
        ("Related\n\nA title\n\nThe story goes on.", None, []),
        ("Related\nThe story goes on.", None, []),
        ("Read more about it.", None, []),
        ("See also:\n" + "A title\n" * 13, None, []),
        ("See also", None, []),
        ("Relatedness: a theory", None, []),
    ],
)
def test_lists_in_text(text: str, left: str | None, names: list[str]) -> None:
    assert cut_titles(text) == (text if left is None else left, names)


@pytest.mark.parametrize(
    ("html", "text", "names"),
    [
        (
            "<!-- wp:paragraph -->\n<p>One &amp; two&nbsp;three <b>f</b>our</p>\n<!-- /wp:paragraph -->\n\n<!-- wp:heading -->"
            "\n<h2>Head</h2>\n<!-- /wp:heading -->"
            "\n<!-- wp:list -->\n<ul><li>a</li><li>b</li></ul>\n<!-- /wp:list -->\n<!-- wp:heading -->"
            "<h3>Related</h3><!-- /wp:heading -->\n\n"
            '<!-- wp:list --><ul><!-- wp:list-item --><li><a href="/a">A</a></li><!-- /wp:list-item --></ul><!-- /wp:list -->',
            "One & two three four\n\nHead\n\na\n\nb",
            ["/a"],
        ),
        (
            'Classic line\nstill.\n\nSecond [sic] of [1].\n\n[caption id="x" width="3"]<img src="a.jpg" /> A caption[/caption]'
            '\n\n[gallery ids="1,2"]\n'
            "[note]Noted.[/note] said [the mayor]<br /><br />Third[embed]https://v.example/1[/embed]\n\nRead more: A title",
            "Classic line still.\n\nSecond [sic] of [1].\n\nNoted. said [the mayor]\n\nThird",
            ["A title"],
        ),
        (
            "<figure><img src=x><figcaption>Photo</figcaption></figure>Text<script>x()</script><style>p{}</style><noscript>no</noscript>"
            "<iframe src=x></iframe> end",
            "Text end",
            [],
        ),
        ("<html><head><title>T</title></head><body><p>x</p><table><tr><td>1</td><td>2</td></tr></table></body></html>", "x\n\n1\n\n2", []),
        ("a < b &lt;p&gt; &#8220;q&#8221; &bogus; <unknown>c</unknown>", "a < b <p> “q” &bogus; c", []),
        ("[caption]never closed", "[caption]never closed", []),
        ("", "", []),
    ],
)
def test_fragments(html: str, text: str, names: list[str]) -> None:
    assert fragment_text(html) == (text, names)


def test_half_a_character_in_a_fragment() -> None:
    with pytest.raises(InvalidArticle, match="half of a surrogate pair"):
        fragment_text("<p>\ud83d</p>")


def test_the_date_of_a_time_element_and_the_story_of_json_ld() -> None:
    story = "The ferry company said on Monday that it will run more boats in the summer months, as more people want to cross the bay."
    time = '<time datetime="2020-03-01T08:00:00+01:00" itemprop="datePublished">1 March</time>'
    other = '<time datetime="1999-01-01">then</time>'
    article = f"<article><h1>T</h1>{other}<p>{story}</p><p>{time}</p><p>{story}</p></article>"
    page = f"<html><head><title>T</title></head><body>{article}</body></html>"
    assert extract_page(page.encode(), "a")["published"] == "2020-03-01T08:00:00+01:00"
    assert "published" not in extract_page(page.replace("datePublished", "x").encode(), "a")
    data = json.dumps({"@type": "NewsArticle", "headline": "T", "articleBody": story})
    script = f'<script type="application/ld+json">{data}</script>'
    assert extract_page(f"<html><body><div id=app>Loading</div>{script}</body></html>".encode(), "a")["text"] == story
    whole = f"<html><body><article><p>{story} It rained.</p><p>{story}</p></article>{script}</body></html>"
    assert "It rained" in extract_page(whole.encode(), "a")["text"]


@pytest.mark.parametrize(
    ("url", "is_entry"),
    [
        ("/news/topics/c1/ferries", False),
        ("https://n.example/tag/harbour/", False),
        ("/author/ann", False),
        ("/search?q=pier", False),
        ("/2020/topic-of-the-day", True),
        ("/topics/2020/03/01/the-pier", True),
        ("/news/pier-search", True),
    ],
)
def test_pages_of_topics_tags_and_authors_are_no_entries(url: str, is_entry: bool) -> None:
    text, names = fragment_text(f"<p>Wet.</p><h2>Related topics</h2><ul><li><a href='{url}'>Ferries</a></li></ul>")
    assert (text, names) == ("Wet.", [url] if is_entry else [])
