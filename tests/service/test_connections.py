"""Slow clients, clients that send too much, and more clients than there are descriptors: a real process over real sockets."""

import asyncio
import contextlib
import json
import resource
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from recommender.types import Vectors
from service import connections, server
from service.app import create_app
from service.settings import Settings, hashed
from tests.support.hash_embedder import HashEmbedder
from tests.support.served import Served, served

HEAD = b"Host: x\r\nContent-Type: application/json\r\n"
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
IMPATIENT = ("--header-timeout-s", "0.5", "--body-timeout-s", "0.5")
PATIENCE_S = 10
"""Seconds that a client of these tests waits for anything. So a lost deadline of the service fails a test and holds none up."""

UNFINISHED = {
    "headers": b"GET /livez HTTP/1.1\r\nX-Slow: ",
    "the first line": b"GET /liv",
    "empty lines": b"\r\n",
    "headers of a POST": b"POST /v1/related HTTP/1.1\r\nX-Slow: ",
    "the body of a GET": b"GET /livez HTTP/1.1\r\n" + HEAD + b"Content-Length: 100000\r\n\r\n{",
    "the body of a POST": b"POST /v1/related HTTP/1.1\r\n" + HEAD + b"Content-Length: 100000\r\n\r\n{",
    "the body of a PUT": b"PUT /v1/articles/a HTTP/1.1\r\n" + HEAD + b"Content-Length: 100000\r\n\r\n{",
    "the body of a DELETE": b"DELETE /v1/articles/a HTTP/1.1\r\n" + HEAD + b"Content-Length: 100000\r\n\r\n{",
    "the body of an unknown method": b"PATCH /livez HTTP/1.1\r\n" + HEAD + b"Content-Length: 100000\r\n\r\n{",
    "the body of a POST nobody reads": b"POST /nowhere HTTP/1.1\r\n" + HEAD + b"Content-Length: 100000\r\n\r\n{",
    "chunks": b"POST /v1/related HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n5000\r\n",
    "trailers": b"POST /v1/related HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Slow: ",
    "what follows an upgrade": b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nx",
}


def address_of(service: Served) -> tuple[str, int]:
    return "127.0.0.1", int(service.address.rsplit(":", 1)[1])


def connected(service: Served) -> socket.socket:
    """A connection whose first request was answered."""
    opened = socket.create_connection(address_of(service), timeout=PATIENCE_S)
    opened.sendall(LIVEZ)
    read_one(opened, b'"alive"}')
    return opened


def read_one(opened: socket.socket, end: bytes) -> bytes:
    """An answer that ends so, and no more: the connection stays."""
    answer = b""
    while not answer.endswith(end):
        part = opened.recv(65_536)
        assert part, f"closed after {answer!r}"
        answer += part
    return answer


def is_closed(opened: socket.socket) -> bool:
    """Whether the other side is gone: a half that is closed still takes what is sent."""
    try:
        opened.sendall(b"x")
        with contextlib.suppress(BlockingIOError):
            opened.recv(65_536, socket.MSG_DONTWAIT)
    except OSError:
        return True
    return False


def answer_to(opened: socket.socket) -> bytes:
    answer = b""
    while part := opened.recv(65_536):
        answer += part
    return answer


@contextlib.contextmanager
def server_here(app: ASGIApp, settings: Settings) -> Iterator[tuple[str, int]]:
    """A server in this process."""
    listening = server.listen("127.0.0.1", 0)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)
    running = uvicorn.Server(server.config(settings, app))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        running.should_exit = True
        thread.join(PATIENCE_S)
        running.force_exit = True
        listening.close()
    assert not thread.is_alive()


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 200 without a look at the body: at once, or after the milliseconds that are the path."""
    if scope["type"] == "http":
        await asyncio.sleep(int(scope["path"].strip("/") or 0) / 1e3)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


def get(path: str = "/") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nX-Slow: "])
def test_the_first_request_of_a_connection_has_a_deadline(begun: bytes) -> None:
    settings = Settings(index=Path(), header_timeout_s=0.3)
    with server_here(plain, settings) as address, socket.create_connection(address, timeout=PATIENCE_S) as opened:
        opened.sendall(begun)
        assert answer_to(opened)[:12] == (b"HTTP/1.1 408" if begun else b"")


def test_a_later_request_of_a_connection_has_a_deadline() -> None:
    settings = Settings(index=Path(), header_timeout_s=0.3)
    with server_here(plain, settings) as address, socket.create_connection(address, timeout=PATIENCE_S) as opened:
        for _ in range(3):
            opened.sendall(get())
            read_one(opened, b"ok")
        opened.sendall(get()[:-4])
        assert answer_to(opened).startswith(b"HTTP/1.1 408")


POST = b"POST /1200 HTTP/1.1\r\n" + HEAD + b"Content-Length: 2\r\n\r\n"


def test_headers_that_are_there_have_no_deadline() -> None:
    """However long the body and the answer take, of the first request and of later ones."""
    settings = Settings(index=Path(), header_timeout_s=0.3)
    with server_here(plain, settings) as address, socket.create_connection(address, timeout=PATIENCE_S) as opened:
        for request, body in ((POST, b"{}"), (get("/900"), b""), (POST, b"{}")):
            opened.sendall(request[:10])
            time.sleep(0.1)
            opened.sendall(request[10:])
            time.sleep(0.6)
            opened.sendall(body)
            read_one(opened, b"ok")


def test_a_body_that_nobody_reads_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not that of an idle connection, which a body under way has not."""
    monkeypatch.setattr(connections, "LINGER_S", 0.3)
    monkeypatch.setattr(server, "KEEP_ALIVE_S", 3_600)
    with server_here(plain, Settings(index=Path())) as address, socket.create_connection(address, timeout=PATIENCE_S) as opened:
        opened.sendall(b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 10\r\n\r\n")
        assert answer_to(opened).endswith(b"ok"), "answered, then closed"
        with socket.create_connection(address, timeout=PATIENCE_S) as other:
            other.sendall(b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 2\r\n\r\n")
            read_one(other, b"ok")
            other.sendall(b"{}")
            time.sleep(0.9)
            other.sendall(get())
            read_one(other, b"ok")


def test_a_connection_is_idle_after_a_body_that_nobody_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "KEEP_ALIVE_S", 1)
    settings = Settings(index=Path(), header_timeout_s=300)
    with server_here(plain, settings) as address, socket.create_connection(address, timeout=PATIENCE_S) as opened:
        opened.sendall(b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 2\r\n\r\n")
        read_one(opened, b"ok")
        opened.sendall(b"{}")
        assert answer_to(opened) == b""


def test_a_body_that_the_answer_did_not_wait_for_is_read_to_its_end() -> None:
    """The client sends all of it before it looks for an answer."""
    with server_here(plain, Settings(index=Path())) as address, socket.create_connection(address, timeout=PATIENCE_S) as opened:
        head = b"POST /500 HTTP/1.1\r\nConnection: close\r\n" + HEAD + b"Content-Length: 2000000\r\n\r\n"
        opened.sendall(head + b"x" * 2_000_000)
        assert answer_to(opened).endswith(b"ok")


def closed_after(opened: socket.socket, pause_s: float, piece: bytes) -> int:
    """Bytes that the other side takes, piece by piece, until it is gone."""
    sent, ends = 0, time.monotonic() + PATIENCE_S
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < ends:
            opened.sendall(piece)
            sent += len(piece)
            time.sleep(pause_s)
        pytest.fail(f"open after {PATIENCE_S} s and {sent} bytes")
    return sent


NO_HTTP = b"this is not HTTP\r\n\r\n"


def refused(opened: socket.socket) -> socket.socket:
    opened.sendall(NO_HTTP)
    assert answer_to(opened).startswith(b"HTTP/1.1 400")
    return opened


def test_who_goes_on_sending_after_the_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some time, and after some bytes."""
    monkeypatch.setattr(connections, "LINGER_S", 1.0)
    with server_here(plain, Settings(index=Path())) as address:
        with refused(socket.create_connection(address, timeout=PATIENCE_S)) as opened:
            began = time.monotonic()
            assert closed_after(opened, 0.1, b"x") >= 3, "not at once"
            assert time.monotonic() - began > 0.5
        monkeypatch.setattr(connections, "LINGER_S", 3_600)
        with refused(socket.create_connection(address, timeout=PATIENCE_S)) as opened:
            assert closed_after(opened, 0, b"x" * 65_536) > connections.MOST_SENT


def test_a_stop_waits_for_answers_and_not_for_idle_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that was sent before its client could know of the stop is answered, and the connection is closed."""
    monkeypatch.setattr(server, "KEEP_ALIVE_S", 3_600)
    settings = Settings(index=Path(), header_timeout_s=300, stop_timeout_s=60)
    with contextlib.ExitStack() as running, contextlib.ExitStack() as stack:
        address = running.enter_context(server_here(plain, settings))
        new, idle, busy, late, early = (stack.enter_context(socket.create_connection(address, timeout=PATIENCE_S)) for _ in range(5))
        for opened in (idle, late):
            opened.sendall(get())
            read_one(opened, b"ok")
        early.sendall(b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 2\r\n\r\n")
        read_one(early, b"ok")
        busy.sendall(get("/1500"))
        time.sleep(0.3)
        stopping = threading.Thread(target=running.close)
        stopping.start()
        time.sleep(0.3)
        late.sendall(get("/500"))
        early.sendall(b"{}")
        assert [answer_to(opened)[-2:] for opened in (busy, late, idle, new, early)] == [b"ok", b"ok", b"", b"", b""]
        stopping.join(2 * PATIENCE_S)


@pytest.mark.parametrize("begun", [b"GET / HTTP/1.1\r\nX-Long: ", b"GET /"])
def test_headers_without_end_are_refused(begun: bytes) -> None:
    with server_here(plain, Settings(index=Path())) as address, socket.create_connection(address, timeout=PATIENCE_S) as opened:
        opened.sendall(begun + b"x" * 200_000)
        answer = answer_to(opened)
    assert answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))


def test_a_request_without_end_is_cut_off_while_its_predecessor_is_answered() -> None:
    """The answer under way is the last one. What follows is dropped, up to a size."""
    with server_here(plain, Settings(index=Path())) as address, socket.create_connection(address, timeout=PATIENCE_S) as opened:
        opened.sendall(get("/2000") + NO_HTTP)
        assert connections.MOST_SENT < closed_after(opened, 0, b"x" * 65_536) < 4 * connections.MOST_SENT


def test_few_linger_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest make room, and those that left are forgotten."""
    room = connections.Room(most=4)
    monkeypatch.setattr(server, "Room", lambda: room)
    monkeypatch.setattr(connections, "LINGER_S", 3_600)
    with server_here(plain, Settings(index=Path())) as address:
        some = [refused(socket.create_connection(address, timeout=PATIENCE_S)) for _ in range(5)]
        assert len(room.lingering) == 2
        for opened in some[:3]:
            closed_after(opened, 0.05, b"x")
        assert not any(is_closed(opened) for opened in some[3:])
        for opened in some:
            opened.close()
        for _ in range(10 * PATIENCE_S):
            if not room.lingering and not room.waiting:
                break
            time.sleep(0.1)
        assert not room.lingering
        assert not room.waiting


def test_a_body_has_one_deadline_however_often_a_byte_of_it_comes(index_dir: Path) -> None:
    settings = Settings(index=index_dir, body_timeout_s=2)
    with server_here(create_app(settings, HashEmbedder()), settings) as address:
        for begun in ("the body of a POST", "chunks"):
            with socket.create_connection(address, timeout=PATIENCE_S) as opened:
                opened.sendall(UNFINISHED[begun])
                assert closed_after(opened, 0.1, b"x") > 3


def test_no_slow_request_keeps_a_connection(index_dir: Path) -> None:
    """A byte from time to time, on the first request of a connection and on later ones: nothing else ends these."""
    with served(index_dir, *IMPATIENT) as service:
        slow = {}
        for name, begun in UNFINISHED.items():
            slow[name] = connected(service)
            slow[f"{name}, first"] = socket.create_connection(address_of(service), timeout=PATIENCE_S)
            for opened in (slow[name], slow[f"{name}, first"]):
                opened.sendall(begun)
        slow["nothing"] = connected(service)
        slow["nothing, first"] = socket.create_connection(address_of(service), timeout=PATIENCE_S)
        for _ in range(200):
            for name in [name for name, opened in slow.items() if not name.startswith("nothing") and is_closed(opened)]:
                slow.pop(name).close()
            if len(slow) == 2:
                break
            time.sleep(0.1)
        assert list(slow) == ["nothing", "nothing, first"], "these are open after 20 s"
        assert [opened.recv(65_536) for opened in slow.values()] == [b"", b""], "idle ones are closed"
        for opened in slow.values():
            opened.close()


def test_late_headers_are_told(index_dir: Path) -> None:
    with served(index_dir, *IMPATIENT) as service, connected(service) as opened:
        opened.sendall(b"GET /livez HTTP/1.1\r\nX-Slow: ")
        answer = answer_to(opened)
    assert answer.startswith(b"HTTP/1.1 408")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "request_timeout"


def test_a_client_that_takes_its_time_within_the_limits_is_served(index_dir: Path) -> None:
    """Requests in pieces, several in one piece, and a pause between them."""
    get = b"GET /v1/articles/harbour-0/related HTTP/1.1\r\nHost: x\r\n\r\n"
    body = json.dumps({"text": "ship tide harbour"}).encode()
    post = b"POST /v1/related HTTP/1.1\r\n" + HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    with served(index_dir) as service, socket.create_connection(address_of(service), timeout=PATIENCE_S) as opened:
        stream = opened.makefile("rb")
        for pieces in ([get], [get[:10], get[10:]], [get + post + get], [post[:-5], post[-5:]], [LIVEZ + get[:20], get[20:]]):
            for piece in pieces:
                opened.sendall(piece)
                time.sleep(0.3)
            for _ in range(b"".join(pieces).count(b"HTTP/1.1\r\n")):
                assert stream.readline().startswith(b"HTTP/1.1 200")
                length = 0
                while (line := stream.readline()) != b"\r\n":
                    name, _, value = line.partition(b": ")
                    length = int(value) if name == b"content-length" else length
                assert json.loads(stream.read(length))


TWO_MEGABYTES = 2_000_000
LARGE = {
    413: b"POST /v1/related HTTP/1.1\r\nX-API-Key: an admin's key\r\n" + HEAD,
    401: b"POST /v1/related HTTP/1.1\r\n" + HEAD,
    429: b"POST /v1/related HTTP/1.1\r\nX-API-Key: an admin's key\r\n" + HEAD,
    414: b"POST /v1/related?" + b"x" * 9_000 + b" HTTP/1.1\r\nX-API-Key: an admin's key\r\n" + HEAD,
    431: b"POST /v1/related HTTP/1.1\r\nX-Long: " + b"x" * 100_000 + b"\r\n" + HEAD,
    400: b"this is not HTTP\r\n",
}


@pytest.mark.parametrize(
    ("status", "chunked", "n"), [(413, False, 200), (413, True, 200), *((status, False, 20) for status in LARGE if status != 413)]
)
def test_who_sends_too_much_reads_why(index_dir: Path, status: int, chunked: bool, n: int) -> None:
    """As clients do: the whole request first, however long it takes, and then the answer."""
    rate = ("--rate", "1/day") if status == 429 else ()
    size = f"{TWO_MEGABYTES:x}\r\n".encode() if chunked else b""
    framing = b"Transfer-Encoding: chunked\r\n\r\n" if chunked else f"Content-Length: {TWO_MEGABYTES}\r\n\r\n".encode()
    statuses: list[bytes] = []

    def ask(service: Served) -> None:
        ends = time.monotonic() + 10 * PATIENCE_S
        for _ in range(n // 4):
            if time.monotonic() > ends:
                return
            with socket.create_connection(address_of(service), timeout=PATIENCE_S) as opened:
                try:
                    opened.sendall(LARGE[status] + framing + size + b"x" * TWO_MEGABYTES)
                    answer = answer_to(opened)
                except OSError as error:
                    statuses.append(repr(error).encode())
                    return
                else:
                    head, _, body = answer.partition(b"\r\n\r\n")
                    assert json.loads(body)["status"] == int(head.split()[1])
                    statuses.append(head.split()[1])

    with served(index_dir, "--read-keys", hashed("reader"), *rate) as service:
        if rate:
            with service.client() as client:
                client.get("/v1/index")
        asking = [threading.Thread(target=ask, args=(service,)) for _ in range(4)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    assert statuses == [str(status).encode()] * n


def test_what_is_answered_early_leaves_the_connection_to_the_next_request(index_dir: Path) -> None:
    body = b"x" * 300_000
    with served(index_dir) as service, socket.create_connection(address_of(service), timeout=PATIENCE_S) as opened:
        for _ in range(3):
            opened.sendall(b"POST /nowhere HTTP/1.1\r\n" + HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode())
            assert read_one(opened, b"}").startswith(b"HTTP/1.1 404")
            opened.sendall(body)
            opened.sendall(LIVEZ)
            assert read_one(opened, b"}").startswith(b"HTTP/1.1 200")


def flood(service: Served, n: int) -> list[socket.socket]:
    """Connections that were answered once, and then send half of their next request."""
    slow = []
    for _ in range(n):
        with contextlib.suppress(OSError):
            opened = connected(service)
            opened.sendall(b"GET /livez HTTP/1.1\r\nX-Slow: ")
            slow.append(opened)
    return slow


def test_slow_clients_take_no_more_than_their_share_of_the_descriptors(index_dir: Path) -> None:
    descriptors, n = 1024, 1100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    with served(index_dir, descriptors=descriptors) as service:
        slow = flood(service, n)
        assert len(slow) == n, "each was served before it became slow"
        for path in ("/livez", "/readyz", "/v1/articles/harbour-0/related"):
            with service.client() as client:
                assert client.get(path).status_code == 200
        assert service.n_files < 0.9 * descriptors
        assert 1 <= sum("connections_full" in line for line in service.log) < 20, "now and then, not for each of them"
        assert not any("accept_failed" in line for line in service.log)
        for opened in slow:
            opened.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_that_no_descriptor_is_free_is_logged(index_dir: Path) -> None:
    with served(index_dir) as service:
        with connected(service):
            resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (3, 4096))
            for _ in range(200):
                if any("accept_failed" in line for line in service.log):
                    break
                time.sleep(0.1)
            time.sleep(2.5)
            resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (1024, 4096))
        assert sum("accept_failed" in line for line in service.log) == 1, "once, not every second"
        with service.client() as client:
            assert client.get("/livez").status_code == 200


def test_when_all_connections_are_busy_a_new_one_reads_503(index_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All wait for the model, and none for its client: so none makes room."""
    monkeypatch.setattr(server, "Room", partial(connections.Room, most=4))
    runs, free = threading.Event(), threading.Event()

    class Held(HashEmbedder):
        def embed(self, texts: Sequence[str]) -> Vectors:
            if any("slowly" in text for text in texts):
                runs.set()
                free.wait(60)
            return super().embed(texts)

    settings = Settings(index=index_dir)
    body = json.dumps({"text": "ship slowly"}).encode()
    post = b"POST /v1/related HTTP/1.1\r\n" + HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    with server_here(create_app(settings, Held()), settings) as address, contextlib.ExitStack() as stack:
        busy = [stack.enter_context(socket.create_connection(address, timeout=PATIENCE_S)) for _ in range(4)]
        for opened in busy:
            opened.sendall(post)
            assert runs.wait(30)
        time.sleep(1)  # the last one has been read, too
        refused = stack.enter_context(socket.create_connection(address, timeout=PATIENCE_S))
        refused.sendall(LIVEZ)
        answer = answer_to(refused)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1\r\n" in answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "too_many_connections"
        free.set()
        for opened in busy:
            assert opened.recv(65_536).startswith(b"HTTP/1.1 200"), "those that were there are served"


def test_at_the_limit_the_connection_that_has_waited_longest_makes_room(index_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "Room", partial(connections.Room, most=4))
    settings = Settings(index=index_dir)
    with server_here(create_app(settings, HashEmbedder()), settings) as address, contextlib.ExitStack() as stack:
        some = []
        for _ in range(4):
            some.append(stack.enter_context(socket.create_connection(address, timeout=PATIENCE_S)))
            some[-1].sendall(LIVEZ)
            read_one(some[-1], b"}")
        some[0].sendall(LIVEZ)  # now the second has waited longest
        read_one(some[0], b"}")
        newest = stack.enter_context(socket.create_connection(address, timeout=PATIENCE_S))
        newest.sendall(LIVEZ)
        read_one(newest, b"}")
        with contextlib.suppress(ConnectionResetError):
            assert some[1].recv(1) == b""
        for opened in (some[0], some[2], some[3], newest):
            opened.sendall(LIVEZ)
            read_one(opened, b"}")


def test_what_follows_a_body_is_no_header(index_dir: Path) -> None:
    """Headers were checked before: one that comes behind the body must not count."""
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            while (await receive()).get("more_body"):
                pass
            scopes.append(scope)
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body"})

    chunks = b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    with server_here(app, Settings(index=index_dir)) as address, socket.create_connection(address, timeout=PATIENCE_S) as opened:
        opened.sendall(b"POST / HTTP/1.1\r\n" + HEAD + chunks)
        opened.sendall(b"X-API-Key: admin\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n")
        read_one(opened, b"\r\n\r\n")
        assert [name for name, _ in scopes[0]["headers"]] == [b"host", b"content-type", b"transfer-encoding"]
        opened.sendall(b"POST / HTTP/1.1\r\n" + HEAD + chunks)
        with contextlib.suppress(OSError):
            for _ in range(100):
                opened.sendall(b"X-Long: " + b"x" * 100_000 + b"\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert answer_to(opened).startswith(b"HTTP/1.1 413"), "they have an end"


def test_a_client_that_reads_nothing_is_given_up(index_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SEND_S", 0.5)
    settings = Settings(index=index_dir)
    get = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    with server_here(create_app(settings, HashEmbedder()), settings) as address, socket.socket() as opened:
        opened.settimeout(PATIENCE_S)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        opened.connect(address)
        opened.sendall(get * 20)
        closed = False
        for _ in range(10 * PATIENCE_S):
            time.sleep(0.1)
            try:
                opened.sendall(b"\r\n")
            except OSError:
                closed = True
                break
        assert closed


def test_a_client_that_reads_again_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SEND_S", 1.0)
    monkeypatch.setattr(server, "KEEP_ALIVE_S", 3_600)
    size = 1 << 20

    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
            await send({"type": "http.response.body", "body": b"x" * size})

    with server_here(large, Settings(index=Path())) as address, socket.socket() as opened:
        opened.settimeout(PATIENCE_S)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        opened.connect(address)
        for _ in range(2):
            opened.sendall(get())
            time.sleep(0.3)  # meanwhile the service cannot write
            read_one(opened, b"\r\n\r\n" + b"x" * size)
            time.sleep(1.5)
