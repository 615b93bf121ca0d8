"""The lists that a build had computed when it was cut short: the next one goes on from there, if it is of the same archive.

While a build is at work they lie in the folder `LISTS` of what it stages, with a note of what they were computed from. That names the start
of the machine too: what was written is sure to be on the disk only as long as the machine runs. Whatever is moved or removed loses its
note first: what a crash leaves without one is not looked at.
"""

import hashlib
import shutil
from contextlib import suppress
from pathlib import Path

import index
import recommender
from index.lists.inputs import LISTS, NEAR, NEAR_DONE, BuildInputs
from index.terms.sentences import SENTENCES
from recommender.features.article_features import FACTS, OFFSETS, SPANS
from recommender.release.list_file import LISTS as PACKED
from recommender.release.list_file import PLACES
from recommender.release.manifest import VECTORS, file_entry
from recommender.terms.inverted_index import FOLDER

UNFINISHED_LISTS = "unfinished-lists"
INPUTS = "inputs"
LISTED_FROM = "listed-from"

BOOT = Path("/proc/sys/kernel/random/boot_id")


def rescue(staged: Path, index_dir: Path) -> None:
    """Keep what a build that was cut short has computed of its lists."""
    if (staged / LISTS / INPUTS).exists():
        _remove(index_dir / UNFINISHED_LISTS)
        (staged / LISTS).rename(index_dir / UNFINISHED_LISTS)


def take_up(staged: BuildInputs, index_dir: Path) -> None:
    """Go on with lists that were kept, if they are of the same archive; what is staged is complete but for them."""
    kept, inputs = index_dir / UNFINISHED_LISTS, _inputs(staged)
    if _said(kept / INPUTS) == inputs:
        (kept / INPUTS).unlink()
        for name in (*(f"{name}.npy" for name in (*NEAR, NEAR_DONE)), PACKED, PLACES, LISTED_FROM):
            if (kept / name).exists():
                (kept / name).rename(staged.folder / LISTS / name)
    _remove(kept)
    (staged.folder / LISTS / INPUTS).write_text(inputs, encoding="ascii")


def forget_lists_of_other_facts(staged: Path) -> None:
    """Of what was taken up, leave lists out that were computed when other articles stood for their near-duplicates."""
    said, now = staged / LISTS / LISTED_FROM, file_entry(staged / FACTS).sha256
    if _said(said) != now:
        for name in (PLACES, PACKED):  # without places nothing is listed
            (staged / LISTS / name).unlink(missing_ok=True)
        said.write_text(now, encoding="ascii")


def _said(note: Path) -> str | None:
    with suppress(OSError, UnicodeDecodeError):
        return note.read_text(encoding="ascii")
    return None


def _remove(kept: Path) -> None:
    (kept / INPUTS).unlink(missing_ok=True)
    shutil.rmtree(kept, ignore_errors=True)


def _inputs(staged: BuildInputs) -> str:
    """A fingerprint of all that lists depend on, the code that computes them included."""
    digest = hashlib.sha256((BOOT.read_text(encoding="ascii") if BOOT.exists() else str(staged.folder)).encode())
    code = sorted(path for package in (index, recommender) for path in Path(str(package.__file__)).parent.rglob("*.py"))
    facts = (staged.folder / name for name in (FACTS, OFFSETS, SPANS, f"{SENTENCES}/spans.npy"))
    for path in (*code, staged.folder / VECTORS, *facts, *sorted((staged.folder / FOLDER).glob("*.npy"))):
        digest.update(file_entry(path).sha256.encode())
    digest.update(staged.precedents.offsets.tobytes() + staged.precedents.targets.tobytes())
    return digest.hexdigest()
