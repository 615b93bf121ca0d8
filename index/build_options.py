"""Define what a build is asked for: its options, and the wings that take part in it.

A wing is an optional part: a cluster of workers, a server of vectors, a journal of edits. A build knows only the
protocols here. `index.wings` opens the wings at their addresses.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from index.workers.processes import BlockWorkers
from recommender.errors import OutOfRange
from recommender.features.article_features import Layout
from recommender.release.manifest import Manifest
from recommender.retrieval.near_duplicates import Canonical
from recommender.text.dates import DateOrder

MEMORY, LEAST_MEMORY = 4 << 30, 1 << 30

OnDuplicate = Literal["first", "last", "error"]
"""Policy for several articles with one id: keep the first or the last, or stop the build."""

Progress = Callable[[str, int, int | None], None]
"""A callback that receives the stage, the number of items done, and the total if it is known."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """The options of a build.

    Attributes:
        sources: Files, folders, or `pydoc-topics`.
        names: Our field name -> the name that the field has in the sources.
        source_format: A name of `index.ingest.readers.sources.FORMATS`. None chooses by file extension.
        delete_missing: The sources are the whole archive, so articles that they lack are deleted. By default such
            articles of the serving release stay.
        on_duplicate: Which of several articles with one id in the sources is kept.
        strict: Publish nothing if a single article is rejected.
        max_rejects: Publish nothing if a larger share of the articles is rejected.
        include_status: Statuses to read although they are not public: `draft`, `members`, ...
            (`index.ingest.publication`).
        allow_truncated: Build from the readable part of a truncated source.
        id_prefix: The prefix of WordPress post ids. None uses the address of the site, except for the first site
            (`index.ingest.site_ids`).
        canonical: Which of several near-duplicates represents them in lists.
        date_format: The order of day and month in `3/1/2020`. None lets the other dates of the source decide.
        encoding: The encoding of CSV files. None detects it.
        columns: The names of the columns of CSV files without a header.
        max_undated: Publish nothing if a larger share of the articles has no date.
        memory: Bytes that all processes of the build may take together. The page cache is not counted.

    Raises:
        OutOfRange: `memory` is too little for any build.
    """

    sources: Sequence[str]
    names: Mapping[str, str] = field(default_factory=dict)
    source_format: str | None = None
    delete_missing: bool = False
    on_duplicate: OnDuplicate = "first"
    strict: bool = False
    max_rejects: float = 0.05
    include_status: Sequence[str] = ()
    allow_truncated: bool = False
    id_prefix: str | None = None
    canonical: Canonical = "earliest"
    date_format: DateOrder | None = None
    encoding: str | None = None
    columns: Sequence[str] = ()
    max_undated: float = 1.0
    memory: int = MEMORY

    def __post_init__(self) -> None:
        if self.memory < LEAST_MEMORY:
            raise OutOfRange(f"memory is {self.memory >> 20} MiB, a build needs at least {LEAST_MEMORY >> 20} MiB")


class VectorSink(Protocol):
    """A server that holds the vectors of releases in place of the index's folder."""

    def move(self, staged: Path, layout: Layout) -> Iterator[int]:
        """Move the vectors of a staged release to the server, and verify them. Yield the number of finished articles."""
        ...

    def serve(self, release: str) -> None:
        """Let readers without a release of their own read the vectors of this one."""
        ...

    def prune(self, kept: Sequence[str]) -> None:
        """Remove the vectors of other releases."""
        ...


class OnlineEdits(Protocol):
    """The edits since the last build that several machines share."""

    def copy(self, index_dir: Path) -> None:
        """Copy the edits that this machine lacks to its `live.db`."""
        ...

    def check(self, index_dir: Path, serving: Manifest | None) -> None:
        """Verify that no edit is missing here. `serving` is the release of this machine, if there is one."""
        ...

    def purge(self, kept: Sequence[Manifest]) -> None:
        """Remove the edits that all kept releases hold."""
        ...


Wing = TypeVar("Wing")
Opener = Callable[[], AbstractContextManager[Wing]]
"""Opens a wing when the build begins to use it."""


@dataclass(frozen=True, slots=True)
class Wings:
    """The wings of a build. None of them is needed.

    Attributes:
        workers: Run blocks of work. None: processes of this machine.
        vectors: Holds the vectors. None: the index's folder.
        edits: Shared by several machines. None: the live updates of this machine are merged.
        addresses: Where `--resume` finds the wings again, by name.
    """

    workers: Opener[BlockWorkers] | None = None
    vectors: Opener[VectorSink] | None = None
    edits: Opener[OnlineEdits] | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)
