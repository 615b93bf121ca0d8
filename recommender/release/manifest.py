"""Read the manifest of a release: its metadata and the sha256 of every file, so that nothing damaged is ever served.

    index_dir/
      CURRENT                     one line: the name of the serving release
      releases/<name>/            manifest.json (written last), catalogue.db, facts.npy, lists.bin, and others

`open_release` goes CURRENT -> manifest -> format -> sizes and hashes. The hashes of a large release may wait (`quick`).
When CURRENT or the release it names is damaged, the newest sound release serves instead. `Release.degraded` says why.
"""

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from recommender.errors import CURE, FormatUnsupported, IndexDamaged, IndexNotFound, IndexUnusable, unreadable
from recommender.terms.word_dictionary import TRIE, WORDS

FORMAT = 5
"""Version of the files on disk. A reader refuses any other version."""

MANIFEST = "manifest.json"
CURRENT = "CURRENT"
RELEASES = "releases"
VECTORS = "chunks.npy"
CATALOGUE = "catalogue.db"

CANARIES = (
    "The council voted on Tuesday to close two of the city's four libraries.",
    "Shares in the carmaker fell after it cut its forecast for the year.",
    "A late goal sent the visitors through to the final.",
    "Researchers have found a protein that slows the spread of the disease.",
    "The storm brought down power lines and flooded roads along the coast.",
    "How to bake bread without kneading it",
    "Der Bundestag hat das Gesetz am Freitag verabschiedet.",
    "La ministre a présenté sa démission au président.",
)
"""Texts whose vectors every release records. Another model or tokenizer gives other vectors, and is refused."""

Precision = Literal["float", "int8"]
FLOAT: Precision = "float"
INT8: Precision = "int8"

Kind = Literal["exact", "two tiers", "milvus"]
FLAT: Kind = "exact"
TIERED: Kind = "two tiers"
MILVUS: Kind = "milvus"

AT_ONCE = 1 << 28
"""Bytes of a release that are always hashed before it serves. That takes a fraction of a second."""

UNGUARDED = (f"{WORDS}/{TRIE}",)
"""Files that are always hashed before a release serves, however large it is.

The library that maps them does not check its bounds.
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The model a release was built with.

    Attributes:
        name: Name that loads the model again: a model's name, or the absolute path of its folder.
        sha256: Fingerprint of the weights.
        precision: Precision of the computation. "int8" if the model was quantized, see `index.encoder.int8`.
        canaries: Vectors of `CANARIES`, (len(CANARIES), dim).
    """

    name: str
    sha256: str
    dim: int
    max_tokens: int
    precision: Precision
    canaries: list[list[float]] = field(repr=False)

    @property
    def label(self) -> str:
        """Return the name as answers show it. Of a folder it is only the last part, not the path."""
        return Path(self.name).name if self.name.startswith("/") else self.name


@dataclass(frozen=True, slots=True)
class FileEntry:
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of `manifest.json`.

    Attributes:
        created: RFC 3339 time of the build.
        vectors: How vectors are stored and searched, by the number of chunks. See `recommender.vectors.two_tier`.
        ranker: The weights in force at the build, as in `Ranker.to_json`. They rank if `ranker.json` is damaged.
        live_sequence: The last change of `live.db` that the release holds. See `recommender.live.database`.
        journal: Name of the journal, or of the `live.db`, that numbered the change. Empty: a `live.db` from before
            these had names.
        floor: Closeness below which an item belongs in no list by default. See `index.lists.floor`.
        files: Every file of the release except the manifest itself, by name.
    """

    format: int
    release: str
    created: str
    model: ModelCard
    n_articles: int
    n_chunks: int
    n_candidates: int
    vectors: Kind
    live_sequence: int
    ranker: dict[str, Any]
    files: dict[str, FileEntry]
    journal: str = ""
    floor: float = 0.0

    def folded(self, counter: str) -> int:
        """Return the number of the last change of a journal or `live.db` that the release holds.

        Another counter numbers changes differently. The release then holds none of its changes, and they all count.
        """
        return self.live_sequence if self.journal == counter else 0

    def to_json(self) -> str:
        """Return the text of `manifest.json`, which contains a checksum of itself."""
        fields = asdict(self)
        return _render({**fields, "checksum": hashlib.sha256(_render(fields).encode()).hexdigest()})

    @classmethod
    def from_json(cls, text: str, path: Path) -> "Manifest":
        """Read the text that `to_json` wrote.

        Raises:
            IndexDamaged: The text is cut or changed.
            FormatUnsupported: Another version of Readmore wrote it.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            checksum = fields.pop("checksum")
            version = fields["format"]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise IndexDamaged(f"{path} is cut or changed - {CURE}") from error
        intact = _render({**fields, "checksum": checksum}) == text
        if not intact or hashlib.sha256(_render(fields).encode()).hexdigest() != checksum:
            raise IndexDamaged(f"{path} is cut or changed - {CURE}")
        if version != FORMAT:
            raise FormatUnsupported(
                f"{path} has format {version}, this version of Readmore reads format {FORMAT} - build the index again with this version"
            )
        try:
            model = ModelCard(**fields.pop("model"))
            files = {name: FileEntry(**entry) for name, entry in fields.pop("files").items()}
            return cls(**fields, model=model, files=files)
        except (KeyError, TypeError) as error:  # intact but not ours: written by a version in between
            raise FormatUnsupported(f"{path} has other fields than this version of Readmore writes - build the index again") from error


@dataclass(frozen=True, slots=True)
class Release:
    """A verified release.

    Attributes:
        degraded: Why this is not the release that CURRENT names. None if it is.
        unread: Whether only the sizes of its files were compared, and not yet all hashes.
    """

    folder: Path
    manifest: Manifest
    degraded: str | None = None
    unread: bool = False

    @property
    def name(self) -> str:
        return self.folder.name


def open_release(index_dir: Path, *, quick: bool = False) -> Release:
    """Find and verify the release that serves.

    Args:
        quick: Of a release of more than `AT_ONCE` bytes, compare only the sizes, and the hashes of `UNGUARDED`. Call
            `verify` later.

    Raises:
        IndexNotFound: There is no release in the folder.
        IndexUnusable: There are releases, and none is sound. The message is about the one that CURRENT names.
    """
    folders = release_folders(index_dir)
    if not folders and not (index_dir / CURRENT).exists():
        raise IndexNotFound(f"no index in {index_dir} - build one: readmore build ARTICLES --out {index_dir}")
    fault: IndexUnusable
    try:
        return verify(current_folder(index_dir), quick=quick)
    except IndexUnusable as error:
        fault = error
    for folder in folders:
        try:
            release = verify(folder, quick=quick)
        except IndexUnusable:
            continue
        log.warning("%s; release %s serves instead", fault, folder.name)
        return replace(release, degraded=str(fault))
    raise fault


@contextmanager
def holding(folder: Path, *, alone: bool = False) -> Iterator[None]:
    """Hold a release with a file lock. Several readers may hold it, and no build removes it meanwhile.

    Args:
        alone: Hold it exclusively, to remove it.

    Raises:
        BlockingIOError: `alone`, and a reader holds it, or another process is removing it.
        OSError: The release does not exist any more.
    """
    with (folder / MANIFEST).open("rb") as file:  # the system releases the lock when the process ends, however it ends
        fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        yield


def release_folders(index_dir: Path) -> list[Path]:
    """Return the release folders, newest first. A staged release has no manifest yet and is not among them.

    Raises:
        IndexDamaged: This user may not look into the folder of releases.
    """
    try:
        folders = [path.parent for path in (index_dir / RELEASES).glob(f"*/{MANIFEST}")]
    except PermissionError as error:
        raise unreadable(index_dir / RELEASES, error) from error
    return sorted((folder for folder in folders if not folder.name.startswith(".")), reverse=True)


def current_folder(index_dir: Path) -> Path:
    """Return the folder that CURRENT names.

    Raises:
        IndexDamaged: CURRENT is missing, empty, or names no release.
    """
    pointer = index_dir / CURRENT
    try:
        name = pointer.read_text(encoding="utf-8").strip()
        folder = index_dir / RELEASES / name
        there = folder.is_dir()
    except (OSError, ValueError) as error:  # missing, not UTF-8, contains NUL, or too long for a name
        raise unreadable(pointer, error) from error
    if Path(name).name != name or name in ("", "..") or not there:
        raise IndexDamaged(f"{pointer} names {name[:80]!r}, which is no release - {CURE}")
    return folder


def verify(folder: Path, *, quick: bool = False) -> Release:
    """Check every byte of a release, hashing the largest files in parallel.

    Args:
        quick: See `open_release`.

    Raises:
        IndexDamaged: A file is missing, or its size or hash differs. The message names it.
        FormatUnsupported: Another version of Readmore wrote it.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.from_json(path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error
    for name, entry in manifest.files.items():
        try:
            found = (folder / name).stat().st_size
        except OSError as error:
            raise unreadable(folder / name, error) from error
        if found != entry.bytes:
            raise IndexDamaged(f"{folder / name} has {found} bytes, not {entry.bytes} as its manifest says - {CURE}")
    unread = quick and sum(entry.bytes for entry in manifest.files.values()) > AT_ONCE
    names = manifest.files.keys() & UNGUARDED if unread else manifest.files
    largest_first = sorted(names, key=lambda name: -manifest.files[name].bytes)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:  # hashing releases the GIL
        for name, found_entry in zip(largest_first, threads.map(lambda name: _entry(folder / name), largest_first), strict=True):
            if found_entry != manifest.files[name]:
                raise IndexDamaged(f"{folder / name} has another sha256 than its manifest says - {CURE}")
    return Release(folder, manifest, unread=unread)


def _entry(path: Path) -> FileEntry:
    try:
        return file_entry(path)
    except OSError as error:
        raise unreadable(path, error) from error


def file_entry(path: Path) -> FileEntry:
    """Return size and sha256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return FileEntry(bytes=file.tell(), sha256=digest.hexdigest())


def _render(fields: dict[str, Any]) -> str:
    return json.dumps(fields, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def kept_manifests(index_dir: Path) -> list[Manifest]:
    """Return the manifests of all releases whose manifest can be read."""
    manifests = []
    for folder in release_folders(index_dir):
        with suppress(OSError, ValueError, IndexUnusable):
            manifests.append(Manifest.from_json((folder / MANIFEST).read_text(encoding="utf-8"), folder / MANIFEST))
    return manifests
