"""The release that serves, and the swap to the next one.

A request holds the release that it began with until its answer is out; nothing waits for a swap, and the old release is let go when
the last such request has ended. A release that is damaged is refused: the one that serves stays, and `/readyz` says why.
"""

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recommender import Embedder, Recommender
from recommender.errors import IndexUnusable
from recommender.manifest import CURRENT, current_folder, verify
from recommender.ranker import RANKER

log = logging.getLogger(__name__)

LOOKED_AT_S = 1.0
"""Seconds between two looks at CURRENT and the fitted weights."""

Seen = tuple[tuple[int, int] | None, ...]


class Serving:
    """Safe to share between threads.

    Attributes:
        fault: Why the release that CURRENT names does not serve; None if it does.
    """

    def __init__(self, index_dir: Path, embedder: Embedder | None = None) -> None:
        self._index_dir = index_dir
        self._embedder = embedder
        self._lock = threading.Lock()
        self._reloading = threading.Lock()
        self._seen = self._look()
        self._recommender = Recommender.open(index_dir, embedder)
        self._held: dict[Recommender, int] = {self._recommender: 1}  # 1: by us, as long as it serves
        self.fault = self._recommender.degraded

    @contextmanager
    def held(self) -> Iterator[Recommender]:
        """The release that serves now, open until the end of the context."""
        with self._lock:
            recommender = self._recommender
            self._held[recommender] += 1
        try:
            yield recommender
        finally:
            self._let_go(recommender)

    def reload(self) -> str:
        """Serve the release that CURRENT names, and the weights in force, from now on; nothing is done where neither has changed.

        Returns:
            The name of the release that serves then.
        """
        with self._reloading:
            before = self._recommender
            seen = self._look()
            if seen == self._seen and self.fault is None:
                return before.release.name
            self._seen = seen
            try:
                after = Recommender(verify(current_folder(self._index_dir)), self._embedder or before.loaded_embedder)
            except IndexUnusable as error:
                self.fault = str(error)
                log.error("%s; %s serves on", error, before.release.name)
                return before.release.name
            with self._lock:
                self._recommender = after
                self._held[after] = 1
            self.fault = after.degraded
            log.info("%s serves in place of %s", after.release.name, before.release.name)
            self._let_go(before)
            return after.release.name

    async def watch(self) -> None:
        """Reload whenever CURRENT or the fitted weights change; ends when it is cancelled."""
        while True:
            await asyncio.sleep(LOOKED_AT_S)
            if self._look() != self._seen:
                await asyncio.to_thread(self.reload)

    def close(self) -> None:
        """Let the release go when the last request that holds it has ended."""
        self._let_go(self._recommender)

    def _let_go(self, recommender: Recommender) -> None:
        with self._lock:
            self._held[recommender] -= 1
            if self._held[recommender]:
                return
            del self._held[recommender]
        recommender.close()

    def _look(self) -> Seen:
        return tuple(_stamp(self._index_dir / name) for name in (CURRENT, RANKER))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
