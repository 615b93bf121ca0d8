"""Checkpoint the computed lists, so that the next build of the same archive resumes after an interruption.

During a build the lists are stored in the staged folder `LISTS`, with a note of their inputs. The note also names the
boot of the machine: unflushed writes are certain to survive only until the machine restarts. Before lists are moved or
removed, their note is removed. So lists that a crash leaves without a note are ignored.
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
from recommender.release.list_codec import LISTS as PACKED
from recommender.release.list_codec import PLACES
from recommender.release.manifest import VECTORS, file_entry
from recommender.terms.inverted_index import FOLDER

UNFINISHED_LISTS = "unfinished-lists"
INPUTS = "inputs"
LISTED_FROM = "listed-from"

BOOT = Path("/proc/sys/kernel/random/boot_id")


def rescue(staged: Path, index_dir: Path) -> None:
    """Keep the lists that an interrupted build has computed."""
    if (staged / LISTS / INPUTS).exists():
        _remove(index_dir / UNFINISHED_LISTS)
        (staged / LISTS).rename(index_dir / UNFINISHED_LISTS)


def take_up(staged: BuildInputs, index_dir: Path) -> None:
    """Resume kept lists if they belong to the same archive.

    The staged release must be complete except for its lists.
    """
    kept, inputs = index_dir / UNFINISHED_LISTS, _inputs(staged)
    if _said(kept / INPUTS) == inputs:
        (kept / INPUTS).unlink()
        for name in (*(f"{name}.npy" for name in (*NEAR, NEAR_DONE)), PACKED, PLACES, LISTED_FROM):
            if (kept / name).exists():
                (kept / name).rename(staged.folder / LISTS / name)
    _remove(kept)
    (staged.folder / LISTS / INPUTS).write_text(inputs, encoding="ascii")


def forget_lists_of_other_facts(staged: Path) -> None:
    """Drop resumed lists that were computed when near-duplicates had other canonical articles."""
    said, now = staged / LISTS / LISTED_FROM, file_entry(staged / FACTS).sha256
    if _said(said) != now:
        for name in (PLACES, PACKED):  # without places no list exists
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
    """Return a fingerprint of all inputs of the lists, the code that computes them included."""
    digest = hashlib.sha256((BOOT.read_text(encoding="ascii") if BOOT.exists() else str(staged.folder)).encode())
    code = sorted(path for package in (index, recommender) for path in Path(str(package.__file__)).parent.rglob("*.py"))
    facts = (staged.folder / name for name in (FACTS, OFFSETS, SPANS, f"{SENTENCES}/spans.npy"))
    for path in (*code, staged.folder / VECTORS, *facts, *sorted((staged.folder / FOLDER).glob("*.npy"))):
        digest.update(file_entry(path).sha256.encode())
    digest.update(staged.precedents.offsets.tobytes() + staged.precedents.targets.tobytes())
    return digest.hexdigest()
