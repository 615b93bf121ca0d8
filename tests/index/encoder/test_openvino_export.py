"""The compiled graph: the model's own vectors, whatever they are embedded with, and no torch."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest

from index.build import build_index
from index.encoder import int8 as quantizing
from index.encoder import openvino_export as compiling
from index.encoder.openvino_export import fastest_embedder, prune_encoders
from index.ingest.readers import pydoc_topics
from recommender import Article, Recommender, SentenceTransformerEmbedder
from recommender.embedding.openvino import ENCODER, FILES, GRAPH, TOKENIZER, CompiledEmbedder, encoder_folder
from recommender.embedding.sentence_transformer import BUNDLED_SHA256
from recommender.errors import ModelError
from recommender.release.manifest import CANARIES, FLOAT
from tests.support.archive import records, write_jsonl
from tests.support.served import ROOT

TEXTS = [*CANARIES, *(f"{record['title']}\n\n{record['text']}" for record in records(12)), "word " * 600, "  spaces  ", "🚢", "x"]


@pytest.fixture
def encoder(demo_index: Path) -> Path:
    return encoder_folder(demo_index, BUNDLED_SHA256, FLOAT)


@pytest.fixture
def copy(encoder: Path, tmp_path: Path) -> Path:
    """An encoder whose files may be changed."""
    folder = encoder_folder(tmp_path, BUNDLED_SHA256, FLOAT)
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


def test_drafts_need_no_torch(demo_index: Path, model: SentenceTransformerEmbedder) -> None:
    script = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = sys.modules['sentence_transformers'] = None\n"
        "from recommender import Article, Recommender\n"
        f"with Recommender.open({str(demo_index)!r}) as opened: print(*opened.related_to(Article('', 'loops', 'for and while loops')).ids)"
    )
    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    with Recommender.open(demo_index, model) as opened:
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
def test_a_damaged_encoder_is_refused_and_made_anew(
    copy: Path, encoder: Path, damage: Callable[[Path], object], model: SentenceTransformerEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "SentenceTransformerEmbedder", lambda name: model)  # loaded and exported before
    monkeypatch.setattr(compiling, "_export", lambda model, made: [copyfile(encoder / name, made / name) for name in FILES])
    damage(copy)
    with pytest.raises(ModelError, match="build again"):
        CompiledEmbedder(copy)
    assert isinstance(fastest_embedder(copy.parents[1]), CompiledEmbedder)
    assert CompiledEmbedder(copy).embed(["whole again"]).shape == (1, 384)


def test_a_graph_with_other_vectors_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(compiling, "parity", lambda *_: 0.99)
    assert isinstance(fastest_embedder(tmp_path), SentenceTransformerEmbedder)
    assert "gives other vectors (cosine 0.9900)" in caplog.text
    assert not list((tmp_path / "encoders").iterdir())


def test_encoders_of_models_that_no_release_needs_are_removed(copy: Path) -> None:
    prune_encoders(copy.parents[1], [])
    assert not copy.exists()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few chunks are worth it, and few are looked at."""
    for name, value in {"LEAST_CHUNKS": 10, "CALIBRATION": 80, "RUNS": 2, "RUN": 12}.items():
        monkeypatch.setattr(quantizing, name, value)


def test_a_large_archive_is_embedded_in_integers(few: None, copy: Path, model: SentenceTransformerEmbedder) -> None:
    folder = copy.parents[1]
    report = build_index(["pydoc-topics"], folder, fastest_embedder(folder))
    assert not copy.exists(), "no release needs the floats any more"
    embedder = fastest_embedder(folder)
    assert isinstance(embedder, CompiledEmbedder)
    assert embedder.precision == "int8"
    cosines = np.einsum("ij,ij->i", embedder.embed(TEXTS[:12]), model.embed(TEXTS[:12]))
    assert 0.98 < cosines.min() < 0.9999
    again = build_index(["pydoc-topics"], folder, embedder)
    assert (again.n_embedded, again.n_reused) == (0, report.n_embedded + report.n_reused)
    with Recommender.open(folder) as opened:
        assert opened.release.manifest.model.precision == "int8"
        assert opened.embedder.precision == "int8"  # type: ignore[attr-defined]
        by_integers = opened.related_to(Article("", "loops", "for and while loops")).ids
    with Recommender.open(folder, model) as opened:
        assert set(by_integers) & set(opened.related_to(Article("", "loops", "for and while loops")).ids)


@pytest.fixture
def short_topics(tmp_path: Path) -> str:
    """Python's help topics, without the long ones, which are most of the text."""
    topics = [dict(record.fields) for record in pydoc_topics.read() if len(record.fields["text"]) < 8_000]
    return str(write_jsonl(tmp_path / "topics.jsonl", topics))


def test_integers_that_change_the_lists_are_not_kept(
    few: None, short_topics: str, copy: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(quantizing, "_overlap", lambda *_: 0.94)
    monkeypatch.setattr(quantizing, "_quantize", lambda model, texts, made: [copyfile(model.folder / name, made / name) for name in FILES])
    folder = copy.parents[1]
    build_index([short_topics], folder, fastest_embedder(folder))
    assert "all-MiniLM-L6-v2 gives other lists (canary cosine 1.0" in caplog.text
    assert "lists' overlap 0.940); it embeds in floats" in caplog.text
    assert [path.name for path in (folder / "encoders").iterdir()] == [copy.name]


def test_overlap_of_lists() -> None:
    assert quantizing._overlap([{1, 2, 3, 4, 5}, {7}, set()], [{1, 2, 3, 4, 9}, {7}, set()]) == pytest.approx((0.8 + 1 + 1) / 3)
