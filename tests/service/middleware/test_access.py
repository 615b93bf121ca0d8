"""Who may ask, how much and how often; every refusal comes before the body is read."""

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi.testclient import TestClient

from recommender.errors import InputError
from service import server
from service.app import create_app
from service.connections import BoundedProtocol
from service.http.bounded_executor import Lane, LaneFull
from service.middleware.access import counted_address
from service.settings import Settings, hashed, new_key, read_settings
from tests.conftest import client_of
from tests.service.test_service import assert_problem
from tests.support.hash_embedder import HashEmbedder

OPEN = {"/livez", "/readyz"}


def with_keys(index_dir: Path, **settings: Any) -> TestClient:
    keys = {"read_keys": (hashed("reader"), hashed("reader's next")), "admin_keys": (hashed("admin"),)}
    return TestClient(create_app(Settings(index=index_dir, **{**keys, **settings}), HashEmbedder()), raise_server_exceptions=False)


def routes(client: TestClient) -> list[tuple[str, str]]:
    app: Any = client.app
    found = [(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods]
    return [
        *found,
        ("GET", "/"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("GET", "/static/page.css"),
        ("GET", "/docs"),
        ("GET", "/docs/static/swagger-ui.css"),
    ]


def test_no_route_but_health_answers_without_a_key(index_dir: Path) -> None:
    with with_keys(index_dir) as client:
        walked = 0
        for method, path in routes(client):
            answer = client.request(method, path.replace("{article_id}", "harbour-0"))
            if path in OPEN:
                assert answer.status_code == 200
                continue
            assert_problem(answer, 401, "key_needed")
            wrong = client.request(method, path.replace("{article_id}", "harbour-0"), headers={"X-API-Key": "wrong"})
            assert_problem(wrong, 401, "key_needed")
            walked += 1
        assert walked >= 15


def test_a_reader_reads_and_an_admin_writes(index_dir: Path) -> None:
    with with_keys(index_dir) as client:
        for key in ("reader", "reader's next", "admin"):
            for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
                assert client.get("/v1/articles/harbour-0/related", headers=headers).status_code == 200
        reader = {"X-API-Key": "reader"}
        for method, path in routes(client):
            writes = method in ("PUT", "DELETE") or path.endswith(("/overrides", "/articles/batch", "/reload"))
            status = client.request(method, path.replace("{article_id}", "nobody"), headers=reader).status_code
            assert (status == 403) == writes, (method, path)


def test_without_keys_everybody_reads_and_nobody_writes(index_dir: Path) -> None:
    with with_keys(index_dir, read_keys=(), admin_keys=()) as client:
        assert client.get("/v1/articles/harbour-0/related").status_code == 200
        assert_problem(client.put("/v1/articles/x", json={"text": "x"}), 401, "key_needed")
        assert_problem(client.post("/v1/index/reload"), 401, "key_needed")


def test_rates_are_counted_by_key(index_dir: Path) -> None:
    with with_keys(index_dir, rate="3/minute", text_rate="1/minute") as client:
        reader, admin = {"X-API-Key": "reader"}, {"X-API-Key": "admin"}
        assert [client.get("/v1/index", headers=reader).status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = client.get("/v1/index", headers=reader)
        assert_problem(refused, 429, "too_many_requests")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert [client.post("/v1/related", json={"text": "ship"}, headers=admin).status_code for _ in range(2)] == [200, 429]
        assert client.get("/livez").status_code == 200


def test_rates_are_counted_by_address_where_there_are_no_keys(index_dir: Path) -> None:
    app = create_app(Settings(index=index_dir, rate="2/minute"), HashEmbedder())

    def asked_from(address: str) -> int:
        return TestClient(app, client=(address, 5000)).get("/v1/index").status_code

    for one, same, other in (
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:ffff::1", "2001:db8:1:3:3:4:5:6"),
        ("::ffff:192.0.2.7", "192.0.2.7", "::ffff:192.0.2.8"),
        ("fe80::1%eth0", "fe80::2%eth0", "fe81::1%eth0"),
        ("testclient", "testclient", "unknown"),
    ):
        assert [asked_from(one), asked_from(same), asked_from(same), asked_from(one)] == [200, 200, 429, 429], one
        assert asked_from(other) == 200, "another one has a count of its own"


def test_addresses_are_counted_by_what_a_site_is_given() -> None:
    given = {
        "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
        "2001:DB8:1:2::": "2001:db8:1:2::/64",
        "::1": "::/64",
        "::ffff:192.0.2.7": "192.0.2.7",
        "192.0.2.7": "192.0.2.7",
        "fe80::1%eth0": "fe80::/64",
        "no address": "no address",
        "": "",
    }
    assert {address: counted_address(address) for address in given} == given


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /v1/index HTTP/1.1\r\n", 400),
        (b"GET /livez HTTP/1.1\r\n", 400),
        (b"GET /v1/index HTTP/1.1\r\nHost:\r\n", 400),
        (b"GET /v1/index HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400),
        (b"GET /v1/index HTTP/1.1\r\nHost: a, b\r\n", 400),
        (b"GET /v1/index HTTP/1.1\r\nHost: a/b\r\n", 400),
        (b"GET /v1/index HTTP/1.1\r\nHost: a@b\r\n", 400),
        (b"GET /v1/index HTTP/1.1\r\nHost: \xc3\xa4.example\r\n", 400),
        (b"GET /v1/index HTTP/1.1\r\nHost: a:port\r\n", 400),
        (b"POST /v1/related HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 50000000\r\n", 400),
        (b"GET /v1/index HTTP/1.1\r\nHost: www.example.org\r\n", 401),
        (b"GET /v1/index HTTP/1.1\r\nHost: [::1]:8000\r\n", 401),
        (b"GET /v1/index HTTP/1.0\r\n", 401),
        (b"GET /livez HTTP/1.1\r\nhOsT: a\r\n", 200),
    ],
)
def test_a_request_names_one_host(address: tuple[str, int], head: bytes, status: int) -> None:
    with socket.create_connection(address, timeout=10) as sent:
        sent.sendall(head + b"Connection: close\r\n\r\n")
        answer = answer_to(sent)
    assert int(answer.split(b" ")[1]) == status, answer
    assert (b'"code":"bad_host"' in answer) == (status == 400)


OURS = ("127.0.0.1:8000", "localhost", "LOCALHOST.:81", "[::1]:8000", "10.1.2.3", "readmore", "testserver")
"""No page from elsewhere can have these names."""
FOREIGN = ("evil.example", "127.0.0.1.nip.example:8000", "localhost.evil.example", "www.example.org")


@pytest.mark.parametrize(
    ("settings", "taken", "refused"),
    [
        ({}, OURS, FOREIGN),
        ({"host": "::1"}, OURS, FOREIGN),
        ({"host": "localhost"}, OURS, FOREIGN),
        ({"host": "0.0.0.0"}, (*OURS, *FOREIGN), ()),
        ({"read_keys": (hashed("reader"),)}, (*OURS, *FOREIGN), ()),
        ({"trusted_proxies": "127.0.0.1"}, (*OURS, *FOREIGN), ()),
        ({"allowed_hosts": "*"}, (*OURS, *FOREIGN), ()),
        (
            {"allowed_hosts": "WWW.example.org, a.example"},
            ("www.example.org:80", "www.EXAMPLE.org.", "10.1.2.3"),
            ("evil.example", "localhost"),
        ),
        ({"allowed_hosts": "a.example", "trusted_proxies": "127.0.0.1"}, ("a.example",), ("www.example.org",)),
    ],
)
def test_the_service_is_asked_by_its_own_names(index_dir: Path, settings: dict[str, Any], taken: list[str], refused: list[str]) -> None:
    """A page of evil.example that resolves to this machine must not read what only this machine may."""
    with TestClient(create_app(Settings(index=index_dir, **settings), HashEmbedder())) as client:
        for host in taken:
            assert client.get("/v1/index", headers={"Host": host, "X-API-Key": "reader"}).status_code == 200, host
        for host in refused:
            for path in ("/v1/index", "/readyz", "/", "/v1/articles/harbour-0/related"):
                assert_problem(client.get(path, headers={"Host": host}), 400, "host_not_allowed")
            assert_problem(client.post("/v1/related", headers={"Host": host}, json={"text": "ship"}), 400, "host_not_allowed")


def test_headers_and_urls_have_limits(index_dir: Path) -> None:
    with client_of(index_dir, HashEmbedder()) as client:
        assert_problem(client.get("/v1/index", headers={"X-Long": "x" * 20_000}), 431, "request_header_fields_too_large")
        assert_problem(client.get(f"/v1/index?{'x' * 9_000}"), 414, "uri_too_long")


def test_only_listed_sites_may_ask_from_a_browser(index_dir: Path) -> None:
    ask = {"Origin": "https://www.example.org", "Access-Control-Request-Method": "GET"}
    with client_of(index_dir, HashEmbedder()) as client:
        assert "access-control-allow-origin" not in client.get("/v1/articles/harbour-0/related", headers=ask).headers
    with client_of(index_dir, HashEmbedder(), cors_origins=("https://www.example.org",)) as client:
        allowed = client.get("/v1/articles/harbour-0/related", headers=ask)
        assert allowed.headers["access-control-allow-origin"] == "https://www.example.org"
        assert client.options("/v1/articles/harbour-0/related", headers=ask).status_code == 200
        other = client.get("/v1/articles/harbour-0/related", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_a_lane_refuses_at_once_when_it_is_full() -> None:
    async def scene() -> None:
        lane, free = Lane("text", waiting=1), threading.Event()
        taken = [asyncio.create_task(lane.run(lambda: free.wait(10))) for _ in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(LaneFull):
            await lane.run(lambda: True)
        free.set()
        assert await asyncio.gather(*taken) == [True, True]
        assert await lane.run(lambda: 5) == 5
        lane.close()

    asyncio.run(scene())


def test_texts_that_must_not_wait_are_told_to_come_again(index_dir: Path) -> None:
    runs, free = threading.Event(), threading.Event()

    class Slow(HashEmbedder):
        def embed(self, texts: Any) -> Any:
            if any("slowly" in text for text in texts):
                runs.set()
                free.wait(20)
            return super().embed(texts)

    with client_of(index_dir, Slow(), text_queue=0) as client:
        slow = threading.Thread(target=client.post, args=("/v1/related",), kwargs={"json": {"text": "ship slowly"}})
        slow.start()
        assert runs.wait(20)
        refused = client.post("/v1/related", json={"text": "ship"})
        assert_problem(refused, 503, "busy")
        assert refused.headers["retry-after"] == "1"
        assert client.get("/v1/articles/harbour-0/related").status_code == 200, "lists by id do not wait"
        free.set()
        slow.join(20)
        assert client.post("/v1/related", json={"text": "ship"}).status_code == 200


@pytest.fixture
def address(index_dir: Path) -> Iterator[tuple[str, int]]:
    """A real server, on a real socket."""
    settings = Settings(index=index_dir, read_keys=(hashed("reader"),), body_timeout_s=0.5)
    listening = server.listen("127.0.0.1", 0)
    running = uvicorn.Server(server.config(settings, create_app(settings, HashEmbedder())))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()
    running.should_exit = True
    thread.join(15)
    assert not thread.is_alive()


def answer_to(sent: socket.socket) -> bytes:
    answer = b""
    while part := sent.recv(65_536):
        answer += part
    return answer


def test_fifty_megabytes_without_a_key_are_not_read(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    received = BoundedProtocol.data_received

    def counted(self: BoundedProtocol, data: bytes) -> None:
        read.append(len(data))
        received(self, data)

    monkeypatch.setattr(BoundedProtocol, "data_received", counted)
    head = b"POST /v1/related HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50000000\r\n\r\n"
    with socket.create_connection(address, timeout=10) as sent:
        sent.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        with contextlib.suppress(OSError):  # it is hung up on
            sent.sendall(head)
            for _ in range(50):
                sent.sendall(b"x" * 1_000_000)
    assert 0 < sum(read) <= 65_536
    with socket.create_connection(address, timeout=10) as sent:
        sent.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        sent.sendall(b"POST /v1/related HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50000000\r\n\r\n")
        answer = answer_to(sent)
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in answer.lower()


def test_a_body_that_does_not_come_is_not_waited_for(address: tuple[str, int]) -> None:
    head = b"POST /v1/related HTTP/1.1\r\nHost: x\r\nX-API-Key: reader\r\nContent-Type: application/json\r\n"
    with socket.create_connection(address, timeout=10) as sent:
        sent.sendall(head + b"Content-Length: 100\r\n\r\n{")
        assert answer_to(sent).startswith(b"HTTP/1.1 408")
    with socket.create_connection(address, timeout=10) as sent:
        sent.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * 65_536 + b"\r\n")
        for _ in range(40):
            try:
                sent.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            except OSError:
                break
        with contextlib.suppress(ConnectionResetError):
            assert answer_to(sent).startswith(b"HTTP/1.1 413")


def test_headers_without_end_are_given_up(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as sent:
        sent.sendall(b"GET /livez HTTP/1.1\r\nX-Long: ")
        written = 0
        try:
            while written < 10_000_000:
                sent.sendall(b"x" * 65_536)
                written += 65_536
        except OSError:
            pass
    assert written < 10_000_000


def test_settings_say_where_they_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "readmore.toml"
    key = new_key()
    file.write_text(f'index = "/srv/index"\nport = 81\nworkers = 3\nadmin_keys = ["{hashed(key)}"]\n', encoding="utf-8")
    monkeypatch.setenv("READMORE_PORT", "82")
    monkeypatch.setenv("READMORE_CORS_ORIGINS", "https://a.example, https://b.example")
    settings, origins = read_settings({"workers": "2", "host": None}, file)
    assert (settings.port, settings.workers, settings.index) == (82, 2, Path("/srv/index"))
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    told = [origins[name] for name in ("index", "port", "workers", "host")]
    assert told == [str(file), "READMORE_PORT", "--workers", "default"]
    assert key not in repr(settings)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({}, "index"),
        ({"index": "i", "port": "http"}, "port.*--port"),
        ({"index": "i", "rate": "fast"}, "20/second"),
        ({"index": "i", "cors_origins": "*"}, "https://www.example.org"),
        ({"index": "i", "admin_keys": "secret"}, "admin_keys"),
        ({"index": "i", "trusted_proxies": "nginx"}, "trusted_proxies"),
        ({"index": "i", "allowed_hosts": "https://www.example.org"}, "allowed_hosts.*www.example.org"),
        ({"index": "i", "allowed_hosts": "a.example:80"}, "allowed_hosts"),
        ({"index": "i", "cache_s": "-1"}, "cache_s"),
    ],
)
def test_settings_that_cannot_be_are_named(flags: dict[str, str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_settings(flags)
    assert re.search(said, str(caught.value))
    assert "secret" not in str(caught.value)
