"""Prepare the test data of all peers: the same articles, queries and hand-made lists."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from recommender.errors import InputError
from recommender.evaluation.measures import evaluate
from scripts.benchmarks.peers.peer import PeerText, read_texts
from scripts.local_server import drafts_of

K = 10
"""Length of a list."""
N_TIMED, N_COMPARED, N_DRAFTS = 500, 100, 30
LEAST_WORDS = 20
"""Minimum length in words of an article used as a query."""


@dataclass(frozen=True, slots=True)
class PeerArchive:
    """Articles, and the queries on them.

    Attributes:
        path: JSON Lines.
        n: Number of articles in the file.
        timed: Articles whose lists are timed. The first `N_COMPARED` are compared with an exact search.
        drafts: Texts of 300 words.
        qrels: Article id -> ids of its hand-made list that are in the file.
        judged: The articles with such a list.
    """

    path: Path
    n: int
    timed: tuple[PeerText, ...]
    drafts: tuple[str, ...]
    qrels: Mapping[str, Sequence[str]]
    judged: tuple[PeerText, ...]

    @classmethod
    def read(cls, path: Path, limit: int | None, short: Path) -> "PeerArchive":
        """Choose the queries, the same in every run.

        Args:
            limit: Use only the first `limit` articles, and write them to `short`. None: all.

        Raises:
            InputError: The file is not JSON Lines with id, title and text, or has no article of `LEAST_WORDS`.
        """
        try:
            if limit:
                with path.open(encoding="utf-8") as file:
                    short.write_text("".join(islice(file, limit)), encoding="utf-8")
                path = short
            texts = read_texts(path)
            with path.open(encoding="utf-8") as file:
                records = [json.loads(line) for line in file if line.strip()]
            listed = {str(record["id"]): record.get("read_more") or [] for record in records}
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise InputError(f"{path} cannot be read ({type(error).__name__}) - give JSON Lines with id, title and text") from error
        asked = [text for text in texts if len(text.text.split()) >= LEAST_WORDS]
        if not asked:
            raise InputError(f"{path} has no article of {LEAST_WORDS} words - give one that has some")
        timed = random.Random(1).sample(asked, min(N_TIMED, len(asked)))  # noqa: S311 - the same in every run
        qrels = {text.id: [target for target in listed[text.id] if target in listed and target != text.id] for text in texts}
        judged = tuple(text for text in texts if qrels[text.id])
        return cls(
            path=path,
            n=len(texts),
            timed=tuple(timed),
            drafts=tuple(drafts_of([text.text for text in timed], N_DRAFTS)),
            qrels={text.id: qrels[text.id] for text in judged},
            judged=judged,
        )

    def ndcg(self, lists: Mapping[str, Sequence[str]]) -> float | None:
        """Return nDCG@5 of the lists of the judged articles. None if there are no hand-made lists."""
        return evaluate(self.qrels, lists)["nDCG@5"] if self.qrels else None
