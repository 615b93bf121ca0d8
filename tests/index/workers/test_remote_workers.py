"""What a build gives to other machines, seen without any: what comes back is what this machine finds, and nothing is awaited for ever."""

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.build import build_index
from index.ingest import checking
from index.ingest.checking import CheckedArticle, Refused, Withdrawal
from index.ingest.record import Entry, Mended, PassedOver, Record, Reject
from index.terms.analysis import spans_of
from index.vectors import embed_ahead
from index.vectors.embedding_cache import EmbeddingCache
from index.wings import wings_at
from index.workers import ray_files
from index.workers.processes import ALONE, OfFolder
from index.workers.ray_cluster import _in_order, _windows
from index.workers.stall_timeout import patiently
from recommender.embedding.openvino import CompiledEmbedder, encoder_folder
from recommender.embedding.sentence_transformer import BUNDLED_SHA256
from recommender.errors import ClusterUnavailable, InputError
from recommender.release.manifest import CANARIES, FLOAT
from recommender.text.chunking import chunk_article
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

TEXTS = [record["text"] for record in records(90)]


@pytest.fixture(scope="module")
def embedder(demo_index: Path) -> CompiledEmbedder:
    return CompiledEmbedder(encoder_folder(demo_index, BUNDLED_SHA256, FLOAT))


def mixed() -> list[Record | Reject]:
    """Records of all kinds, and a line that is none."""
    found: list[Record | Reject] = [Reject("a.jsonl", 1, None, "bad_json", "no JSON")]
    for line, fields in enumerate(records(30), 2):
        if line % 4 == 0:
            fields["html"] = f"<p>{fields.pop('text')}</p><p>Read more: <a href='/quay'>The quay</a></p>"
        changes: dict[int, dict[str, Any]] = {5: {"url": "nowhere"}, 6: {"text": ""}, 7: {"withdrawn": True}, 9: {"lang": None}}
        fields |= changes.get(line, {})
        found.append(Record("a.jsonl", line, fields))
    return found


def test_records_are_as_good_elsewhere(monkeypatch: pytest.MonkeyPatch, embedder: CompiledEmbedder) -> None:
    monkeypatch.setattr(checking, "TOGETHER", 7)
    here = list(checking.check_here(iter(mixed())))
    kinds = [type(one) for one in here]
    assert kinds == [Refused, *[CheckedArticle] * 4, Refused, Withdrawal, *[CheckedArticle] * 24]
    dropped, refused, withdrawn = here[4:7]
    assert isinstance(dropped, CheckedArticle)
    assert isinstance(refused, Refused)
    assert ([reject.code for reject in dropped.dropped], refused.reject.code) == (["bad_url"], "empty_text")
    assert isinstance(withdrawn, Withdrawal)
    assert withdrawn.article_id == "election-5"
    assert [one.line for one in here if isinstance(one, CheckedArticle)] == [2, 3, 4, 5, *range(8, 32)]
    assert list(checking.check_everywhere(iter(mixed()), HashEmbedder(), ALONE)) == here
    cut = list(checking.check_everywhere(iter(mixed()), embedder, ALONE))
    for one, other in zip(cut, here, strict=True):
        if isinstance(other, CheckedArticle):
            assert one == replace(other, spans=spans_of(chunk_article(other.article, embedder)))
        else:
            assert one == other


def test_what_is_no_record_is_handed_on() -> None:
    notes: list[Entry] = [PassedOver("a.jsonl", 1, "x", "draft"), Mended("a.xml", "control characters", 2)]
    assert list(checking.check_everywhere(iter(notes), HashEmbedder(), ALONE)) == notes


def caches(folder: Path, embedder: CompiledEmbedder) -> "closing[EmbeddingCache]":
    return closing(EmbeddingCache(folder, embedder, embedder.embed(CANARIES)))


def ahead(cache: EmbeddingCache, embedder: CompiledEmbedder) -> Iterator[int]:
    return embed_ahead.embed_ahead(TEXTS, embedder, cache, ALONE)


@pytest.mark.parametrize("damaged", [False, True])
def test_what_was_embedded_when_a_build_was_killed_is_not_embedded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedder: CompiledEmbedder, damaged: bool
) -> None:
    monkeypatch.setattr(embed_ahead, "BLOCK", 16)
    with caches(tmp_path, embedder) as cache:
        killed = ahead(cache, embedder)
        assert [next(killed) for _ in range(3)] == [16, 32, 48]
        assert len(cache) == 0
    parts = list(tmp_path.glob("*.parts/*.parquet"))
    assert len(parts) == 3
    if damaged:
        whole = parts[0].read_bytes()
        parts[0].write_bytes(whole[:2_000] + bytes([whole[2_000] ^ 1]) + whole[2_001:])
        parts[1].rename(parts[1].with_suffix(".new"))
    with caches(tmp_path, embedder) as cache:
        assert max(ahead(cache, embedder)) == (90 - 16 if damaged else 90 - 48)
        assert not list(tmp_path.glob("*.parts"))
        np.testing.assert_array_equal(cache.embed(TEXTS), embedder.embed(TEXTS))
        assert (cache.n_embedded, cache.n_reused) == (90, 0)
    with caches(tmp_path, embedder) as cache:
        assert list(ahead(cache, embedder)) == []
        assert list(ahead(cache, HashEmbedder())) == [], "a model that is not compiled stays here"  # type: ignore[arg-type]


def test_what_is_found_twice_counts_once_and_comes_in_order() -> None:
    assert list(_in_order([(1, b"b"), (0, b"a"), (1, b"b"), (0, b"a"), (3, b"d"), (3, b"d"), (2, b"c"), (3, b"d")])) == [
        b"a",
        b"b",
        b"c",
        b"d",
    ]


def test_the_cluster_is_given_so_many_bytes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.workers.ray_cluster.WINDOW", 1_000)
    windows = list(_windows("x" * 300 for _ in range(10)))
    assert [len(window) for window in windows] == [4, 4, 2]


def silent() -> Iterator[int]:
    yield 1
    threading.Event().wait(5)
    yield 2


def failing(error: Exception) -> Callable[[], Iterator[int]]:
    def begin() -> Iterator[int]:
        yield 1
        raise error

    return begin


@pytest.mark.parametrize(
    ("begin", "says"),
    [
        (silent, "lists: nothing came from the cluster for 0.2 s, after 1 blocks"),
        (failing(OSError("node 7 is gone")), "lists: the cluster gave up after 1 blocks .OSError: node 7 is gone"),
    ],
)
def test_what_does_not_come_is_not_awaited_for_ever(begin: Callable[[], Iterator[int]], says: str) -> None:
    found = patiently(begin, 0.2, "lists")
    assert next(found) == 1
    with pytest.raises(ClusterUnavailable, match=says):
        next(found)


def test_who_takes_no_more_leaves_no_thread() -> None:
    def begin() -> Iterable[int]:
        yield from range(10_000)

    found = patiently(lambda: iter(begin()), 5, "lists")
    assert next(found) == 0
    before = threading.active_count()
    found.close()  # type: ignore[attr-defined]
    for _ in range(50):
        if threading.active_count() < before:
            return
        threading.Event().wait(0.1)
    pytest.fail("the thread is still there")


class Remote:
    """Calls at once what an actor would be asked for."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.remote = method


class Actor:
    def __init__(self) -> None:
        self.pieces: list[str] = []
        source = ray_files.Source()
        self.files = Remote(source.files)

        def piece(folder: Path, name: str, first: int) -> bytes:
            self.pieces.append(name)
            return source.piece(folder, name, first)

        self.piece = Remote(piece)


def names(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_node_asks_for_files_that_it_has_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "node"))
    monkeypatch.setattr(ray_files, "PIECE", 10)
    monkeypatch.setattr(ray_files, "_got", lambda answer: answer)
    folder, other = tmp_path / "staged", tmp_path / "node" / f"{ray_files.PREFIX}of-a-build-that-was-killed"
    for path in (folder / "lists", other):
        path.mkdir(parents=True)
    (other / "held").touch()
    (folder / "facts.npy").write_bytes(bytes(range(95)))
    (folder / "lists" / "empty.npy").touch()
    actor = Actor()
    opened = ray_files.Shipping("this-build", actor).of(OfFolder(Path, folder))
    assert opened() == folder, "it has the very same"
    monkeypatch.setattr(ray_files, "BOOT", tmp_path / "boot")
    (tmp_path / "boot").write_text("of another machine")
    copy = opened()
    assert copy.is_relative_to(tmp_path / "node")
    assert names(copy) == names(folder)
    assert not other.exists()
    assert (copy, len(actor.pieces)) == (opened(), 10)
    (folder / "lists" / "near.npy").write_bytes(b"near")
    assert names(opened()) == names(folder)
    assert actor.pieces[10:] == ["lists/near.npy"], "what did not change is not sent again"
    ray_files._remove("this-build")
    assert not list((tmp_path / "node").iterdir())


def test_without_ray_the_build_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    source = write_jsonl(tmp_path / "a.jsonl", records(3))
    with pytest.raises(InputError, match=r"ray is not installed - .*pip install .*\[ray\]'"):
        build_index([str(source)], tmp_path / "index", HashEmbedder(), wings=wings_at(ray="auto"))
    assert "RAY_AUTH_TOKEN" not in os.environ
