"""Give the nodes of a cluster access to folders of the building machine.

A node that has the same folder, because it is the same machine, reads it in place. Any other node fetches the files
piece by piece, once for all its processes. They are kept in its temporary folder until the build ends. If the build is
killed, the next build removes them.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Generic

from index.workers.processes import OfFolder, Opened

BOOT = Path("/proc/sys/kernel/random/boot_id")

PIECE = 16 << 20
"""Bytes per transfer."""

PREFIX, HELD = "readmore-nodes-", "held"

AT_ONCE = 4
"""Number of pieces read for different nodes at the same time."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a folder.

    Attributes:
        name: Path in the folder.
        changed: Time of the last change, in ns.
    """

    name: str
    size: int
    changed: int

    def key(self, folder: Path) -> str:
        return hashlib.sha256(repr((str(folder), self)).encode()).hexdigest()


class Source:
    """An actor on the building machine that reads its files."""

    def files(self, folder: Path) -> list[File]:
        found = [(path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file()]
        return [File(path.relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns) for path, stat in found]

    def piece(self, folder: Path, name: str, first: int) -> bytes:
        with (folder / name).open("rb") as file:
            file.seek(first)
            return file.read(PIECE)


@dataclass(frozen=True, slots=True)
class Shipping:
    """The file transfer of one build.

    Attributes:
        build: Unique name of the build.
        source: Handle of the actor.
    """

    build: str
    source: Any

    def of(self, opened: OfFolder[Opened]) -> "Shipped[Opened]":
        """Return the equivalent of `opened` for nodes."""
        return Shipped(opened.open, opened.folder.absolute(), seen(opened.folder), self)


@dataclass(frozen=True, slots=True)
class Shipped(Generic[Opened]):
    """A callable that opens data in a folder, or in a copy of it on another machine.

    Attributes:
        seen: Identity of the folder on the building machine.
    """

    open: Callable[[Path], Opened]
    folder: Path
    seen: str
    shipping: Shipping

    def __call__(self) -> Opened:
        return self.open(self.folder if seen(self.folder) == self.seen else _copied(self.folder, self.shipping))


def seen(folder: Path) -> str:
    """Return the unique identity of a folder: boot, device, inode number and last change."""
    with suppress(OSError):
        stat = folder.stat()
        return f"{BOOT.read_text(encoding='ascii').strip()} {stat.st_dev} {stat.st_ino} {stat.st_ctime_ns}"
    return f"{folder} is not here"


def begin() -> Shipping:
    """Start the actor on this machine. Ray must be running."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    source = ray.remote(Source).options(num_cpus=0, scheduling_strategy=here, max_concurrency=AT_ONCE).remote()
    return Shipping(secrets.token_hex(8), source)


def end(shipping: Shipping) -> None:
    """Remove the files on the nodes."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    there = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
    gone = [ray.remote(_remove).options(num_cpus=0, scheduling_strategy=node).remote(shipping.build) for node in there]
    ray.wait(gone, num_returns=len(gone), timeout=30)


def _folder_of(build: str) -> Path:
    return Path(tempfile.gettempdir()) / f"{PREFIX}{build}"


def _remove(build: str) -> None:
    shutil.rmtree(_folder_of(build), ignore_errors=True)


_held: dict[Path, IO[str]] = {}
"""Files that this process keeps locked until it ends. In the folder of a killed build, no process holds a lock."""


def _copied(folder: Path, shipping: Shipping) -> Path:
    """Return a current copy of a folder on this node."""
    mine = held(_folder_of(shipping.build))
    files: list[File] = _got(shipping.source.files.remote(folder))
    copy = mine / hashlib.sha256(repr((str(folder), files)).encode()).hexdigest()
    with _alone(mine):
        if not copy.exists():
            made = copy.with_suffix(".new")
            shutil.rmtree(made, ignore_errors=True)
            for file in files:
                (made / file.name).parent.mkdir(parents=True, exist_ok=True)
                os.link(_fetched(file, folder, mine, shipping.source), made / file.name)
            made.rename(copy)
    return copy


def _fetched(file: File, folder: Path, mine: Path, source: Any) -> Path:
    """Return a file that is fetched now, or was fetched for an earlier copy."""
    there = mine / file.key(folder)
    if not there.exists():
        with there.with_suffix(".part").open("wb") as part:
            for first in range(0, file.size, PIECE):
                part.write(_got(source.piece.remote(folder, file.name, first)))
        there.with_suffix(".part").rename(there)
    return there


def _got(answer: Any) -> Any:
    import ray

    return ray.get(answer)


def held(mine: Path) -> Path:
    """Return a folder that this process holds until it ends, together with other holders.

    Folders beside it without a holder are removed.
    """
    for stray in mine.parent.glob(f"{PREFIX}*"):
        with suppress(OSError), (stray / HELD).open() as of_stray:
            if stray != mine:
                fcntl.flock(of_stray, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(stray)
    mine.mkdir(mode=0o700, exist_ok=True)
    if mine not in _held:
        _held[mine] = (mine / HELD).open("w")
        fcntl.flock(_held[mine], fcntl.LOCK_SH)
    return mine


@contextmanager
def _alone(mine: Path) -> Iterator[None]:
    """Keep other processes of this node out."""
    with (mine / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
