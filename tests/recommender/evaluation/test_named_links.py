"""A link counts as named if the title stands in the text, word for word."""

from pathlib import Path

import pytest

from index.build import build_index
from recommender import Recommender
from recommender.evaluation.named_links import named_links
from tests.support.archive import write_jsonl
from tests.support.hash_embedder import HashEmbedder

TITLES = {"a": "The Harbour Ferry", "b": "Ferry", "c": "Two libraries close", "d": "Storm at the coast"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("As “The harbour – ferry” showed, ferries sail. Nothing else sails here today.", {"a"}),
        ("The harbour has a ferry. Ferry, ferry, and again the old ferry of them all.", set()),
        ("TWO LIBRARIES CLOSE: a storm at the coasts, and storm at the coast again.", {"c", "d"}),
    ],
)
def test_named_titles(tmp_path: Path, text: str, named: set[str]) -> None:
    fields: list[dict[str, object]] = [
        {"id": id_, "title": title, "text": f"{title} is what this one is about, and more"} for id_, title in TITLES.items()
    ]
    fields.append({"id": "query", "title": "Query", "text": text, "read_more": list(TITLES)})
    build_index([str(write_jsonl(tmp_path / "a.jsonl", fields))], tmp_path / "index", HashEmbedder())
    with Recommender.open(tmp_path / "index", HashEmbedder()) as recommender:
        found = named_links(recommender.catalogue, recommender.catalogue.hand_made_lists())
    assert found == {("query", target) for target in named}
