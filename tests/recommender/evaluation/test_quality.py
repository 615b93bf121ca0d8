"""Our lists against the editors' own, on real archives: minutes of embedding, so run by hand with `-m long`."""

from pathlib import Path

import pytest

from index.build import build_index
from recommender import Recommender, SentenceTransformerEmbedder
from recommender.evaluation.measures import DEPTH, evaluate
from tests.conftest import shared


@pytest.mark.long
@pytest.mark.parametrize(
    ("archive", "n_lists", "least"),
    [("digitalgov", 706, 0.43), ("hugodocs", 366, 0.71), ("k8s_en", 253, 0.505), ("chameleon", 100, 0.42)],
)
def test_lists_are_as_good_as_they_were(
    archive: str, n_lists: int, least: float, model: SentenceTransformerEmbedder, tmp_path: Path
) -> None:
    report = build_index([str(shared(f"{archive}.jsonl"))], tmp_path, model)
    assert report.n_truncated == 0
    with Recommender.open(tmp_path) as opened:
        qrels = opened.catalogue.hand_made_lists()
        run = {article_id: opened.related(article_id, DEPTH).ids for article_id in qrels}
    assert len(qrels) == n_lists
    assert evaluate(qrels, run)["nDCG@5"] >= least
