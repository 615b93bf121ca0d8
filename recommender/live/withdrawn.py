"""Ids of withdrawn articles outside `live.db`, so that a lost `live.db` brings nothing back.

Every release holds the ids that were withdrawn when it was built, as the file `withdrawn.json` with its hash in the manifest. A file of the
same name beside CURRENT holds those of `live.db`, and shows that there was one.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from recommender.errors import IndexDamaged
from recommender.release.manifest import MANIFEST, Manifest, file_entry, release_folders

WITHDRAWN = "withdrawn.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The list of the newest kept release, which knows more than older ones. Without one, `live.db` alone says what is withdrawn.

    Attributes:
        release: Name of that release; None: it was built before releases had the list, or there is none.
        sequence, counter: The last change that the list knows, see `Manifest`.
    """

    ids: frozenset[str] = frozenset()
    release: str | None = None
    sequence: int = 0
    counter: str = ""

    def until(self, counter: str) -> int:
        """The last change of a `live.db` or journal that the list knows. What `live.db` says of later ones counts more than the list."""
        return self.sequence if self.release is not None and self.counter == counter else 0


def read_withdrawn(index_dir: Path) -> Withdrawn:
    """The list of the newest release that can be read. A release that is damaged is passed over."""
    for folder in release_folders(index_dir):
        try:
            manifest = Manifest.from_json((folder / MANIFEST).read_text(encoding="utf-8"), folder / MANIFEST)
            if WITHDRAWN not in manifest.files:
                return Withdrawn()
            if file_entry(folder / WITHDRAWN) != manifest.files[WITHDRAWN]:
                raise IndexDamaged(f"{folder / WITHDRAWN} has another sha256 than its manifest says")
            ids = read_ids(folder / WITHDRAWN)
        except (OSError, ValueError, IndexDamaged) as error:
            log.warning("%s; an older release says which articles are withdrawn", error)
            continue
        return Withdrawn(ids, manifest.release, manifest.live_sequence, manifest.journal)
    return Withdrawn()


def list_of_ids(ids: Iterable[str]) -> str:
    """The text of a list."""
    return json.dumps(sorted(ids), ensure_ascii=False) + "\n"


def read_ids(path: Path) -> frozenset[str]:
    """The ids of a list.

    Raises:
        IndexDamaged: The file is cut or changed.
        OSError: It cannot be read.
    """
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise IndexDamaged(f"{path} is not JSON") from error
    if not isinstance(ids, list) or not all(isinstance(article_id, str) for article_id in ids):
        raise IndexDamaged(f"{path} is not a list of ids")
    return frozenset(ids)
