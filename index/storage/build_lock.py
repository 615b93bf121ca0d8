"""Lock an index so that only one build runs at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from index.storage.permissions import keep_private
from recommender.errors import IndexBusy
from recommender.types import rfc3339

LOCK = "build.lock"


@contextmanager
def build_lock(index_dir: Path) -> Iterator[None]:
    """Hold the index's write lock. The system releases it when the process ends, however it ends.

    Raises:
        IndexBusy: Another process holds the lock. The message names the process and the time.
    """
    with (index_dir / LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another build"
            raise IndexBusy(f"{index_dir} is locked by {holder} - wait for it to end, or stop it") from None
        keep_private(index_dir / LOCK, index_dir)
        file.truncate(0)
        file.write(f"pid {os.getpid()} since {rfc3339(datetime.now(UTC).replace(microsecond=0))}")
        file.flush()
        yield
