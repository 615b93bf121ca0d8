"""Store ids of withdrawn articles outside `live.db`, so that a lost `live.db` brings no article back.

Every release holds the ids withdrawn when it was built, in `withdrawn.json`, with its hash in the manifest. A file of
the same name beside CURRENT holds the ids of `live.db`, and shows that there was one.
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
    """The withdrawn ids listed by the newest kept release. It knows more than older ones.

    Without such a release, only `live.db` knows the withdrawn articles.

    Attributes:
        release: Name of that release. None: there is none, or it was built before releases had the list.
        sequence, counter: The last change in the list, see `Manifest`.
    """

    ids: frozenset[str] = frozenset()
    release: str | None = None
    sequence: int = 0
    counter: str = ""

    def until(self, counter: str) -> int:
        """Return the number of the list's last change, by the counter of a `live.db` or journal.

        For later changes `live.db` overrules the list.
        """
        return self.sequence if self.release is not None and self.counter == counter else 0


def read_withdrawn(index_dir: Path) -> Withdrawn:
    """Read the list of the newest readable release. Damaged releases are skipped."""
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
    """Return the text of a list."""
    return json.dumps(sorted(ids), ensure_ascii=False) + "\n"


def read_ids(path: Path) -> frozenset[str]:
    """Read the ids of a list.

    Raises:
        IndexDamaged: The file is cut or changed.
        OSError: The file cannot be read.
    """
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise IndexDamaged(f"{path} is not JSON") from error
    if not isinstance(ids, list) or not all(isinstance(article_id, str) for article_id in ids):
        raise IndexDamaged(f"{path} is not a list of ids")
    return frozenset(ids)
