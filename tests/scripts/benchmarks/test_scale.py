"""The archives that scale is measured on, and the measuring of one that is small enough to know the truth of."""

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from index.build_options import MEMORY
from recommender.text.chunking import chunk_article, embedding_text
from recommender.types import Article, Vectors
from scripts.benchmarks import scale
from scripts.benchmarks.synthetic import SPREAD, SyntheticEmbedder, articles

EMBEDDER = SyntheticEmbedder(30)


def vectors_of(article: Article) -> Vectors:
    return EMBEDDER.embed([embedding_text(article.title, chunk.text, EMBEDDER) for chunk in chunk_article(article, EMBEDDER)])


def test_archives_repeat() -> None:
    some = list(articles(50, words=30))
    assert some == list(articles(50, words=30))
    assert some != list(articles(50, seed=1, words=30))
    assert len({article.id for article in some}) == 50
    np.testing.assert_array_equal(vectors_of(some[7]), vectors_of(some[7]))


def test_vectors_lie_as_real_ones_do() -> None:
    parts = [vectors_of(article) for article in articles(1500, words=30)]
    cosines = [(part @ part.T)[np.triu_indices(len(part), 1)].mean() for part in parts if len(part) > 1]
    assert np.mean(cosines) == pytest.approx(0.70, abs=0.02)
    together = np.concatenate(parts)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    varied = together.var(axis=0)
    assert np.corrcoef(varied, SPREAD**2)[0, 1] > 0.9
    assert varied[0] > 5 * varied.mean()


def test_measures_a_small_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "ASKED", 30)
    monkeypatch.setattr(scale, "DRAFTS", 20)
    scale.main(Namespace(n=300, out=tmp_path, words=30, memory=MEMORY, built=False, json=True))
    figures = json.loads(capsys.readouterr().out)
    assert figures["articles"] == 300
    assert figures["recall@10 in meaning"] == 1.0, "a small archive is searched exactly"
    on_disk = sum(path.stat().st_size for path in (tmp_path / "index" / "releases").rglob("*") if path.is_file())
    assert figures["bytes an article"] == round(on_disk / 300)
    assert figures["of these its text and fields"] < figures["bytes an article"]
    assert figures["lists in all, ms an article"] > 0
