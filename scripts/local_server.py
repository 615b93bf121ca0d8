"""Run servers in separate processes, and load them over loopback with wrk. All benchmarks share this module."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from recommender.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
CONNECTIONS = 16
DRAFT_WORDS = 300

LUA = """
local paths = {{ {paths} }}
math.randomseed({seed})
request = function()
  return wrk.format("GET", paths[{place}], {headers})
end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("FIGURES %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(99),
    e.connect + e.read + e.write + e.timeout + e.status))
end
"""


def check_wrk() -> None:
    """Check for wrk before minutes of building are spent.

    Raises:
        InputError: wrk is not installed.
    """
    if shutil.which("wrk") is None:
        raise InputError("wrk is not installed - install the package wrk")


@contextmanager
def running(
    command_line: Sequence[str], path: str = "/readyz", environment: Mapping[str, str] | None = None
) -> Iterator[tuple[str, int, float]]:
    """Run a server in a separate process. Yield its address, its pid, and the seconds until it was ready.

    Args:
        command_line: "{port}" is replaced by the server's port.
        path: Path that answers 200 when the server is ready.
        environment: Variables in addition to those of this process.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    began = time.perf_counter()
    filled_in = [part.replace("{port}", str(port)) for part in command_line]
    process = subprocess.Popen(filled_in, cwd=ROOT, stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})})  # noqa: S603
    try:
        address = f"http://127.0.0.1:{port}"
        while True:
            try:
                get(address + path)
                break
            except OSError:
                if time.perf_counter() - began > 60 or process.poll() is not None:
                    raise
                time.sleep(0.01)
        yield address, process.pid, time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def get(url: str) -> tuple[bytes, str]:
    """Return the body and the entity tag."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
        return answer.read(), answer.headers.get("etag", "")


EACH, FEW = "math.random(#paths)", "math.floor((#paths) ^ math.random())"
"""Distribution of requests over paths. EACH: uniform. FEW: like readers, the k-th path in proportion to 1 / k."""


def wrk(address: str, paths: Sequence[str], seconds: int, seed: int, headers: str = "nil", place: str = EACH) -> dict[str, float]:
    """Return requests per second, p99 in ms, and errors, over random paths."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA.format(paths=",".join(json.dumps(path) for path in paths), seed=seed, headers=headers, place=place))
        script.flush()
        line = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "60s", "-s", script.name, address]
        said = subprocess.run(line, check=True, capture_output=True, text=True).stdout  # noqa: S603
    found = re.search(r"FIGURES (\d+) (\d+) (\d+) (\d+)", said)
    if found is None:
        raise InputError(f"wrk said nothing that is known: {said[:200]}")
    n, micros, p99, errors = map(int, found.groups())
    return {"per_s": round(n / micros * 1e6), "p99_ms": round(p99 / 1e3, 2), "errors": errors}


def rate(address: str, paths: Sequence[str], seconds: int) -> float:
    """Return the answers per second over `CONNECTIONS` connections and random paths.

    Raises:
        InputError: A request failed.
    """
    loaded = wrk(address, paths, seconds, 1)
    if loaded["errors"]:
        raise InputError(f"{loaded['errors']} requests of {paths[0][:80]} and others failed under load - what the server said stands above")
    return loaded["per_s"]


def one_by_one(address: str, paths: Sequence[str]) -> list[float]:
    """Return the seconds of each path, requested one after another over one connection."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    times = []
    for path in paths:
        began = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        times.append(time.perf_counter() - began)
        if answer.status != 200:
            raise InputError(f"{path[:200]} was answered with {answer.status}")
    connection.close()
    return times


def drafts_of(texts: Sequence[str], n: int) -> list[str]:
    """Return at most n drafts of `DRAFT_WORDS` words, cut from consecutive articles."""
    words = " ".join(texts).split()
    return [" ".join(words[start : start + DRAFT_WORDS]) for start in range(0, min(n * DRAFT_WORDS, len(words)), DRAFT_WORDS)]


def posted(url: str, bodies: Sequence[object]) -> list[float]:
    """Return the seconds of each body with a warm model. The first body is sent once before timing."""
    times = []
    for body in [bodies[0], *bodies]:
        asked = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310 - our own address
        began = time.perf_counter()
        with urllib.request.urlopen(asked, timeout=120) as answer:  # noqa: S310
            answer.read()
        times.append(time.perf_counter() - began)
    return times[1:]
