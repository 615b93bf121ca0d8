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
    """Yield a writer for overrides and judgements.

    Changes are durable at the end of the context, and then apply to all answers of this machine.

    Args:
        journal: The journal that machines share. None: this machine is alone.

    Raises:
        JournalUnavailable: The journal does not answer. Nothing was written.
        StorageError: `live.db` cannot be written.
        InputError: `live.db` is a replica of a journal, but no journal is given.
    """
    if journal is None:
        with writing(index_dir) as connection:
            alone(connection)
            yield LocalWriter(connection)
            if not (index_dir / WITHDRAWN).exists():  # from now on a missing file counts as lost
                note_withdrawn(index_dir, connection)
        return
    from index.journal.checks import check_turn
    from index.journal.replication import follow_at_once

    with journal.turn() as turn:
        check_turn(index_dir, turn)
        yield turn
    follow_at_once(index_dir, journal)
