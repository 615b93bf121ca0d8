"""What can be tested of the benchmark of peers without any peer installed."""

import argparse
import doctest
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recommender.errors import InputError
from scripts import local_server
from scripts.benchmarks import peaks, peers_run
from scripts.benchmarks.peers import peer as peer_module
from scripts.benchmarks.peers import process
from scripts.benchmarks.peers.archive import PeerArchive
from scripts.benchmarks.peers.by_hand import ByHand
from scripts.benchmarks.peers.measure import Conversation, about
from scripts.benchmarks.peers.memory import MARK, held_mb, watched
from scripts.benchmarks.peers.peer import PeerText, best_batch_size, others, read_texts
from scripts.benchmarks.peers.peer_figures import Answers, Figures, table
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

ANSWERS = Answers(by_id=(1.234, 20.0), by_id_per_s=1234.5, draft_ms=123.4, memory_mb=321, over_http=True)
FIGURES = Figures("txtai", {"txtai": "9"}, 8, 12.345, 1666.6, 1000, 1.5, ANSWERS, 0.98765, 0.3)


def by_hand(folder: Path) -> ByHand:
    return ByHand(folder, load=lambda size: HashEmbedder())


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "articles.jsonl", records(40))


def test_examples_in_docstrings() -> None:
    assert all(doctest.testmod(module).failed == 0 for module in (peers_run, peaks, peer_module))


def test_names_and_interpreters_are_checked() -> None:
    assert peers_run.peers("txtai,by-hand") == ["txtai", "by-hand"]
    for parse, text in ((peers_run.peers, "txtai,solr"), (peers_run.interpreter, "solr=python")):
        with pytest.raises(argparse.ArgumentTypeError, match="'solr' is no peer - there are by-hand, txtai, "):
            parse(text)


def test_figures_of_measured_numbers() -> None:
    seconds = [0.001 * number for number in range(1, 102)]
    measured = Answers.measured(seconds, [0.2, 0.1, 0.3], 77)
    assert measured.by_id == pytest.approx((51.0, 100.0))
    assert measured.by_id_per_s == pytest.approx(101 / sum(seconds))
    assert measured.draft_ms == pytest.approx(200)
    assert (measured.memory_mb, measured.over_http) == (77, False)
    served = Answers.measured(seconds, [0.1], 77, 4321)
    assert (served.by_id_per_s, served.over_http) == (4321, True)


def test_the_table_marks_what_was_called_in_the_process() -> None:
    in_process = replace(FIGURES, peer="by-hand", answers=replace(ANSWERS, over_http=False), recall=None, ndcg=None)
    head, rule, first, second = table([FIGURES, in_process]).splitlines()
    assert head.count("|") == rule.count("|") == first.count("|")
    assert first == "| txtai | 12.3 | 1,667 | 1,000 | 1.50 | 1.23 | 20 | 1,234 | 123 | 321 | .988 | .3000 |"
    assert second == "| by-hand | 12.3 | 1,667 | 1,000 | 1.50 | 1.23* | 20* | 1,234* | 123* | 321 | – | – |"


def test_what_is_asked_of_an_archive(articles: Path, tmp_path: Path) -> None:
    everything, short = (PeerArchive.read(articles, limit, tmp_path / f"{limit}.jsonl") for limit in (None, 12))
    assert (everything.n, everything.path, short.n) == (40, articles, 12)
    assert read_texts(short.path) == read_texts(articles)[:12]
    assert everything.timed == PeerArchive.read(articles, None, tmp_path / "x").timed, "another run asks the same"
    known = {text.id for text in read_texts(short.path)}
    assert short.qrels
    assert all(targets and known >= {*targets} for targets in short.qrels.values()), "no list leads out of the short archive"
    assert everything.ndcg(everything.qrels) == 1.0
    assert replace(everything, qrels={}).ndcg({}) is None


def test_an_archive_that_cannot_be_measured(tmp_path: Path) -> None:
    for lines in (["no JSON"], [{"title": "no id"}], ["[1]"]):
        with pytest.raises(InputError, match="give JSON Lines with id, title and text"):
            PeerArchive.read(write_jsonl(tmp_path / "a.jsonl", lines), None, tmp_path / "b")
    with pytest.raises(InputError, match="has no article of 20 words"):
        PeerArchive.read(write_jsonl(tmp_path / "a.jsonl", [{"id": 1, "text": "short"}]), None, tmp_path / "b")


def test_by_hand_finds_what_brute_force_finds(articles: Path, tmp_path: Path) -> None:
    texts = read_texts(articles)
    by_hand(tmp_path).build(texts, 8)
    opened = by_hand(tmp_path)
    opened.open()
    vectors = HashEmbedder().embed([f"{text.title}\n{text.text}" for text in texts])
    for row, text in enumerate(texts):
        cosines = vectors @ vectors[row]
        cosines[row] = -2
        nearest = [texts[place].id for place in np.argsort(-cosines)[:10]]
        assert opened.near(text, 10) == opened.exact(text, 10) == nearest
    assert opened.near_draft(texts[3].whole, 1) == [texts[3].id]
    assert opened.size() > vectors.nbytes


def test_the_roles_of_a_peers_process(articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARK, "nothing carries this")
    texts = read_texts(articles)
    fields = [(text.id, text.title, text.text) for text in texts]
    built = process.build(by_hand(tmp_path), str(articles), process.prepare(by_hand(tmp_path), str(articles))["batch_size"])
    opened = by_hand(tmp_path)
    assert built == {"bytes": opened.size()}
    first = process.begin(opened, fields[0], 10)["list"]
    told = process.answer(opened, fields, ["ship and crane", "vote"], fields[:2], compared=7, k=10)
    assert (len(told["by_id_s"]), len(told["draft_s"]), told["recall"]) == (40, 2, 1.0)
    assert told["lists"] == {texts[0].id: first, texts[1].id: opened.near(texts[1], 10)}


def test_recall_is_what_of_the_exact_list_was_found(articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(ByHand):
        def near(self, asked: PeerText, k: int) -> list[str]:
            return super().near(asked, k - 3)

    monkeypatch.setenv(MARK, "nothing carries this")
    forgetful = Forgetful(tmp_path, load=lambda size: HashEmbedder())
    forgetful.build(read_texts(articles), 8)
    forgetful.open()
    asked = [(text.id, text.title, text.text) for text in read_texts(articles)]
    assert process.answer(forgetful, asked, ["ship"], [], compared=40, k=10)["recall"] == pytest.approx(0.7)


def test_a_process_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert about("by-hand", sys.executable)["missing"] is None
    monkeypatch.setitem(process.PEERS, "chroma", ("chroma", "Chroma", ("numpy", "no-such-package")))
    assert process.about("chroma") == {"versions": {"numpy": np.__version__}, "missing": "no-such-package"}
    with Conversation("no such peer", sys.executable, Path("/dev/null")) as talk, pytest.raises(InputError, match=r"gave up \(about\)"):
        talk.ask("about")


def test_the_best_batch_size_is_the_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1_000_000))
    waits: dict[int, int] = {4: 5, 8: 2, 16: 3, 32: 9}

    def embedding(size: int) -> Any:
        return lambda texts: [next(clock) for _ in range(waits[size])]

    monkeypatch.setattr("scripts.benchmarks.peers.peer.time.perf_counter", lambda: next(clock))
    assert best_batch_size(embedding, [PeerText("a", "b", "c")]) == 8


def test_a_list_has_neither_the_article_nor_one_twice() -> None:
    assert others("a", ["b", "a", "b", "c"], 10) == ["b", "c"]


def test_memory_is_that_of_all_that_carry_the_mark(tmp_path: Path) -> None:
    """Also of what has left its parent's session, as a database server does."""
    detached = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]], start_new_session=True)"
    holding = f"import time; held = bytearray(b'x') * 60_000_000; open({str(tmp_path / 'held')!r}, 'w').close(); time.sleep(5)"
    before = held_mb("of this test")
    with watched("of this test") as peak:
        subprocess.run([sys.executable, "-c", detached, holding], env={**os.environ, MARK: "of this test"}, check=True)
        while not (tmp_path / "held").exists() or not peak.mb:
            pass
        while peak.mb < 60:
            pass
    assert (before, held_mb("of another")) == (0, 0)


def test_load_over_loopback() -> None:
    serve = [sys.executable, "-m", "http.server", "{port}", "--bind", "127.0.0.1", "--directory", str(Path(__file__).parents[3])]
    with local_server.running(serve, "/") as (address, pid, started):
        assert started > 0
        assert Path(f"/proc/{pid}").exists()
        assert len(local_server.one_by_one(address, ["/test_architecture.py", "/conftest.py"])) == 2
        with pytest.raises(InputError, match="/nothing was answered with 404"):
            local_server.one_by_one(address, ["/nothing"])
    assert not Path(f"/proc/{pid}").exists()


def test_drafts_are_of_300_words() -> None:
    assert [len(draft.split()) for draft in local_server.drafts_of(["word " * 400, "word " * 350], 5)] == [300, 300, 150]
    assert len(local_server.drafts_of(["word " * 4000], 5)) == 5


def test_peaks_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "TURNS", 3)
    for integers in (True, False):
        assert np.isfinite(peaks.peak(integers=integers))
        assert peaks.peak(integers=integers) > 0


def test_figures_are_json() -> None:
    assert json.loads(json.dumps(asdict(FIGURES)))["answers"]["draft_ms"] == 123.4
