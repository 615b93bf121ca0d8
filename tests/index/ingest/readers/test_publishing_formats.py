"""Feeds, WordPress's export, ninjs, and folders of texts."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from feedgen.feed import FeedGenerator

from index.ingest.extraction import with_text
from index.ingest.readers import sources
from index.ingest.record import Record
from tests.support.archive import short


def fields(path: Path, source_format: str | None = None) -> list[Any]:
    """Fields of records, and in short all else that a reader yields."""
    return [short(entry) for entry in sources.read(str(path), {}, source_format)]


def texts(path: Path) -> list[Any]:
    """As `fields`, with HTML read."""
    return [short(entry) for entry in with_text(sources.read(str(path), {}))]


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("kind", ["rss", "atom"])
def test_feeds_as_feedgen_writes_them(tmp_path: Path, kind: str) -> None:
    feed = FeedGenerator()
    feed.id("https://news.example/")
    feed.title("News & more")
    feed.link(href="https://news.example/")
    feed.description("All")
    feed.language("en")
    for number in (1, 2):
        entry = feed.add_entry(order="append")
        entry.id(f"tag:{number}")
        entry.title(f"Ferries & bridges – {number}")
        entry.link(href=f"https://news.example/{number}")
        entry.summary("Only a teaser.")
        entry.content("<p>Größe &amp; more.</p><p>Read more: <a href='/1'>The first</a></p>", type="CDATA" if kind == "rss" else "html")
        entry.category(term="harbour")
        entry.category(term="strike")
        entry.published(datetime(2020, 3, number, 8, 30, tzinfo=UTC))
        entry.updated(datetime(2021, 1, 1, tzinfo=UTC))
    path = write(tmp_path / "feed.xml", feed.rss_str() if kind == "rss" else feed.atom_str())
    assert texts(path) == [
        {
            "id": f"tag:{number}",
            "title": f"Ferries & bridges – {number}",
            "html": '<p>Größe &amp; more.</p><p>Read more: <a href="/1">The first</a></p>',
            "url": f"https://news.example/{number}",
            "published": f"2020-03-0{number}T08:30:00+00:00",
            "section": "harbour",
            "lang": "en",
            "text": "Größe & more.",
            "read_more": ["/1"],
        }
        for number in (1, 2)
    ]


def test_old_and_odd_feeds(tmp_path: Path) -> None:
    rdf = """<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
      xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="x"><title>T</title></channel>
      <item rdf:about="https://news.example/a"><title>A &lt;i&gt;ship&lt;/i&gt;</title><link>https://news.example/a</link>
      <description>Words.</description><dc:date>2004-02-01T10:00:00+01:00</dc:date></item></rdf:RDF>"""
    assert fields(write(tmp_path / "a.rdf", rdf)) == [
        {
            "id": "https://news.example/a",
            "title": "A ship",
            "html": "Words.",
            "url": "https://news.example/a",
            "published": "2004-02-01T09:00:00+00:00",
        }
    ]
    old = "<?xml version='1.0'?><!DOCTYPE rss PUBLIC '-//Netscape Communications//DTD RSS 0.91//EN' 'http://my.netscape.com/rss-0.91.dtd'>"
    old += "<rss version='0.91'><channel><title>T</title><item><title>One</title><link>https://news.example/1</link></item></channel></rss>"
    [headline] = fields(write(tmp_path / "old.rss", old))
    assert headline == {"id": "https://news.example/1", "title": "One", "url": "https://news.example/1", "text": "", "kind": "headline"}
    broken = "<rss><channel><item><guid>1</guid><title>One</title><description>Whole.</description></item><item><guid>2</guid><title>Two"
    assert fields(write(tmp_path / "b.rss", broken))[0] == {"id": "1", "title": "One", "html": "Whole."}


def test_json_feed(tmp_path: Path) -> None:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "News",
        "language": "de",
        "items": [
            {
                "id": "1",
                "url": "https://news.example/1",
                "title": "Eins",
                "content_html": "<p>Ja.</p>",
                "date_published": "2020-03-01T08:00:00Z",
                "tags": ["Hafen", "x"],
            },
            "no item",
            {"id": "2", "content_text": "Nur Text."},
        ],
    }
    assert fields(write(tmp_path / "feed.json", json.dumps(feed))) == [
        {
            "id": "1",
            "title": "Eins",
            "html": "<p>Ja.</p>",
            "url": "https://news.example/1",
            "published": "2020-03-01T08:00:00Z",
            "section": "Hafen",
            "lang": "de",
        },
        (2, "bad_json", False),
        {"id": "2", "text": "Nur Text.", "lang": "de"},
    ]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(10))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "doctype",
    [
        f"<!DOCTYPE rss [{LAUGHS}]>",
        '<!DOCTYPE rss [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE rss SYSTEM "http://127.0.0.1:9/evil.dtd">',
        '<!doctype rss [\n<!ENTITY % l9 SYSTEM "file:///etc/passwd"> %l9;]>',
    ],
)
def test_entity_bombs_are_refused_and_nothing_is_fetched(tmp_path: Path, doctype: str, encoding: str) -> None:
    item = "<item><guid>1</guid><title>&l9;</title><description>&l9;</description></item>"
    xml = f'<?xml version="1.0" encoding="{encoding}"?>{doctype}<rss version="2.0"><channel>{item}</channel></rss>'
    assert fields(write(tmp_path / "a.rss", xml.encode(encoding))) == [(1, "bad_xml", True)]


def test_a_page_that_is_no_feed(tmp_path: Path) -> None:
    assert fields(write(tmp_path / "a.rss", "just words")) == [(1, "bad_xml", True)]
    assert fields(write(tmp_path / "a.rss", "")) == [(1, "bad_xml", True)]


def wxr(items: str) -> str:
    return f"""<?xml version="1.0" encoding="UTF-8" ?>
<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/" xmlns:content="http://purl.org/rss/1.0/modules/content/"
  xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:wp="http://wordpress.org/export/1.2/">
<channel><title>News</title><language>en-GB</language><wp:wxr_version>1.2</wp:wxr_version>{items}</channel></rss>"""


def post(
    number: int, status: str = "publish", kind: str = "post", password: str = "", date: str = "2020-03-01 08:00:00", meta: str = ""
) -> str:
    return f"""<item><title><![CDATA[Ferries &amp; bridges {number}]]></title><link>https://news.example/{number}</link>
<dc:creator><![CDATA[editor]]></dc:creator><guid isPermaLink="false">https://news.example/?p={number}</guid>
<content:encoded><![CDATA[<!-- wp:paragraph --><p>Text {number}.</p><!-- /wp:paragraph -->]]></content:encoded>
<excerpt:encoded><![CDATA[Teaser]]></excerpt:encoded><wp:post_id>{number}</wp:post_id><wp:post_date_gmt>{date}</wp:post_date_gmt>
<wp:status>{status}</wp:status><wp:post_type>{kind}</wp:post_type><wp:post_password>{password}</wp:post_password>
<category domain="post_tag" nicename="x"><![CDATA[Tag]]></category>
<category domain="category" nicename="harbour"><![CDATA[Harbour]]></category>{meta}</item>"""


def meta(key: str, value: str) -> str:
    return f"<wp:postmeta><wp:meta_key>{key}</wp:meta_key><wp:meta_value><![CDATA[{value}]]></wp:meta_value></wp:postmeta>"


def test_wordpress_export(tmp_path: Path) -> None:
    items = [
        post(1, meta=meta("_edit_last", "7") + meta("related_posts", 'a:2:{i:0;i:12;i:1;s:2:"15";}')),
        post(2, status="draft"),
        post(3, kind="attachment", status="inherit"),
        post(4, kind="page"),
        post(5, password="secret"),
        post(6, status="private"),
        post(7, date="0000-00-00 00:00:00", meta=meta("_related_posts", "1, 12")),
    ]
    path = write(tmp_path / "export.xml", wxr("".join(items)))
    found = texts(path)
    common = {"section": "Harbour", "lang": "en-GB"}
    assert [{name: value for name, value in of.items() if name != "html"} for of in found if isinstance(of, dict)] == [
        {
            **common,
            "id": "1",
            "title": "Ferries & bridges 1",
            "url": "https://news.example/1",
            "published": "2020-03-01T08:00:00Z",
            "read_more": ["12", "15"],
            "text": "Text 1.",
        },
        {**common, "id": "7", "title": "Ferries & bridges 7", "url": "https://news.example/7", "read_more": ["1", "12"], "text": "Text 7."},
    ]
    assert [of for of in found if not isinstance(of, dict)] == ["draft", "attachment", "page", "password-protected", "private"]


def test_a_wordpress_export_that_breaks_off(tmp_path: Path) -> None:
    whole = wxr(post(1) + post(2))
    path = write(tmp_path / "export.xml", whole[: whole.index("Text 2")])
    found = fields(path)
    assert [of["id"] if isinstance(of, dict) else of for of in found] == ["1", (2, "bad_xml", True)]


def test_a_wordpress_export_reads_no_other_file(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret", "SECRET")
    xml = (
        wxr(post(1))
        .replace("<rss", f'<!DOCTYPE rss [<!ENTITY x SYSTEM "{secret.as_uri()}">]><rss', 1)
        .replace("<![CDATA[Ferries &amp; bridges 1]]>", "&x;")
    )
    assert "SECRET" not in str(fields(write(tmp_path / "export.xml", xml)))


def test_memory_does_not_grow_with_a_wordpress_export(tmp_path: Path) -> None:
    """Of the whole process, for the parser's memory is not Python's."""
    # 5 forgets the peak so far, which is the parent's
    count = (
        "import sys; from pathlib import Path; from index.ingest.readers import wordpress as wxr; "
        "Path('/proc/self/clear_refs').write_text('5')"
    )
    read = "n = sum(1 for _ in wxr.read(Path(sys.argv[1])))"
    peak_kb = "next(line.split()[1] for line in Path('/proc/self/status').read_text().splitlines() if line.startswith('VmHWM'))"
    script = f"{count}; {read}; print(n, {peak_kb})"
    peaks = []
    for n_posts in (500, 20_000):
        path = write(tmp_path / "export.xml", wxr("".join(post(number) for number in range(n_posts))))
        done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
        found, peak = map(int, done.stdout.split())
        assert found == n_posts
        peaks.append(1024 * peak)
    assert peaks[1] - peaks[0] < path.stat().st_size / 3


NINJS: dict[int, dict[str, Any]] = {
    1: {
        "uri": "https://agency.example/1",
        "type": "text",
        "pubstatus": "usable",
        "versioncreated": "2020-03-02T08:00:00Z",
        "firstcreated": "2020-03-01T08:00:00Z",
        "language": "en",
        "headline": "Ferries late",
        "subject": [{"code": "1", "name": "transport"}],
        "body_xhtml": "<p>They were late.</p>",
        "associations": {
            "main": {"uri": "https://agency.example/p", "type": "picture"},
            "see": {"uri": "https://agency.example/2", "type": "text"},
        },
    },
    2: {
        "uri": "tag:agency.example,2020:2",
        "type": "text",
        "pubstatus": "usable",
        "firstcreated": "2020-03-01T08:00:00Z",
        "embargoed": "2020-03-05T08:00:00Z",
        "headlines": [{"role": "main", "value": "Ferries late"}],
        "bodies": [
            {"role": "main", "contenttype": "text/plain", "value": "They were late."},
            {"contenttype": "text/html", "value": "<p>They were late.</p>"},
        ],
        "associations": [{"name": "see", "uri": "tag:agency.example,2020:1"}],
    },
    3: {
        "uri": "tag:agency.example,2020:3",
        "type": "text",
        "pubStatus": "usable",
        "firstCreated": "2020-03-01T08:00:00Z",
        "headlines": [{"role": "main", "value": "Ferries late"}],
        "bodies": [{"role": "main", "contentType": "text/plain", "value": "They were late."}],
        "subjects": [{"name": "transport"}],
    },
}
EXPECTED: dict[int, dict[str, Any]] = {
    1: {
        "id": "https://agency.example/1",
        "title": "Ferries late",
        "html": "<p>They were late.</p>",
        "url": "https://agency.example/1",
        "published": "2020-03-01T08:00:00Z",
        "section": "transport",
        "lang": "en",
        "read_more": ["https://agency.example/2"],
    },
    2: {
        "id": "tag:agency.example,2020:2",
        "title": "Ferries late",
        "html": "<p>They were late.</p>",
        "published": "2020-03-05T08:00:00Z",
        "read_more": ["tag:agency.example,2020:1"],
    },
    3: {
        "id": "tag:agency.example,2020:3",
        "title": "Ferries late",
        "text": "They were late.",
        "published": "2020-03-01T08:00:00Z",
        "section": "transport",
    },
}


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("indent", [None, 2])
def test_ninjs_of_every_version(tmp_path: Path, version: int, indent: int | None) -> None:
    assert fields(write(tmp_path / "a.json", json.dumps(NINJS[version], indent=indent))) == [EXPECTED[version]]


def test_many_ninjs_in_a_file(tmp_path: Path) -> None:
    all_of_them = list(EXPECTED.values())
    assert fields(write(tmp_path / "a.json", json.dumps(list(NINJS.values()), indent=1))) == all_of_them
    assert fields(write(tmp_path / "a.ninjs", "".join(f"{json.dumps(item)}\n" for item in NINJS.values()))) == all_of_them


def test_ninjs_that_is_no_story_or_no_longer_stands(tmp_path: Path) -> None:
    items = [{**NINJS[3], "pubStatus": "canceled"}, {**NINJS[1], "pubstatus": "withheld"}, {**NINJS[1], "type": "picture"}]
    assert fields(write(tmp_path / "a.json", json.dumps(items))) == [
        {"id": "tag:agency.example,2020:3", "withdrawn": True},
        {"id": "https://agency.example/1", "withdrawn": True},
        (3, "not_text", False),
    ]


HUGO = """+++
title = "Ferries late"
date = 2020-03-01T08:00:00Z
draft = false
categories = ["harbour", "strike"]
related = ["other/page"]
+++
# Not the title

They *were* **late**, said [the captain](https://x.example/a).

{{< figure src="x.png" >}}

![A ferry](ferry.png)

```sh
make ferry
```

Read more: [The strike](/strike)
"""


def test_a_folder_of_texts(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    write(folder / "posts/hugo.md", HUGO)
    write(folder / "drafted.md", "---\ntitle: Draft\ndraft: true\n---\nNo.")
    write(
        folder / "jekyll.markdown",
        "---\r\nTitle: Bridges\r\ndate: 2020-03-01\r\npermalink: /bridges/\r\nlang: en\r\n---\r\nOver the <b>river</b>.\r\n",
    )
    write(folder / "plain.txt", "A short title\n\nAnd its text.\n\nMore.")
    write(folder / "no-title.txt", "Only one long paragraph, that ends.")
    write(folder / "headed.md", "# From the heading\n\nText with snake_case_names and 2 * 3 * 4.\n")
    write(folder / ".hidden/a.md", "no")
    write(folder / "latin.txt", "Fähre".encode("latin-1"))
    write(folder / "bad.md", "---\ntitle: [unclosed\n---\nText.")
    write(folder / "bomb.md", "---\na: &a [x, x]\nb: [*a, *a]\n---\nText.")
    write(folder / "list.md", "---\n- a\n---\nText.")
    (folder / "out.md").symlink_to(write(tmp_path / "outside.md", "outside"))
    found = fields(folder)
    found[-1]["text"] = [line for line in found[-1]["text"].split("\n") if line]
    assert found == [
        "symbolic link",
        (1, "bad_front_matter", False),
        (1, "bad_front_matter", False),
        "draft",
        {"id": "headed", "title": "From the heading", "text": "Text with snake_case_names and 2 * 3 * 4.\n"},
        {"id": "jekyll", "title": "Bridges", "published": "2020-03-01", "lang": "en", "text": "Over the river.\n"},
        (1, "bad_encoding", False),
        (1, "bad_front_matter", False),
        {"id": "no-title", "title": "no title", "text": "Only one long paragraph, that ends."},
        {"id": "plain", "title": "A short title", "text": "And its text.\n\nMore."},
        {
            "id": "posts/hugo",
            "title": "Ferries late",
            "published": "2020-03-01T08:00:00+00:00",
            "section": "harbour",
            "read_more": ["other/page", "/strike"],
            "text": ["Not the title", "They were late, said the captain.", "make ferry"],
        },
    ]


def test_a_folder_of_all_kinds(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    write(folder / "a.html", "<title>Page</title><article><p>A story of a ferry that is long enough to be one.</p></article>")
    write(folder / "b.md", "# Text\n\nWords.")
    write(folder / "deep/c.jsonl", '{"id": "c", "text": "Line."}\n')
    write(folder / "readme.doc", "nothing we read")
    assert [entry.fields["id"] for entry in sources.read(str(folder), {}) if isinstance(entry, Record)] == ["a", "b", "c"]
