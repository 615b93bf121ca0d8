"""Open a transaction for overrides and judgements: in `live.db`, or in the journal that machines share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from index.live.creation import note_withdrawn
from index.live.database import alone, writing
from index.updates.editorial_writer import EditorialWriter, LocalWriter
from recommender.live.withdrawn import WITHDRAWN

if TYPE_CHECKING:
    from index.journal.journal import Journal


@contextmanager
def saying(index_dir: Path, journal: "Journal | None") -> Iterator[EditorialWriter]:
    """Say something; durable at the end of the context, and then in all answers of this machine.

    Args:
        journal: What machines share; None: this one is alone.

    Raises:
        JournalUnavailable: It does not answer; nothing was said.
        StorageError: `live.db` cannot be written.
        InputError: `live.db` is a copy of a journal, and none is given.
    """
    if journal is None:
        with writing(index_dir) as connection:
            alone(connection)
            yield LocalWriter(connection)
            if not (index_dir / WITHDRAWN).exists():  # from now on a missing file is a lost one
                note_withdrawn(index_dir, connection)
        return
    from index.journal.checks import check_turn
    from index.journal.replication import follow_at_once

    with journal.turn() as turn:
        check_turn(index_dir, turn)
        yield turn
    follow_at_once(index_dir, journal)
