#!/usr/bin/env python3
"""Measure the service over loopback: lists by id beside a plain route of the same size, 304s, drafts, start and memory.

Needs wrk. Everything runs in this one run, turn by turn, so that ratios hold on a noisy machine.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from recommender import Recommender
from recommender.errors import InputError
from scripts import command

EXAMPLES = """\
  benchmark_service.py var/index
  benchmark_service.py var/index --seconds 20 --json figures.json
"""
ROOT = Path(__file__).resolve().parents[1]
CONNECTIONS = 16
WARM_UP = 200
ROUNDS = 3
N_DRAFTS = 30
DRAFT_WORDS = 300

PLAIN = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
body = b"x" * int(sys.argv[2])
async def plain(request):
    return Response(body, media_type="application/json")
app = Starlette(routes=[Route("/v1/articles/{article_id:path}/related", plain)])
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
"""
LUA = """
local paths = {{ {paths} }}
math.randomseed({seed})
request = function()
  return wrk.format("GET", paths[math.random(#paths)], {headers})
end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("FIGURES %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(99),
    e.connect + e.read + e.write + e.timeout + e.status))
end
"""


def main(arguments: argparse.Namespace) -> None:
    if shutil.which("wrk") is None:
        raise InputError("wrk is not installed - install the package wrk")
    with Recommender.open(arguments.index) as recommender:
        ids = [recommender.catalogue.card(row).id for row in range(recommender.release.manifest.n_articles)]
        texts = [recommender.catalogue.article(row).text for row in range(0, len(ids), max(1, len(ids) // 2000))]
    paths = [f"/v1/articles/{quote(article_id)}/related" for article_id in ids]
    words = " ".join(texts).split()
    drafts = [" ".join(words[place * DRAFT_WORDS : (place + 1) * DRAFT_WORDS]) for place in range(N_DRAFTS)]
    figures: dict[str, object] = {"articles": len(ids), "cpus": os.cpu_count()}
    with _running([sys.executable, "scripts/serve.py", "--index", str(arguments.index), "--port", "{port}"]) as (service, pid, started):
        figures["start_to_ready_s"] = round(started, 2)
        size = len(_get(f"{service}{paths[0]}")[0])
        figures["memory_after_start_mb"] = _memory(pid)
        with _running([sys.executable, "-c", PLAIN, "{port}", str(size)], "/v1/articles/x/related") as (plain, _, _):
            cold = _first_asked(service, paths)
            rounds = [
                {
                    "plain": _wrk(plain, paths, arguments.seconds, number),
                    "by_id": _wrk(service, paths, arguments.seconds, number),
                    "not_modified": _not_modified(service, paths, arguments.seconds),
                }
                for number in range(1, ROUNDS + 1)
            ]
        figures["by_id_first_asked"] = cold
        for name in ("plain", "by_id", "not_modified"):
            figures[name] = sorted((of[name] for of in rounds), key=lambda of: of["per_s"])[ROUNDS // 2]
        figures["by_id_to_plain"] = round(statistics.median(of["by_id"]["per_s"] / of["plain"]["per_s"] for of in rounds), 2)
        figures["not_modified_to_by_id"] = round(statistics.median(of["not_modified"]["per_s"] / of["by_id"]["per_s"] for of in rounds), 2)
        figures["memory_after_lists_mb"] = _memory(pid)
        figures["draft_p50_ms"] = _drafts(service, drafts)
        figures["memory_after_drafts_mb"] = _memory(pid)
    print(json.dumps(figures, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


@contextmanager
def _running(command_line: list[str], path: str = "/readyz") -> Iterator[tuple[str, int, float]]:
    """A server in a process of its own: its address, its pid, and the seconds until it was ready."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    began = time.perf_counter()
    process = subprocess.Popen([part.replace("{port}", str(port)) for part in command_line], cwd=ROOT, stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        address = f"http://127.0.0.1:{port}"
        while True:
            try:
                _get(address + path)
                break
            except OSError:
                if time.perf_counter() - began > 60 or process.poll() is not None:
                    raise
                time.sleep(0.01)
        yield address, process.pid, time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _get(url: str) -> tuple[bytes, str]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
        return answer.read(), answer.headers.get("etag", "")


def _wrk(address: str, paths: list[str], seconds: int, seed: int, headers: str = "nil") -> dict[str, float]:
    """Requests a second, p99 in ms, and errors, over random ones of all articles."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA.format(paths=",".join(json.dumps(path) for path in paths), seed=seed, headers=headers))
        script.flush()
        line = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script.name, address]
        said = subprocess.run(line, check=True, capture_output=True, text=True).stdout  # noqa: S603
    found = re.search(r"FIGURES (\d+) (\d+) (\d+) (\d+)", said)
    if found is None:
        raise InputError(f"wrk said nothing that is known: {said[:200]}")
    n, micros, p99, errors = map(int, found.groups())
    return {"per_s": round(n / micros * 1e6), "p99_ms": round(p99 / 1e3, 2), "errors": errors}


def _first_asked(address: str, paths: list[str]) -> dict[str, float]:
    """The same for all articles once each, one after another over one connection: no answer is kept yet."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    times = []
    for path in paths:
        began = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        times.append(time.perf_counter() - began)
        if answer.status != 200:
            raise InputError(f"{path} was answered with {answer.status}")
    connection.close()
    return {"per_s": round(len(times) / sum(times)), "p99_ms": round(statistics.quantiles(times, n=100)[-1] * 1e3, 2), "errors": 0}


def _not_modified(address: str, paths: list[str], seconds: int) -> dict[str, float]:
    """The same for an article that the client has."""
    tag = _get(address + paths[0])[1]
    return _wrk(address, paths[:1], seconds, 1, f'{{["If-None-Match"] = {json.dumps(tag)}}}')


def _drafts(address: str, drafts: list[str]) -> float:
    """Median time of a draft, with the model warm: ms."""
    times = []
    for draft in [drafts[0], *drafts]:
        asked = urllib.request.Request(  # noqa: S310 - our own address
            f"{address}/v1/related", json.dumps({"text": draft}).encode(), {"Content-Type": "application/json"}
        )
        began = time.perf_counter()
        with urllib.request.urlopen(asked, timeout=120) as answer:  # noqa: S310
            answer.read()
        times.append((time.perf_counter() - began) * 1e3)
    return round(statistics.median(times[1:]), 1)


def _memory(pid: int) -> int:
    """Resident memory: MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) // 1000 if found else 0


if __name__ == "__main__":
    parser = command.parser(str(__doc__), EXAMPLES)
    parser.add_argument("index", type=Path, help="folder of the index")
    parser.add_argument("--seconds", type=int, default=10, help="of each measurement (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    command.run(main, parser.parse_args())
