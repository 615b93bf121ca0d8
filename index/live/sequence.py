"""Numbers of live changes where a release comes from another machine.

A release says up to which change of `live.db` it holds (`live_sequence`), and services count only what came later. It names the file that
counted, and to another file its number says nothing. If the builder works with a copy of this machine's file, both count alike: what this
machine numbered since the copy must neither be hidden by the release nor fall below it afterwards. A journal numbers for all machines.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from index.live.database import writing
from recommender.errors import InputError
from recommender.live.database import LIVE_DB, read_state
from recommender.release.catalogue import immutable_uri
from recommender.release.manifest import Manifest

FOLDED = "SELECT id, title, text FROM article WHERE NOT withdrawn AND sequence <= ?"


def take_over_numbers(index_dir: Path, manifest: Manifest, catalogue: Path) -> None:
    """Number the next live changes above those that a release holds, which is about to serve.

    Args:
        catalogue: The release's `catalogue.db`, wherever it lies.

    Raises:
        InputError: It was built with a copy of this machine's `live.db`, and does not hold live articles as they were put.
        StorageError: `live.db` cannot be written.
    """
    if not manifest.live_sequence or not (index_dir / LIVE_DB).exists():
        return
    with writing(index_dir) as connection, closing(sqlite3.connect(immutable_uri(catalogue), uri=True)) as held:
        if read_state(connection).counter != manifest.journal or read_state(connection).journal is not None:
            return
        hidden = [
            article_id
            for article_id, *put in connection.execute(FOLDED, (manifest.live_sequence,))
            if list(held.execute("SELECT title, text FROM article WHERE id = ?", (article_id,)).fetchone() or ()) != put
        ]
        if hidden:
            raise InputError(
                f"release {manifest.release} was built with another state of this machine's {LIVE_DB}, and would hide {len(hidden)} live "
                f"articles, {hidden[0][:100]!r} the first - build with this file (docs/store.md); the index is as it was"
            )
        connection.execute("UPDATE state SET sequence = max(sequence, ?)", (manifest.live_sequence,))
