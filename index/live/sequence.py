"""Keep the numbers of live changes consistent when a release comes from another machine.

A release records the last change of `live.db` that it holds (`live_sequence`), and services apply only later changes.
The release names the file that numbered the changes, because its number means nothing to another file. If the builder
works with a copy of this machine's file, both number alike. Then the release must not hide the changes that this
machine numbered since the copy, and these changes must not fall below it afterwards. A journal numbers the changes of
all machines.
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
    """Raise the counter of live changes above the changes of a release that is about to serve.

    Args:
        catalogue: Path of the release's `catalogue.db`.

    Raises:
        InputError: The release was built with a copy of this machine's `live.db`, and lacks live articles in their
            current form.
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
