"""Check what degrades a service apart from its release: live.db, the journal copy, the encoder and the disk.

The checks run once a second. Each reason is logged once.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

import structlog

from index.live.database import wipe
from index.maintenance.index_condition import Lack, disk_fault, encoder_fault, live_fault, live_loss, takes_writes
from recommender import Recommender
from recommender.embedding.openvino import encoder_folders
from recommender.errors import ReadmoreError, StorageError
from recommender.live.database import LIVE_DB, LiveArticles
from recommender.release.manifest import ModelCard

log = structlog.get_logger()

LOGS = (f"{LIVE_DB}-wal", f"{LIVE_DB}-shm")
"""Files of SQLite's write-ahead log. They exist as long as a process reads `live.db`."""

Stamp = tuple[str, int, int, int]
Stamps = tuple[Stamp | None, ...]


class Condition:
    """Health checks of a service. Safe to share between threads.

    Attributes:
        refused: Why the last write failed. None if it succeeded.

    Args:
        writes: True if the service accepts writes. Without writes, a full or read-only disk is not a fault.
    """

    def __init__(self, index_dir: Path, *, writes: bool) -> None:
        self._index_dir = index_dir
        self._writes = writes
        self._lock = threading.Lock()
        self._reasons: dict[str, str] = {}
        self._encoder: tuple[Stamps | None, Lack | None] = (None, None)
        self._told: set[str] = set()
        self._live_inode: int | None = None
        self._reader: tuple[LiveArticles, int | None, int] | None = None
        self._logs: list[int | None] = []
        self._log_is_lost = False
        self.refused: str | None = None

    @property
    def reasons(self) -> list[str]:
        """Return the reasons that the last check found."""
        return list(self._reasons.values())

    def look(self, recommender: Recommender) -> None:
        """Run all checks now."""
        with self._lock:
            found: dict[str, Lack | str | None] = {
                "live": self._live(recommender),
                "log": self._log_fault(recommender),
                "loss": live_loss(self._index_dir),
                "encoder": self._encoder_fault(recommender.release.manifest.model),
                "disk": disk_fault(self._index_dir) if self._writes else None,
                "withdrawn": wipe(self._index_dir),
            }
            if self.refused is not None and not any(found.values()):
                self.refused = None if takes_writes(self._index_dir) else self.refused
                found["write"] = self.refused
            before, self._reasons = self._reasons, {kind: str(reason) for kind, reason in found.items() if reason is not None}
            for kind in self._reasons.keys() - before.keys():
                if kind != "live" or recommender.live.fault is None:  # else the live reader has logged it
                    log.error("degraded", reason=kind, detail=self._reasons[kind])
            for kind in before.keys() - self._reasons.keys():
                log.info("recovered", reason=kind)
            if not self._reasons:
                self._told.clear()

    def tell(self, error: ReadmoreError, request_id: str | None) -> None:
        """Log why a request failed, unless the same reason was logged since the service was last healthy."""
        detail = str(error)
        known = isinstance(error, StorageError) and any(kind in self._reasons for kind in ("live", "disk", "write"))
        if not known and detail not in self._told:
            self._told.add(detail)
            log.error("cannot_serve", detail=detail, request_id=request_id)

    def _live(self, recommender: Recommender) -> Lack | str | None:
        with recommender.live.reading():  # opening the reader updates `fault`
            pass
        return live_fault(self._index_dir) or recommender.live.fault

    def _log_fault(self, recommender: Recommender) -> Lack | None:
        """Return that the write-ahead log was removed or replaced while `live.db` stayed, from then on until the next start.

        Processes and threads then write to different logs, and a change that one acknowledges is unknown to others.
        """
        live, *found = (_inode(self._index_dir / name) for name in (LIVE_DB, *LOGS))
        if live != self._live_inode:
            self._live_inode, self._log_is_lost = live, False
        reader = (recommender.live, live, recommender.live.n_errors) if recommender.live.fault is None else None
        if reader is not None and reader == self._reader:  # after an error all connections are closed, and the log goes with the last one
            self._log_is_lost |= any(before not in (None, now) for before, now in zip(self._logs, found, strict=True))
        self._reader, self._logs = reader, found
        if not self._log_is_lost:
            return None
        cure = "restart the service, and put again what was put last; remove these files only while no service runs"
        return Lack(str(self._index_dir / LOGS[0]), f"or {LOGS[1]} was removed or replaced under the running service", cure)

    def _encoder_fault(self, model: ModelCard) -> Lack | None:
        """Return the fault of the encoder. Read its files again only if one of them changed."""
        stamps = stamps_of([path for folder in encoder_folders(self._index_dir, model) for path in sorted(folder.glob("*"))])
        if stamps != self._encoder[0]:
            self._encoder = stamps, encoder_fault(self._index_dir, model)
        return self._encoder[1]


def stamps_of(paths: Sequence[Path]) -> Stamps:
    """Return the stamp of each file. A stamp changes when its file is modified, replaced or removed."""
    return tuple(map(_stamp, paths))


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_ino, found.st_size, found.st_mtime_ns
