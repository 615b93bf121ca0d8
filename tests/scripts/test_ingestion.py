"""The recipes of docs/ingestion.md, run as they stand there."""

import re
import shlex
from pathlib import Path
from textwrap import dedent

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender import Recommender
from scripts import build_index, command
from tests.support.hash_embedder import HashEmbedder

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "ingestion.md").read_text(encoding="utf-8")
RECIPES = [
    (title, shlex.split(arguments), file, dedent(content))
    for title, section in re.findall(r"^### (.+)\n((?:(?!^##).*\n)+)", TEXT, re.MULTILINE)
    for arguments in re.findall(r"^```sh\nreadmore build (.+)\n```$", section, re.MULTILINE)
    for file, content in [(re.findall(r"`([\w./]+)`", section)[0], "\n".join(re.findall(r"^    .*$", section, re.MULTILINE)))]
]


def test_there_is_a_recipe_for_every_kind_of_source() -> None:
    assert [title for title, *_ in RECIPES] == [
        "JSON Lines",
        "JSON",
        "CSV and TSV",
        "Parquet",
        "RSS, Atom, JSON Feed",
        "WordPress",
        "Blogger",
        "Ghost",
        "A folder of HTML pages",
        "ninjs",
        "A folder of texts or Markdown",
        "A page as pasted",
    ]


@pytest.mark.parametrize(("title", "arguments", "file", "content"), RECIPES, ids=[title for title, *_ in RECIPES])
def test_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, title: str, arguments: list[str], file: str, content: str) -> None:
    file = "export.xml" if title == "WordPress" else file
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    if file.endswith(".parquet"):
        pq.write_table(pa.table({"id": ["strike"], "title": ["Captains on strike"], "body": ["The ferries stay in port."]}), path)
    else:
        path.write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(build_index, "fastest_embedder", lambda index_dir, model: HashEmbedder())
    with pytest.raises(SystemExit) as ended:
        command.run(build_index.main, build_index.options(), arguments)
    assert ended.value.code == 0
    assert (tmp_path / "var/index/rejects.jsonl").read_text() == ""
    with Recommender.open(tmp_path / "var" / "index") as opened:
        cards = [opened.catalogue.card(row) for row in range(opened.release.manifest.n_articles)]
        [strike] = [card for card in cards if card.title == "Captains on strike"]
        assert "The ferries stay in port" in opened.catalogue.article(strike.row).text
        assert "Read more" not in opened.catalogue.article(strike.row).text
        lists = opened.catalogue.hand_made_lists()
        assert (strike.published is not None) == ("2020" in content)
    assert list(lists.values()) == ([(strike.id,)] if len(cards) == 2 else [])
