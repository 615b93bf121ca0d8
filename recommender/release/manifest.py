"""The manifest of a release: what it is, and the sha256 of every file, so that nothing damaged is ever served.

    index_dir/
      CURRENT                     one line: the name of the release that serves
      releases/<name>/            manifest.json (written last), catalogue.db, facts.npy, lists.bin, chunks.npy, lexical/ and others

`open_release` goes CURRENT -> manifest -> format -> sizes and hashes; the hashes of a large release may wait (`quick`).
When CURRENT or the release it names is damaged, the newest sound release serves in its place, and `Release.degraded` says why.
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
"""Version of the files on disk. A reader refuses any other."""

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
"""Texts whose vectors every release records: another model or tokenizer gives others, and is refused."""

Precision = Literal["float", "int8"]
FLOAT: Precision = "float"
INT8: Precision = "int8"

Kind = Literal["exact", "two tiers", "milvus"]
FLAT: Kind = "exact"
TIERED: Kind = "two tiers"
MILVUS: Kind = "milvus"

AT_ONCE = 1 << 28
"""Bytes of a release that are always read before it serves: a fraction of a second."""

UNGUARDED = (f"{WORDS}/{TRIE}",)
"""Files that are always read before a release serves, however large it is: the library that maps them does not check its bounds."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The model a release was built with.

    Attributes:
        name: What loads it again: a model's name, or the whole path of its folder.
        sha256: Fingerprint of the weights.
        precision: What it computed in: "int8" if it was quantized, see `index.encoder.int8`.
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
        """The name as answers show it: of a folder only its own name, not where it lies."""
        return Path(self.name).name if self.name.startswith("/") else self.name


@dataclass(frozen=True, slots=True)
class FileEntry:
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `manifest.json` holds.

    Attributes:
        created: RFC 3339 time of the build.
        vectors: How they are kept and searched, by the number of chunks; see `recommender.vectors.two_tier`.
        ranker: The weights in force at the build, as `Ranker.to_json` has them; they rank if `ranker.json` is damaged later.
        live_sequence: The last change of `live.db` that the release holds; see `recommender.live.database`.
        journal: Name of the journal that numbered it, or of the `live.db`; empty: of a `live.db` from before these had names.
        files: Every file of the release but the manifest itself, by name.
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

    def folded(self, counter: str) -> int:
        """Up to which change of a journal or `live.db` the release holds what was put.

        Changes are not numbered alike by another counter: the release knows nothing of them, and they all count.
        """
        return self.live_sequence if self.journal == counter else 0

    def to_json(self) -> str:
        """The text of `manifest.json`, with a checksum of itself in it."""
        fields = asdict(self)
        return _render({**fields, "checksum": hashlib.sha256(_render(fields).encode()).hexdigest()})

    @classmethod
    def from_json(cls, text: str, path: Path) -> "Manifest":
        """Read what `to_json` wrote.

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
        except (KeyError, TypeError) as error:  # whole, and still not ours: written between two versions
            raise FormatUnsupported(f"{path} has other fields than this version of Readmore writes - build the index again") from error


@dataclass(frozen=True, slots=True)
class Release:
    """A verified release.

    Attributes:
        degraded: Why this is not the release that CURRENT names; None when it is.
        unread: Only the sizes of its files were compared, not yet all hashes.
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
        quick: Of a release of more than `AT_ONCE` bytes compare only the sizes, and the hashes of `UNGUARDED`. Call `verify` later.

    Raises:
        IndexNotFound: There is no release in the folder.
        IndexUnusable: There are releases, and none is sound; the message is of the one that CURRENT names.
    """
    folders = release_folders(index_dir)
    if not folders and not (index_dir / CURRENT).exists():
        raise IndexNotFound(f"no index in {index_dir} - build one: scripts/build_index.py ARTICLES --out {index_dir}")
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
    """Hold a release: several readers may, and while one does, no build removes it.

    Args:
        alone: Hold it against all readers, to remove it.

    Raises:
        BlockingIOError: `alone`, and somebody reads it; or somebody is removing it.
        OSError: The release is gone.
    """
    with (folder / MANIFEST).open("rb") as file:  # the system lets go when the process ends, however it ends
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
    """The folder that CURRENT names.

    Raises:
        IndexDamaged: CURRENT is missing, empty, or names no release.
    """
    pointer = index_dir / CURRENT
    try:
        name = pointer.read_text(encoding="utf-8").strip()
        folder = index_dir / RELEASES / name
        there = folder.is_dir()
    except (OSError, ValueError) as error:  # not there, not UTF-8, a NUL in it, longer than a name may be
        raise unreadable(pointer, error) from error
    if Path(name).name != name or name in ("", "..") or not there:
        raise IndexDamaged(f"{pointer} names {name[:80]!r}, which is no release - {CURE}")
    return folder


def verify(folder: Path, *, quick: bool = False) -> Release:
    """Check every byte of a release, the largest files side by side.

    Args:
        quick: See `open_release`.

    Raises:
        IndexDamaged: A file is missing, of another size, or of another hash; the message names it.
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
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:  # hashing lets the interpreter go
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
    """Size and sha256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return FileEntry(bytes=file.tell(), sha256=digest.hexdigest())


def _render(fields: dict[str, Any]) -> str:
    return json.dumps(fields, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def kept_manifests(index_dir: Path) -> list[Manifest]:
    """Of all releases that are there and sound enough to be read."""
    manifests = []
    for folder in release_folders(index_dir):
        with suppress(OSError, ValueError, IndexUnusable):
            manifests.append(Manifest.from_json((folder / MANIFEST).read_text(encoding="utf-8"), folder / MANIFEST))
    return manifests
