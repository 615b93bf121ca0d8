"""The compiled graph: the model's own vectors, whatever they are embedded with, and no torch."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index import compile as compiling
from index.build import build_index
from index.compile import compile_model, fastest_embedder, prune_encoders
from recommender import Article, Recommender, SentenceTransformerEmbedder
from recommender.compiled import ENCODER, GRAPH, TOKENIZER, CompiledEmbedder, encoder_folder
from recommender.embedding import BUNDLED_SHA256
from recommender.errors import ModelError
from recommender.manifest import CANARIES
from tests.archive import records
from tests.served import ROOT

TEXTS = [*CANARIES, *(f"{record['title']}\n\n{record['text']}" for record in records(12)), "word " * 600, "  spaces  ", "🚢", "x"]


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory, model: SentenceTransformerEmbedder) -> Path:
    """An index whose encoder is compiled, as `scripts/build_index.py` makes it."""
    folder = tmp_path_factory.mktemp("compiled")
    compile_model(model, encoder_folder(folder, model.sha256))
    build_index(["pydoc-topics"], folder, fastest_embedder(folder))
    return folder


@pytest.fixture
def encoder(index: Path) -> Path:
    return encoder_folder(index, BUNDLED_SHA256)


@pytest.fixture
def copy(encoder: Path, tmp_path: Path) -> Path:
    """An encoder whose files may be changed."""
    folder = encoder_folder(tmp_path, BUNDLED_SHA256)
    folder.mkdir(parents=True)
    for path in encoder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_vectors_are_the_models_own(encoder: Path, model: SentenceTransformerEmbedder) -> None:
    compiled = CompiledEmbedder(encoder)
    vectors = compiled.embed(TEXTS)
    assert np.einsum("ij,ij->i", vectors, model.embed(TEXTS)).min() > 0.9999
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert (compiled.name, compiled.sha256, compiled.dim, compiled.max_tokens) == (model.name, model.sha256, model.dim, model.max_tokens)
    for text in TEXTS:
        assert (compiled.token_spans(text) == model.token_spans(text)).all()
    assert compiled.embed([]).shape == (0, model.dim)


def test_a_vector_does_not_depend_on_its_company(encoder: Path) -> None:
    compiled = CompiledEmbedder(encoder)
    together = compiled.embed(TEXTS)
    assert (np.concatenate([compiled.embed([text]) for text in TEXTS]) == together).all()
    assert (compiled.embed(TEXTS[::-1])[::-1] == together).all()


@pytest.mark.parametrize("threads", ["1", "3"])
def test_nor_on_the_number_of_threads(encoder: Path, threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = CompiledEmbedder(encoder).embed(TEXTS)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert (CompiledEmbedder(encoder).embed(TEXTS) == here).all()


def test_drafts_need_no_torch(index: Path, model: SentenceTransformerEmbedder) -> None:
    script = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = sys.modules['sentence_transformers'] = None\n"
        "from recommender import Article, Recommender\n"
        f"with Recommender.open({str(index)!r}) as opened: print(*opened.related_to(Article('', 'loops', 'for and while loops')).ids)"
    )
    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    with Recommender.open(index, model) as opened:
        by_the_model = opened.related_to(Article("", "loops", "for and while loops")).ids
    assert tuple(told.split()) == by_the_model


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / GRAPH).write_bytes((folder / GRAPH).read_bytes() + b" "),
        lambda folder: (folder / TOKENIZER).unlink(),
        lambda folder: (folder / ENCODER).write_text("{}"),
    ],
)
def test_a_damaged_encoder_is_refused_and_made_anew(copy: Path, damage: Callable[[Path], object]) -> None:
    damage(copy)
    with pytest.raises(ModelError, match="build again"):
        CompiledEmbedder(copy)
    assert isinstance(fastest_embedder(copy.parents[1]), CompiledEmbedder)
    assert CompiledEmbedder(copy).embed(["whole again"]).shape == (1, 384)


def test_a_graph_with_other_vectors_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(compiling, "_parity", lambda *_: 0.99)
    assert isinstance(fastest_embedder(tmp_path), SentenceTransformerEmbedder)
    assert "gives other vectors (cosine 0.9900)" in caplog.text
    assert not list((tmp_path / "encoders").iterdir())


def test_encoders_of_models_that_no_release_needs_are_removed(copy: Path) -> None:
    prune_encoders(copy.parents[1], [])
    assert not copy.exists()
