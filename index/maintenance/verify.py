"""Find every fault of an index and name each file, whereas opening the index stops at the first fault.

The bytes of all files are compared with the manifest. Tests check what builds write into the files
(`tests/support/release_contents.py`).
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from index.maintenance.index_condition import Lack, disk_fault, encoder_fault, live_fault, live_loss
from index.milvus.milvus_check import milvus_faults
from recommender.errors import FormatUnsupported, IndexDamaged, IndexNotFound, InputError
from recommender.features.ranker import RANKER, Ranker
from recommender.release.catalogue import Catalogue
from recommender.release.manifest import (
    CATALOGUE,
    CURRENT,
    MANIFEST,
    MILVUS,
    RELEASES,
    FileEntry,
    Manifest,
    current_folder,
    file_entry,
    holding,
)
from recommender.vectors.milvus_client import MilvusAddress

Code = Literal[
    "current", "ranker", "live", "encoder", "manifest", "format", "missing", "size", "sha256", "unexpected", "contents", "vectors"
]

NOT_OPENED = ("manifest", "format", "missing", "size", "sha256")
"""Faults that keep every process from opening a release. The next sound release serves in its place."""

RESTORE = "restore the file, go back with readmore rollback, or build again with readmore build"

REBUILD = "go back with readmore rollback, or build again with readmore build"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a file.

    Attributes:
        file: Path of the file.
        found: Description of the fault.
        cure: What to do.
    """

    code: Code
    file: str
    found: str
    cure: str = RESTORE

    def __str__(self) -> str:
        return f"{self.file} {self.found} - {self.cure}"


@dataclass(frozen=True, slots=True)
class VerifiedRelease:
    """The result of the verification of one release.

    Attributes:
        manifest: The manifest. None if it cannot be trusted.
    """

    name: str
    manifest: Manifest | None
    faults: tuple[Fault, ...]

    @property
    def opens(self) -> bool:
        """Return whether the release can serve, even with faults."""
        return not any(fault.code in NOT_OPENED for fault in self.faults)

    @property
    def usable(self) -> bool:
        """Return whether the release answers as it was built. A surplus file changes no answer."""
        return all(fault.code == "unexpected" for fault in self.faults)


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of the verification of an index.

    Attributes:
        current: The release that CURRENT names. None if it names none.
        serves: The release that serves. None if none can, or if only a release that does not serve was verified.
        beside: Faults of the files beside the releases: CURRENT, `ranker.json`, `live.db`, the encoder of the serving
            release.
        releases: The verified releases, newest first.
        notes: Notices about conditions that damage no file, but prevent an operation or a display.
    """

    current: str | None
    serves: str | None
    beside: tuple[Fault, ...]
    releases: tuple[VerifiedRelease, ...]
    notes: tuple[Lack, ...] = ()

    @property
    def faults(self) -> tuple[Fault, ...]:
        return self.beside + tuple(fault for release in self.releases for fault in release.faults)


def verify_index(index_dir: Path, name: str | None = None, *, all_releases: bool = False, vectors: str = "") -> Verification:
    """Verify the release that CURRENT names, a named release, or all releases.

    If the current release cannot serve, verify also those that might serve instead.

    Args:
        vectors: Address of the vectors, if they are in Milvus and must be verified too: `milvus://host:19530/name`.

    Raises:
        IndexNotFound: The folder holds no index.
        InputError: No release has this name. Or `vectors` is not a valid address.
        VectorsUnavailable: Milvus does not answer.
    """
    address = MilvusAddress.parse(vectors) if vectors else None
    folders = {folder.name: folder for folder in release_paths(index_dir)}
    if not folders and not (index_dir / CURRENT).exists():
        raise IndexNotFound(f"no index in {index_dir} - build one: readmore build ARTICLES --out {index_dir}")
    if name is not None and name not in folders:
        raise InputError(f"{index_dir} has no release {name[:80]!r} - those it has: {', '.join(folders) or 'none'}")
    beside, current = list[Fault](), None
    try:
        folder = current_folder(index_dir)
        current = folder.name
        folders.setdefault(current, folder)
    except IndexDamaged as error:
        beside.append(_fault("current", index_dir / CURRENT, error, "name a sound release with readmore rollback --to"))
    try:
        Ranker.of_index(index_dir)
    except IndexDamaged as error:
        beside.append(_fault("ranker", index_dir / RANKER, error))
    order = ([current] if current else []) + [other for other in folders if other != current]
    checked: dict[str, VerifiedRelease] = {}
    serves = None
    for one in order if name is None else [name]:
        if serves is None or all_releases:
            checked[one] = check_release(folders[one], address)
            serves = serves or (one if name is None and checked[one].opens else None)
    newest_first = tuple(checked[one] for one in folders if one in checked)
    beside += _beside(index_dir, checked[serves].manifest if serves is not None else None)
    notes = (live_loss(index_dir), disk_fault(index_dir))
    return Verification(current, serves, tuple(beside), newest_first, tuple(note for note in notes if note is not None))


def _beside(index_dir: Path, serving: Manifest | None) -> Iterator[Fault]:
    """Verify the files beside a release that affect answers."""
    live = live_fault(index_dir, thorough=True)
    if live is not None:
        yield Fault("live", live.path, live.found, live.cure)
    encoder = None if serving is None else encoder_fault(index_dir, serving.model)
    if encoder is not None:
        yield Fault("encoder", encoder.path, encoder.found, encoder.cure)


def release_paths(index_dir: Path) -> list[Path]:
    """Return all folders of releases, newest first, including those without a manifest, but not staged ones."""
    folders = [path for path in (index_dir / RELEASES).glob("*") if path.is_dir() and not path.name.startswith(".")]
    return sorted(folders, reverse=True)


def check_release(folder: Path, vectors: MilvusAddress | None = None) -> VerifiedRelease:
    """Find every fault of one release. A lock keeps builds from removing it meanwhile."""
    with ExitStack() as held:
        with suppress(OSError):  # without a manifest it cannot be locked, and is not sound either
            held.enter_context(holding(folder))
        path, manifest, faults = folder / MANIFEST, None, list[Fault]()
        entries: Mapping[str, FileEntry] = {}
        try:
            text = path.read_text(encoding="utf-8")
            entries = _entries(text)
            manifest = Manifest.from_json(text, path)
            Ranker.from_fields(manifest.ranker, path)
        except FileNotFoundError:
            faults.append(Fault("missing", str(path), "is not there"))
        except (OSError, UnicodeDecodeError) as error:
            faults.append(Fault("manifest", str(path), f"cannot be read ({type(error).__name__})"))
        except FormatUnsupported as error:
            faults.append(_fault("format", path, error))
        except IndexDamaged as error:
            faults.append(_fault("manifest" if manifest is None else "contents", path, error))
        if manifest is not None and manifest.release != folder.name:
            faults.append(Fault("contents", str(path), f"is of release {manifest.release[:80]!r}, not of the folder it lies in"))
        doubt = "" if manifest is not None else "; the manifest is damaged too, so that it may be wrong and the file right"
        of_files = list(_file_faults(folder, entries, doubt))
        if manifest is not None and not of_files:
            try:
                with closing(Catalogue(folder / CATALOGUE)) as catalogue:
                    catalogue.check_counts(manifest.n_articles, manifest.n_chunks)
            except IndexDamaged as error:
                faults.append(_fault("contents", folder, error))
            if manifest.vectors == MILVUS and vectors is not None:
                where = f"{vectors.collection(manifest.release)} in Milvus"
                faults += [Fault("vectors", where, found, REBUILD) for found in milvus_faults(vectors, folder, manifest)]
        return VerifiedRelease(folder.name, manifest, tuple(faults + of_files))


def _entries(text: str) -> Mapping[str, FileEntry]:
    """Return the manifest's file entries, even if the manifest is damaged elsewhere.

    Return none if it cannot be read.
    """
    try:
        listed: dict[str, Any] = json.loads(text)["files"]
        return {name: FileEntry(int(entry["bytes"]), str(entry["sha256"])) for name, entry in listed.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def _file_faults(folder: Path, entries: Mapping[str, FileEntry], doubt: str) -> Iterator[Fault]:
    """Compare every file with its entry in the manifest. Files without an entry are not compared."""
    for name, entry in entries.items():
        path = folder / name
        try:
            if path.exists() and not path.is_file():  # a pipe would block
                yield Fault("missing", str(path), f"is no file{doubt}")
                continue
            found = file_entry(path)
        except FileNotFoundError:
            yield Fault("missing", str(path), f"is not there{doubt}")
        except (OSError, ValueError) as error:
            yield Fault("missing", str(path), f"cannot be read ({type(error).__name__}){doubt}")
        else:
            if found.bytes != entry.bytes:
                yield Fault("size", str(path), f"has {found.bytes} bytes, its manifest says {entry.bytes}{doubt}")
            elif found.sha256 != entry.sha256:
                yield Fault("sha256", str(path), f"has another sha256 than its manifest says{doubt}")
    known = {folder / name for name in entries} | {folder / MANIFEST}
    for path in sorted(folder.rglob("*")) if entries else ():
        if path not in known and (path.is_symlink() or not path.is_dir()):
            yield Fault("unexpected", str(path), "is not in the manifest", "remove the file, or find out who put it there")


def _fault(code: Code, path: Path, error: Exception, cure: str | None = None) -> Fault:
    """Return a fault from an error of the library, with the path in front and the cure behind."""
    found, _, own_cure = str(error).removeprefix(str(path)).strip().partition(" - ")
    return Fault(code, str(path), found, cure or own_cure or RESTORE)
