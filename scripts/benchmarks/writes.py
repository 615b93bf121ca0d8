#!/usr/bin/env python3
"""Measure writes and the first reads after them, with few and with many overrides and live articles.

The archive and its vectors come from `scripts/benchmarks/synthetic.py`, so no model is needed. Each state is an index
of its own, served by two processes. One process writes and reads. The other only follows `live.db`, as a second worker
does. The states are measured in turns within one run, so ratios hold on a noisy machine.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import sqlite3
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from index.build import build_index
from index.live import upserts
from index.live.database import empty_log, writing
from index.updates.editorial_writer import LocalWriter
from recommender import Recommender
from recommender.errors import InputError
from recommender.live.database import LIVE_DB
from recommender.overrides import Block, Override, Pin
from recommender.types import Article, rfc3339, stored_values
from scripts import command, local_server
from scripts.benchmarks.synthetic import SyntheticEmbedder, articles
from service.settings import hashed, new_key

EXAMPLES = """\
  writes.py --out var/writes
  writes.py --out var/writes --overrides 0,50000 --live 0 --json figures.json
"""
KEY = new_key()

SERVE = """
import sys
from pathlib import Path
from scripts.benchmarks.synthetic import SyntheticEmbedder
from service import server
from service.app import create_app
from service.settings import Settings
settings = Settings(index=Path(sys.argv[2]), port=int(sys.argv[1]), admin_keys=(sys.argv[3],))
server.serve(settings, create_app(settings, SyntheticEmbedder()), server.listen(settings.host, settings.port))
"""

ON_ARTICLES = 5_000
"""Overrides of articles of the archive. The other overrides concern articles that left it.

The articles that are read have no overrides.
"""


@dataclass
class State:
    """An index and the two processes that serve it.

    Attributes:
        taken: Milliseconds of each step, by step name.
    """

    name: str
    index: Path
    writer: http.client.HTTPConnection
    follower: http.client.HTTPConnection
    pid: int
    taken: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def ask(self, step: str, connection: http.client.HTTPConnection, method: str, path: str, body: object = None) -> None:
        sent = None if body is None else json.dumps(body).encode()
        began = time.perf_counter()
        connection.request(method, path, sent, {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"})
        answer = connection.getresponse()
        told = answer.read()
        self.taken[step].append(1e3 * (time.perf_counter() - began))
        if answer.status >= 300:
            raise InputError(f"{method} {path} was answered with {answer.status}: {told[:300]!r}")


def main(arguments: argparse.Namespace) -> None:
    arguments.out.mkdir(parents=True, exist_ok=True)
    given = list(articles(arguments.articles + max(arguments.live) + 2 * arguments.rounds))
    stored, new = given[: arguments.articles], given[arguments.articles :]
    origin = arguments.out / "index"
    if not origin.exists():
        _build(stored, arguments.out / "archive.jsonl", origin)
    figures: dict[str, dict[str, float]] = {}
    for kind, sizes, fill in (("overrides", arguments.overrides, _override), ("live articles", arguments.live, _put)):
        with ExitStack() as stack:
            states = []
            for name, index in _filled(origin, arguments.out, kind, sizes, fill, stored, new):
                states.append(stack.enter_context(_served(name, index)))
            _measure(states, stored, new[max(arguments.live) :], arguments.rounds)
        for state in states:
            figures[state.name] = {step: round(statistics.median(taken), 2) for step, taken in state.taken.items()}
    print(_table(figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _build(stored: Sequence[Article], archive: Path, origin: Path) -> None:
    lines = ({"id": of.id, **stored_values(of)} for of in stored)
    archive.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    build_index([str(archive)], origin, SyntheticEmbedder())


Fill = Callable[[Path, int, int, Sequence[Article], Sequence[Article]], None]


def _filled(
    origin: Path, out: Path, kind: str, sizes: Sequence[int], fill: Fill, stored: Sequence[Article], new: Sequence[Article]
) -> Iterator[tuple[str, Path]]:
    """Yield indexes with growing numbers of overrides or live articles. Indexes filled by an earlier run are reused."""
    before: Path | None = None
    done = 0
    for size in sorted(sizes):
        kept, index = out / f"{kind} {size}.db", out / f"{kind} {size}"
        shutil.rmtree(index, ignore_errors=True)
        shutil.copytree(origin, index, ignore=shutil.ignore_patterns(f"{LIVE_DB}*"))
        if kept.exists() or before is not None:
            shutil.copy(kept if kept.exists() else before or kept, index / LIVE_DB)
        upserts.create(index)
        if not kept.exists():
            fill(index, done, size, stored, new)
            empty_log(index)
            shutil.copy(index / LIVE_DB, kept)
        before, done = kept, size
        yield f"{size:,} {kind}", index


def _override(index: Path, begin: int, end: int, stored: Sequence[Article], new: Sequence[Article]) -> None:
    """Pin and block on the given number of articles.

    One override in three expires. One article in fifty is hidden everywhere.
    """
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    with writing(index) as connection:
        words = LocalWriter(connection)
        for number in range(begin, end):
            until = later + timedelta(minutes=number) if number % 3 == 0 else None
            pin, block = stored[number * 7 % len(stored)].id, stored[(number * 11 + 5) % len(stored)].id
            said = Override((Pin(pin, 1 + number % 5, until),), (Block(block),) if block != pin else (), everywhere=number % 50 == 49)
            on = stored[2 * number].id if number < min(ON_ARTICLES, len(stored) // 2) else f"left-{number:06d}"
            words.say(on, "put", json.dumps(said.as_dict()), None, str(rfc3339(later)))


def _put(index: Path, begin: int, end: int, stored: Sequence[Article], new: Sequence[Article]) -> None:
    with Recommender.open(index, SyntheticEmbedder()) as recommender:
        for article in new[begin:end]:
            upserts.put(index, recommender, article)


@contextmanager
def _served(name: str, index: Path) -> Iterator[State]:
    serve = [sys.executable, "-c", SERVE, "{port}", str(index), hashed(KEY)]
    with ExitStack() as stack:
        (writer, pid, started), (follower, _, _) = (stack.enter_context(local_server.running(serve)) for _ in range(2))
        one, other = (
            stack.enter_context(closing(http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)))
            for address in (writer, follower)
        )
        state = State(name, index, one, other, pid)
        state.taken["start to ready, ms"].append(1e3 * started)
        yield state


def _measure(states: Sequence[State], stored: Sequence[Article], new: Sequence[Article], rounds: int) -> None:
    """Write and read in each state in turn. The first round warms up and does not count."""
    unread = iter(islice(stored, 1, None, 2))  # none has an override, and none is read twice
    for number in range(rounds + 1):
        on = stored[2 * number].id
        said = {"pins": [{"article_id": stored[3 * number + 1].id, "slot": 2}], "blocks": [{"section": f"section {number % 9}"}]}
        of = new[number]
        article = stored_values(of)
        reads = [next(unread).id for _ in range(7)]
        for state in states:
            writes: list[tuple[str, str, str, object]] = [
                ("override", "PUT", f"/v1/articles/{on}/overrides", said),
                ("article", "PUT", f"/v1/articles/{of.id}", article),
                ("withdrawal", "DELETE", f"/v1/articles/{of.id}", None),
            ]
            for (name, method, path, body), read in zip(writes, reads, strict=False):
                state.ask(f"{name}: write", state.writer, method, path, body)
                state.ask(f"{name}: first read", state.writer, "GET", f"/v1/articles/{read}/related")
                state.ask(f"{name}: first read of the other process", state.follower, "GET", f"/v1/articles/{read}/related")
            for read in reads[3:]:
                state.ask("list by id", state.writer, "GET", f"/v1/articles/{read}/related")
        if not number:
            for state in states:
                for step in [step for step in state.taken if not step.startswith("start")]:
                    del state.taken[step]
    for state in states:
        status = Path(f"/proc/{state.pid}/smaps_rollup").read_text(encoding="utf-8")
        anonymous = re.findall(r"^Anonymous:\s+(\d+) kB", status, re.MULTILINE)[0]
        state.taken["memory of the writer, MB"].append(int(anonymous) / 1000)
        with closing(sqlite3.connect(state.index / LIVE_DB)) as connection:
            pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        state.taken["live.db, MB"].append(pages * size / 1e6)


def _table(figures: dict[str, dict[str, float]]) -> str:
    steps = list(next(iter(figures.values())))
    lines = [f"| | {' | '.join(figures)} |", f"| --- |{' --- |' * len(figures)}"]
    lines += [f"| {step} | {' | '.join(f'{of[step]:,}' for of in figures.values())} |" for step in steps]
    return "\n".join([f"{os.cpu_count()} cores, medians, ms where nothing else is said", "", *lines])


def _sizes(given: str) -> list[int]:
    return [int(size) for size in given.split(",")]


if __name__ == "__main__":
    parser = command.parser("writes.py", __doc__, EXAMPLES)
    parser.add_argument("--out", type=Path, required=True, help="folder for the indexes; what an earlier run made there is used again")
    parser.add_argument("--articles", type=int, default=10_000, help="articles of the archive (default: %(default)s)")
    parser.add_argument("--overrides", type=_sizes, default=[0, 10_000, 50_000], help="how many, of each state (default: 0,10000,50000)")
    parser.add_argument("--live", type=_sizes, default=[0, 1_000, 5_000], help="live articles of each state (default: 0,1000,5000)")
    parser.add_argument("--rounds", type=int, default=40, help="writes of each kind (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    command.run(main, parser)
