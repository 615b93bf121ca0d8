"""What most tests stand on: an index of a small archive, built for real with a fast embedder, and one of the real model."""

import fcntl
import os
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient

from index.build import build_index
from index.encoder.openvino_export import compile_model, fastest_embedder
from recommender import Embedder, Recommender, SentenceTransformerEmbedder
from recommender.embedding.openvino import ENCODERS, encoder_folder
from recommender.embedding.sentence_transformer import bundled_embedder
from recommender.release.manifest import FLOAT
from service.app import create_app
from service.settings import Settings, hashed
from tests.support.archive import records, write_jsonl
from tests.support.hash_embedder import HashEmbedder

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.postgres_server import Running

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def shared(name: str) -> Path:
    """A file of the evaluation data; the test skips where it is not there."""
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"evaluation data is not here: {name}")
    return path


Command = Callable[..., tuple[int, str]]
"""Runs `build_index.py` with arguments: its exit code, and what it writes for people."""


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `build_index.py` with a fast model; its exit code and what it says."""
    script = str(ROOT / "scripts" / "build_index.py")
    monkeypatch.setattr("index.encoder.openvino_export.fastest_embedder", lambda index_dir, model: HashEmbedder())

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(script, run_name="__main__")
        assert isinstance(ended.value.code, int)
        return ended.value.code, capsys.readouterr().err

    return run


ADMIN_KEY = "an admin's key"


def client_of(index_dir: Path, embedder: Embedder | None = None, **settings: Any) -> TestClient:
    """A client, with an admin key, of a service of its own."""
    app = create_app(Settings(index=index_dir, **{"admin_keys": (hashed(ADMIN_KEY),), **settings}), embedder)
    return TestClient(app, raise_server_exceptions=False, headers={"Authorization": f"Bearer {ADMIN_KEY}"})


@pytest.fixture(scope="session")
def index_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 40 articles of several chunks each. Read only: tests that change files copy it."""
    folder = tmp_path_factory.mktemp("index")
    build_index([str(write_jsonl(folder / "archive.jsonl", records()))], folder / "index", HashEmbedder())
    return folder / "index"


@pytest.fixture
def recommender(index_dir: Path) -> Iterator[Recommender]:
    with Recommender.open(index_dir, HashEmbedder()) as opened:
        yield opened


@pytest.fixture
def client(index_dir: Path) -> Iterator[TestClient]:
    with client_of(index_dir, HashEmbedder()) as opened:
        yield opened


@pytest.fixture(scope="session")
def model() -> SentenceTransformerEmbedder:
    """The real model."""
    return bundled_embedder()


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first of the processes that test side by side makes, while the others wait for it. Read only."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            make(folder.with_suffix(".new"))
            folder.with_suffix(".new").rename(folder)
    return folder


@pytest.fixture(scope="session")
def demo_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make demo` builds: Python's help topics, with the real model, which is compiled."""

    def make(folder: Path) -> None:
        model = bundled_embedder()
        compile_model(model, encoder_folder(folder, model.sha256, FLOAT))
        build_index(["pydoc-topics"], folder, fastest_embedder(folder))

    return made_once(tmp_path_factory, "demo", make)


@pytest.fixture
def not_compiled(demo_index: Path, tmp_path: Path) -> Path:
    """That index where the model could not be compiled: sentence-transformers reads its texts."""
    return Path(shutil.copytree(demo_index, tmp_path / "not-compiled", ignore=shutil.ignore_patterns(ENCODERS, "live.db*")))


@pytest.fixture
def new_index(demo_index: Path, tmp_path: Path) -> Path:
    """A folder to build an index in; the model is compiled in it, as for every build but the first."""
    shutil.copytree(demo_index / ENCODERS, tmp_path / "index" / ENCODERS, copy_function=os.link)
    return tmp_path / "index"


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A real browser, which the tests of a module share."""
    from scripts.chromium import chromium  # Playwright is for the few modules that look at pages

    with chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def postgres() -> Iterator["Running"]:
    """A real PostgreSQL server. Tests make databases of their own, and leave it running."""
    from tests.support.postgres_server import postgres_server  # few modules need it

    with postgres_server() as running:
        yield running
