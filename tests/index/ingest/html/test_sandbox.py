"""Workers that read HTML: what they bear, and that nothing is left of them."""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from index.ingest.html.sandbox import MOST_WORKERS, Failure, extract
from index.ingest.readers.html_folder import extract_page
from recommender.errors import InvalidArticle

GOOD = b"<title>T</title><article><p>" + b"A sentence of a story that goes on for a while. " * 10 + b"</article>"
BOMBS = {
    "attributes": b"<html><body><article><p " + b" ".join(b"a%d='x'" % number for number in range(40_000)) + b">A story.</p>",
    "unclosed": b"<html><body>" + b"<p>a" * 400_000,
    "nested": b"<html><body>" + b"<div>" * 200_000 + b"deep",
}


def test_html_bombs_cost_themselves_and_no_more() -> None:
    items = [("first", GOOD), *BOMBS.items(), ("last", GOOD)]
    outcomes: dict[str, Any] = {}
    moments = []
    for name, outcome in extract(extract_page, ((name, (raw, name)) for name, raw in items)):
        outcomes[name] = outcome
        moments.append(time.monotonic())
    assert list(outcomes) == [name for name, _ in items]
    assert outcomes["first"]["text"] == outcomes["last"]["text"] == ("A sentence of a story that goes on for a while. " * 10).strip()
    for before, after, name in zip(moments, moments[1:], BOMBS, strict=False):
        assert after - before < 6, name
        outcome = outcomes[name]
        assert isinstance(outcome, dict) or outcome.code in {"too_slow", "too_large", "empty_text"}, name
    assert outcomes["unclosed"] == Failure("too_slow", "reading it takes more than 5 s - simplify the HTML, or give the text itself")


def fall(how: str) -> str:
    if how == "raise":
        raise ValueError("no such tag")
    if how == "refuse":
        raise InvalidArticle("empty_text", "nothing - leave it out")
    if how == "recurse":
        return fall("recurse")
    if how == "hog":
        return str(len(bytearray(3 * 2**30)))
    if how == "unpicklable":
        return lambda: None  # type: ignore[return-value]
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        os._exit(3)
    if how == "connect":
        socket.create_connection(("127.0.0.1", 9), timeout=1)
    if how == "resolve":
        socket.getaddrinfo("example.org", 80)
    if how == "start":
        subprocess.run(["true"], check=True)
    return how


FALLS = {
    "raise": Failure("bad_html", "ValueError: no such tag - check the HTML, or give the text itself"),
    "refuse": Failure("empty_text", "nothing - leave it out"),
    "recurse": "RecursionError: maximum recursion depth exceeded",
    "hog": Failure("too_large", "reading it takes more than 1024 MiB of memory - simplify the HTML, or give the text itself"),
    "unpicklable": "Can't pickle local object",
    "killed": Failure(
        "worker_died", "the process that read it ended with SIGKILL - try it alone, with more memory; if it stays so, leave it out"
    ),
    "exit": Failure(
        "worker_died", "the process that read it ended with exit code 3 - try it alone, with more memory; if it stays so, leave it out"
    ),
    "connect": "PermissionError: socket.",
    "resolve": "PermissionError: socket.getaddrinfo is forbidden here",
    "start": "PermissionError: subprocess.Popen is forbidden here",
}


def test_whatever_happens_to_one_the_next_is_read_and_the_order_is_kept() -> None:
    keys = [key for how in FALLS for key in (how, f"after {how}")]
    outcomes = list(extract(fall, ((key, (key,)) for key in keys)))
    assert [key for key, _ in outcomes] == keys
    for key, outcome in outcomes:
        expected = FALLS.get(key, key)
        if isinstance(outcome, Failure) and isinstance(expected, str):
            assert outcome.code == "bad_html"
            assert expected in outcome.reason
        else:
            assert outcome == expected, key


def slow_first(number: int) -> tuple[int, int]:
    time.sleep(0.2 if number % 5 == 0 else 0)
    return number, os.getpid()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids: set[int], within_s: float = 10) -> bool:
    end = time.monotonic() + within_s
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(alive, pids))


def test_items_are_taken_a_few_ahead_and_no_worker_is_left() -> None:
    taken = 0

    def items() -> Iterator[tuple[int, tuple[int]]]:
        nonlocal taken
        for number in range(40):
            taken += 1
            yield number, (number,)

    pids = set()
    for n_given, (key, outcome) in enumerate(extract(slow_first, items()), start=1):
        assert not isinstance(outcome, Failure)
        assert outcome[0] == key == n_given - 1
        assert taken - n_given < 2 * MOST_WORKERS
        pids.add(outcome[1])
    assert taken == 40
    assert 1 <= len(pids) <= min(MOST_WORKERS, os.cpu_count() or 1)
    assert not any(map(alive, pids))


def test_an_iterator_that_is_closed_leaves_nothing() -> None:
    reading = extract(slow_first, ((number, (number,)) for number in range(100)))
    pids = {outcome[1] for _, (_, outcome) in zip(range(6), reading, strict=False) if not isinstance(outcome, Failure)}
    assert any(map(alive, pids))
    reading.close()  # type: ignore[attr-defined]
    assert not any(map(alive, pids))
    assert multiprocessing.active_children() == []


def test_a_worker_that_is_killed_while_idle_costs_nothing() -> None:
    reading = extract(slow_first, ((number, (number,)) for number in range(1, 100) if number % 5))
    numbers = []
    for key, outcome in reading:
        assert not isinstance(outcome, Failure), key
        numbers.append(outcome[0])
        if len(numbers) == 10:
            time.sleep(0.3)  # both have done what they had
            os.kill(outcome[1], signal.SIGKILL)
    assert numbers == [number for number in range(1, 100) if number % 5]


def test_an_archive_without_html_starts_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.ingest.html.sandbox._Worker", None)
    assert list(extract(fall, [])) == []


def test_workers_that_cannot_start_are_no_fault_of_the_articles(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text("from index.ingest.html.sandbox import extract\nfrom operator import neg\nprint(list(extract(neg, [(1, (1,))])))\n")
    ended = subprocess.run(
        [sys.executable, script], env={**os.environ, "PYTHONPATH": str(Path.cwd())}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "RuntimeError: a worker process could not start (exit code 1) - guard the calling script with" in ended.stderr


PARENT = """
import signal, sys, time
from index.ingest.html.sandbox import extract
from tests.index.ingest.html.test_sandbox import slow_first, linger
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background ignores it
    reading = extract(linger, ((n, (n,)) for n in range(9)))
    print(next(reading)[1], next(reading)[1], flush=True)
    {then}
"""


def linger(number: int) -> int:
    time.sleep(1 if number > 1 else 0.3)
    return os.getpid()


@pytest.mark.parametrize(
    ("then", "end"),
    [
        ("time.sleep(60)", lambda process: os.kill(process.pid, signal.SIGKILL)),  # workers are idle, or half way
        ("list(reading)", lambda process: os.kill(process.pid, signal.SIGKILL)),
        ("list(reading)", lambda process: os.killpg(process.pid, signal.SIGINT)),  # Ctrl-C
    ],
    ids=["killed idle", "killed busy", "ctrl-c"],
)
def test_nothing_outlives_the_process_that_reads(tmp_path: Path, then: str, end: Callable[[Any], None]) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(then=then))
    with subprocess.Popen(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        pids = set(map(int, process.stdout.readline().split()))
        time.sleep(0.2)
        assert any(map(alive, pids))
        end(process)
        errors = process.stderr.read()
    assert gone(pids)
    assert errors.count("Traceback") <= 1, "the workers say nothing"
    assert process.returncode != 0
