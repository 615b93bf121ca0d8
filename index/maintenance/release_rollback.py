"""Roll an index back to an older release."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from index.maintenance.verify import VerifiedRelease, check_release, release_paths, verify_index
from index.milvus.milvus_writer import serve
from index.release.publish import set_current
from index.storage.build_lock import build_lock
from recommender.errors import IndexDamaged, IndexNotFound, InputError, StorageError
from recommender.release.manifest import CURRENT, MILVUS, RELEASES, current_folder
from recommender.vectors.milvus_client import Milvus, MilvusAddress


@dataclass(frozen=True, slots=True)
class Rollback:
    """The result of a rollback.

    Attributes:
        before: The release that CURRENT named. None if it named none.
        after: The release that CURRENT names now.
        passed_over: Damaged releases between the two, newest first.
    """

    before: str | None
    after: str
    passed_over: tuple[VerifiedRelease, ...] = ()


def roll_back(index_dir: Path, to: str | None = None, vectors: str = "") -> Rollback:
    """Verify every byte of an older release, then make it current in one durable step. Builds are locked out meanwhile.

    A process that has the index open keeps the release that it opened. The next build adds its articles to the release
    that is current then.

    Args:
        to: Name of the release, older or newer. None takes the newest sound release that is older than the current one.
        vectors: Address of the vectors, if they are in Milvus. The Milvus alias is rolled back too.

    Raises:
        IndexNotFound: The folder holds no index.
        InputError: No release has this name, or no older release is sound. Or its vectors are in Milvus, and `vectors`
            is not given.
        IndexDamaged: The release `to` is not sound. Or CURRENT names none, and `to` is not given.
        IndexBusy: A build is running.
        StorageError: CURRENT cannot be written.
        VectorsUnavailable: Milvus does not answer, or lacks the release. Nothing was changed.
    """
    if not (index_dir / RELEASES).is_dir():
        raise IndexNotFound(f"no index in {index_dir} - build one: readmore build ARTICLES --out {index_dir}")
    try:
        with build_lock(index_dir):
            before = _current_name(index_dir)
            chosen, passed_over = _named(index_dir, to) if to is not None else _older(index_dir, before)
            if chosen.manifest is not None and chosen.manifest.vectors == MILVUS:
                with closing(Milvus(MilvusAddress.parse(vectors))) as milvus:
                    serve(milvus, chosen.name)
            if chosen.name != before:
                set_current(index_dir / RELEASES / chosen.name, index_dir)
    except OSError as error:
        raise StorageError(
            f"{index_dir / CURRENT} cannot be written ({error.strerror or error}) - free space, or give this user the right to write there"
        ) from error
    return Rollback(before, chosen.name, passed_over)


def _current_name(index_dir: Path) -> str | None:
    try:
        return current_folder(index_dir).name
    except IndexDamaged:
        return None


def _named(index_dir: Path, name: str) -> tuple[VerifiedRelease, tuple[VerifiedRelease, ...]]:
    chosen = verify_index(index_dir, name).releases[0]
    if not chosen.usable:
        raise IndexDamaged(
            f"release {name} is not sound: {chosen.faults[0].file} {chosen.faults[0].found} - choose another: readmore rollback --list"
        )
    return chosen, ()


def _older(index_dir: Path, before: str | None) -> tuple[VerifiedRelease, tuple[VerifiedRelease, ...]]:
    if before is None:
        raise IndexDamaged(f"{index_dir / CURRENT} names no release, so none is older - name one with --to; --list shows them")
    passed_over = list[VerifiedRelease]()
    for folder in release_paths(index_dir):
        if folder.name < before:
            checked = check_release(folder)
            if checked.usable:
                return checked, tuple(passed_over)
            passed_over.append(checked)
    damaged = "".join(f"; {checked.name} is damaged" for checked in passed_over)
    raise InputError(f"{index_dir} has no sound release older than {before}{damaged} - build again, or name a newer one with --to")
