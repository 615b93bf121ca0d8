"""The README, as a reader goes through it: every command and every Python line, against the demo that it makes."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from recommender import Article
from tests.support.shell import ROOT, Shell, free_ports, fresh_checkout, until_it_listens

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<block>.*?)^```$", re.MULTILINE | re.DOTALL)
DEMO = "make demo\n"
REFUSED = 'curl() { command curl --fail-with-body "$@"; }'
"""Lets a command fail where the service refuses. A reader would see the refusal."""


@pytest.fixture
def checkout(tmp_path: Path, demo_index: Path) -> Path:
    return fresh_checkout(tmp_path, demo_index, "var/demo")


@pytest.fixture
def ports(checkout: Path) -> Iterator[tuple[int, int]]:
    """Ports of the demo, which `make demo` builds and serves in a terminal of its own, and of the second service."""
    one, other = free_ports()
    assert f"```sh\n{DEMO}```" in README
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PORT": str(one)}
    with subprocess.Popen(["make", "demo"], cwd=checkout, env=environment, start_new_session=True) as demo:
        until_it_listens(one)
        yield one, other
        os.killpg(demo.pid, signal.SIGTERM)


@pytest.fixture
def shell(checkout: Path) -> Iterator[Shell]:
    opened = Shell(checkout, {"PYTHONPATH": str(ROOT)})
    yield opened
    opened.end()


def test_every_line_of_the_readme_runs(checkout: Path, ports: tuple[int, int], shell: Shell) -> None:
    text = README.replace("127.0.0.1:8000", f"127.0.0.1:{ports[0]}").replace("127.0.0.1:8001", f"127.0.0.1:{ports[1]}")
    (checkout / "var" / "gazette").mkdir()
    (checkout / "var" / "gazette" / "encoders").symlink_to(checkout / "var" / "demo" / "encoders")
    shell.run(REFUSED, None)
    printed, ran = "", set()
    blocks = [(found["language"], found["block"], found.end()) for found in BLOCK.finditer(text)]
    for place, (language, block, end) in enumerate(blocks):
        ran.add(language)
        if language == "sh" and block != DEMO:
            below = blocks[place + 1][:2] if place + 1 < len(blocks) else ("", "")
            directly = below[0] == "" and text[end:].lstrip().startswith(f"```\n{below[1]}")
            shell.run(block.replace("--port 8001", f"--port {ports[1]}"), below[1] if directly else None)
        elif language == "python":
            command = [str(checkout / ".venv" / "bin" / "python"), "-c", block]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            printed = done.stdout
        elif language == "json":
            assert set(json.loads(block)) <= {field.name for field in fields(Article)}
    assert ran == {"sh", "", "html", "json", "python"}
    *items, draft, similarity = printed.splitlines()
    assert [item.split()[0] for item in items] == ["1", "2", "3"]
    assert "for" in draft or "break" in draft or "while" in draft
    assert 0.3 < float(similarity) <= 1
    assert (checkout / "report.html").exists()
    assert len(list((checkout / "var" / "related").rglob("*.json"))) == 21


def test_links_of_the_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        text = page.read_text(encoding="utf-8")
        for target, anchor in re.findall(r"\]\((?!https?://)([^)#\s]*)(?:#([^)]*))?\)", text):
            path = page.parent / target if target else page
            assert path.exists(), f"{page.name}: {target}"
            if anchor and path.suffix == ".md":
                headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}, (
                    f"{page.name}: #{anchor}"
                )
