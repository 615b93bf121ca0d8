"""Access a store of releases: a bucket of any S3-compatible service, a shared folder, or another target that fsspec
reaches by a URL.

    s3://bucket/prefix/
      CURRENT                  one line: the name of the release that machines fetch; written last
      releases/<name>.json     the list of the release's files, see `index.remote.bundle`
      objects/<sha256>         the files, named by content: releases share equal files

Every file is written atomically, so readers see only complete files. The library behind the URL handles time-outs and
retries.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from index.remote.bundle import Parcel
from index.storage.atomic import sync
from recommender.errors import IndexDamaged, IndexNotFound, InputError, ReadmoreError, StorageError
from recommender.installation import pip_install
from recommender.release.manifest import CURRENT, RELEASES

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

OBJECTS = "objects"


class Store:
    """A store of releases. Every method raises `StorageError` if the store cannot be reached or denies access.

    Args:
        url: `s3://bucket/prefix`, `file:///mnt/share/readmore`, or the path of a folder.

    Raises:
        InputError: No installed package supports such URLs.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._files, self._root = _opened(self.url)
        self._is_folder = "file" in self._files.protocol

    def current(self) -> str:
        """Return the name of the release that machines fetch.

        Raises:
            IndexNotFound: No release was pushed yet.
        """
        try:
            return self.read(CURRENT).decode().strip()
        except FileNotFoundError:
            raise IndexNotFound(f"no release in {self.url} - push one: readmore push --index DIR {self.url}") from None

    def parcel(self, name: str) -> Parcel:
        """Return the file list of a release.

        Raises:
            IndexDamaged: The list is missing, truncated or changed.
        """
        listed = f"{RELEASES}/{name}.json"
        try:
            return Parcel.from_json(self.read(listed), f"{self.url}/{listed}")
        except FileNotFoundError:
            raise IndexDamaged(f"{self.url}/{listed} is missing - push again, or have another release pushed") from None

    def names(self) -> list[str]:
        """Return the names of the releases in the store, newest first."""
        return sorted((Path(name).stem for name in self._listed(RELEASES) if name.endswith(".json")), reverse=True)

    def objects(self) -> Mapping[str, int]:
        """Return sha256 -> bytes of every file in the store."""
        return self._listed(OBJECTS)

    def read(self, name: str, start: int | None = None, stop: int | None = None) -> bytes:
        """Return a file, or a range of its bytes.

        Raises:
            FileNotFoundError: The file does not exist.
        """
        with self._asking(name):
            found: bytes = self._files.cat_file(self._path(name), start=start, end=stop)
            return found

    def write(self, name: str, content: bytes) -> None:
        """Write a small file atomically."""
        self._put(name, lambda path: self._files.pipe_file(path, content))

    def upload(self, source: Path, name: str) -> None:
        """Upload a file of any size atomically."""
        self._put(name, lambda path: self._files.put_file(str(source), path))

    def written(self, name: str) -> datetime:
        """Return when a file was written, by the clock of the store.

        Raises:
            FileNotFoundError: The file does not exist any more.
        """
        with self._asking(name):
            found: datetime = self._files.modified(self._path(name))
            return found.astimezone(UTC)

    def remove(self, name: str) -> None:
        """Remove a file. A missing file is not an error."""
        with self._asking(name), suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _listed(self, folder: str) -> dict[str, int]:
        path = self._path(folder)
        with self._asking(folder), suppress(FileNotFoundError):
            found = self._files.find(path, detail=True)
            return {Path(name).name: int(about["size"]) for name, about in found.items()}
        return {}

    def _put(self, name: str, fill: Callable[[str], None]) -> None:
        path = self._path(name)
        try:
            with self._asking(name):
                if not self._is_folder:  # such stores show a file only when it is complete
                    fill(path)
                    return
                target = Path(path)
                target.parent.mkdir(parents=True, exist_ok=True)
                draft = target.with_name(f".{target.name}.{os.getpid()}")
                fill(str(draft))
                sync(draft)
                draft.replace(target)
                sync(target.parent)
        except FileNotFoundError as error:
            raise StorageError(f"{self.url} is not there ({_first_line(error)}) - make the bucket, or check the name") from error

    @contextmanager
    def _asking(self, name: str) -> Iterator[None]:
        """Translate the errors of all libraries into ours. The caller handles missing files."""
        try:
            yield
        except (ReadmoreError, FileNotFoundError):
            raise
        except PermissionError as error:
            raise StorageError(
                f"{self.url}/{name} is not permitted ({_first_line(error)}) - check the key, its rights, and the machine's clock"
            ) from error
        except Exception as error:
            raise StorageError(
                f"{self.url} cannot be used ({_first_line(error)}) - check that it is up, the URL, the endpoint and the credentials, "
                "and try again; what serves is as it was"
            ) from error


def _opened(url: str) -> "tuple[AbstractFileSystem, str]":
    try:
        from fsspec.core import url_to_fs

        files, root = url_to_fs(url, skip_instance_cache=True, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise InputError(f"{url} cannot be opened ({_first_line(error)}) - check the URL, or {pip_install('store')}") from error
    return files, str(root).rstrip("/")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
