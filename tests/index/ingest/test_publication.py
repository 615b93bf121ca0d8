"""What is not public is passed over, whatever says so and whoever writes it; and the doors that open."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.ingest.extraction import with_text
from index.ingest.publication import normal, passed_over
from index.ingest.readers import sources
from index.ingest.readers.html_folder import extract_page
from index.ingest.record import PassedOver, Record
from recommender import Recommender
from recommender.errors import InputError
from tests.conftest import Command
from tests.support.archive import short, write_jsonl
from tests.support.damaged_wxr import post, wxr

AHEAD, PAST = "2031-01-02T08:00:00Z", "2020-01-02T08:00:00Z"


def reason(fields: dict[str, Any], *include: str) -> str | None:
    verdict = passed_over(Record("a.json", 1, {"id": "1", "text": "Words.", **fields}), frozenset(map(normal, include)))
    return verdict.reason if verdict else None


def read(path: Path, **options: Any) -> list[Any]:
    return [short(entry) for entry in with_text(sources.read(str(path), {}, **options))]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": "published"}, None),
        ({"status": "publish", "comment_status": "closed", "ping_status": "closed"}, None),
        ({"status": "Draft"}, "draft"),
        ({"Post Status": "auto-draft"}, "draft"),
        ({"post_status": "pending"}, "review"),
        ({"moderation_state": [{"value": "archived"}]}, "archived"),
        ({"workflowState": {"name": "In Progress"}}, "draft"),
        ({"status": True}, None),
        ({"status": False}, "draft"),
        ({"status": [{"value": False}]}, "draft"),
        ({"status": 1}, None),
        ({"status": "0"}, "draft"),
        ({"status": 1.0}, None),
        ({"status": 200}, None),
        ({"status": None}, None),
        ({"status": "Entwurf"}, "draft"),
        ({"status": "stat:usable"}, None),
        ({"status": "trash"}, "deleted"),
        ({"state": "draft"}, "draft"),
        ({"state": "Texas"}, None),
        ({"status": "Legal check"}, "unknown status 'Legal check'"),
        ({"visibility": "members"}, "members"),
        ({"visibility": "paid-members-only"}, "unknown status 'paid-members-only'"),
        ({"audience": "only_paid"}, "members"),
        ({"audience": "everyone"}, None),
        ({"draft": True}, "draft"),
        ({"draft": "true"}, "draft"),
        ({"draft": "Yes"}, "draft"),
        ({"draft": "false"}, None),
        ({"draft": 0}, None),
        ({"isDraft": 1}, "draft"),
        ({"published": False}, "draft"),
        ({"published": "0"}, "draft"),
        ({"Published": "Off"}, "draft"),
        ({"published": "2020-03-01"}, None),
        ({"published": None}, None),
        ({"is_published": "FALSE"}, "draft"),
        ({"is_published": "Not published"}, "draft"),
        ({"isPublic": False}, "private"),
        ({"hidden": True}, "private"),
        ({"private": "no"}, None),
        ({"unlisted": True}, "unlisted"),
        ({"deleted_at": "2020-01-01"}, "deleted"),
        ({"deleted_at": None}, None),
        ({"post_password": "secret"}, "password-protected"),
        ({"post_password": ""}, None),
        ({"post_type": "post"}, None),
        ({"post_type": "page", "post_status": "inherit"}, "page"),
        ({"attributes": {"status": False}}, "draft"),
        ({"content": {"rendered": "x", "protected": True}}, "password-protected"),
        ({"revision": {"published": False}}, "draft"),
        ({"expires": PAST}, "expired"),
        ({"expiryDate": AHEAD}, None),
        ({"unpublish_on": "2019-01-01"}, "expired"),
        ({"embargo": AHEAD}, "scheduled"),
        ({"embargo": AHEAD, "published": AHEAD}, None),
        ({"embargoed": PAST}, None),
        ({"publish_at": AHEAD, "published": PAST}, "scheduled"),
        ({"status": "scheduled"}, "scheduled"),
        ({"status": "scheduled", "published": "2031-01-02"}, "scheduled"),
        ({"status": "scheduled", "published": "3026-01-02T08:00:00Z"}, "scheduled"),
        ({"status": "scheduled", "published": AHEAD}, None),
        ({"approved": False}, "review"),
        ({"meta": {"expires": PAST}}, None),
        ({"status": "draft", "withdrawn": True}, None),
        ({"stage": "DRAFT"}, "draft"),
        ({"stage": "Act I"}, None),
        ({"access": "members"}, "members"),
        ({"article_state": "in review"}, "review"),
        ({"statusName": "Draft"}, "draft"),
        ({"status": {"text": "draft"}}, "draft"),
        ({"Statut": "Brouillon"}, "draft"),
        ({"estado": "Jalisco"}, None),
        ({"Entwurf": "ja"}, "draft"),
        ({"scheduled": True}, "scheduled"),
        ({"scheduled_for": AHEAD}, "scheduled"),
        ({"scheduled_at": PAST}, None),
        ({"embargo_date": AHEAD}, "scheduled"),
        ({"publish_up": "2020-01-02 08:00:00", "publish_down": "0000-00-00 00:00:00"}, None),
        ({"publish_up": "2020-01-02 08:00:00", "publish_down": "2021-01-02 08:00:00"}, "expired"),
        ({"expiration": PAST}, "expired"),
        ({"members_only": 1}, "members"),
        ({"deletedOn": PAST}, "deleted"),
        ({"killed": True}, "deleted"),
        ({"data": {"draft": True}}, "draft"),
        ({"data": {"score": "2:1", "state": "Texas"}}, None),
        ({"properties": {"Status": {"name": "Draft"}}}, "draft"),
        ({"sys": {"status": "published"}}, None),
        ({"_id": "drafts.5f3a", "_type": "post"}, "draft"),
        ({"_id": "5f3a", "_type": "post"}, None),
        ({"title": "Draft", "text": "draft", "section": "private", "tags": ["draft"]}, None),
    ],
)
def test_the_rule(fields: dict[str, Any], expected: str | None) -> None:
    assert reason(fields) == expected


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
NAMES = ["status", "state", "draft", "published", "visibility", "expires", "embargo", "post_type", "meta", "attributes", "withdrawn"]


@given(st.dictionaries(st.sampled_from(NAMES), anything))
def test_whatever_stands_in_the_fields_there_is_a_verdict(fields: dict[str, Any]) -> None:
    verdict = reason(fields)
    assert verdict is None or verdict.strip()


@given(st.dictionaries(st.sampled_from(["id", "html", "lexical", "mobiledoc", "published_at", "tags", "page", "status"]), anything))
def test_whatever_stands_in_a_post_of_ghost_it_is_read(tmp_path_factory: pytest.TempPathFactory, post: dict[str, Any]) -> None:
    data = {
        "posts": [post],
        "tags": [post],
        "posts_tags": [{"post_id": post.get("id"), "tag_id": post.get("id"), "sort_order": post.get("page")}],
    }
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps({"db": [{"data": data}]}), encoding="utf-8")
    assert len(list(sources.read(str(path), {}))) == 1


def test_doors() -> None:
    members = {"status": "published", "visibility": "paid"}
    assert reason(members) == "members"
    assert reason(members, "members") is None
    assert reason(members, "Members-only") is None
    assert reason({**members, "draft": True}, "members") == "draft", "each door is one of its own"
    assert reason({"status": "Legal check"}, "legal check") is None
    assert reason({"post_type": "page"}, "page") is None


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "parquet"])
def test_every_format_of_records(tmp_path: Path, ending: str) -> None:
    rows = [
        {"id": "1", "title": "Open", "text": "People walk on the pier.", "status": "published", "draft": "false"},
        {"id": "2", "title": "Draft", "text": "Secret words.", "status": "draft", "draft": "false"},
        {"id": "3", "title": "Draft", "text": "Secret words.", "status": "published", "draft": "true"},
    ]
    path = tmp_path / f"a.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif ending == "csv":
        write(path, "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n")
    else:
        write(path, json.dumps({"articles": rows}) if ending == "json" else "".join(f"{json.dumps(row)}\n" for row in rows))
    first, *others = read(path)
    assert (first["id"], others) == ("1", ["draft", "draft"])
    assert [entry["id"] for entry in read(path, include={"draft"})] == ["1", "2", "3"]


def test_wordpress(tmp_path: Path) -> None:
    path = tmp_path / "export.xml"
    statuses = [b"publish", b"draft", b"pending", b"private", b"trash", b"auto-draft", b"future", b"pitched"]
    path.write_bytes(
        wxr(*(post(n, status) for n, status in enumerate(statuses)), post(20, kind=b"page"), post(21, b"inherit", b"attachment"))
    )
    found = read(path)
    assert found[0]["id"] == "0"
    assert found[1:6] == ["draft", "review", "private", "deleted", "draft"]
    assert found[6]["published"] == "2020-03-01T08:00:00Z", "a scheduled post is under embargo until its moment"
    assert found[7:] == ["unknown status 'pitched'", "page", "attachment"]


BLOGGER = """<?xml version='1.0' encoding='UTF-8'?><feed xmlns='http://www.w3.org/2005/Atom' xmlns:app='http://purl.org/atom/app#'
 xmlns:thr='http://purl.org/syndication/thread/1.0'><id>tag:blogger.com,1999:blog-7.archive</id><title>Harbour</title>
{entries}</feed>"""
KIND = "<category scheme='http://schemas.google.com/g/2005#kind' term='http://schemas.google.com/blogger/2008/kind#{kind}'/>"


def entry(name: str, kind: str, more: str = "") -> str:
    return (
        f"<entry><id>tag:blogger.com,1999:blog-7.{name}</id><published>2012-02-04T02:03:06-08:00</published>{KIND.format(kind=kind)}"
        f"<category scheme='http://www.blogger.com/atom/ns#' term='Harbour'/>{more}<title type='text'>Title {name}</title>"
        "<content type='html'>&lt;p&gt;admin@h.example walks on the pier.&lt;/p&gt;</content>"
        "<author><name>A</name><email>a@h.example</email></author>"
        f"<link rel='replies' href='https://h.example/c'/><link rel='alternate' type='text/html' href='https://h.example/{name}.html'/></entry>"
    )


def test_blogger(tmp_path: Path) -> None:
    entries = [
        entry("settings.BLOG_ADMIN_PERMISSION", "settings"),
        entry("layout", "template"),
        entry("post-1", "post"),
        entry("post-2", "post", "<app:control><app:draft>yes</app:draft></app:control>"),
        entry("post-3", "comment", "<thr:in-reply-to ref='tag:blogger.com,1999:blog-7.post-1'/>"),
        entry("page-4", "page"),
    ]
    path = write(tmp_path / "blog-07-01-2020.xml", BLOGGER.format(entries="".join(entries)))
    expected = {
        "id": "tag:blogger.com,1999:blog-7.post-1",
        "title": "Title post-1",
        "url": "https://h.example/post-1.html",
        "published": "2012-02-04T02:03:06-08:00",
        "section": "Harbour",
        "text": "admin@h.example walks on the pier.",
        "read_more": [],
    }
    found = read(path)
    found[2].pop("html")
    assert found == ["settings", "template", expected, "draft", "comment", "page"]
    assert read(path, source_format="feed")[3] == "draft", "it is told by what it is, not by what it is called"


def test_blogger_from_takeout(tmp_path: Path) -> None:
    def taken(kind: str, status: str, more: str = "<blogger:trashed/>") -> str:
        return (
            f"<entry><id>tag:blogger.com,1999:blog-7.post-{len(kind + status + more)}</id><blogger:type>{kind}</blogger:type>"
            f"<blogger:status>{status}</blogger:status><author><name>A</name><blogger:type>BLOGGER</blogger:type></author><title>Title</title>"
            f"<content type='html'>&lt;p&gt;Words.&lt;/p&gt;</content><published>2020-02-04T02:03:06Z</published>"
            f"<category scheme='tag:blogger.com,1999:blog-7' term='Harbour'/><link/>{more}</entry>"
        )

    feed = "<?xml version='1.0' encoding='UTF-8'?><feed xmlns='http://www.w3.org/2005/Atom' xmlns:blogger='http://schemas.google.com/blogger/2018'>"
    blog = tmp_path / "Takeout/Blogger/Blogs/Harbour"
    entries = [
        taken("POST", "LIVE"),
        taken("POST", "DRAFT"),
        taken("PAGE", "LIVE"),
        taken("COMMENT", "LIVE"),
        taken("POST", "LIVE", "<blogger:trashed>2020-04-01T00:00:00Z</blogger:trashed>"),
        taken("POST", "SOFT_TRASHED"),
    ]
    first, *others = read(write(blog / "feed.atom", f"{feed}<title>x</title>{''.join(entries)}</feed>"))
    assert (first["section"], "url" in first) == ("Harbour", False)
    assert others == ["draft", "page", "comment", "deleted", "deleted"]
    write(blog / "theme-classic.html", "<p>A theme with words enough to be taken for a story, and for nothing else at all.</p>")
    write(blog / "settings.csv", "admin,email\na,admin@h.example\n")
    assert read(tmp_path) == ["site file", "site file", first, *others]


def test_an_atom_feed_with_a_draft(tmp_path: Path) -> None:
    feed = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:app="http://www.w3.org/2007/app"><title>x</title>
    <entry><id>1</id><title>A</title><content>Open words.</content></entry>
    <entry><id>2</id><title>B</title><content>Secret words.</content><app:control><app:draft>yes</app:draft></app:control></entry></feed>"""
    assert [entry if isinstance(entry, str) else entry["id"] for entry in read(write(tmp_path / "a.atom", feed))] == ["1", "draft"]


def ghost(**changes: Any) -> dict[str, Any]:
    return {
        "id": "a1",
        "title": "The pier is open",
        "slug": "pier",
        "html": "<p>People walk on the pier.</p>",
        "type": "post",
        "status": "published",
        "visibility": "public",
        "published_at": "2024-02-01T08:00:00.000Z",
        **changes,
    }


LEXICAL = {
    "root": {
        "type": "root",
        "children": [
            {"type": "extended-heading", "tag": "h2", "children": [{"type": "extended-text", "text": "A heading"}]},
            {
                "type": "paragraph",
                "children": [
                    {"type": "extended-text", "text": "Cars & "},
                    {"type": "link", "url": "https://h.example/a", "children": [{"type": "extended-text", "text": "lorries"}]},
                ],
            },
            {"type": "html", "html": "<p>From a card.</p>"},
        ],
    }
}
MOBILEDOC = {
    "version": "0.3.1",
    "cards": [["html", {"html": "<p>From a card.</p>"}]],
    "markups": [],
    "sections": [[1, "p", [[0, [], 0, "Cars cross."]]], [3, "ul", [[[0, [], 0, "One"]], [[0, [], 0, "Two"]]]], [10, 0]],
}


@pytest.mark.parametrize("wrapped", [True, False])
def test_ghost(tmp_path: Path, wrapped: bool) -> None:
    posts = [
        ghost(),
        ghost(id="a2", status="draft", published_at=None),
        ghost(id="a3", type="page"),
        ghost(id="a4", html=None, lexical=json.dumps(LEXICAL)),
        ghost(id="a5", status="scheduled", published_at=AHEAD),
        ghost(id="a6", visibility="members"),
        ghost(id="a7", visibility="paid"),
        ghost(id="a8", status="sent"),
        ghost(id="a9", html=None, mobiledoc=json.dumps(MOBILEDOC), published_at=1583049600000, page=0),
        ghost(id="b1", type=None, page=1),
        ghost(id="b2"),
    ]
    data = {
        "posts": posts,
        "posts_meta": [{"post_id": "b2", "email_only": True}],
        "posts_tags": [
            {"post_id": "a1", "tag_id": "t0", "sort_order": 0},
            {"post_id": "a1", "tag_id": "t2", "sort_order": 2},
            {"post_id": "a1", "tag_id": "t1", "sort_order": 1},
        ],
        "tags": [{"id": "t0", "name": "#theme"}, {"id": "t1", "name": "Harbour"}, {"id": "t2", "name": "Town"}],
        "users": [{"id": "u", "email": "a@h.example"}],
    }
    export = {"meta": {"exported_on": 1, "version": "5.80.0"}, "data": data}
    found = read(write(tmp_path / "export.json", json.dumps({"db": [export]} if wrapped else export)))
    kept = {entry["id"]: entry for entry in found if isinstance(entry, dict)}
    assert [entry for entry in found if isinstance(entry, str)] == ["draft", "page", "members", "members", "email", "page", "email"]
    assert list(kept) == ["a1", "a4", "a5", "a9"]
    assert (kept["a1"]["section"], kept["a1"]["published"]) == ("Harbour", "2024-02-01T08:00:00.000Z")
    assert kept["a4"]["text"] == "A heading\n\nCars & lorries\n\nFrom a card."
    assert kept["a5"]["published"] == AHEAD
    assert (kept["a9"]["text"], kept["a9"]["published"]) == ("Cars cross.\n\nOne\n\nTwo\n\nFrom a card.", 1583049600000)
    assert "members" not in read(tmp_path / "export.json", include={"members"})


SUBSTACK = """post_id,post_date,is_published,email_sent_at,inbox_sent_at,type,audience,title,subtitle,podcast_url
101.pier,2022-05-25T15:15:30.000Z,true,,,newsletter,everyone,The pier is open &#x2014; again,After a year,
102.draft,,false,,,newsletter,everyone,Unfinished,,
103.paid,2022-05-26T15:15:30.000Z,TRUE,,,newsletter,only_paid,For subscribers,,
104.about,2022-05-26T15:15:30.000Z,true,,,page,everyone,About,,
"""


def test_substack(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    write(folder / "posts.csv", SUBSTACK)
    button = '<p class="button-wrapper"><a class="button primary" href="https://h.example/subscribe?x=1"><span>Subscribe now</span></a></p>'
    widget = '<div class="subscription-widget-wrap"><p>Thanks for reading! Subscribe for free.</p></div>'
    write(folder / "posts/101.pier.html", f"<p>People walk on the pier again.</p>{widget}{button}")
    for name in ("102.draft", "103.paid", "104.about", "105.gone"):
        write(folder / f"posts/{name}.html", "<p>Words that not everybody is to read.</p>")
    write(folder / "posts/101.opens.csv", "post_id,email\n101,reader@h.example\n")
    write(folder / "email_list.h.csv", "email,name\nreader@h.example,A\n")
    with pytest.raises(InputError, match=r"102\.draft\.html is a post of Substack, and posts\.csv says whether it is public"):
        read(folder / "posts/102.draft.html")
    for source in (folder, tmp_path, folder / "posts.csv", folder / "posts"):
        found = read(source)
        [article] = [entry for entry in found if isinstance(entry, dict)]
        assert article["text"] == "People walk on the pier again."
        assert {name: article[name] for name in ("id", "title", "url", "published")} == {
            "id": "101.pier",
            "title": "The pier is open &#x2014; again",
            "url": "https://h.example/p/pier",
            "published": "2022-05-25T15:15:30.000Z",
        }
        others = [entry for entry in found if entry not in ("site file", article)]
        assert others == ["draft", "members", "page", "not in posts.csv"]


MEDIUM = """<!DOCTYPE html><html><head><meta charset="utf-8"><title>The pier</title></head><body><article class="h-entry">
<header><h1 class="p-name">The pier</h1></header><section data-field="subtitle" class="p-summary">After a year</section>
<section data-field="body" class="e-content"><section class="section section--body"><div class="section-content">
<h3 class="graf graf--h3 graf--title">The pier</h3><p class="graf graf--p">People walk on the pier again.</p></div></section></section>
<footer>{footer}<p>Exported from <a href="https://medium.com">Medium</a> on June 3, 2024.</p></footer></article></body></html>"""
PUBLISHED = """<p>By <a href="https://medium.com/@a" class="p-author h-card">A</a> on <a href="https://medium.com/p/1">
<time class="dt-published" datetime="2018-08-11T11:23:34.123Z">August 11, 2018</time></a>.</p>
<p><a href="https://medium.com/@a/pier-1" class="p-canonical">Canonical link</a></p>"""
DRAFT = '<p><a href="https://medium.com/p/2">View original.</a></p>'


def test_medium(tmp_path: Path) -> None:
    write(tmp_path / "posts/2018-08-11_The-pier-1.html", MEDIUM.format(footer=PUBLISHED))
    write(tmp_path / "posts/draft_Secret-2.html", MEDIUM.format(footer=DRAFT))
    write(tmp_path / "profile/profile.html", "<section class='h-card'><p>Email address: a@h.example, and words enough.</p></section>")
    write(
        tmp_path / "claps/claps-0001.html",
        "<section class='h-feed'><ul><li>A long list of claps.</li></ul></section>",
    )
    first, *others = read(tmp_path)[2:]
    assert first == {
        "id": "posts/2018-08-11_The-pier-1",
        "title": "The pier",
        "url": "https://medium.com/@a/pier-1",
        "published": "2018-08-11T11:23:34.123Z",
        "text": "People walk on the pier again.",
        "read_more": [],
    }
    assert others == ["draft"]
    assert extract_page(MEDIUM.format(footer=DRAFT).encode(), "x")["draft"] is True


def test_jekyll(tmp_path: Path) -> None:
    write(tmp_path / "_posts/2021-08-23-the-pier.md", "---\ntitle: The pier is open\ncategories: harbour\n---\nPeople walk.\n")
    write(tmp_path / "news/_posts/2021-08-24-the-bridge.html", "---\ntags: [roads]\n---\n<p>Cars cross {{ page.x }}again.</p>\n")
    write(tmp_path / "_posts/2021-08-25-late.md", "---\ntitle: Late\ndate: 2021-08-25 10:00:00 +0200\n---\nWords.\n")
    write(tmp_path / "_posts/2021-08-26-no.md", "---\ntitle: No\npublished: false\n---\nSecret.\n")
    write(tmp_path / "_drafts/secret.md", "---\ntitle: Secret\n---\nSecret.\n")
    write(tmp_path / "README.md", "# How to build\n")
    write(tmp_path / "about.md", "---\nlayout: page\n---\nWe are a paper.\n")
    write(tmp_path / "_layouts/post.html", "---\nlayout: default\n---\n<article>{{ content }}</article>")
    write(tmp_path / "_site/2021/08/23/the-pier.html", "<p>People walk on a page that was built from the text.</p>")
    write(tmp_path / "_config.yml", "title: x\n")
    write(tmp_path / "_recipes/soup.md", "---\ntitle: Soup\n---\nOf a collection.\n")
    found = read(tmp_path)
    kept = {entry["id"]: (entry["title"], entry["published"]) for entry in found if isinstance(entry, dict)}
    assert kept == {
        "_posts/2021-08-23-the-pier": ("The pier is open", "2021-08-23"),
        "news/_posts/2021-08-24-the-bridge": ("the bridge", "2021-08-24"),
        "_posts/2021-08-25-late": ("Late", "2021-08-25 10:00:00 +0200"),
    }
    reasons = sorted(entry for entry in found if isinstance(entry, str))
    assert reasons == ["draft", "draft", "page", "page", "recipes", "site file", "site file", "site file"]
    assert "_recipes/soup" in [entry["id"] for entry in read(tmp_path, include={"recipes"}) if isinstance(entry, dict)]
    assert [entry["text"] for entry in found if isinstance(entry, dict) and "bridge" in entry["id"]] == ["Cars cross again."]
    assert read(tmp_path / "_drafts") == read(tmp_path / "_drafts/secret.md") == ["draft"]


def test_hugo(tmp_path: Path) -> None:
    posts = tmp_path / "content/posts"
    write(posts / "_index.md", "---\ntitle: Posts\n---\nAll our posts.\n")
    write(
        posts / "pier/index.md",
        '{\n "title": "The pier",\n "date": "2021-08-23T10:00:00+02:00",\n "categories": ["harbour"]\n}\n\nPeople walk.',
    )
    write(posts / "pier/index.fr.md", "---\ntitle: La jetée\ndate: 2021-08-23\n---\nOn marche.\n")
    write(posts / "draft.md", '---\ntitle: Secret\ndraft: "true"\n---\nSecret.\n')
    write(posts / "expired.md", "---\ntitle: Old\nexpiryDate: 2011-09-01\n---\nEnded.\n")
    write(posts / "later.md", f"---\ntitle: Later\ndate: 2020-01-01\npublishDate: {AHEAD}\n---\nTo come.\n")
    write(posts / "headless.md", "---\ntitle: Parts\nbuild:\n  render: never\n---\nParts.\n")
    write(
        posts / "bridge.md",
        "+++\ntitle = 'The bridge'\ndate = 2021-08-24\n+++\nCars cross.\n\n| a | b |\n|---|:-:|\n| 1 | 2 |\n\n- [x] a task\n\n"
        'A note.[^1]\n\n[^1]: The note.\n    Its second line.\n\n![A picture](a_(1).jpg "A title")\n',
    )
    write(tmp_path / "themes/x/exampleSite/content/posts/example.md", "---\ntitle: Example\n---\nOf the theme.\n")
    write(tmp_path / "layouts/_default/single.html", "<p>{{ .Content }} and words enough to be taken for a story of its own.</p>")
    write(tmp_path / "README.md", "# x\n")
    write(tmp_path / "hugo.toml", "title = 'x'\n")
    found = read(tmp_path)
    kept = {entry["id"].removeprefix("content/posts/"): entry for entry in found if isinstance(entry, dict)}
    assert list(kept) == ["bridge", "later", "pier/index.fr", "pier/index"]
    assert kept["bridge"]["text"].split() == ["Cars", "cross.", "a", "b", "1", "2", "-", "a", "task", "A", "note."]
    assert (kept["pier/index"]["title"], kept["pier/index"]["section"], kept["pier/index"]["text"].strip()) == (
        "The pier",
        "harbour",
        "People walk.",
    )
    assert kept["pier/index.fr"]["lang"] == "fr"
    assert kept["later"]["published"].startswith("2031-01-02")
    reasons = sorted(entry for entry in found if isinstance(entry, str))
    assert reasons == ["draft", "expired", "file of another format", "page", "section page", "site file", "site file", "unlisted"]


def test_plain_front_matter(tmp_path: Path) -> None:
    write(tmp_path / "a.md", "Title: The pier\nDate: 2020-03-01\nStatus: draft\n\nSecret words.\n")
    write(tmp_path / "b.md", "Title: The bridge\nDate: 2020-03-02\n\nCars cross.\n")
    write(tmp_path / "c.md", "He said: no\nShe said: yes\n\nA story.\n")
    found = read(tmp_path)
    assert [entry if isinstance(entry, str) else (entry["title"], entry["text"].strip()) for entry in found] == [
        "draft",
        ("The bridge", "Cars cross."),
        ("c", "He said: no\nShe said: yes\n\nA story."),
    ]
    write(tmp_path / "d.md", "---\ntitle: Secret\ndraft: true\n\nA text whose front matter has no end.\n")
    assert read(tmp_path)[-1] == (1, "bad_front_matter", False)


MOVABLE_TYPE = """AUTHOR: editor
TITLE: The pier is open
BASENAME: the_pier
STATUS: Publish
ALLOW COMMENTS: 1
CONVERT BREAKS: richtext
DATE: 08/23/2021 10:00:00 AM
CATEGORY: Harbour
-----
BODY:
<p>People walk.</p>
-----
--------
AUTHOR: editor
TITLE: Secret
STATUS: Draft
-----
BODY:
Secret words.
-----
--------
"""


@pytest.mark.parametrize("name", ["export.txt", "archive/export.txt", "export.md"])
@pytest.mark.parametrize(
    ("text", "system"),
    [
        (MOVABLE_TYPE, "Movable Type"),
        (MOVABLE_TYPE.replace("\n", "\r\n"), "Movable Type"),
        (MOVABLE_TYPE.replace("\n", "\r"), "Movable Type"),
        (MOVABLE_TYPE.replace("pier", "\udcc3\udcdf"), "Movable Type"),
        ("///DOTCLEAR|2.4|full|\n[post post_id,blog_id]\n", "Dotclear"),
        ("\ufeff///DOTCLEAR|2.4|full|\n[post post_id,blog_id]\n", "Dotclear"),
        (wxr(post(1)).decode(), "XML"),
        ("-- MySQL dump 10.13  Distrib 8.0.36\n--\nINSERT INTO `wp_posts` VALUES (1);\n", "database"),
        ("/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19  Distrib 10.11.6\n", "database"),
        ("--\n-- PostgreSQL database dump\n--\n", "database"),
        ("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE post(id);\n", "database"),
    ],
)
def test_dumps_of_other_systems_are_refused_by_name(tmp_path: Path, name: str, text: str, system: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    for source in {path, path.parent}:
        with pytest.raises(InputError, match=rf"export\.\w+ is .*{system}.* - .*; the index is as it was"):
            list(sources.read(str(source), {}))


def test_a_text_that_only_looks_like_a_dump(tmp_path: Path) -> None:
    text = "TITLE: The pier\nAUTHOR: A\nDATE: today\n\nPeople walk.\n\n-----\n\nBODY: a word in capitals.\n"
    [found] = read(write(tmp_path / "a.txt", text))
    assert "People walk" in found["text"]
    [found] = read(write(tmp_path / "b.txt", "CREATE TABLE, and what it makes\n\nTables hold rows.\n"))
    assert found["text"].strip() == "Tables hold rows."


def test_what_is_no_file_is_counted(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    write(folder / "a.jsonl", '{"id": "a", "text": "Words."}\n')
    (folder / "out.jsonl").symlink_to(write(tmp_path / "b.jsonl", '{"id": "b", "text": "Words."}\n'))
    (folder / "gone.jsonl").symlink_to(folder / "nowhere")
    (folder / "linked").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.jsonl")
    write(folder / "picture.jpg", "no text")
    found = read(folder)
    assert [entry["id"] for entry in found if isinstance(entry, dict)] == ["a"]
    reasons = ["FIFO or device", "broken link", "file of another format", "symbolic link", "symbolic link"]
    assert sorted(entry for entry in found if isinstance(entry, str)) == reasons


def test_what_is_passed_over_is_told_and_leaves_the_index(tmp_path: Path, command: Command) -> None:
    index = tmp_path / "index"
    rows = [{"id": str(n), "title": f"Story {n}", "text": f"Ferry {n} stays in port."} for n in range(6)]
    assert command(write_jsonl(tmp_path / "a.jsonl", rows), "--out", index)[0] == 0
    rows[1]["status"], rows[2]["status"], rows[3]["status"] = "draft", "Legal check", "members"
    code, said = command(write_jsonl(tmp_path / "a.jsonl", rows), "--out", index)
    assert code == 0
    assert re.search(r"left out  passed over 1 draft; 1 unknown status 'Legal check'; 1 members\n", said)

    def ids() -> set[str]:
        with Recommender.open(index) as opened:
            return {opened.catalogue.card(row).id for row in range(opened.release.manifest.n_articles)}

    assert ids() == {"0", "2", "4", "5"}, "an article of a status that we do not know stays as it was"
    options = ("--include-status", "members", "--include-status", "legal check")
    assert command(tmp_path / "a.jsonl", "--out", index, *options)[0] == 0
    assert ids() == {"0", "2", "3", "4", "5"}
    code, said = command(write_jsonl(tmp_path / "b.jsonl", [{**rows[1], "id": "9"}]), "--out", index)
    assert (code, said) == (
        3,
        f"error: no article in {tmp_path}/b.jsonl is public (1 draft) - --include-status lets in what it names; the index is as it was\n",
    )


def test_a_public_version_stays_beside_its_draft(tmp_path: Path, command: Command) -> None:
    rows = [{"id": "1", "text": "Ferry one."}, {"id": "1", "text": "Ferry two.", "status": "draft"}, {"id": "2", "text": "Ferry three."}]
    for order in (rows, rows[::-1]):
        assert command(write_jsonl(tmp_path / "a.jsonl", order), "--out", tmp_path / "index")[0] == 0
        with Recommender.open(tmp_path / "index") as opened:
            assert opened.catalogue.article(opened.catalogue.row("1")).text == "Ferry one."


def test_a_status_of_another_name(tmp_path: Path, command: Command) -> None:
    rows = [{"id": str(n), "text": f"Ferry {n} stays.", "desk": "draft" if n else "published"} for n in range(2)]
    assert command(write_jsonl(tmp_path / "a.jsonl", rows), "--out", tmp_path / "index", "--map", "status=desk")[0] == 0
    with Recommender.open(tmp_path / "index") as opened:
        assert opened.release.manifest.n_articles == 1


def test_the_id_of_what_is_passed_over(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"slug": "pier", "text": "x", "status": "draft"}])
    [found] = sources.read(str(path), {"id": "slug"})
    assert found == PassedOver(str(path), 1, "pier", "draft")
