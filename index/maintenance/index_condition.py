"""Check what an index needs beside its releases: a readable `live.db`, a sound encoder, and free disk space.

`/readyz`, `readmore verify` and `readmore doctor` share these checks, so they agree.
"""

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from index.live.creation import AGAIN, loss, was_needed
from index.live.database import asking, damage_of
from recommender.embedding.openvino import checked_card, encoder_folders
from recommender.errors import ModelError, StorageError
from recommender.live.database import LIVE_DB, RESTORE, read_state
from recommender.release.manifest import ModelCard, kept_manifests

LEAST_FREE = 1 << 20
"""Bytes that a long article and its lists may take."""

OWN = "have this user own it, on a disk that is not read-only; nothing can be put till then"
SPACE = "free space; nothing can be put till then"


@dataclass(frozen=True, slots=True)
class Lack:
    """A condition that is not met.

    Attributes:
        path: The affected path.
        found: Description of the fault.
        cure: What to do.
    """

    path: str
    found: str
    cure: str

    def __str__(self) -> str:
        return f"{self.path} {self.found} - {self.cure}"


def live_fault(index_dir: Path, *, thorough: bool = False) -> Lack | None:
    """Return why `live.db` cannot be read, or None.

    Args:
        thorough: Check the whole file, not only its header and length.
    """
    path = index_dir / LIVE_DB
    if not path.exists():
        needed = was_needed(index_dir, kept_manifests(index_dir))
        return Lack(str(path), "is gone", f"put its last backup back, or {AGAIN}") if needed else None
    try:
        damage = damage_of(path) or _damage_inside(index_dir, thorough)
    except StorageError as error:
        found, _, cure = str(error).removeprefix(f"{path} ").partition(" - ")
        return Lack(str(path), found, cure)
    except OSError as error:
        return Lack(str(path), f"cannot be read ({error.strerror or error})", "have this user own it")
    return None if damage is None else Lack(str(path), damage, RESTORE)


def _damage_inside(index_dir: Path, thorough: bool) -> str | None:
    with asking(index_dir) as connection:
        if connection is None:  # it was removed at this moment
            return "is gone"
        read_state(connection)
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone() if thorough else ("ok",)
    return None if found == "ok" else f"is damaged ({' '.join(found.split())})"


def live_loss(index_dir: Path) -> Lack | None:
    """Return the cure after `live.db` was lost and recreated, or None if it was not lost or a build has run since."""
    with suppress(StorageError), asking(index_dir) as connection:
        lost = None if connection is None else loss(read_state(connection))
        return None if lost is None else Lack(str(index_dir / LIVE_DB), lost, AGAIN)
    return None


def encoder_fault(index_dir: Path, model: ModelCard) -> Lack | None:
    """Return why the compiled model of a release cannot be used, or None.

    An index without a compiled model is sound: sentence-transformers embeds.
    """
    folder = next((folder for folder in encoder_folders(index_dir, model) if folder.is_dir()), None)
    if folder is None:
        return None
    try:
        checked_card(folder)
    except ModelError as error:
        found, _, cure = str(error).partition(" - ")
        return Lack(str(folder), f"is damaged: {found.replace(f'{folder}/', '').removeprefix(f'{folder} ')}", cure)
    return None


def disk_fault(index_dir: Path) -> Lack | None:
    """Return why no update can be written, or None."""
    try:
        found = os.statvfs(index_dir)
    except OSError as error:
        return Lack(str(index_dir), f"cannot be read ({error.strerror or error})", "have this user own it")
    for path in (index_dir, index_dir / LIVE_DB):
        if path.exists() and not os.access(path, os.W_OK):
            return Lack(str(path), "cannot be written", OWN)
    free = (found.f_bfree if os.geteuid() == 0 else found.f_bavail) * found.f_frsize
    if free < LEAST_FREE or (found.f_files and not found.f_ffree):
        return Lack(str(index_dir), f"is on a full disk ({free >> 10} KiB are free)", SPACE)
    return None


def takes_writes(index_dir: Path) -> bool:
    """Try to write a file of an article's size."""
    try:
        with tempfile.TemporaryFile(dir=index_dir) as file:
            os.posix_fallocate(file.fileno(), 0, LEAST_FREE)
    except OSError:
        return False
    return True
