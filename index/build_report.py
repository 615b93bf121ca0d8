"""What a build did, in figures."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ArchiveChanges:
    """What a build changes in the archive.

    Attributes:
        n_new: Articles that the serving release does not hold.
        n_changed: Articles of which a field is another.
        n_kept: Articles that no source named, and that stay.
        n_deleted: Articles that the serving release holds and the new one will not.
    """

    n_new: int = 0
    n_changed: int = 0
    n_kept: int = 0
    n_deleted: int = 0


@dataclass(slots=True)
class BuildReport:
    """What a build did.

    Attributes:
        rejected: Articles left out, by code; each stands in `rejects.jsonl`.
        dropped_fields: Fields left out of articles that were kept, by code; they stand there too.
        passed_over: What is no public article, by reason: drafts, pages, symbolic links, ...
        mended: Damage that was repaired, by kind.
        changes: What became of the articles that the last release held.
        n_withdrawn: Articles that the sources withdraw.
        n_live: Articles that were put through the service since the last build.
        n_truncated: Newly embedded chunks of which the model would not read the end; 0, or the chunker is wrong for the model.
        n_without_title: Articles without a title; if that is most of them, it has another name (`--map title=...`).
        n_capped: Articles of which only the first `MAX_TEXT` characters were embedded.
        n_duplicates: Near-duplicates, shown only beside the article that stands for them.
        n_links: Entries of the hand-made lists that name an article of the archive.
        n_links_unknown, n_links_guessed: Entries that name none, and that were found by a title that is nearly equal: see `links.jsonl`.
        seconds: Wall time by stage.
        bytes: Size of the release on disk.
    """

    release: str = ""
    n_read: int = 0
    n_articles: int = 0
    n_chunks: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    dropped_fields: Counter[str] = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)
    mended: Counter[str] = field(default_factory=Counter)
    changes: ArchiveChanges = field(default_factory=ArchiveChanges)
    n_withdrawn: int = 0
    n_live: int = 0
    n_truncated: int = 0
    n_without_title: int = 0
    n_capped: int = 0
    n_duplicates: int = 0
    n_links: int = 0
    n_links_unknown: int = 0
    n_links_guessed: int = 0
    n_embedded: int = 0
    n_reused: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    bytes: int = 0

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = round(self.seconds.get(stage, 0.0) + time.perf_counter() - start, 3)
