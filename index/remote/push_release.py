"""Push the serving release to a store, from which any number of machines pull it (`index.remote.pull_release`).

First the list of the release's files is written, which keeps other pushes from removing them. Then the files follow,
each under the sha256 of its content. CURRENT comes last. A push that dies at any moment leaves CURRENT unchanged. Two
simultaneous pushes share files and mix nothing. The push that ends last decides which release is current.
"""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from index.release.publish import KEPT
from index.remote.bundle import Parcel
from index.remote.store import OBJECTS, Store
from index.storage.build_lock import build_lock
from recommender.errors import IndexBusy, IndexDamaged, IndexNotFound, StorageError
from recommender.features.ranker import RANKER
from recommender.release.manifest import CURRENT, RELEASES, FileEntry, Release, open_release

GRACE = timedelta(days=1)
"""Time for which surplus files are kept: a machine may still fetch them, or another push may need them."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pushed:
    """The result of a push.

    Attributes:
        before: The release that was current in the store. None if there was none.
        files: Number of files in the release.
        sent, sent_bytes: Number and bytes of the files that the store lacked.
        removed: Number of surplus files that were removed.
    """

    release: str
    before: str | None
    files: int
    sent: int
    sent_bytes: int
    removed: int


def push(index_dir: Path, store: Store, grace: timedelta = GRACE) -> Pushed:
    """Make the serving release the current release of a store. Builds are locked out meanwhile.

    Raises:
        IndexNotFound: The folder holds no index.
        IndexDamaged: The release that CURRENT names is not sound. An older release is not pushed in its place.
        IndexBusy: A build is running, or the ranker is being fitted.
        ModelError: The encoder of the release is damaged.
        StorageError: The store cannot be reached or denies access. Or the index's folder cannot be read or locked.
    """
    open_release(index_dir, quick=True)  # before a lock is left in a folder that is not an index
    try:
        with build_lock(index_dir):
            return _push(index_dir, open_release(index_dir), store, grace)
    except OSError as error:
        raise StorageError(
            f"{index_dir} cannot be read or locked ({error.strerror or error}) - have this user own it; the store is as it was"
        ) from error


def _push(index_dir: Path, release: Release, store: Store, grace: timedelta) -> Pushed:
    if release.degraded:
        raise IndexDamaged(f"{release.degraded}; nothing was pushed - to push {release.name} in its place, go back: readmore rollback")
    parcel = Parcel.of_index(index_dir, release.manifest)
    before = _current(store)
    listed = f"{RELEASES}/{parcel.release}.json"
    store.write(listed, parcel.to_json())
    sent: dict[str, FileEntry] = {}
    while missing := _missing(parcel, store):  # asked again after all are sent: only a complete release may become current
        for name, entry in missing.items():
            if entry.sha256 in sent:
                raise StorageError(f"{store.url}/{OBJECTS}/{entry.sha256} is gone as soon as it is put - find out what removes it")
            _send(index_dir / name, entry, store)
            sent[entry.sha256] = entry
    store.write(CURRENT, f"{parcel.release}\n".encode())
    removed = _prune(store, {parcel.release, before or parcel.release}, store.written(listed), grace)
    return Pushed(parcel.release, before, len(parcel.files), len(sent), sum(entry.bytes for entry in sent.values()), removed)


def _current(store: Store) -> str | None:
    try:
        return store.current()
    except IndexNotFound:
        return None


def _missing(parcel: Parcel, store: Store) -> dict[str, FileEntry]:
    """Return the files that the store lacks or has truncated, by name.

    Of several files with one content, return one.
    """
    there = store.objects()
    lacking = {entry.sha256: name for name, entry in parcel.files.items() if there.get(entry.sha256) != entry.bytes}
    return {name: parcel.files[name] for name in lacking.values()}


def _send(path: Path, entry: FileEntry, store: Store) -> None:
    if path.name != RANKER:  # the files of a release and an encoder do not change
        store.upload(path, f"{OBJECTS}/{entry.sha256}")
        return
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise IndexBusy(f"{path} was fitted again while it was pushed - push again")
    store.write(f"{OBJECTS}/{entry.sha256}", content)


def _prune(store: Store, stay: set[str], now: datetime, grace: timedelta) -> int:
    """Remove lists that are too old to keep, and files that no list names.

    Errors are ignored: the new release is current already.

    Args:
        now: Current time by the clock of the store, which may be wrong: only differences count.
    """
    removed = 0
    try:
        others = [name for name in store.names() if name not in stay]
        for name in others[max(KEPT - len(stay), 0) :]:
            if now - store.written(f"{RELEASES}/{name}.json") > grace:
                store.remove(f"{RELEASES}/{name}.json")
        needed = {sha256 for name in store.names() for sha256 in store.parcel(name).objects}
        for sha256 in store.objects().keys() - needed:
            if now - store.written(f"{OBJECTS}/{sha256}") > grace:
                store.remove(f"{OBJECTS}/{sha256}")
                removed += 1
    except (FileNotFoundError, IndexDamaged, StorageError) as error:
        log.warning("%s; what no release needs stays in the store until the next push", error)
    return removed
