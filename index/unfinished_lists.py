"""The lists that a build had computed when it was cut short: the next one goes on from there, if it is of the same archive.

While a build is at work they lie in the folder `LISTS` of what it stages, with a note of what they were computed from. That names the start
of the machine too: what was written is sure to be on the disk only as long as the machine runs.
"""

import hashlib
import shutil
from pathlib import Path

from index.sentences import SENTENCES
from index.staged import LISTS, NEAR, NEAR_DONE, Staged
from recommender.facts import FACTS, OFFSETS, SPANS
from recommender.lexical import FOLDER
from recommender.manifest import FORMAT, file_entry
from recommender.stored_lists import LISTS as PACKED
from recommender.stored_lists import PLACES

UNFINISHED_LISTS = "unfinished-lists"
INPUTS = "inputs"

BOOT = Path("/proc/sys/kernel/random/boot_id")


def rescue(staged: Path, index_dir: Path) -> None:
    """Keep what a build that was cut short has computed of its lists."""
    if (staged / LISTS / INPUTS).exists():
        shutil.rmtree(index_dir / UNFINISHED_LISTS, ignore_errors=True)
        (staged / LISTS).rename(index_dir / UNFINISHED_LISTS)


def take_up(staged: Staged, index_dir: Path) -> None:
    """Go on with lists that were kept, if they are of the same archive; what is staged is complete but for them."""
    kept, inputs = index_dir / UNFINISHED_LISTS, _inputs(staged)
    if kept.exists() and (kept / INPUTS).read_text(encoding="ascii") == inputs:
        for name in (*(f"{name}.npy" for name in (*NEAR, NEAR_DONE)), PACKED, PLACES):
            if (kept / name).exists():
                (kept / name).rename(staged.folder / LISTS / name)
    shutil.rmtree(kept, ignore_errors=True)
    (staged.folder / LISTS / INPUTS).write_text(inputs, encoding="ascii")


def _inputs(staged: Staged) -> str:
    """A fingerprint of all that lists depend on."""
    digest = hashlib.sha256(f"{FORMAT} {BOOT.read_text(encoding='ascii') if BOOT.exists() else staged.folder}".encode())
    parts = (staged.folder / FACTS, staged.folder / OFFSETS, staged.folder / SPANS, staged.folder / SENTENCES / "spans.npy")
    for path in (staged.vector_file, *parts, *sorted((staged.folder / FOLDER).glob("*.npy"))):
        digest.update(file_entry(path).sha256.encode())
    digest.update(staged.precedents.offsets.tobytes() + staged.precedents.targets.tobytes())
    return digest.hexdigest()
