"""Define the figures of each peer, and print their table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

IN_PROCESS = "*"


@dataclass(frozen=True, slots=True)
class Answers:
    """Speed of lists.

    Attributes:
        by_id: p50 and p99 in ms of an article's list, one after another, each article for the first time.
        by_id_per_s: Lists of articles per second: over 16 connections, or one after another in the process.
        draft_ms: p50 of the list of a draft of 300 words, the model loaded.
        memory_mb: Memory after these.
        over_http: True if a server answered, False if calls ran in the process.
    """

    by_id: tuple[float, float]
    by_id_per_s: float
    draft_ms: float
    memory_mb: int
    over_http: bool

    @classmethod
    def measured(cls, by_id_s: Sequence[float], draft_s: Sequence[float], memory_mb: int, per_s: float | None = None) -> "Answers":
        """Return the figures from the seconds of each call.

        Args:
            per_s: Answers per second of a server. None without a server.
        """
        p50, p99 = np.percentile(by_id_s, [50, 99]) * 1e3
        return cls(
            by_id=(float(p50), float(p99)),
            by_id_per_s=len(by_id_s) / sum(by_id_s) if per_s is None else per_s,
            draft_ms=float(np.median(draft_s)) * 1e3,
            memory_mb=memory_mb,
            over_http=per_s is not None,
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one peer.

    Attributes:
        versions: Versions of its packages. Readmore's checkout has none.
        batch_size: The best batch size; 0 if none was chosen.
        articles_per_s: From JSON Lines to an index that answers, with process start and model loading.
        bytes_per_article: On disk, in addition to the source.
        building_mb: Peak memory during the build.
        open_s: From the start of a process to its first list.
        recall: Share of the 10 exact nearest articles in its own 10. None where there are no vectors.
        ndcg: nDCG@5 on the hand-made lists. None where the archive has none.
    """

    peer: str
    versions: Mapping[str, str]
    batch_size: int
    articles_per_s: float
    bytes_per_article: float
    building_mb: int
    open_s: float
    answers: Answers
    recall: float | None
    ndcg: float | None


COLUMNS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("", lambda of: of.peer),
    ("build, articles/s", lambda of: _short(of.articles_per_s)),
    ("bytes an article", lambda of: f"{of.bytes_per_article:,.0f}"),
    ("memory, building, MB", lambda of: f"{of.building_mb:,}"),
    ("open to first list, s", lambda of: f"{of.open_s:.2f}"),
    ("by id p50, ms", lambda of: _short(of.answers.by_id[0]) + _where(of)),
    ("p99, ms", lambda of: _short(of.answers.by_id[1]) + _where(of)),
    ("lists/s", lambda of: f"{of.answers.by_id_per_s:,.0f}" + _where(of)),
    ("draft p50, ms", lambda of: _short(of.answers.draft_ms) + _where(of)),
    ("memory, answering, MB", lambda of: f"{of.answers.memory_mb:,}"),
    ("recall@10", lambda of: _share(of.recall, 3)),
    ("nDCG@5", lambda of: _share(of.ndcg, 4)),
)


def table(rows: Sequence[Figures]) -> str:
    """Return a Markdown table with one row per peer. `*` marks calls in the process."""
    lines = [[name for name, _ in COLUMNS], ["---"] * len(COLUMNS), *([show(row) for _, show in COLUMNS] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _where(of: Figures) -> str:
    return "" if of.answers.over_http else IN_PROCESS


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


def _share(figure: float | None, places: int) -> str:
    return "–" if figure is None else f"{figure:.{places}f}".removeprefix("0")
