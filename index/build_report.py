"""Report the counts, changes and timings of a build."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ArchiveChanges:
    """The changes that a build makes to the archive.

    Attributes:
        n_new: Articles that the serving release does not hold.
        n_changed: Articles with at least one changed field.
        n_kept: Articles that no source named and that are kept.
        n_deleted: Articles that the serving release holds and the new release will not hold.
    """

    n_new: int = 0
    n_changed: int = 0
    n_kept: int = 0
    n_deleted: int = 0


@dataclass(slots=True)
class BuildReport:
    """The counts and timings of a build.

    Attributes:
        rejected: Articles left out, by code. Each is listed in `rejects.jsonl`.
        dropped_fields: Fields left out of articles that were kept, by code. Each is listed in `rejects.jsonl`.
        passed_over: Records that are not public articles, by reason: drafts, pages, symbolic links, ...
        mended: Damage that was repaired, by kind.
        found_fields: Fields that were found under a well-known name: `title <- headline`.
        changes: The changes against the last release.
        n_withdrawn: Articles that the sources withdraw.
        n_live: Articles that were upserted through the service since the last build.
        n_truncated: Newly embedded chunks that exceed the model's window. Above 0, the chunker is wrong for the model.
        n_without_title: Articles without a title. If most have none, the field has another name (`--map title=...`).
        n_without_date: Articles without a date of publication.
        n_capped: Articles of which only the first `MAX_TEXT` characters were embedded.
        n_duplicates: Near-duplicates, shown only beside the article that represents them.
        n_links: Entries of the hand-made lists that name an article of the archive.
        n_links_unknown, n_links_guessed: Entries that match no article, and entries matched by a nearly equal title.
            See `links.jsonl`.
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
    found_fields: Counter[str] = field(default_factory=Counter)
    changes: ArchiveChanges = field(default_factory=ArchiveChanges)
    n_withdrawn: int = 0
    n_live: int = 0
    n_truncated: int = 0
    n_without_title: int = 0
    n_without_date: int = 0
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
