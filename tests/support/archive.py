"""Build archives for tests: articles of several chunks each, about a few subjects, from a fixed seed."""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from index.ingest.record import Entry, PassedOver, Record, Reject
from index.terms.analysis import Digest, Text, digests
from index.workers.processes import ALONE
from recommender.types import Article

SUBJECTS = {
    "harbour": "ship pier crane cargo tide captain dock ferry anchor sailor lighthouse buoy",
    "election": "vote ballot candidate poll party campaign mandate coalition debate turnout recount ward",
    "garden": "soil seed pruning rose compost hedge tulip orchard bee lawn shade root",
    "railway": "train signal platform timetable conductor track tunnel freight junction fare carriage delay",
}
COMMON = ["the", "city", "said", "people", "this", "year", "will", "more", "after", "new"]


def records(n: int = 40, seed: int = 7) -> list[dict[str, Any]]:
    """Return articles of 2 to 9 sentences, most with a date and a hand-made list on their own subject."""
    chance = random.Random(seed)
    made: list[dict[str, Any]] = []
    for number in range(n):
        subject = list(SUBJECTS)[number % len(SUBJECTS)]
        own, other = SUBJECTS[subject].split(), SUBJECTS[chance.choice(list(SUBJECTS))].split()
        sentences = []
        for _ in range(chance.randint(2, 9)):
            words = chance.choices(own, k=5) + chance.choices(other, k=2) + chance.choices(COMMON, k=4)
            chance.shuffle(words)
            sentences.append(" ".join(words).capitalize() + ".")
        made.append(
            {
                "id": f"{subject}-{number}",
                "title": f"{subject.capitalize()} {chance.choice(own)} number {number}",
                "text": "\n\n".join(sentences),
                "url": f"https://example.org/{subject}/{number}",
                "published": f"20{10 + number % 12}-03-{1 + number % 28:02d}T08:00:00Z" if number % 7 else None,
                "section": subject,
                "lang": "en",
                "read_more": [f"{subject}-{other}" for other in range(number % 4, n, 4) if other != number][:2],
            }
        )
    return made


def digested(articles: Sequence[Article]) -> Iterator[Digest]:
    """Yield the digests of some texts, each a single chunk, as a build needs them."""
    return digests([Text(article.title, article.text, [(0, len(article.text))]) for article in articles], ALONE)


def short(entry: Entry) -> Any:
    """Return a short form of a reader's entry.

    It holds the fields of a record; line, code and `cut` of a reject; the reason for a skip; or the repairs.
    """
    if isinstance(entry, Record):
        return dict(entry.fields)
    if isinstance(entry, Reject):
        return (entry.line, entry.code, entry.cut)
    return entry.reason if isinstance(entry, PassedOver) else (entry.fault, entry.count)


def write_jsonl(path: Path, lines: Sequence[dict[str, Any] | str]) -> Path:
    """Write records as JSON, and strings unchanged."""
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines), encoding="utf-8")
    return path
