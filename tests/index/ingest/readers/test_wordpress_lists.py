"""What editors set in WordPress: lists, language, section, types of posts. And sitemaps."""

from pathlib import Path
from typing import Any

import pytest

from index.ingest.extraction import with_text
from index.ingest.readers import sources
from index.ingest.record import Record
from tests.support.archive import short


def fields(path: Path) -> list[Any]:
    return [short(entry) for entry in sources.read(str(path), {})]


def texts(path: Path) -> list[Any]:
    """As `fields`, with HTML read."""
    return [short(entry) for entry in with_text(sources.read(str(path), {}))]


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def wxr(*items: str, head: str = "") -> str:
    names = "".join(f' xmlns:{name}="http://{name}.example/"' for name in ("wp",))
    content = ' xmlns:content="http://purl.org/rss/1.0/modules/content/"'
    return (
        f'<rss version="2.0"{content}{names}><!-- wordpress.org/export --><channel><link>https://news.example</link>'
        f"<language>en-US</language>{head}{''.join(items)}</channel></rss>"
    )


def post(number: int, html: str = "<p>Wet.</p>", more: str = "", kind: str = "post") -> str:
    return (
        f"<item><title>Story {number}</title><link>https://news.example/{number}/</link>"
        f"<content:encoded><![CDATA[{html}]]></content:encoded><wp:post_id>{number}</wp:post_id><wp:status>publish</wp:status>"
        f"<wp:post_type>{kind}</wp:post_type>{more}</item>"
    )


def meta(key: str, value: str) -> str:
    return f"<wp:postmeta><wp:meta_key>{key}</wp:meta_key><wp:meta_value>{value}</wp:meta_value></wp:postmeta>"


def embed(url: str) -> str:
    return f'<!-- wp:embed {{"url":"{url}"}} --><figure><div>\n{url}\n</div></figure><!-- /wp:embed -->'


@pytest.mark.parametrize(
    ("item", "read_more"),
    [
        (post(1, more=meta("related_articles", 'a:2:{i:0;s:1:"2";i:1;s:1:"3";}') + meta("_related_articles", "field_5f3a")), ["2", "3"]),
        (post(1, more=meta("crp_post_meta", 'a:1:{s:14:"manual_related";s:3:"1,3";}')), ["1", "3"]),
        (post(1, more=meta("crp_post_meta", 'a:1:{s:12:"disable_here";i:1;}')), []),
        (post(1, '<p>Wet.</p><!-- wp:newspack-blocks/homepage-articles {"specificMode":true,"specificPosts":["1","2"]} /-->'), ["1", "2"]),
        (post(1, '<p>Wet.</p><!-- wp:newspack-blocks/homepage-articles {"postsToShow":3,"specificPosts":["1"]} /-->'), []),
        (post(1, f"<p>Wet.</p>{embed('https://news.example/9/')}"), ["https://news.example/9/"]),
    ],
)
def test_lists_that_editors_set_in_wordpress(tmp_path: Path, item: str, read_more: list[str]) -> None:
    [found] = texts(write(tmp_path / "a.xml", wxr(item)))
    assert (found["text"], found["read_more"]) == ("Wet.", read_more)


def test_an_embedded_page_of_another_site_is_no_list(tmp_path: Path) -> None:
    [found] = texts(write(tmp_path / "a.xml", wxr(post(1, f"<p>Wet.</p>{embed('https://other.example/9/')}"))))
    assert found["read_more"] == []


def test_language_and_section_of_wordpress(tmp_path: Path) -> None:
    none = '<category domain="category" nicename="uncategorized">Uncategorized</category>'
    harbour = '<category domain="category" nicename="harbour">Harbour</category>'
    french = '<category domain="language" nicename="fr">Français</category>'
    found = texts(write(tmp_path / "a.xml", wxr(post(1, more=none + french + harbour), post(2, more=none))))
    assert [(one["section"], one["lang"]) for one in found] == [("Harbour", "fr"), ("Uncategorized", "en-US")]


def test_own_types_of_posts_are_read_if_they_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xml", wxr(post(1), post(2, kind="article"), post(3, kind="nav_menu_item")))
    assert [short(entry) for entry in sources.read(str(path), {})][1:] == ["article", "nav_menu_item"]
    assert [isinstance(entry, Record) for entry in sources.read(str(path), {}, include=["article"])] == [True, True, False]


def test_sitemaps(tmp_path: Path) -> None:
    entry = "<url><loc>https://n.example/pier</loc>{}</url>"
    news = (
        "<n:news><n:publication><n:name>N</n:name><n:language>en</n:language></n:publication>"
        "<n:publication_date>2020-03-01T08:00:00Z</n:publication_date><n:title>The pier is open</n:title></n:news>"
    )
    begin = '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:n="http://www.google.com/schemas/sitemap-news/0.9">'
    [headline] = fields(write(tmp_path / "a.xml", f"{begin}{entry.format(news)}</urlset>"))
    assert headline == {
        "id": "https://n.example/pier",
        "title": "The pier is open",
        "url": "https://n.example/pier",
        "lang": "en",
        "published": "2020-03-01T08:00:00Z",
        "text": "",
        "kind": "headline",
    }
    [refused] = sources.read(str(write(tmp_path / "b.xml", f"{begin}{entry.format('')}</urlset>")), {})
    assert getattr(refused, "reason", "").startswith("it is a sitemap (urlset), which has no texts - ")
