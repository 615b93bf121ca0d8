#!/usr/bin/env python3
"""Measure the service over loopback: lists by id against a plain route of the same size, 304s, drafts, start, memory.

Needs wrk. Everything runs in turns within one run, so ratios hold on a noisy machine.
"""

import argparse
import json
import os
import re
import statistics
import sys
from pathlib import Path
from urllib.parse import quote

from recommender import Recommender
from scripts import command, local_server

EXAMPLES = """\
  service_load.py var/index
  service_load.py var/index --seconds 20 --json figures.json
  service_load.py var/scale/index --lists-only --workers 2      an archive without a model
"""
ROUNDS = 3
FIRST_ASKED = 20_000
N_DRAFTS = 30

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


def main(arguments: argparse.Namespace) -> None:
    local_server.check_wrk()
    with Recommender.open(arguments.index) as recommender:
        ids = [recommender.catalogue.card(row).id for row in range(recommender.release.manifest.n_articles)]
        texts = [recommender.catalogue.article(row).text for row in range(0, len(ids), max(1, len(ids) // 2000))]
    paths = [f"/v1/articles/{quote(article_id)}/related" for article_id in ids]
    drafts = local_server.drafts_of(texts, N_DRAFTS)
    figures: dict[str, object] = {"articles": len(ids), "cpus": os.cpu_count()}
    serve = [sys.executable, "scripts/serve.py", "--index", str(arguments.index), "--port", "{port}", "--workers", str(arguments.workers)]
    with local_server.running(serve) as (service, pid, started):
        figures["start_to_ready_s"] = round(started, 2)
        size = len(local_server.get(f"{service}{paths[0]}")[0])
        figures["memory_after_start_mb"] = _memory(pid)
        with local_server.running([sys.executable, "-c", PLAIN, "{port}", str(size)], "/v1/articles/x/related") as (plain, _, _):
            cold = _first_asked(service, paths[:: max(1, len(paths) // FIRST_ASKED)])
            rounds = [
                {
                    "plain": local_server.wrk(plain, paths, arguments.seconds, number),
                    "by_id": local_server.wrk(service, paths, arguments.seconds, number),
                    "by_id_as_readers_ask": local_server.wrk(service, paths, arguments.seconds, number, place=local_server.FEW),
                    "not_modified": _not_modified(service, paths, arguments.seconds),
                }
                for number in range(1, ROUNDS + 1)
            ]
        figures["by_id_first_asked"] = cold
        for name in rounds[0]:
            figures[name] = sorted((of[name] for of in rounds), key=lambda of: of["per_s"])[ROUNDS // 2]
        figures["by_id_to_plain"] = round(statistics.median(of["by_id"]["per_s"] / of["plain"]["per_s"] for of in rounds), 2)
        figures["not_modified_to_by_id"] = round(statistics.median(of["not_modified"]["per_s"] / of["by_id"]["per_s"] for of in rounds), 2)
        figures["memory_after_lists_mb"] = _memory(pid)
        if not arguments.lists_only:
            of_drafts = local_server.posted(f"{service}/v1/related", [{"text": draft} for draft in drafts])
            figures["draft_p50_ms"] = round(1e3 * statistics.median(of_drafts), 1)
            figures["memory_after_drafts_mb"] = _memory(pid)
    print(json.dumps(figures, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _first_asked(address: str, paths: list[str]) -> dict[str, float]:
    """Measure the first request of every article, one after another over one connection. No answer is cached yet."""
    times = local_server.one_by_one(address, paths)
    return {"per_s": round(len(times) / sum(times)), "p99_ms": round(statistics.quantiles(times, n=100)[-1] * 1e3, 2), "errors": 0}


def _not_modified(address: str, paths: list[str], seconds: int) -> dict[str, float]:
    """Measure requests for an article that the client already has."""
    tag = local_server.get(address + paths[0])[1]
    return local_server.wrk(address, paths[:1], seconds, 1, f'{{["If-None-Match"] = {json.dumps(tag)}}}')


def _memory(pid: int) -> dict[str, int]:
    """Return the memory of the service, MB.

    `of_a_process` is the largest anonymous memory of a process. `of_all_with_files` counts all processes and their
    mapped files, with shared pages counted once.
    """
    children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    rollups = [Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8") for process in (pid, *children)]
    own, shared = (
        [int(re.findall(rf"^{name}:\s+(\d+) kB", rollup, re.MULTILINE)[0]) // 1000 for rollup in rollups] for name in ("Anonymous", "Pss")
    )
    return {"of_a_process": max(own), "of_all_with_files": sum(shared)}


if __name__ == "__main__":
    parser = command.parser("service_load.py", __doc__, EXAMPLES)
    parser.add_argument("index", type=Path, help="folder of the index")
    parser.add_argument("--seconds", type=int, default=10, help="of each measurement (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes of the service (default: %(default)s)")
    parser.add_argument("--lists-only", action="store_true", help="no drafts: the index was built without a model")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    command.run(main, parser)
