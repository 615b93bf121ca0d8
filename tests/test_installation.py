"""The wheel in an environment of its own: every command of `readmore`, in a folder that holds modules named as ours."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from recommender import Recommender
from recommender.__main__ import COMMANDS
from recommender.embedding.openvino import ENCODERS

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
PROGRAMS = "recommender/_programs"
FOREIGN = ("index", "service", "scripts")

Readmore = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]  # the wheel is built from the sdist
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def environment(folder: Path, *install: str) -> Path:
    """Make an empty environment, install into it, and return its folder of programs."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    programs = folder / "bin"
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "--quiet", "--constraint", str(CONSTRAINTS)]
    subprocess.run([*pip, *install], check=True)
    return programs


def outside() -> dict[str, str]:
    """Return the environment variables of a user, who knows nothing of this checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of somebody else's modules, which end the program that imports them."""
    made = tmp_path / "theirs"
    made.mkdir()
    for name in FOREIGN:
        (made / f"{name}.py").write_text(f"raise SystemExit('{name} of somebody else was imported')\n")
    return made


def runner(programs: Path, folder: Path) -> Readmore:
    def run(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(programs / "readmore"), *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, env=outside(), capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done

    return run


def test_the_wheel_has_one_package_and_no_names_of_others(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"recommender", "readmore"}
    assert {name.removeprefix("recommender/_programs/").split("/")[0] for name in names if PROGRAMS in name} == set(FOREIGN)
    assert not [name for name in names if "__pycache__" in name]
    for needed in ("py.typed", "recommender.py", "_programs/service/templates/home.html", "_programs/scripts/report/page.css"):
        assert f"recommender/{needed}" in names


def test_a_reader_in_an_empty_environment_is_told_what_to_install_and_can_serve_then(
    wheel: Path, demo_index: Path, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = environment(tmp_path / "env", str(wheel))
    readmore = runner(programs, folder)
    assert readmore("related", "--index", demo_index, "for", "--limit", 1).stdout.startswith(" 1. ")
    refused = readmore("serve", "--index", demo_index, check=False)
    assert refused.returncode == 4
    advice = re.fullmatch(r"error: readmore serve: \w+ is not installed - (pip .*)\n", refused.stderr)
    assert advice, refused.stderr
    without = readmore("similarity", "a cat", "a kitten", check=False)
    assert re.search(r"the model all-MiniLM-L6-v2 is not installed - pip .*\[build\]'\n", without.stderr)

    monkeypatch.setenv("PIP_CONSTRAINT", str(CONSTRAINTS))
    subprocess.run([sys.executable, "-m", *shlex.split(advice[1])], check=True, capture_output=True)
    assert not list((tmp_path / "env").rglob("torch-*.dist-info")), "serving needs no torch"
    assert "readmore_" in readmore("key").stdout
    assert answer_of_service(programs, folder, demo_index)["items"]
    alike = float(readmore("similarity", "--index", demo_index, "A cat sat.", "A kitten was sitting.").stdout)
    assert alike > float(readmore("similarity", "--index", demo_index, "A cat sat.", "The budget was passed.").stdout)
    assert "model     all-MiniLM" in readmore("doctor", "--index", demo_index).stdout


def answer_of_service(programs: Path, folder: Path, index: Path) -> dict[str, list[object]]:
    """Serve an index with two workers, and return the first list, by the address that the service prints."""
    command = [str(programs / "readmore"), "serve", "--index", str(index), "--port", "0", "--workers", "2"]
    with subprocess.Popen(command, cwd=folder, env=outside(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as service:
        assert service.stdout
        try:
            address = next(found[1] for line in service.stdout if (found := re.search(r"curl '(http://[^']+)'", line)))
            with urllib.request.urlopen(address, timeout=60) as answer:
                return dict(json.load(answer))
        finally:
            service.send_signal(signal.SIGTERM)


@pytest.fixture(params=["borrowed", pytest.param("installed", marks=pytest.mark.long)])
def readmore(request: pytest.FixtureRequest, wheel: Path, tmp_path: Path, folder: Path) -> Readmore:
    """The command, from a wheel. Its packages are those of this environment, or all of them are installed, which takes minutes."""
    if request.param == "installed":
        return runner(environment(tmp_path / "env", f"{wheel}[build,postgres,serve,store]"), folder)
    programs = environment(tmp_path / "env", "--no-deps", str(wheel))
    (packages,) = (tmp_path / "env").glob("lib/*/site-packages")
    (packages / "borrowed.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")  # but for an editable install's own .pth
    return runner(programs, folder)


def test_every_command(readmore: Readmore, demo_index: Path, tmp_path: Path, folder: Path) -> None:
    index, store = tmp_path / "index", tmp_path / "store"
    shutil.copytree(demo_index / ENCODERS, index / ENCODERS)
    here = ("--index", index)
    printed = {
        "build": readmore("build", ROOT / "examples" / "wordpress.xml", "--out", index).stderr,
        "key": readmore("key").stdout,
        "related": readmore("related", *here, "102").stdout,
        "similarity": readmore("similarity", *here, "A cat sat.", "A kitten sat.").stdout,
        "evaluate": readmore("evaluate", *here, "--report", folder / "report.html").stdout,
        "fit": readmore("fit", *here, check=False).stderr,
        "map": readmore("map", *here, "--out", folder / "map.html").stdout,
        "export": readmore("export", *here, "--out", folder / "lists.jsonl").stdout,
        "doctor": readmore("doctor", *here).stdout,
        "verify": readmore("verify", *here).stdout,
        "diff": readmore("diff", *here, "--next", index).stdout,
        "rollback": readmore("rollback", *here, "--list").stdout,
        "push": readmore("push", *here, store).stdout,
        "pull": readmore("pull", "--index", tmp_path / "pulled", store).stdout,
        "share": readmore("share", *here, check=False).stderr,
        "serve": readmore("serve", "config", "show", *here).stdout,
    }
    assert set(printed) == set(COMMANDS)
    expected = {
        "build": "articles  20: 20 new",
        "key": "hash: sha256:",
        "related": "Ferry captains vote to strike",
        "similarity": "0.",
        "evaluate": "the report: ",
        "fit": "error: ",  # 12 lists are too few
        "map": "20 articles drawn",
        "export": "20 lists",
        "doctor": "every byte as it was written",
        "verify": "sound",
        "diff": "lists changed: 0",
        "rollback": "serves",
        "push": "is current now",
        "pull": "is current now",
        "share": "no address is given",
        "serve": "admin_keys",
    }
    for name, part in expected.items():
        assert part in printed[name], f"readmore {name}:\n{printed[name]}"
    assert (folder / "report.html").exists()


def test_a_consumer_sees_the_library_alone(wheel: Path, demo_index: Path, index_dir: Path, tmp_path: Path, folder: Path) -> None:
    programs = environment(tmp_path / "env", str(wheel))
    script = f"""
import sys
from recommender import Recommender, Article
recommender = Recommender.open({str(demo_index)!r})
print(recommender.related("for", limit=3).ids)
print(sorted({{"torch", "transformers", "fastapi", "faiss"}} & set(sys.modules)))
print(*(name for name in {FOREIGN} if __import__("importlib").util.find_spec(name)), [path for path in sys.path if "_programs" in path])
try:
    recommender.related_to(Article("", "A title", "A text."))
except Exception as error:
    print(type(error).__name__, error)
sys.path.append({str(ROOT)!r})  # for the tests' embedder; the library is found before, in the wheel
from tests.support.hash_embedder import HashEmbedder
recommender = Recommender.open({str(index_dir)!r}, HashEmbedder())
print(recommender.related_to(Article("", "", "Ship pier crane dock ferry."), limit=2)[0].section, sys.modules["recommender"].__file__)
"""
    done = subprocess.run([str(programs / "python"), "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path, env=outside())
    ids, loaded, ours, refused, searched = done.stdout.splitlines()
    assert re.fullmatch(rf"harbour {tmp_path}/.*site-packages/recommender/__init__\.py", searched)
    with Recommender.open(demo_index) as opened:
        assert ids == str(opened.related("for", limit=3).ids)
    assert (loaded, ours) == ("[]", "[]")
    assert re.fullmatch(r"ModelError the model all-MiniLM-L6-v2 is not installed - pip .* install '.*\.whl\[build\]'", refused)
