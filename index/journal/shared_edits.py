"""Give a build the edits that machines share in a journal. See `index.build_options.OnlineEdits`."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from index.journal.checks import check_missed
from index.journal.connect import opened
from index.journal.replication import follow, purge_journal
from recommender.release.manifest import Manifest

if TYPE_CHECKING:
    from index.journal.journal import Journal


@dataclass(frozen=True, slots=True)
class SharedEdits:
    """The edits of a journal."""

    journal: "Journal"

    def copy(self, index_dir: Path) -> None:
        """Copy the edits that this machine lacks. See `index.journal.replication.follow`."""
        follow(index_dir, self.journal)

    def check(self, index_dir: Path, serving: Manifest | None) -> None:
        """Verify that this machine holds all articles of the journal. See `index.journal.checks.check_missed`."""
        check_missed(index_dir, serving)

    def purge(self, kept: Sequence[Manifest]) -> None:
        """Remove the edits that all kept releases hold from the journal."""
        purge_journal(self.journal, kept)


@contextmanager
def shared_edits(address: str) -> Iterator[SharedEdits]:
    """Open the journal at an address.

    Raises:
        InputError: The address is not valid, or packages are missing.
    """
    journal = opened(address)
    assert journal is not None  # noqa: S101 - narrows the type; no journal has an empty address
    with closing(journal):
        yield SharedEdits(journal)
