"""Put the release that serves into a store, where any number of machines fetch it from (`index.remote.pull_release`).

First the list of its files, which keeps other pushes from removing them; then the files, each by the sha256 of its content; CURRENT last.
A push that dies at any moment leaves CURRENT where it was, and two that run side by side share files and mix nothing: the one that ends
last says what is current.
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
"""What no release needs any more stays so long: a machine may be fetching it, another push may count on it."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did.

    Attributes:
        before: The release that was current in the store; None if there was none.
        files: Of how many files the release consists.
        sent, sent_bytes: Those of them that were not there yet.
        removed: Files that no release needs any more.
    """

    release: str
    before: str | None
    files: int
    sent: int
    sent_bytes: int
    removed: int


def push(index_dir: Path, store: Store, grace: timedelta = GRACE) -> Pushed:
    """Make the release that serves the current one of a store; no build runs meanwhile.

    Raises:
        IndexNotFound: There is no index in the folder.
        IndexDamaged: The release that CURRENT names is not sound: an older one is not pushed in its place.
        IndexBusy: A build is at work, or the weights are fitted again.
        ModelError: The encoder of the release is damaged.
        StorageError: The store cannot be reached, or does not permit it; or the index's folder cannot be read or locked.
    """
    open_release(index_dir, quick=True)  # before a lock is left in a folder that is no index
    try:
        with build_lock(index_dir):
            return _push(index_dir, open_release(index_dir), store, grace)
    except OSError as error:
        raise StorageError(
            f"{index_dir} cannot be read or locked ({error.strerror or error}) - have this user own it; the store is as it was"
        ) from error


def _push(index_dir: Path, release: Release, store: Store, grace: timedelta) -> Pushed:
    if release.degraded:
        raise IndexDamaged(f"{release.degraded}; nothing was pushed - to push {release.name} in its place, go back: scripts/rollback.py")
    parcel = Parcel.of_index(index_dir, release.manifest)
    before = _current(store)
    listed = f"{RELEASES}/{parcel.release}.json"
    store.write(listed, parcel.to_json())
    sent: dict[str, FileEntry] = {}
    while missing := _missing(parcel, store):  # asked again when all are sent, for only what is there may become current
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
    """The files that the store lacks, or has cut, by name; of several with one content one."""
    there = store.objects()
    lacking = {entry.sha256: name for name, entry in parcel.files.items() if there.get(entry.sha256) != entry.bytes}
    return {name: parcel.files[name] for name in lacking.values()}


def _send(path: Path, entry: FileEntry, store: Store) -> None:
    if path.name != RANKER:  # what a release and an encoder hold does not change
        store.upload(path, f"{OBJECTS}/{entry.sha256}")
        return
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise IndexBusy(f"{path} was fitted again while it was pushed - push again")
    store.write(f"{OBJECTS}/{entry.sha256}", content)


def _prune(store: Store, stay: set[str], now: datetime, grace: timedelta) -> int:
    """Remove lists too old to keep, and files that no list names; the new release is current already, so no error counts.

    Args:
        now: By the clock of the store, which may go wrong as it likes: only differences count.
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
