"""Pull the current release of a store (`index.remote.push_release`) into the folder of an index, from which services
serve.

Files arrive in `fetched/` under their sha256, as in the store. A file gets this name only when its size and hash are
verified. Files that the machine already has are linked and not transferred. When all files are complete, the release is
installed as a build's is: one folder is renamed, and CURRENT is replaced. A pull that dies at any moment leaves the
serving release in place. The next pull resumes, even within a large file.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from index.encoder.openvino_export import new_encoder, prune_encoders
from index.lists.checkpoint import rescue
from index.live.sequence import take_over_numbers
from index.live.upserts import purge
from index.release.publish import STAGING, publish, remove_staged, set_current
from index.remote.bundle import Parcel
from index.remote.store import OBJECTS, Store
from index.storage.atomic import replace_file, sync
from index.storage.build_lock import build_lock
from index.storage.permissions import make_index_dir, make_private_dir
from recommender.embedding.openvino import ENCODERS
from recommender.errors import IndexDamaged, IndexUnusable, StorageError
from recommender.features.ranker import RANKER
from recommender.release.manifest import (
    CATALOGUE,
    MANIFEST,
    RELEASES,
    FileEntry,
    Manifest,
    current_folder,
    file_entry,
    kept_manifests,
    verify,
)

FETCHED = "fetched"
BLOCK = 1 << 24
"""Bytes per request."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """The result of a pull.

    Attributes:
        before: The release that CURRENT named. None if it named none.
        files: Number of files in the release.
        fetched, fetched_bytes: Number and bytes of the files that came from the store. The rest was local.
    """

    release: str
    before: str | None
    files: int
    fetched: int
    fetched_bytes: int


def pull(store: Store, index_dir: Path) -> Pulled:
    """Make the current release of a store the one that serves here. Do nothing if it serves already.

    Raises:
        IndexNotFound: No release was pushed yet.
        IndexDamaged: A file in the store is missing, or has another size or hash.
        FormatUnsupported: Another version of Readmore built the release.
        InputError: The release would hide live articles of this machine.
        IndexBusy: A build or another pull is running here.
        StorageError: The store cannot be reached. Or the disk is full, or the folder cannot be written.
    """
    store.current()  # asked before a folder is created in vain
    with _storage_errors(index_dir):
        make_index_dir(index_dir)
        with build_lock(index_dir):
            remove_staged(index_dir, rescue)
            parcel = store.parcel(store.current())
            before = _current(index_dir)
            wanted = _wanted(parcel, index_dir)
            n_fetched, n_bytes = _fetch_all(wanted, store, index_dir)
            _install(parcel, wanted, index_dir)
            shutil.rmtree(index_dir / FETCHED, ignore_errors=True)
            return Pulled(parcel.release, before, len(parcel.files), n_fetched, n_bytes)


def _current(index_dir: Path) -> str | None:
    try:
        return current_folder(index_dir).name
    except IndexDamaged:
        return None


def _wanted(parcel: Parcel, index_dir: Path) -> dict[str, FileEntry]:
    """Return the files to install.

    The release and the encoder each need all of their files or none, because each appears as a whole.
    """
    wanted = dict[str, FileEntry]()
    if not _has_release(parcel, index_dir):
        wanted |= parcel.part(RELEASES)
    for files in (parcel.part(ENCODERS), parcel.part(RANKER)):
        if not _equal(files, index_dir):
            wanted |= files
    return wanted


def _has_release(parcel: Parcel, index_dir: Path) -> bool:
    """Return whether the release is complete here, by the checks of opening it: for a large release the sizes only."""
    folder = index_dir / RELEASES / parcel.release
    with suppress(IndexUnusable):
        verify(folder, quick=True)
        return _equal({MANIFEST: parcel.manifest}, folder)
    return False


def _equal(files: Mapping[str, FileEntry], folder: Path) -> bool:
    """Return whether a folder contains files with these hashes."""
    with suppress(OSError):
        return all(file_entry(folder / name) == entry for name, entry in files.items())
    return False


def _fetch_all(wanted: Mapping[str, FileEntry], store: Store, index_dir: Path) -> tuple[int, int]:
    """Download or link every wanted file into `fetched/`.

    Returns:
        The number and bytes of the files that came from the store.
    """
    fetched = index_dir / FETCHED
    make_private_dir(fetched, index_dir)
    here = _files_here(wanted, index_dir)
    away = [entry for entry in {entry.sha256: entry for entry in wanted.values()}.values() if not (fetched / entry.sha256).exists()]
    away = [entry for entry in away if not _linked(here[entry.sha256], fetched / entry.sha256, entry)]
    n_bytes = sum(entry.bytes for entry in away)
    free = shutil.disk_usage(fetched).free
    if n_bytes > free + sum(path.stat().st_size for path in fetched.glob("*.part")):
        raise StorageError(f"{index_dir} has {free:,} bytes free, the release takes {n_bytes:,} more - free space; the index is as it was")
    for entry in away:
        _fetch(entry, store, fetched)
    return len(away), n_bytes


def _files_here(wanted: Mapping[str, FileEntry], index_dir: Path) -> Mapping[str, Path]:
    """Return sha256 -> a local file that may have it, from the manifests of kept releases or by its final path."""
    in_place = {entry.sha256: index_dir / name for name, entry in wanted.items()}
    kept = {
        entry.sha256: index_dir / RELEASES / manifest.release / name
        for manifest in kept_manifests(index_dir)
        for name, entry in manifest.files.items()
    }
    return in_place | kept


def _linked(path: Path, target: Path, entry: FileEntry) -> bool:
    """Link a local file if its size and hash are right, and return whether it was linked."""
    with suppress(FileNotFoundError):
        if path.stat().st_size != entry.bytes or file_entry(path) != entry:
            return False
        _link(path, target)
        return True
    return False


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:  # another disk, or a file system without links
        draft = target.with_suffix(".copy")
        shutil.copyfile(path, draft)
        sync(draft)
        draft.replace(target)


def _fetch(entry: FileEntry, store: Store, fetched: Path) -> None:
    """Fetch one file, or the missing rest of it."""
    part = fetched / f"{entry.sha256}.part"
    name = f"{OBJECTS}/{entry.sha256}"
    try:
        with part.open("ab") as file:
            while file.tell() < entry.bytes:
                block = store.read(name, file.tell(), min(file.tell() + BLOCK, entry.bytes))
                if not block:
                    break
                file.write(block)
    except FileNotFoundError:
        raise IndexDamaged(f"{store.url}/{name} is missing - push again with readmore push; the index is as it was") from None
    if file_entry(part) != entry:
        part.unlink()
        raise IndexDamaged(
            f"{store.url}/{name} has another size or sha256 than its name and its list say - pull again; if it stays so, remove that file, "
            "and push again with readmore push; the index is as it was"
        )
    sync(part)
    part.rename(fetched / entry.sha256)


def _install(parcel: Parcel, wanted: Mapping[str, FileEntry], index_dir: Path) -> None:
    """Move all files into place, CURRENT last."""
    fetched, release = index_dir / FETCHED, index_dir / RELEASES / parcel.release
    manifest = None
    if f"{RELEASES}/{parcel.release}/{MANIFEST}" in wanted:
        manifest = _manifest(parcel, fetched)
        take_over_numbers(index_dir, manifest, fetched / manifest.files[CATALOGUE].sha256)
    encoder = [name for name in wanted if name.startswith(f"{ENCODERS}/")]
    if encoder:
        with new_encoder((index_dir / encoder[0]).parent) as made:
            for name in encoder:
                _link(fetched / wanted[name].sha256, made / Path(name).name)
    if RANKER in wanted:
        replace_file(index_dir / RANKER, (fetched / wanted[RANKER].sha256).read_text(encoding="utf-8"))
    if manifest is None:
        if _current(index_dir) != parcel.release:
            set_current(release, index_dir)
        return
    make_private_dir(index_dir / RELEASES, index_dir)
    staged = index_dir / RELEASES / f"{STAGING}{parcel.release}"
    for name, entry in manifest.files.items():
        (staged / name).parent.mkdir(parents=True, exist_ok=True)
        _link(fetched / entry.sha256, staged / name)
    shutil.rmtree(release, ignore_errors=True)  # it exists only if it is damaged
    publish(staged, manifest, index_dir)
    kept = kept_manifests(index_dir)
    purge(index_dir, kept)
    prune_encoders(index_dir, kept)


def _manifest(parcel: Parcel, fetched: Path) -> Manifest:
    """Return the fetched manifest after a check that it describes the fetched files."""
    where = fetched / parcel.manifest.sha256
    manifest = Manifest.from_json(where.read_text(encoding="utf-8"), where)
    folder = f"{RELEASES}/{parcel.release}"
    files = {f"{folder}/{name}": entry for name, entry in manifest.files.items()} | {f"{folder}/{MANIFEST}": parcel.manifest}
    if manifest.release != parcel.release or files != parcel.part(RELEASES):
        raise IndexDamaged(f"the manifest of {parcel.release} is not of the files that came with it - push again with readmore push")
    return manifest


@contextmanager
def _storage_errors(index_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{index_dir} cannot be written ({error.strerror or error}) - free space, or have this user own it; "
            "what serves is as it was, and the next pull goes on from here"
        ) from error
