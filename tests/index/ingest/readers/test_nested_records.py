"""Records of content management systems: nested fields, well-known names, documents of editors."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.ingest.checking import CheckedArticle, check_here
from index.ingest.extraction import with_text
from index.ingest.readers import sources
from index.ingest.readers.field_names import at_path, translated
from index.ingest.readers.rich_text import document_html
from index.ingest.record import Record
from recommender.types import Article

WP = {
    "id": 12,
    "date": "2020-03-01T09:00:00",
    "date_gmt": "2020-03-01T08:00:00",
    "slug": "pier",
    "status": "publish",
    "type": "post",
    "link": "https://news.example/pier/",
    "title": {"rendered": "The pier is <em>open</em>"},
    "content": {"rendered": "<p>People walk on the pier again.</p>", "protected": False},
    "categories": [3],
}
ANS: dict[str, Any] = {
    "type": "story",
    "_id": "ABC",
    "headlines": {"basic": "The pier is open"},
    "display_date": "2020-03-01T08:00:00Z",
    "language": "en",
    "taxonomy": {"primary_section": {"_id": "/harbour", "name": "Harbour"}},
    "content_elements": [
        {"type": "text", "content": "<p>People walk on the pier again.</p>"},
        {"type": "interstitial_link", "content": "Why the pier closed", "url": "https://news.example/why/"},
        {"type": "image", "caption": "The pier"},
        {"type": "link_list", "title": "Read more", "items": [{"type": "interstitial_link", "url": "https://news.example/bridge/"}]},
        {"type": "list", "items": [{"type": "text", "content": "Boats"}]},
    ],
    "related_content": {"basic": [{"type": "reference", "referent": {"type": "story", "id": "QWE"}}, {"type": "image", "_id": "P"}]},
}
DRUPAL = {
    "type": "node--article",
    "id": "0a1b",
    "attributes": {
        "drupal_internal__nid": 7,
        "title": "The pier is open",
        "langcode": "en",
        "status": True,
        "created": "2020-03-01T08:00:00+00:00",
        "path": {"alias": "/pier"},
        "body": {"value": "People walk.", "format": "basic", "processed": "<p>People walk on the pier again.</p>"},
    },
}
GHOST_API = {
    "id": "a1",
    "slug": "pier",
    "title": "The pier is open",
    "html": "<p>People walk on the pier again.</p>",
    "url": "https://news.example/pier/",
    "published_at": "2020-03-01T08:00:00.000Z",
    "primary_tag": {"name": "Harbour"},
}
TEXT = "People walk on the pier again."


def articles(path: Path, content: Any) -> list[Article]:
    path.write_text(json.dumps(content), encoding="utf-8")
    checked = list(check_here(sources.read(str(path), {})))
    assert all(isinstance(one, CheckedArticle) for one in checked), checked
    return [one.article for one in checked if isinstance(one, CheckedArticle)]


def found(**fields: Any) -> dict[str, Any]:
    return dict(translated(Record("a", 1, fields), {}).fields)


@pytest.mark.parametrize("wrap", [lambda story: [story], lambda story: {"meta": {"n": 1}, "posts": [story]}, lambda story: story])
@pytest.mark.parametrize(
    ("story", "right"),
    [
        (WP, Article("12", "The pier is open", TEXT, url="https://news.example/pier/")),
        (
            ANS,
            Article(
                *("ABC", "The pier is open", f"{TEXT}\n\nBoats"),
                section="Harbour",
                lang="en",
                read_more=("https://news.example/why/", "https://news.example/bridge/", "QWE"),
            ),
        ),
        (DRUPAL, Article("0a1b", "The pier is open", TEXT, lang="en")),
        (GHOST_API, Article("a1", "The pier is open", TEXT, url="https://news.example/pier/", section="Harbour")),
    ],
    ids=["WordPress REST", "Arc ANS", "Drupal JSON:API", "Ghost Content API"],
)
def test_stories_of_systems_are_read_as_they_are(tmp_path: Path, story: Any, right: Article, wrap: Any) -> None:
    [article] = articles(tmp_path / "a.json", wrap(story))
    assert article.published is not None
    assert article.published.isoformat() == "2020-03-01T08:00:00+00:00"
    assert [getattr(article, name) for name in ("id", "title", "text", "url", "section", "lang", "read_more")] == [
        getattr(right, name) for name in ("id", "title", "text", "url", "section", "lang", "read_more")
    ]


def test_json_api_and_results_of_a_search(tmp_path: Path) -> None:
    assert [one.id for one in articles(tmp_path / "a.json", {"jsonapi": {"version": "1.0"}, "data": [DRUPAL]})] == ["0a1b"]
    assert [one.id for one in articles(tmp_path / "b.json", {"type": "results", "content_elements": [ANS]})] == ["ABC"]
    hits = {"took": 1, "hits": {"total": 1, "hits": [{"_id": "1", "_source": {"headline": "The pier", "body": TEXT}}]}}
    assert [(one.id, one.title, one.text) for one in articles(tmp_path / "c.json", hits)] == [("1", "The pier", TEXT)]


@pytest.mark.parametrize("first", [True, False])
def test_the_items_of_a_story_are_not_the_archive(tmp_path: Path, first: bool) -> None:
    gallery = {"items": [{"id": "p1", "title": "A picture", "url": "https://news.example/p1.jpg"}]}
    story = {"id": "a", "title": "The pier", "text": TEXT}
    assert [one.id for one in articles(tmp_path / "a.json", {**gallery, **story} if first else {**story, **gallery})] == ["a"]


def test_one_object_a_line_in_a_json_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        "".join(json.dumps({"link": f"https://n.example/{n}", "headline": "x", "short_description": TEXT}) + "\n" for n in (1, 2))
    )
    assert [one.fields["id"] for one in sources.read(str(path), {}) if isinstance(one, Record)] == [
        "https://n.example/1",
        "https://n.example/2",
    ]


@pytest.mark.parametrize(
    ("fields", "right"),
    [
        ({"Headline": "A", "articleBody": "x"}, {"title": "A", "text": "x"}),
        ({"_id": {"$oid": "5f"}, "date": {"$date": "2020-03-01T08:00:00Z"}}, {"id": "5f", "published": "2020-03-01T08:00:00Z"}),
        ({"slug": "pier", "permalink": "https://n.example/pier"}, {"id": "pier", "url": "https://n.example/pier"}),
        ({"link": "/pier", "locale": "no language"}, {"id": "/pier"}),
        ({"category": {"id": 3, "name": "Harbour"}}, {"section": "Harbour"}),
        ({"categories": [{"name": "Harbour"}, {"name": "Town"}]}, {"section": "Harbour"}),
        ({"categories": [3, 4]}, {}),
        ({"title": "A", "headline": "B"}, {"title": "A"}),
        ({"title": [{"value": "A"}], "nid": [{"value": 7}], "body": [{"value": "x"}]}, {"title": "A", "id": 7, "text": "x"}),
        ({"text": "a < b and c > d"}, {"text": "a < b and c > d"}),
        ({"text": "<p>One.</p><p>Two.</p>"}, {"html": "<p>One.</p><p>Two.</p>"}),
        ({"body": "One.<br>Two."}, {"html": "One.<br>Two."}),
        ({"body": ["One.", "Two & <3."]}, {"text": "One.\n\nTwo & <3."}),
        ({"text": "", "summary": "Only this."}, {"text": "Only this."}),
    ],
)
def test_well_known_names(fields: dict[str, Any], right: dict[str, Any]) -> None:
    untouched = {name: value for name, value in fields.items() if name not in ("title", "text")}
    ours = found(**fields)
    assert {name: ours.get(name) for name in right} == right
    assert {name: value for name, value in ours.items() if name not in right} == {
        name: value for name, value in (untouched | {"title": fields.get("title")}).items() if name not in right and value is not None
    }


def test_a_false_flag_named_published_still_hides_an_article(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"id": "a", "text": TEXT, "published": False, "date": "2020-03-01"}))
    [entry] = sources.read(str(path), {})
    assert getattr(entry, "reason", None) == "draft"


def test_paths_of_map(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{**ANS, "label": {"kicker": "Harbour news"}, "a.b": "literal"}]))
    names = {"title": "label.kicker", "text": "content_elements[].content", "section": "a.b"}
    [record] = [entry for entry in with_text(sources.read(str(path), names)) if isinstance(entry, Record)]
    assert (record.fields["title"], record.fields["section"]) == ("Harbour news", "literal")
    assert record.fields["text"] == f"{TEXT}\n\nWhy the pier closed"
    assert record.origins["title"] == "label.kicker"


names = st.text("abc", min_size=1, max_size=3)


@given(st.recursive(st.text(), lambda inner: st.dictionaries(names, inner) | st.lists(inner)), st.lists(names, min_size=1, max_size=4))
def test_a_path_finds_what_single_steps_find(value: Any, steps: list[str]) -> None:
    right: Any = {"top": value}
    for step in ("top", *steps):
        right = right.get(step) if isinstance(right, dict) else None
    assert at_path({"top": value}, ".".join(["top", *steps])) == right


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(
    st.dictionaries(st.sampled_from(["id", "title", "text", "body", "data", "content", "published", "date", "fields", "url"]), json_values)
)
def test_any_record_is_translated_without_a_fault(fields: dict[str, Any]) -> None:
    record = translated(Record("a", 1, fields), {})
    for name in ("title", "text", "url"):
        if name in record.origins:
            assert isinstance(record.fields[name], str)
    if not record.origins:
        assert {name: value for name, value in record.fields.items() if name not in ("html", "text", "title")} == {
            name: value for name, value in fields.items() if name not in ("html", "text", "title")
        }


PARAGRAPH = {
    "type": "paragraph",
    "children": [{"type": "text", "text": "A & B"}, {"type": "link", "url": "/x", "children": [{"text": "link"}]}],
}


@pytest.mark.parametrize(
    ("document", "right"),
    [
        ({"root": {"type": "root", "children": [PARAGRAPH]}}, '<p>A &amp; B<a href="/x">link</a></p>'),
        ({"sections": [[1, "p", [[0, [], 0, "A & B"]]]], "cards": []}, "<p>A &amp; B</p>"),
        ({"type": "doc", "content": [{"type": "paragraph", "content": [{"type": "text", "text": "A"}]}]}, "<p>A</p>"),
        (
            {"nodeType": "document", "content": [{"nodeType": "heading-2", "content": [{"nodeType": "text", "value": "A"}]}]},
            "<h2>A</h2>",
        ),
        ({"blocks": [{"type": "paragraph", "data": {"text": "A <b>b</b>"}}, {"type": "image", "data": {"url": "x"}}]}, "<p>A <b>b</b></p>"),
        ({"children": [{"_type": "block", "children": [{"_type": "span", "text": "A"}]}]}, "<p>A</p>"),
    ],
    ids=["Lexical", "mobiledoc", "ProseMirror", "Contentful", "Editor.js", "Portable Text"],
)
def test_documents_of_editors(document: Any, right: str) -> None:
    assert document_html(json.dumps(document)) == right


@given(json_values)
def test_any_json_is_a_document_or_nothing(value: Any) -> None:
    assert isinstance(document_html(json.dumps(value)), str)
