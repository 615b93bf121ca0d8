"""What most tests stand on: an index of a small archive, built for real with a fast embedder, and one of the real model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from index.build import build_index
from recommender import Embedder, Recommender, SentenceTransformerEmbedder
from recommender.embedding import bundled_embedder
from service.app import create_app
from service.settings import Settings, hashed
from tests.archive import records, write_jsonl
from tests.hash_embedder import HashEmbedder

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def shared(name: str) -> Path:
    """A file of the evaluation data; the test skips where it is not there."""
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"evaluation data is not here: {name}")
    return path


ADMIN_KEY = "an admin's key"


def client_of(index_dir: Path, embedder: Embedder | None = None, **settings: Any) -> TestClient:
    """A client, with an admin key, of a service of its own."""
    app = create_app(Settings(index=index_dir, admin_keys=(hashed(ADMIN_KEY),), **settings), embedder)
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


@pytest.fixture(scope="session")
def demo_index(tmp_path_factory: pytest.TempPathFactory, model: SentenceTransformerEmbedder) -> Path:
    """What `make demo` builds: Python's help topics, with the real model."""
    folder = tmp_path_factory.mktemp("demo")
    build_index(["pydoc-topics"], folder, model)
    return folder
