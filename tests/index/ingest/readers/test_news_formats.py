"""The IPTC's formats: NITF, NewsML-G2, and ninjs with texts in NITF."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.ingest.extraction import with_text
from index.ingest.readers import sources
from index.ingest.readers.nitf import body_html, xml_root
from index.ingest.record import Record
from recommender.errors import InvalidArticle
from tests.support.archive import short

NITF = """<?xml version="1.0" encoding="UTF-8"?>
{doctype}<nitf{attributes}><head><title>Pier</title><docdata{status}>{id}<date.issue norm="20200301T080000Z"/></docdata></head>
<body><body.head><hedline><hl1>The pier is <em>open</em></hl1></hedline><byline>By A. Writer</byline></body.head>
<body.content><block><p>People walk &amp; run.</p><media media-type="image"><media-caption>A pier</media-caption></media>
<p>The work took a year. Read <a href="https://n.example/2">more</a>.</p></block></body.content></body></nitf>"""
NS = "http://iptc.org/std/nar/2006-10-01/"
ITEM = """<newsItem xmlns="{ns}" guid="urn:{n}" version="1" xml:lang="en"><itemMeta><itemClass qcode="{kind}"/>
<versionCreated>2020-03-01T09:00:00Z</versionCreated><firstCreated>2020-03-01T08:00:00Z</firstCreated><pubStatus qcode="{status}"/>
<link rel="irel:seeAlso" residref="urn:9"/><link rel="irel:depicts" residref="urn:8"/></itemMeta>
<contentMeta><subject qcode="medtop:1"><name>Harbour</name></subject><headline>The pier is open</headline><language tag="de"/></contentMeta>
<contentSet>{content}</contentSet></newsItem>"""
XHTML = (
    '<inlineXML><html xmlns="http://www.w3.org/1999/xhtml"><head><title>No</title></head>'
    "<body><p>People <b>walk</b>.</p></body></html></inlineXML>"
)
STORY = "People walk & run.\n\nThe work took a year. Read more."


def nitf(id: str = '<doc-id id-string="n1"/>', attributes: str = "", status: str = "", doctype: str = "") -> str:  # noqa: A002
    return NITF.format(id=id, attributes=attributes, status=status, doctype=doctype)


def item(n: int = 1, kind: str = "ninat:text", status: str = "stat:usable", content: str = XHTML) -> str:
    return ITEM.format(ns=NS, n=n, kind=kind, status=status, content=content)


def read(path: Path, content: str | bytes) -> list[Any]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [short(entry) for entry in with_text(sources.read(str(path), {}))]


@pytest.mark.parametrize(
    "doctype", ["", '<!DOCTYPE nitf SYSTEM "nitf-3-4.dtd">', '<!DOCTYPE nitf PUBLIC "-//IPTC//DTD NITF 3.4//EN" "nitf-3-4.dtd">\n']
)
def test_nitf(tmp_path: Path, doctype: str) -> None:
    [found] = read(tmp_path / "a.xml", nitf(doctype=doctype, attributes=' xml:lang="de"'))
    assert {name: value for name, value in found.items() if name != "html"} == {
        "id": "n1",
        "title": "The pier is open",
        "published": "20200301T080000Z",
        "lang": "de",
        "text": STORY,
        "read_more": [],
    }
    [found] = read(tmp_path / "story-7.xml", nitf(id="", attributes=' xmlns="http://iptc.org/std/NITF/2006-10-18/"'))
    assert (found["id"], found["text"]) == ("story-7", STORY)
    assert read(tmp_path / "gone.xml", nitf(status=' management-status="canceled"'))[0]["withdrawn"] is True


def test_newsml_g2(tmp_path: Path) -> None:
    [found] = read(tmp_path / "a.xml", item())
    assert {name: value for name, value in found.items() if name != "html"} == {
        "id": "urn:1",
        "title": "The pier is open",
        "published": "2020-03-01T08:00:00Z",
        "section": "Harbour",
        "lang": "de",
        "text": "People walk.",
        "read_more": ["urn:9"],
    }


def test_a_message_with_stories_pictures_and_a_retraction(tmp_path: Path) -> None:
    nested = f"<inlineXML>{nitf().partition('?>')[2]}</inlineXML>"
    plain = '<inlineData contenttype="text/plain">Cars cross.</inlineData>'
    items = [item(1, content=nested), item(2, content=plain), item(3, kind="ninat:picture"), item(4, status="stat:canceled")]
    message = f'<newsMessage xmlns="{NS}"><header/><itemSet>{"".join(items)}</itemSet></newsMessage>'
    first, second, picture, gone = read(tmp_path / "a.xml", message)
    assert (first["text"], second["text"]) == (STORY, "Cars cross.")
    assert picture == (3, "not_text", False)
    assert gone == {"id": "urn:4", "withdrawn": True}


@pytest.mark.parametrize(("root", "name"), [("nitf", "nitf"), ("newsItem", "newsml")])
def test_entities_are_refused(tmp_path: Path, root: str, name: str) -> None:
    for doctype in ('[<!ENTITY a "b">]', 'SYSTEM "x.dtd" [<!ENTITY a SYSTEM "file:///etc/passwd">]'):
        xml = f"<!DOCTYPE {root} {doctype}><{root}><body><body.content><p>&a;</p></body.content></body></{root}>"
        (tmp_path / "a.xml").write_text(xml)
        assert [short(entry) for entry in sources.read(str(tmp_path / "a.xml"), {}, name)] == [(1, "bad_xml", False)]
        assert [short(entry)[1] for entry in sources.read(str(tmp_path / "a.xml"), {})] == ["bad_xml"]


@pytest.mark.parametrize("names", [("uri",), ("guid",)])
def test_ninjs_of_all_versions(tmp_path: Path, names: tuple[str]) -> None:
    [name] = names
    story = {
        name: "urn:1",
        "type": "text",
        "pubstatus": "usable",
        "versioncreated": "2017-08-24T04:38:34+0000",
        "headline": "The pier is open",
        "body_html": "<p>People walk.</p>",
        "service": [{"name": "Harbour", "code": "h"}],
        "associations": {"featuremedia": {"type": "picture", name: "p1"}, "related--1": {"type": "text", name: "urn:2"}},
    }
    [found] = read(tmp_path / "a.json", json.dumps(story))
    assert [found[field] for field in ("id", "section", "text", "read_more")] == ["urn:1", "Harbour", "People walk.", ["urn:2"]]
    body = {"contentType": "application/nitf+xml", "value": nitf()}
    [found] = read(tmp_path / "b.json", json.dumps({"uri": "urn:1", "headlines": [{"value": "The pier"}], "bodies": [body]}))
    assert found["text"] == STORY


@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: f"<nitf><body.content><p>{text}</p></body.content></nitf>".encode("utf-8", "replace"))
)
def test_any_bytes_are_a_story_or_refused(raw: bytes) -> None:
    try:
        html = body_html(xml_root(raw))
    except InvalidArticle:
        return
    assert isinstance(html, str)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=50))
def test_the_text_of_a_paragraph_comes_back(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    html = body_html(xml_root(f"<nitf><body><body.content><p>{escaped}</p></body.content></body></nitf>".encode()))
    assert (
        html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&#x27;", "'").replace("&amp;", "&")
        == f"<p>{text}</p>"
    )


def test_records_of_news_formats_are_records(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(nitf())
    (tmp_path / "b.xml").write_text(item())
    entries = list(sources.read(str(tmp_path), {}))
    assert [entry.fields["id"] for entry in entries if isinstance(entry, Record)] == ["n1", "urn:1"]
