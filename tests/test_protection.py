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
from service.lanes import Lane, LaneFull
from service.settings import Settings, hashed, new_key, read_settings
from tests.conftest import client_of
from tests.hash_embedder import HashEmbedder
from tests.test_service import assert_problem

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
    ],
)
def test_settings_that_cannot_be_are_named(flags: dict[str, str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_settings(flags)
    assert re.search(said, str(caught.value))
    assert "secret" not in str(caught.value)
