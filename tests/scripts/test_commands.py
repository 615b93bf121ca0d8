"""The commands, as processes: what they print, and the codes they exit with."""

import importlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from functools import partial
from pathlib import Path

import pytest

from recommender import Recommender, errors
from recommender.__main__ import COMMANDS
from recommender.evaluation.measures import METRICS, evaluate
from recommender.release.manifest import current_folder
from scripts.command import EXIT_CODES
from service.server import listen
from tests.conftest import client_of, shared
from tests.support.archive import records, write_jsonl

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("benchmarks/build_time", "benchmarks/service_load", "benchmarks/peers_run", "benchmarks/scale", "benchmarks/writes", "pictures")
"""Scripts of a checkout, which are no command of `readmore`."""


def run(script: str, *arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"scripts/{script}.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, input=stdin, check=False)


def assert_error(done: subprocess.CompletedProcess[str], code: int, message: str) -> None:
    assert done.returncode == code, done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, "one line, no traceback"
    assert done.stdout == ""


@pytest.mark.parametrize("script", TOOLS)
def test_help_has_examples(script: str) -> None:
    done = run(script, "--help")
    assert done.returncode == 0
    assert f"examples:\n  {Path(script).name}.py" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_has_examples_that_parse(name: str) -> None:
    """A script is a door to the command: its help is the command's, whose examples have options that it knows."""
    done = run(COMMANDS[name].module, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: readmore {name} ")
    assert f"examples:\n  readmore {name}" in done.stdout
    parser = importlib.import_module(f"scripts.{COMMANDS[name].module}").options()
    examples = str(parser.epilog).partition("exit codes:")[0]
    for line in re.findall(rf"readmore {name}\b(.*)", examples):
        parser.parse_args(shlex.split(re.split(r" {3,}", line)[0]))


def test_readmore_lists_its_commands() -> None:
    listed = subprocess.run([sys.executable, "-m", "recommender"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^  (\w+) ", listed, re.MULTILINE) == list(COMMANDS)
    wrong = subprocess.run([sys.executable, "-m", "recommender", "bild"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr) == (2, "error: readmore has no command 'bild' - see readmore --help\n")


def test_related_prints_what_the_service_answers(demo_index: Path) -> None:
    printed = json.loads(run("related", "--index", demo_index, "for", "--limit", 7, "--json").stdout)
    with client_of(demo_index) as client:
        answer = client.get("/v1/articles/for/related?limit=7").json()
    answer.pop("request_id")
    assert printed == answer
    assert len(printed["items"]) == 7


def test_related_for_people(demo_index: Path) -> None:
    lines = run("related", "--index", demo_index, "for", "--limit", 2).stdout.splitlines()
    assert re.fullmatch(r" 1\. .+   0\.\d\d  \[\w+\]", lines[0])
    assert len([line for line in lines if not line.startswith("      also: ")]) == 6
    assert re.fullmatch(r"      (background|follow up|same story); both say: .+", lines[1])


def test_related_to_a_page_from_a_file_and_from_standard_input(demo_index: Path, tmp_path: Path) -> None:
    page = "Loops\n\nHow to go over the elements of a list with for, break and continue.\n"
    (tmp_path / "page.txt").write_text(page, encoding="utf-8")
    from_file = json.loads(run("related", "--index", demo_index, "--text", tmp_path / "page.txt", "--json").stdout)
    from_stdin = json.loads(run("related", "--index", demo_index, "--text", "-", "--json", stdin=page).stdout)
    assert from_file == from_stdin
    assert "for" in [item["id"] for item in from_file["items"][:3]]


def test_the_customers_sample_page(demo_index: Path) -> None:
    found = json.loads(run("related", "--index", demo_index, "--text", shared("sample-page.txt"), "--json").stdout)
    assert len(found["items"]) == 5
    assert "torch parade" not in str([item["reason"]["passage"]["query"] for item in found["items"]])


def test_build_and_evaluate_from_the_command_line(tmp_path: Path) -> None:
    renamed = [{"slug" if key == "id" else key: field for key, field in record.items()} for record in records(12)]
    source = write_jsonl(tmp_path / "archive.jsonl", [*renamed, "{"])
    index = tmp_path / "index"
    done = run("build_index", source, "--out", index, "--map", "id=slug", "--max-rejects", "10%", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["n_articles"], report["n_truncated"], report["rejected"]) == (12, 0, {"bad_json": 1})
    assert report["peak_memory_mb"] > 0
    figures = json.loads(run("evaluate", "--index", index, "--json").stdout)
    assert set(figures["methods"]["fused"]) == set(METRICS)
    with Recommender.open(index) as opened:
        qrels = opened.catalogue.hand_made_lists()
        assert figures["methods"]["fused"] == evaluate(qrels, {query: opened.related(query, 11).ids for query in qrels})
    assert run("evaluate", "--index", index).stdout.splitlines()[2].split()[:6] == list(METRICS)
    shown = run("build_index", source, "--out", index, "--map", "id=slug", "--max-rejects", "10%")
    assert f"left out  1 bad_json of 13 read: {index / 'rejects.jsonl'}" in shown.stderr
    assert "articles  12: 0 new, 0 changed, 0 gone; 2 without a date (17%)\n" in shown.stderr
    assert re.search(r"passages  (\d+): 0 embedded, \1 known\n", shown.stderr), "none is cut short"


def test_errors_have_one_line_and_their_own_code(tmp_path: Path, new_index: Path, demo_index: Path) -> None:
    empty = write_jsonl(tmp_path / "empty.jsonl", [])
    assert_error(run("build_index", empty, "--out", new_index), 3, "no article in .*empty.jsonl - give a file")
    assert_error(run("build_index", tmp_path / "gone.jsonl", "--out", new_index), 3, "gone.jsonl cannot be read")
    assert_error(run("build_index", empty, "--out", tmp_path / "i", "--model", tmp_path), 4, "no .safetensors in the model folder")
    assert_error(run("build_index", empty, "--out", "/proc/nowhere"), 5, "/proc/nowhere cannot be written")
    assert_error(run("related", "--index", tmp_path, "a"), 7, "no index in .* - build one")
    assert_error(run("serve", "--index", tmp_path), 7, "no index in")
    assert_error(run("related", "--index", demo_index, "nothing"), 3, "no article 'nothing'")
    assert_error(run("related", "--index", demo_index, "for", "--limit", 0), 2, "limit is 0, it must be 1 to 64")
    assert_error(run("related", "--index", demo_index, "--text", tmp_path / "gone.txt"), 3, "gone.txt cannot be read")
    assert_error(run("related", "--index", demo_index, "--text", "-", stdin=" "), 3, "the page has no words")


def test_the_second_of_two_builds_exits_6(tmp_path: Path, new_index: Path) -> None:
    """Two real builds at once: the first waits for its input to be written."""
    os.mkfifo(tmp_path / "slow.jsonl")
    source = write_jsonl(tmp_path / "archive.jsonl", records(5))
    first = subprocess.Popen([sys.executable, "scripts/build_index.py", str(tmp_path / "slow.jsonl"), "--out", str(new_index)], cwd=ROOT)
    with (tmp_path / "slow.jsonl").open("w", encoding="utf-8") as pipe:  # opens when the first build reads, the lock in its hand
        assert_error(run("build_index", source, "--out", new_index), 6, rf"is locked by pid {first.pid} since .* - wait for it to end")
        pipe.write(source.read_text(encoding="utf-8"))
    assert first.wait(60) == 0
    assert run("build_index", source, "--out", new_index).returncode == 0


def test_debug_shows_where(tmp_path: Path) -> None:
    done = run("related", "--index", tmp_path, "a", "--debug")
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    "arguments", [(), ("--index", "x"), ("--index", "x", "a", "--text", "b"), ("--index", "x", "a", "--limit", "two"), ("--ind", "x", "a")]
)
def test_wrong_usage_is_2(arguments: tuple[str, ...]) -> None:
    done = run("related", *arguments)
    assert done.returncode == 2
    assert "usage:" in done.stderr


@pytest.mark.parametrize("mapping", ["title", "headline=title", "title="])
def test_a_wrong_mapping_is_2(mapping: str, tmp_path: Path) -> None:
    done = run("build_index", "a.jsonl", "--out", tmp_path, "--map", mapping)
    assert done.returncode == 2
    assert "is not OURS=THEIRS" in done.stderr


def test_an_index_without_lists_cannot_be_evaluated(tmp_path: Path, new_index: Path) -> None:
    lines = [{**record, "read_more": []} for record in records(6)]
    run("build_index", write_jsonl(tmp_path / "a.jsonl", lines), "--out", new_index)
    assert_error(run("evaluate", "--index", new_index), 3, "has no hand-made lists - give articles a read_more field")


def test_a_damaged_index_is_7_and_another_model_4(index_dir: Path, tmp_path: Path) -> None:
    assert_error(run("related", "--index", index_dir, "--text", "-", stdin="A title\n\nSome text."), 4, "model 'hash' cannot be had")
    import shutil

    shutil.copytree(index_dir, tmp_path / "index")
    (current_folder(tmp_path / "index") / "catalogue.db").write_bytes(b"broken")
    assert_error(run("related", "--index", tmp_path / "index", "harbour-0"), 7, "catalogue.db")


@pytest.mark.parametrize(
    ("number", "code", "to_all"),
    [
        (signal.SIGINT, 130, False),
        (signal.SIGTERM, 143, False),
        (signal.SIGTERM, 143, True),  # as a service manager stops a unit
        (signal.SIGHUP, 129, True),  # as a terminal that closes
    ],
)
def test_a_signal_ends_a_build_with_one_line(tmp_path: Path, new_index: Path, number: signal.Signals, code: int, to_all: bool) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", records(400))
    command = [sys.executable, "scripts/build_index.py", str(source), "--out", str(new_index)]
    listening = partial(signal.signal, number, signal.SIG_DFL)  # a test run in the background ignores some, and hands that on
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=listening, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(new_index.glob("cache/*.db")) and time.monotonic() < deadline:
        time.sleep(0.05)
    (os.killpg if to_all else os.kill)(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert said == ("interrupted\n" if number == signal.SIGINT else f"interrupted by {number.name}\n")
    assert not list((new_index / "releases").iterdir())


def test_serve_answers_from_a_process_of_its_own(demo_index: Path) -> None:
    command = [sys.executable, "scripts/serve.py", "--index", str(demo_index), "--port", "0"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(4)]
        announced = re.search(r"http://127.0.0.1:(\d+)", said[1])
        assert announced is not None
        curl = re.search(r"curl '(http[^']+)'", said[2])
        assert curl is not None
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(curl[1], timeout=10) as answer:
                    body = json.load(answer)
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        assert len(body["items"]) == 3
        assert_error(run("serve", "--index", demo_index, "--port", announced[1]), 3, "cannot listen on 127.0.0.1.*Address already in use")
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_answers_on_an_open_connection_are_sent_at_once() -> None:
    """Head and body go out in two packets; held back for an acknowledgement, each answer would take 40 ms more."""
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_every_error_of_the_tree_has_an_exit_code() -> None:
    ours = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ReadmoreError)]
    assert len(ours) >= 12
    for kind in ours:
        assert next(code for known, code in EXIT_CODES if issubclass(kind, known)) in range(2, 8)
