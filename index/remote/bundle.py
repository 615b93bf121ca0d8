"""List the content of a release in a store: its files, the encoder of its model, and the fitted weights.

Local data of a machine is not transferred: the caches, and `live.db` with live articles, overrides and judgements.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from recommender.embedding.openvino import ENCODER, ENCODERS, FILES, checked_card, encoder_folder
from recommender.errors import IndexDamaged
from recommender.features.ranker import RANKER
from recommender.release.manifest import MANIFEST, RELEASES, FileEntry, Manifest, file_entry

CURE = "push again with readmore push"
SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Parcel:
    """The list of one release's files in a store.

    Attributes:
        release: Name of the release.
        files: Path inside the index's folder -> size and sha256.
    """

    release: str
    files: Mapping[str, FileEntry]

    @classmethod
    def of_index(cls, index_dir: Path, manifest: Manifest) -> "Parcel":
        """Return the list of a verified release. The build lock must be held.

        Raises:
            ModelError: The encoder is damaged.
        """
        folder = f"{RELEASES}/{manifest.release}"
        files = {f"{folder}/{name}": entry for name, entry in manifest.files.items()}
        beside = [f"{folder}/{MANIFEST}"]
        encoder = encoder_folder(index_dir, manifest.model.sha256, manifest.model.precision)
        if (encoder / ENCODER).exists():  # otherwise sentence-transformers embeds, there as here
            checked_card(encoder)
            beside += [f"{ENCODERS}/{encoder.name}/{name}" for name in (ENCODER, *FILES)]
        if (index_dir / RANKER).exists():
            beside.append(RANKER)
        return cls(manifest.release, files | {name: file_entry(index_dir / name) for name in beside})

    @property
    def manifest(self) -> FileEntry:
        return self.files[f"{RELEASES}/{self.release}/{MANIFEST}"]

    @property
    def objects(self) -> dict[str, int]:
        """Return sha256 -> bytes of each distinct content."""
        return {entry.sha256: entry.bytes for entry in self.files.values()}

    def part(self, of: str) -> dict[str, FileEntry]:
        """Return the files in a folder of the index, or the one file of that name."""
        return {name: entry for name, entry in self.files.items() if PurePosixPath(name).parts[0] == of}

    def to_json(self) -> bytes:
        """Return the text of `releases/<name>.json`, which includes a checksum of itself."""
        fields = {"release": self.release, "files": {name: asdict(entry) for name, entry in self.files.items()}}
        return _render({**fields, "checksum": hashlib.sha256(_render(fields)).hexdigest()})

    @classmethod
    def from_json(cls, text: bytes, where: str) -> "Parcel":
        """Parse the output of `to_json`.

        Raises:
            IndexDamaged: The text is truncated or changed, or a file path leads out of the index's folder.
        """
        try:
            fields = json.loads(text)
            checksum = fields.pop("checksum")
            parcel = cls(str(fields["release"]), {name: FileEntry(**entry) for name, entry in fields["files"].items()})
            whole = checksum == hashlib.sha256(_render(fields)).hexdigest() and bool(parcel.manifest)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise IndexDamaged(f"{where} is cut or changed - {CURE}") from error
        if not whole:
            raise IndexDamaged(f"{where} is cut or changed - {CURE}")
        for name, entry in parcel.files.items():
            if not _belongs(name, parcel.release) or not SHA256.fullmatch(entry.sha256):
                raise IndexDamaged(f"{where} names {name[:100]!r}, which is no file of an index - find out who wrote it, and {CURE}")
        return parcel


def _belongs(name: str, release: str) -> bool:
    """Return whether a file belongs to a release, its encoder or its weights.

    Other files are never written, whatever a list contains.
    """
    parts = PurePosixPath(name).parts
    if ".." in parts or str(PurePosixPath(name)) != name or release.startswith("."):
        return False
    return name == RANKER or (len(parts) > 2 and parts[:2] == (RELEASES, release)) or (len(parts) == 3 and parts[0] == ENCODERS)


def _render(fields: Mapping[str, object]) -> bytes:
    return (json.dumps(fields, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
