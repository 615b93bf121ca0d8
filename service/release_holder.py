"""The release that serves, and the swap to the next one.

A request holds the release that it began with until its answer is out; nothing waits for a swap, and the old release is let go when
the last such request has ended. A release that is damaged is refused: the one that serves stays, and `/readyz` says why.
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
"""Seconds between two looks at CURRENT and what it names, the fitted weights and the file of overrides; and at the rest."""

FOLLOWED_S = 0.2
"""Seconds between two looks at what other machines said."""

LATER_S = 2.0
"""And after one that failed for another reason than that PostgreSQL is away."""


class ReleaseHolder:
    """Safe to share between threads.

    Attributes:
        index_dir: The folder of the index.
        refused: Why the release that CURRENT names, or the file of overrides, is not in force; None if both are.
        condition: What else is not as it should be.
        journal: What machines share; None: this one is alone.
        behind: Why this machine does not know all that others said; None if it does.

    Args:
        live_address: Of the journal.
        writes: Whether anybody may put or say something.

    Raises:
        InputError: `live.db` holds what was said on this machine alone, and a journal is given, or the other way round.
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
        with suppress(StorageError):  # lists of the release are better than none; below it is told
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
        self._recommender.edition()  # reads all that was put and said, so that the first answer need not
        self._held: dict[Recommender, int] = {self._recommender: 1}  # 1: by us, as long as it serves
        self.refused: str | None = None
        if self.journal is not None:
            self._follow_now(self.journal)
        self.condition.look(self._recommender)

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

    @contextmanager
    def to_write(self) -> Iterator[Path]:
        """The folder of the index, to put or say something.

        Raises:
            StorageError: `live.db` is damaged, so that nobody would see it.
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
        """Serve the release that CURRENT names, and the weights in force, from now on; nothing is done where neither has changed.

        If the release that serves has lost a file itself, the newest sound one takes its place.

        Returns:
            The name of the release that serves then.
        """
        with self._reloading:
            before = self._recommender
            seen = self._look()
            if seen == self._seen and self.refused is None and before.degraded is None:  # a fault may have been mended in the same files
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
        """The release that serves next: the one that CURRENT names, or, if that is the one which serves and it is damaged, another."""
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
        """Why what serves is not all that should; None if it is."""
        away = self.journal.away if self.journal is not None else None
        found = [self.refused, self._recommender.degraded, away, self.behind, *self.condition.reasons]
        return "; ".join(dict.fromkeys(filter(None, found))) or None

    def _prepare(self, recommender: Recommender) -> None:
        """Compute the lists of live articles that this release was built without; until then they stand in no list."""
        try:
            with interruptible(self._check):
                done = upserts.prepare(self.index_dir, recommender)
        except Interrupted:
            pass  # the next start does the rest
        except (StorageError, ModelError, VectorsUnavailable) as error:
            log.error("not_prepared", detail=str(error))
        except Exception:
            log.exception("not_prepared")  # a release serves without them, too
        else:
            if done:
                log.info("prepared", articles=done, release=recommender.release.name)

    def _prepare_this(self) -> None:
        with self.held() as recommender:
            self._prepare(recommender)

    def _follow_now(self, journal: "Journal") -> None:
        """Before the first answer, so that what was withdrawn is not shown; the lists come later."""
        try:
            follow(self.index_dir, journal)
        except ReadmoreError as error:
            self.behind = str(error)
            log.error("journal", detail=self.behind)

    def follow(self) -> bool:
        """Copy what other machines said, and compute the lists that it changes.

        Returns:
            Whether this machine knows all of it now, and has the lists.
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
        except Exception as error:  # noqa: BLE001 - nobody else would tell that this machine follows no more
            self.behind = f"what other machines say cannot be copied ({type(error).__name__}: {error}) - see the log"
        if self.behind != before:
            (log.info if self.behind is None else log.error)("journal", detail=self.behind or "all of it is known here again")
        return self.behind is None and prepared

    async def watch_journal(self) -> None:
        """Follow what machines share, if there is such a thing; ends when it is cancelled."""
        while self.journal is not None:
            well = await asyncio.to_thread(self.follow)
            await asyncio.sleep(FOLLOWED_S if well or self.journal.away else LATER_S)

    async def watch(self) -> None:
        """Reload whenever CURRENT, what it names, or the fitted weights change; ends when it is cancelled."""
        await asyncio.to_thread(self._prepare_this)
        while True:
            await asyncio.sleep(LOOKED_AT_S)
            if await asyncio.to_thread(self._look) != self._seen or (self._recommender.damage and not self.refused):
                await asyncio.to_thread(self.reload)

    def _check(self) -> None:
        if self._stopping.is_set():
            raise Interrupted("the service stops")

    def stop(self) -> None:
        """End what is computed for live articles, at its next checkpoint."""
        self._stopping.set()

    async def watch_condition(self) -> None:
        """Look at what else a service needs; ends when it is cancelled."""
        while True:
            await asyncio.sleep(LOOKED_AT_S)
            await asyncio.to_thread(self._look_after)

    def _look_after(self) -> None:
        try:
            with self.held() as recommender:
                self.condition.look(recommender)
        except Exception:
            log.exception("not_looked_after")  # nobody else would look again

    def close(self) -> None:
        """Let the release go when the last request that holds it has ended."""
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
