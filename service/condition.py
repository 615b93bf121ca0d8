"""What keeps a service from being all that it should, beside its releases: looked at once a second, and each reason logged once."""

import threading
from collections.abc import Sequence
from pathlib import Path

import structlog

from index.live.database import wipe
from index.maintenance.index_condition import Lack, disk_fault, encoder_fault, live_fault, live_loss, takes_writes
from recommender import Recommender
from recommender.embedding.openvino import encoder_folders
from recommender.errors import ReadmoreError, StorageError
from recommender.release.manifest import ModelCard

log = structlog.get_logger()

Stamp = tuple[str, int, int, int]
Stamps = tuple[Stamp | None, ...]


class Condition:
    """Safe to share between threads.

    Attributes:
        refused: Why the last write could not be done; None if it could.

    Args:
        writes: Whether anybody may put or say something here: without, a disk that takes nothing is no fault.
    """

    def __init__(self, index_dir: Path, *, writes: bool) -> None:
        self._index_dir = index_dir
        self._writes = writes
        self._lock = threading.Lock()
        self._reasons: dict[str, str] = {}
        self._encoder: tuple[Stamps | None, Lack | None] = (None, None)
        self._told: set[str] = set()
        self.refused: str | None = None

    @property
    def reasons(self) -> list[str]:
        """What was found when it was last looked."""
        return list(self._reasons.values())

    def look(self, recommender: Recommender) -> None:
        """Look at everything now."""
        with self._lock:
            found: dict[str, Lack | str | None] = {
                "live": self._live(recommender),
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
                if kind != "live" or recommender.live.fault is None:  # else it was logged there
                    log.error("degraded", reason=kind, detail=self._reasons[kind])
            for kind in before.keys() - self._reasons.keys():
                log.info("recovered", reason=kind)
            if not self._reasons:
                self._told.clear()

    def tell(self, error: ReadmoreError, request_id: str | None) -> None:
        """Log why a request could not be answered, if that was not told since all was well."""
        detail = str(error)
        known = isinstance(error, StorageError) and any(kind in self._reasons for kind in ("live", "disk", "write"))
        if not known and detail not in self._told:
            self._told.add(detail)
            log.error("cannot_serve", detail=detail, request_id=request_id)

    def _live(self, recommender: Recommender) -> Lack | str | None:
        with recommender.live.reading():  # it notices what it cannot read, and when it can again
            pass
        return live_fault(self._index_dir) or recommender.live.fault

    def _encoder_fault(self, model: ModelCard) -> Lack | None:
        """The files are read again only where one of them changed."""
        stamps = stamps_of([path for folder in encoder_folders(self._index_dir, model) for path in sorted(folder.glob("*"))])
        if stamps != self._encoder[0]:
            self._encoder = stamps, encoder_fault(self._index_dir, model)
        return self._encoder[1]


def stamps_of(paths: Sequence[Path]) -> Stamps:
    """What changes when one of some files is changed, put in its place, or removed."""
    return tuple(map(_stamp, paths))


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_ino, found.st_size, found.st_mtime_ns
