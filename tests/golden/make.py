"""Write the golden release of the current format: `python -m tests.golden.make`, after a change of
`recommender.release.manifest.FORMAT`.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from index.build import build_index
from recommender import Article, Recommender
from recommender.release.manifest import CURRENT, FORMAT, current_folder
from tests.support.archive import write_jsonl
from tests.support.hash_embedder import HashEmbedder

GOLDEN = Path(__file__).parent
INDEX, LISTS = "index.zip", "lists.json"

DRAFT = Article("", "The captain of the ferry", "A storm closed the harbour. The ferry stayed at the pier.")

ARTICLES: list[dict[str, Any]] = [
    {
        "id": "ferry",
        "title": "The ferry leaves the harbour",
        "text": "The captain waited for the tide. The old ferry left the pier at noon, and the lighthouse was lit for it.",
        "url": "https://example.org/ferry",
        "published": "2024-05-01T08:00:00Z",
        "section": "harbour",
        "lang": "en",
        "read_more": ["storm"],
    },
    {
        "id": "storm",
        "title": "A storm closes the harbour",
        "text": "No ferry left the pier. The captain watched the storm from the lighthouse until the tide turned.",
        "published": "2024-05-03T18:30:00+02:00",
        "section": "harbour",
    },
    {
        "id": "orchard",
        "title": "渡船 and orchards",
        "text": "The old orchard by the pier has a new hedge. Bees come with the tide of spring.",
    },
]


def lists(index: Path) -> dict[str, Any]:
    """Return what an index answers: every list with its reasons and features, and the list of a draft."""
    with Recommender.open(index, HashEmbedder()) as opened:
        answers = {article["id"]: opened.related(article["id"], 3, explain=True).as_dict() for article in ARTICLES}
        return {**answers, "draft": opened.related_to(DRAFT, 3, explain=True).as_dict()}


def build(work: Path) -> Path:
    """Build the release of `ARTICLES`."""
    build_index([str(write_jsonl(work / "articles.jsonl", ARTICLES))], work / "index", HashEmbedder())
    return work / "index"


def write(folder: Path) -> None:
    """Write a release, packed because pages of a catalogue are large and nearly empty, and its lists."""
    folder.mkdir(exist_ok=True)
    with TemporaryDirectory() as work:
        index = build(Path(work))
        answers = lists(index)
        with ZipFile(folder / INDEX, "w", ZIP_DEFLATED, compresslevel=9) as packed:
            for path in (index / CURRENT, *sorted(current_folder(index).rglob("*"))):
                packed.write(path, path.relative_to(index))
    (folder / LISTS).write_text(json.dumps(answers, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(GOLDEN / f"format-{FORMAT}")
