"""Texts that take long: what they may cost, who waits for them, and what ends them."""

import asyncio
import json
import shutil
import signal
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from starlette.requests import ClientDisconnect

from index.build import build_index
from index.live import upserts as live
from recommender import Article, Recommender
from recommender.embedding.embedder import SLICE, embed_articles
from recommender.embedding.openvino import CompiledEmbedder, encoder_folder
from recommender.embedding.sentence_transformer import SentenceTransformerEmbedder
from recommender.errors import Interrupted
from recommender.interruption import checkpoint, interruptible
from recommender.release.manifest import FLOAT
from recommender.text.chunking import MOST_PASSAGES, chunk_article, spread
from recommender.types import Chunk
from service.http.bounded_executor import Busy, Lane, LaneFull, TimedOut
from tests.conftest import ADMIN_KEY, client_of
from tests.service.routes.test_articles import FERRY
from tests.service.test_service import assert_problem
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder
from tests.support.served import REAL, Served, served

LONG = pytest.mark.long
HEAVY = "<a " * 60_000
"""180 kB, 473 passages: every sign is a token."""


def test_chunks_are_spread_over_the_whole_text() -> None:
    chunks = [Chunk("", place, place, place + 1, "x") for place in range(100)]
    assert spread(chunks, 100) == spread(chunks, 200) == chunks
    some = [chunk.position for chunk in spread(chunks, 10)]
    assert some == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]


def test_a_draft_costs_no_more_than_its_passages(recommender: Recommender) -> None:
    embedder = recommender.embedder
    assert isinstance(embedder, HashEmbedder)
    text = " ".join(f"Ship {number} left the harbour at dawn." for number in range(2_000))
    assert len(chunk_article(Article("", "", text), embedder)) > 10 * MOST_PASSAGES
    _ = recommender.archive
    before = embedder.n_embedded
    assert recommender.related_to(Article("", "", text)).items
    assert embedder.n_embedded - before == MOST_PASSAGES


def test_what_is_put_is_embedded_whole(index_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(index_dir, tmp_path / "index", ignore=shutil.ignore_patterns("live.db*"))
    embedder = HashEmbedder()
    text = " ".join(f"Ship {number} left the harbour at dawn." for number in range(400))
    article = Article("long", "A long one", text)
    n_chunks = len(chunk_article(article, embedder))
    assert n_chunks > MOST_PASSAGES
    with Recommender.open(tmp_path / "index", embedder) as opened:
        _ = opened.embedder
        before = embedder.n_embedded
        live.put(tmp_path / "index", opened, article)
        assert embedder.n_embedded - before == n_chunks


def test_a_long_draft_that_the_archive_holds_is_not_in_its_own_list(tmp_path: Path) -> None:
    """Only some of its passages are compared, so half of the closeness is not what it was."""
    text = "\n\n".join(f"{record['text']}" for record in records(40)) + " Ship tide harbour."
    held = {"id": "held", "title": "The ships of the old harbour", "text": text}
    build_index([str(write_jsonl(tmp_path / "a.jsonl", [*records(), held]))], tmp_path / "index", HashEmbedder())
    with Recommender.open(tmp_path / "index", HashEmbedder()) as opened:
        assert len(chunk_article(opened.article("held"), opened.embedder)) > MOST_PASSAGES
        ids = [item.id for item in opened.related_to(Article("", held["title"], text), 50)]
        assert ids
        assert "held" not in ids
        again = [item.id for item in opened.related_to(Article("", "Another title", text), 50)]
        assert "held" in again


def test_work_ends_at_its_next_checkpoint() -> None:
    embedder, asked = HashEmbedder(), 0

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked > 3:  # one before it is cut, then one before each slice
            raise Interrupted("enough")

    article = Article("", "", "Ship and tide and harbour. " * 500)
    with interruptible(check), pytest.raises(Interrupted):
        embed_articles([article], embedder)
    assert embedder.n_embedded == 2 * SLICE
    checkpoint()  # outside, nobody asks
    assert len(embed_articles([article], embedder)[0][1]) == len(chunk_article(article, embedder))


def test_slices_change_no_vector(model: SentenceTransformerEmbedder, demo_index: Path) -> None:
    compiled = CompiledEmbedder(encoder_folder(demo_index, model.sha256, FLOAT))
    article = Article("", "Loops", "A loop runs over a list. It ends with the last item. " * 100)
    chunks, vectors = embed_articles([article], compiled)[0]
    assert len(chunks) > SLICE
    assert (vectors == compiled.embed([f"Loops\n{chunk.text}" for chunk in chunks])).all()


def test_counting_tokens_lets_other_threads_run(model: SentenceTransformerEmbedder, demo_index: Path) -> None:
    """Lists by id are answered by another thread: a tokenizer that holds the interpreter holds them all."""
    for embedder in (CompiledEmbedder(encoder_folder(demo_index, model.sha256, FLOAT)), model):
        assert min(_longest_pause(embedder) for _ in range(3)) < 0.5


def _longest_pause(embedder: Any) -> float:
    """Of a thread beside a call, as a share of the call."""
    began = time.perf_counter()
    counting = threading.Thread(target=embedder.token_spans, args=(HEAVY,))
    counting.start()
    last, longest = time.perf_counter(), 0.0
    while counting.is_alive():
        time.sleep(0.001)
        now = time.perf_counter()
        last, longest = now, max(longest, now - last)
    return longest / (last - began)


def slowly(begun: threading.Event, ended: threading.Event) -> Any:
    """Long work that asks every 10 ms whether it is still needed."""

    def work() -> None:
        begun.set()
        try:
            while True:
                checkpoint()
                time.sleep(0.01)
        finally:
            ended.set()

    return work


def test_a_lane_gives_up_what_takes_too_long_and_what_waits_too_long() -> None:
    async def scene() -> None:
        lane, begun, ended = Lane("text", waiting=1, timeout_s=0.3), threading.Event(), threading.Event()
        held = threading.Event()
        runs = asyncio.create_task(lane.run(lambda: held.wait(30)))  # it asks nothing, so it is waited for
        await asyncio.sleep(0.05)
        with pytest.raises(TimedOut, match=r"0\.3 s"):
            await lane.run(slowly(begun, ended))
        assert not begun.is_set()
        assert not runs.done()
        held.set()
        assert await runs
        with pytest.raises(TimedOut):
            await lane.run(slowly(begun, ended))
        assert ended.is_set()
        assert await lane.run(lambda: 5) == 5, "there is room again"
        lane.close()

    asyncio.run(scene())


def test_loading_the_model_is_not_counted() -> None:
    async def scene() -> None:
        lane = Lane("text", waiting=1, timeout_s=0.2)

        def work() -> int:
            checkpoint()
            return 5

        assert await lane.run(work, load=lambda: time.sleep(0.5)) == 5
        lane.close()

    asyncio.run(scene())


def test_a_lane_ends_what_nobody_waits_for() -> None:
    async def scene() -> None:
        lane, begun, ended = Lane("text", waiting=0), threading.Event(), threading.Event()
        hangs_up = asyncio.Event()

        async def receive() -> Any:
            await hangs_up.wait()
            return {"type": "http.disconnect"}

        run = asyncio.create_task(lane.run(slowly(begun, ended), receive))
        assert await asyncio.to_thread(begun.wait, 10)
        with pytest.raises(LaneFull):
            await lane.run(lambda: 5)
        hangs_up.set()
        with pytest.raises(ClientDisconnect):
            await run
        assert await asyncio.to_thread(ended.wait, 10)
        while True:
            try:
                assert await lane.run(lambda: 5) == 5
                break
            except LaneFull:
                await asyncio.sleep(0.01)
        lane.close()

    asyncio.run(scene())


def test_a_lane_that_stops_ends_what_runs() -> None:
    async def scene() -> None:
        lane, begun, ended = Lane("text", waiting=1), threading.Event(), threading.Event()
        run = asyncio.create_task(lane.run(slowly(begun, ended)))
        assert await asyncio.to_thread(begun.wait, 10)
        lane.stop()
        with pytest.raises(Busy):
            await run
        lane.close()
        assert ended.is_set()

    asyncio.run(scene())


def test_texts_that_take_too_long_are_told_so(index_dir: Path) -> None:
    class Slow(HashEmbedder):
        def embed(self, texts: Any) -> Any:
            if any("slowly" in text for text in texts):
                time.sleep(0.2)
            return super().embed(texts)

    text = "Ship slowly. " * 400
    with client_of(index_dir, Slow(), text_timeout_s=0.3) as client:
        for path, body in (("/v1/related", {"text": text}), ("/v1/similarity", {"a": text, "b": text})):
            refused = client.post(path, json=body)
            assert_problem(refused, 503, "timed_out")
            assert refused.headers["retry-after"] == "5"
        assert client.post("/v1/related", json={"text": "ship"}).status_code == 200
        editor: Any = {"auth": ("An editor", ADMIN_KEY), "headers": {"Sec-Fetch-Site": "same-origin"}}
        pasted = client.post("/desk/draft", data={"text": text}, **editor)
        assert pasted.status_code == 503
        assert "No answer within 0.3 s" in pasted.text


@pytest.fixture
def index(demo_index: Path, tmp_path: Path) -> Path:
    """The real model, and a live.db of its own."""
    return Path(shutil.copytree(demo_index, tmp_path / "index", ignore=shutil.ignore_patterns("live.db*")))


@pytest.fixture
def drafts(index: Path) -> list[str]:
    """Ordinary ones, of 300 words."""
    with Recommender.open(index) as opened:
        words = " ".join(opened.catalogue.article(row).text for row in range(20)).split()
    return [" ".join(words[place * 50 : place * 50 + 300]) for place in range(40)]


HEAVIEST = {"texts": ["<a " * 10_000] * 20}
"""1,580 passages, for `/v1/similarity`."""


def address_of(service: Served) -> tuple[str, int]:
    return "127.0.0.1", int(service.address.rsplit(":", 1)[1])


def sent(service: Served, method: str, path: str, body: Any) -> socket.socket:
    """A request whose answer is not waited for."""
    content = json.dumps(body).encode()
    opened = socket.create_connection(address_of(service), timeout=120)
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: an admin's key\r\nContent-Type: application/json\r\n"
    opened.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
    return opened


def timed(client: httpx.Client, body: Any) -> tuple[int, float]:
    began = time.monotonic()
    return client.post("/v1/related", json=body).status_code, time.monotonic() - began


def lines(service: Served, event: str) -> int:
    return sum(f'"{event}"' in line for line in service.log)


def test_a_client_that_hung_up_frees_the_thread(index: Path, drafts: list[str]) -> None:
    """Longer than the whole test they would run, each on the thread that long texts have to themselves, and what is put on its own."""
    with served(index, "--text-timeout-s", "300", "--text-queue", "10", how=REAL) as service, service.client() as client:
        client.post("/v1/related", json={"text": drafts[0]})  # loads the model
        hung_up = [sent(service, "POST", "/v1/similarity", HEAVIEST) for _ in range(3)]
        hung_up += [sent(service, "PUT", "/v1/articles/heavy", {"text": HEAVY}), sent(service, "POST", "/v1/related", {"text": HEAVY})]
        time.sleep(1)
        for opened in hung_up:
            opened.close()
        status, _ = timed(client, {"text": " ".join(drafts)[:20_000]})
        assert status == 200, "it waits for none of them"
        assert client.put("/v1/articles/ferry", json=FERRY).status_code == 201
        assert client.get("/v1/articles/heavy").status_code == 404, "what nobody waits for is not put"
        assert lines(service, "given_up") == 5
        assert lines(service, "failed") == 0


@pytest.mark.parametrize("flags", [(), ("--workers", "2")])
def test_a_stop_ends_long_texts(index: Path, drafts: list[str], flags: tuple[str, ...]) -> None:
    with served(index, "--text-timeout-s", "300", "--stop-timeout-s", "2", *flags, how=REAL) as service:
        with service.client() as client:
            client.post("/v1/related", json={"text": drafts[0]})
        opened = [sent(service, "POST", "/v1/similarity", HEAVIEST) for _ in range(4)]
        opened += [sent(service, "PUT", f"/v1/articles/{number}", {"text": HEAVY}) for number in range(2)]
        time.sleep(1)
        service.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert service.process.wait(60) in (0, -signal.SIGTERM, -signal.SIGALRM)
        took = time.monotonic() - began
        for connection in opened:
            connection.close()
    print(f"stopped after {took:.2f} s")
    assert took <= 2 + 1


def ordinary(service: Served, drafts: list[str]) -> Iterator[float]:
    """Seconds that drafts take, one after the other."""
    with service.client() as client:
        for draft in cycle(drafts):
            status, took = timed(client, {"text": draft})
            assert status == 200
            yield took
            time.sleep(0.05)


def test_ordinary_drafts_do_not_wait_for_heavy_ones(index: Path, drafts: list[str]) -> None:
    with served(index, "--text-timeout-s", "300", how=REAL) as service:
        alone = list(islice(ordinary(service, drafts), 21))[1:]  # the first loads the model
        heavy = sent(service, "POST", "/v1/similarity", HEAVIEST)
        put = sent(service, "PUT", "/v1/articles/heavy", {"text": HEAVY})
        beside = list(islice(ordinary(service, drafts), 20))
        for opened in (heavy, put):
            opened.setblocking(False)
            with pytest.raises(BlockingIOError):
                opened.recv(1)  # it is not answered yet
            opened.close()
    print(f"medians {statistics.median(alone):.3f} s alone, {statistics.median(beside):.3f} s beside")
    assert statistics.median(beside) < 8 * statistics.median(alone)


@pytest.mark.long
def test_ordinary_drafts_while_a_heavy_one_comes_every_ten_seconds(index: Path, drafts: list[str]) -> None:
    with served(index, how=REAL) as service:
        found = {}
        heavy: list[tuple[int, float]] = []
        for name in ("alone", "beside", "alone again"):
            ended = time.monotonic() + 120

            def send(ended: float = ended) -> None:
                with service.client() as client:
                    while (due := time.monotonic() + 10) < ended:
                        heavy.append(timed(client, {"text": HEAVY}))
                        time.sleep(max(0.0, due - time.monotonic()))

            sending = threading.Thread(target=send)
            if name == "beside":
                sending.start()
            times: list[float] = []
            found[name] = times
            for took in ordinary(service, drafts):
                times.append(took)
                if time.monotonic() > ended:
                    break
            if name == "beside":
                sending.join()
    p99 = {name: statistics.quantiles(times, n=100)[98] for name, times in found.items()}
    print({name: (len(times), round(statistics.median(times), 3), round(p99[name], 3)) for name, times in found.items()}, heavy)
    assert p99["beside"] < 5 * max(p99["alone"], p99["alone again"])
