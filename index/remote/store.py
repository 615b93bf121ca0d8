"""A store of releases: a bucket of any S3-compatible service, a shared folder, or whatever else fsspec reaches by a URL.

    s3://bucket/prefix/
      CURRENT                  one line: the name of the release that machines fetch; written last
      releases/<name>.json     what the release consists of, see `index.remote.bundle`
      objects/<sha256>         the files, each named by its content: what two releases share lies there once

Every file is put in one step, so whoever reads one finds it whole. Time-outs and retries are those of the library behind the URL.
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
from recommender.release.manifest import CURRENT, RELEASES

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

OBJECTS = "objects"


class Store:
    """One store. Every method raises `StorageError` if it cannot be reached or does not permit what is asked for.

    Args:
        url: `s3://bucket/prefix`, `file:///mnt/share/readmore`, or the path of a folder.

    Raises:
        InputError: No installed package knows such URLs.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._files, self._root = _opened(self.url)
        self._is_folder = "file" in self._files.protocol

    def current(self) -> str:
        """The name of the release that machines fetch.

        Raises:
            IndexNotFound: Nothing was pushed yet.
        """
        try:
            return self.read(CURRENT).decode().strip()
        except FileNotFoundError:
            raise IndexNotFound(f"no release in {self.url} - push one: scripts/push.py INDEX {self.url}") from None

    def parcel(self, name: str) -> Parcel:
        """What a release consists of.

        Raises:
            IndexDamaged: The list is missing, cut or changed.
        """
        listed = f"{RELEASES}/{name}.json"
        try:
            return Parcel.from_json(self.read(listed), f"{self.url}/{listed}")
        except FileNotFoundError:
            raise IndexDamaged(f"{self.url}/{listed} is missing - push again, or have another release pushed") from None

    def names(self) -> list[str]:
        """The releases that lie there, newest first."""
        return sorted((Path(name).stem for name in self._listed(RELEASES) if name.endswith(".json")), reverse=True)

    def objects(self) -> Mapping[str, int]:
        """Sha256 -> bytes of every file that lies there."""
        return self._listed(OBJECTS)

    def read(self, name: str, start: int | None = None, stop: int | None = None) -> bytes:
        """A file, or some bytes of it.

        Raises:
            FileNotFoundError: There is none.
        """
        with self._asking(name):
            found: bytes = self._files.cat_file(self._path(name), start=start, end=stop)
            return found

    def write(self, name: str, content: bytes) -> None:
        """Put a small file, in one step."""
        self._put(name, lambda path: self._files.pipe_file(path, content))

    def upload(self, source: Path, name: str) -> None:
        """Put a file of any size, in one step."""
        self._put(name, lambda path: self._files.put_file(str(source), path))

    def written(self, name: str) -> datetime:
        """When a file was put, by the clock of the store.

        Raises:
            FileNotFoundError: It is gone.
        """
        with self._asking(name):
            found: datetime = self._files.modified(self._path(name))
            return found.astimezone(UTC)

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is none."""
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
                if not self._is_folder:  # such stores show a file when it is whole
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
        """Say in our words what every library says in its own; only that a file is missing is left to who asked."""
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
        raise InputError(f"{url} cannot be opened ({_first_line(error)}) - pip install 'readmore[store]', or check the URL") from error
    return files, str(root).rstrip("/")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
