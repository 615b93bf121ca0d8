"""Post ids of several WordPress sites in one index."""

import re
from pathlib import Path

import pytest

from index.ingest.record import Record
from index.ingest.site_ids import Sites
from recommender import Recommender
from tests.conftest import Command
from tests.support.archive import write_jsonl
from tests.support.damaged_wxr import HEAD, TAIL, post

LISTED = (
    b"<wp:postmeta><wp:meta_key>related_posts</wp:meta_key><wp:meta_value><![CDATA[2, 3]]></wp:meta_value></wp:postmeta><category domain="
)


def export(path: Path, host: str, *numbers: int) -> Path:
    posts = [post(number, host=host.encode()).replace(b"<category domain=", LISTED, 1) for number in numbers]
    path.write_bytes(HEAD.replace(b"news.example", host.encode()) + b"".join(posts) + TAIL)
    return path


def ids(index: Path) -> list[str]:
    with Recommender.open(index) as opened:
        return [opened.catalogue.card(row).id for row in range(opened.release.manifest.n_articles)]


@pytest.fixture
def news(tmp_path: Path) -> Path:
    return export(tmp_path / "news.xml", "news.example", 1, 2, 3)


@pytest.fixture
def blog(tmp_path: Path) -> Path:
    return export(tmp_path / "blog.xml", "blog.example", 1, 2, 3)


BOTH = ["1", "2", "3", "blog.example:1", "blog.example:2", "blog.example:3"]


def test_two_sites_in_one_build(tmp_path: Path, command: Command, news: Path, blog: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert command(news, blog, "--out", tmp_path / "index")[0] == 0
    assert "ids of blog.example begin with 'blog.example:', for another site has the bare numbers" in caplog.text
    assert ids(tmp_path / "index") == BOTH
    with Recommender.open(tmp_path / "index") as opened:
        assert opened.catalogue.article(opened.catalogue.row("blog.example:1")).url == "https://blog.example/story-1/"
        lists = opened.catalogue.hand_made_lists()
        assert lists["1"] == ("2", "3")
        assert lists["blog.example:1"] == ("blog.example:2", "blog.example:3")


def test_an_index_keeps_its_ids_whatever_is_built_into_it_and_in_what_order(
    tmp_path: Path, command: Command, news: Path, blog: Path
) -> None:
    index = tmp_path / "index"
    assert command(news, "--out", index)[0] == 0
    assert command(blog, "--out", index)[0] == 0
    assert ids(index) == BOTH
    assert command(blog, news, "--out", index, "--delete-missing")[0] == 0
    assert ids(index) == BOTH
    renamed = news.read_bytes().replace(b"https://news.example", b"http://www.news.example")
    news.write_bytes(renamed)
    assert command(news, "--out", index)[0] == 0
    assert ids(index) == BOTH, "the same site, by another of its addresses"


def test_a_site_that_moved_keeps_its_ids_when_it_is_said(tmp_path: Path, command: Command, news: Path) -> None:
    index = tmp_path / "index"
    assert command(news, "--out", index)[0] == 0
    moved = export(tmp_path / "moved.xml", "paper.example", 1, 2, 3)
    assert command(moved, "--out", index, "--id-prefix", "")[0] == 0
    assert ids(index) == ["1", "2", "3"]
    with Recommender.open(index) as opened:
        assert opened.catalogue.article(0).url == "https://paper.example/story-1/"


def test_a_prefix_of_ones_own(tmp_path: Path, command: Command, news: Path) -> None:
    assert command(news, "--out", tmp_path / "index", "--id-prefix", "n-")[0] == 0
    assert ids(tmp_path / "index") == ["n-1", "n-2", "n-3"]


def test_a_draft_of_one_site_takes_no_article_of_another(tmp_path: Path, command: Command, news: Path, blog: Path) -> None:
    index = tmp_path / "index"
    assert command(news, blog, "--out", index)[0] == 0
    blog.write_bytes(blog.read_bytes().replace(b"[publish]", b"[draft]", 1))
    assert command(blog, "--out", index)[0] == 0
    assert ids(index) == [id_ for id_ in BOTH if id_ != "blog.example:1"]


def test_numbers_of_the_same_site_from_another_export(tmp_path: Path, command: Command, news: Path) -> None:
    rows = [{"id": n, "text": f"Ferry {n}.", "url": f"https://www.news.example/{n}"} for n in (1, 2)]
    assert command(write_jsonl(tmp_path / "a.jsonl", rows), "--out", tmp_path / "index")[0] == 0
    assert command(news, "--out", tmp_path / "index")[0] == 0
    assert ids(tmp_path / "index") == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("urls", "site", "expected"),
    [
        ([], ["https://blog.example"], "12"),
        (["https://news.example/a"], ["https://blog.example"], "blog.example:12"),
        (["https://news.example/a"], ["http://www.news.example/"], "12"),
        (["https://news.example/?p=12"], ["https://news.example"], "12"),
        (["https://news.example/a", "https://x.example/b", "https://news.example/c"], ["https://news.example"], "12"),
        (["https://news.example/a", "https://x.example/b"], ["https://news.example"], "12"),
        (["https://news.example/a", "https://x.example/b", "https://x.example/c"], ["https://news.example"], "12"),
        (["https://news.example/a", *["https://x.example/b"] * 200], ["https://news.example"], "news.example:12"),
        (["https://net.example/one/a"], ["https://net.example/two"], "net.example/two:12"),
        (["https://net.example/one/a"], ["https://net.example/one"], "12"),
        (["https://net.example/onetwo/a"], ["https://net.example/one"], "net.example/one:12"),
        (["https://news.example/a"], ["http://internal:8080/wp", "https://news.example"], "12"),
    ],
)
def test_which_site_has_the_bare_numbers(urls: list[str], site: list[str], expected: str) -> None:
    record = Record("a.xml", 1, {"id": "12"}, site=site)
    assert Sites(urls=urls).unique(record).fields["id"] == expected


def test_one_site_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    sites = Sites(urls=["https://news.example/a"])
    with caplog.at_level("INFO"):
        for number in range(3):
            sites.unique(Record("a.xml", number, {"id": str(number)}, site=["https://blog.example"]))
    assert len(re.findall("ids of blog.example", caplog.text)) == 1
