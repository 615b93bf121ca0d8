"""Publish a release so that a crash at any moment leaves the last good release serving.

Files are staged in a hidden folder. The manifest with their hashes is written last. Everything is flushed to the disk.
Then the folder is renamed to its release name, and CURRENT is replaced in one step. A reader sees the complete old or
new release, and never a mixture.
"""

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from index.storage.atomic import replace_file, sync
from index.storage.permissions import keep_private, make_private_dir
from recommender.errors import ClusterUnavailable, IndexUnusable
from recommender.release.manifest import (
    CURRENT,
    MANIFEST,
    RELEASES,
    FileEntry,
    Manifest,
    file_entry,
    holding,
    open_release,
    release_folders,
)

STAGING = ".staging-"
KEPT = 3
"""Number of kept releases: the new one, the one that served before it, and the newest of the others."""


@contextmanager
def staging_folder(index_dir: Path, rescue: Callable[[Path, Path], None]) -> Iterator[Path]:
    """Yield a folder for a new release.

    Its name is `.staging-` and the name of the release. The build lock must be held.

    Args:
        rescue: Called with a staged folder and the index's folder before the former is removed, after a build was
            killed or interrupted.
    """
    releases = index_dir / RELEASES
    make_private_dir(releases, index_dir)
    remove_staged(index_dir, rescue)
    now = datetime.now(UTC)
    name = f"{now:%Y%m%dT%H%M%SZ}-{now.microsecond * 0x10000 // 1_000_000:04x}"  # names sort by time, even within a second
    folder = releases / f"{STAGING}{name}"
    folder.mkdir()
    try:
        yield folder
    except (KeyboardInterrupt, BrokenProcessPool, MemoryError, ClusterUnavailable):
        rescue(folder, index_dir)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # nothing remains once it is published


def remove_staged(index_dir: Path, rescue: Callable[[Path, Path], None]) -> None:
    """Remove the staged folders of killed builds. See `staging_folder`."""
    for leftover in (index_dir / RELEASES).glob(f"{STAGING}*"):
        rescue(leftover, index_dir)
        shutil.rmtree(leftover)


def release_name(staged: Path) -> str:
    return staged.name.removeprefix(STAGING)


def file_entries(staged: Path) -> Mapping[str, FileEntry]:
    """Return the size and hash of every file staged so far."""
    return {path.relative_to(staged).as_posix(): file_entry(path) for path in sorted(staged.rglob("*")) if path.is_file()}


def publish(staged: Path, manifest: Manifest, index_dir: Path) -> Path:
    """Make the staged folder the serving release, and remove releases beyond the number kept.

    Returns:
        The folder of the release.
    """
    for path in staged.rglob("*"):
        keep_private(path, index_dir)
        sync(path)
    (staged / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    for path in (staged / MANIFEST, staged):
        keep_private(path, index_dir)
        sync(path)
    stay = _serving(index_dir)
    release = index_dir / RELEASES / release_name(staged)
    staged.rename(release)
    sync(release.parent)
    set_current(release, index_dir)
    _prune(index_dir, [release, *stay])
    return release


def _serving(index_dir: Path) -> list[Path]:
    """Return the release that serves so far, if any.

    It is the way back, even if newer releases are damaged or were rolled back.
    """
    try:
        return [open_release(index_dir).folder]
    except IndexUnusable:
        return []


def _prune(index_dir: Path, stay: Collection[Path]) -> None:
    """Remove releases beyond the number kept, unless a process still reads them.

    Errors are ignored: the new release serves already.
    """
    others = [folder for folder in release_folders(index_dir) if folder not in stay]
    for folder in others[KEPT - len(stay) :]:
        with suppress(OSError), holding(folder, alone=True):
            shutil.rmtree(folder)
    for folder in (index_dir / RELEASES).iterdir():
        if not (folder / MANIFEST).exists():  # half removed by a killed build
            shutil.rmtree(folder, ignore_errors=True)


def set_current(release: Path, index_dir: Path) -> None:
    """Point CURRENT to a release in one step."""
    replace_file(index_dir / CURRENT, release.name + "\n")
