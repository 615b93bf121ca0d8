"""Hold the release that serves, and swap it for the next one.

A request holds the release that it began with until its answer is sent. No request waits for a swap. The old release
closes when the last request that holds it ends. A damaged release is refused: the current one keeps serving, and
`/readyz` gives the reason.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from index.journal.checks import check_followed, check_missed
from index.journal.connect import opened
from index.journal.replication import follow
from index.live import upserts
from recommender import Embedder, Recommender
from recommender.errors import IndexUnusable, Interrupted, InvalidOverride, ModelError, ReadmoreError, StorageError, VectorsUnavailable
from recommender.features.ranker import RANKER
from recommender.interruption import interruptible
from recommender.release.manifest import CURRENT, MANIFEST, Release, current_folder, open_release, verify
from recommender.vectors.milvus_client import MilvusAddress
from service.condition import Condition, Stamps, stamps_of

if TYPE_CHECKING:
    from index.journal.journal import Journal

log = structlog.get_logger()

LOOKED_AT_S = 1.0
"""Seconds between two checks of the files: CURRENT, its release, the fitted weights and the overrides file.

The health checks run at the same interval.
"""

FOLLOWED_S = 0.2
"""Seconds between two polls of the journal."""

LATER_S = 2.0
"""Seconds until the next poll after a failure, unless PostgreSQL is unreachable."""


class ReleaseHolder:
    """The open release and its journal. Safe to share between threads.

    Attributes:
        index_dir: The folder of the index.
        refused: Why the release that CURRENT names, or the overrides file, is not in force. None if both are.
        condition: The other health checks.
        journal: The journal that machines share. None if this machine serves alone.
        behind: Why this machine lacks changes of other machines. None if it has them all.

    Args:
        live_address: Address of the journal.
        writes: True if the service accepts writes.

    Raises:
        InputError: `live.db` holds changes of this machine alone and a journal is given, or the reverse.
    """

    def __init__(
        self,
        index_dir: Path,
        embedder: Embedder | None = None,
        overrides: Path | None = None,
        vectors: str = "",
        live_address: str = "",
        *,
        writes: bool = True,
    ) -> None:
        self.index_dir = index_dir
        self.condition = Condition(index_dir, writes=writes)
        self.journal = opened(live_address)
        self.behind: str | None = None
        with suppress(StorageError):  # serving the lists of the release beats serving none; the fault is reported below
            check_followed(index_dir, self.journal)
        self._overrides = overrides
        self._vectors = MilvusAddress.parse(vectors) if vectors else None
        self._embedder = embedder
        self._lock = threading.Lock()
        self._reloading = threading.Lock()
        self._stopping = threading.Event()
        self._seen = self._look()
        self._recommender = Recommender.open(index_dir, embedder, overrides, vectors)
        try:
            upserts.create(index_dir)
        except StorageError as error:
            log.warning("not_writable", detail=str(error))
        self._recommender.edition()  # reads all live articles and overrides, so that the first answer need not
        self._held: dict[Recommender, int] = {self._recommender: 1}  # 1: the holder's own reference while the release serves
        self.refused: str | None = None
        if self.journal is not None:
            self._follow_now(self.journal)
        self.condition.look(self._recommender)

    @contextmanager
    def held(self) -> Iterator[Recommender]:
        """Hold the release that serves now open until the context ends."""
        with self._lock:
            recommender = self._recommender
            self._held[recommender] += 1
        try:
            yield recommender
        finally:
            self._let_go(recommender)

    @contextmanager
    def to_write(self) -> Iterator[Path]:
        """Yield the folder of the index for a write.

        Raises:
            StorageError: `live.db` is damaged, so the write would not be visible.
        """
        with self.held() as recommender:
            if recommender.live.damaged:
                raise StorageError(str(recommender.live.fault))
        try:
            yield self.index_dir
        except StorageError as error:
            self.condition.refused = str(error)
            raise
        self.condition.refused = None

    def reload(self) -> str:
        """Serve the release that CURRENT names, with the weights in force. Do nothing if neither changed.

        If the current release has lost a file, the newest sound release replaces it.

        Returns:
            The name of the release that serves afterwards.
        """
        with self._reloading:
            before = self._recommender
            seen = self._look()
            if seen == self._seen and self.refused is None and before.degraded is None:  # the same files may have been repaired
                self.condition.look(before)
                return before.release.name
            self._seen = seen
            try:
                release = self._next(before)
                after = Recommender(release, self._embedder or before.loaded_embedder, self._overrides, self._vectors)
            except (IndexUnusable, InvalidOverride) as error:
                if str(error) not in (self.refused, before.degraded):
                    self.refused = str(error)
                    log.error("refused", detail=self.refused, serves=before.release.name)
                self.condition.look(before)
                return before.release.name
            self._prepare(after)
            with self._lock:
                self._recommender = after
                self._held[after] = 1
            self.refused = None
            log.info("swapped", serves=after.release.name, before=before.release.name)
            self._let_go(before)
            self.condition.look(after)
            return after.release.name

    def _next(self, before: Recommender) -> Release:
        """Return the release to serve next.

        This is the release that CURRENT names. If that release already serves and is damaged, it is another one.
        """
        if before.damage is not None:
            return open_release(self.index_dir)
        try:
            return verify(current_folder(self.index_dir))
        except IndexUnusable:
            if (before.release.folder / MANIFEST).exists() and self._named() != before.release.name:
                raise
            return open_release(self.index_dir)

    def _named(self) -> str | None:
        try:
            return current_folder(self.index_dir).name
        except IndexUnusable:
            return None

    @property
    def fault(self) -> str | None:
        """Return why the service is degraded. None if it is not."""
        away = self.journal.away if self.journal is not None else None
        found = [self.refused, self._recommender.degraded, away, self.behind, *self.condition.reasons]
        return "; ".join(dict.fromkeys(filter(None, found))) or None

    def _prepare(self, recommender: Recommender) -> None:
        """Compute the lists of live articles that the release lacks. Until then no list shows these articles."""
        try:
            with interruptible(self._check):
                done = upserts.prepare(self.index_dir, recommender)
        except Interrupted:
            pass  # the next start does the rest
        except (StorageError, ModelError, VectorsUnavailable) as error:
            log.error("not_prepared", detail=str(error))
        except Exception:
            log.exception("not_prepared")  # the release serves without these lists too
        else:
            if done:
                log.info("prepared", articles=done, release=recommender.release.name)

    def _prepare_this(self) -> None:
        with self.held() as recommender:
            self._prepare(recommender)

    def _follow_now(self, journal: "Journal") -> None:
        """Apply the journal before the first answer, so that withdrawn articles are hidden. Lists come later."""
        try:
            follow(self.index_dir, journal)
        except ReadmoreError as error:
            self.behind = str(error)
            log.error("journal", detail=self.behind)

    def follow(self) -> bool:
        """Copy the changes of other machines, and recompute the lists that they affect.

        Returns:
            True if this machine now has all changes and their lists.
        """
        assert self.journal is not None  # noqa: S101 - narrows the type
        before = self.behind
        prepared = True
        try:
            with self.held() as recommender:
                follow(self.index_dir, self.journal, recommender)
                check_missed(self.index_dir, recommender.release.manifest)
                if _unprepared(recommender):
                    self._prepare(recommender)
                    prepared = not _unprepared(recommender)
            self.behind = None
        except ReadmoreError as error:
            self.behind = str(error)
        except Exception as error:  # noqa: BLE001 - nothing else would report that this machine has stopped following
            self.behind = f"what other machines say cannot be copied ({type(error).__name__}: {error}) - see the log"
        if self.behind != before:
            (log.info if self.behind is None else log.error)("journal", detail=self.behind or "all of it is known here again")
        return self.behind is None and prepared

    async def watch_journal(self) -> None:
        """Follow the journal, if there is one, until cancelled."""
        while self.journal is not None:
            well = await asyncio.to_thread(self.follow)
            await asyncio.sleep(FOLLOWED_S if well or self.journal.away else LATER_S)

    async def watch(self) -> None:
        """Reload whenever CURRENT, its release or the fitted weights change, until cancelled."""
        await asyncio.to_thread(self._prepare_this)
        while True:
            await asyncio.sleep(LOOKED_AT_S)
            if await asyncio.to_thread(self._look) != self._seen or (self._recommender.damage and not self.refused):
                await asyncio.to_thread(self.reload)

    def _check(self) -> None:
        if self._stopping.is_set():
            raise Interrupted("the service stops")

    def stop(self) -> None:
        """Stop the computation of live lists at its next checkpoint."""
        self._stopping.set()

    async def watch_condition(self) -> None:
        """Run the health checks periodically until cancelled."""
        while True:
            await asyncio.sleep(LOOKED_AT_S)
            await asyncio.to_thread(self._look_after)

    def _look_after(self) -> None:
        try:
            with self.held() as recommender:
                self.condition.look(recommender)
        except Exception:
            log.exception("not_looked_after")  # nothing else would run the checks again

    def close(self) -> None:
        """Close the release when the last request that holds it ends."""
        self._let_go(self._recommender)
        if self.journal is not None:
            self.journal.close()

    def _let_go(self, recommender: Recommender) -> None:
        with self._lock:
            self._held[recommender] -= 1
            if self._held[recommender]:
                return
            del self._held[recommender]
        recommender.close()

    def _look(self) -> Stamps:
        named: list[Path] = []
        with suppress(IndexUnusable, OSError):
            named = sorted(path for path in current_folder(self.index_dir).rglob("*") if path.is_file())
        beside = [self.index_dir / CURRENT, self.index_dir / RANKER, *([self._overrides] if self._overrides else [])]
        return stamps_of([*beside, *named])


def _unprepared(recommender: Recommender) -> bool:
    with recommender.live.reading() as view:
        return bool(view.unprepared)
