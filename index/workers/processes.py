"""Distribute blocks of the same work over local processes, one per processor.

Processes are spawned, never forked: faiss and BLAS hang in a fork. They end when their parent ends, for whatever
reason.
"""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

AHEAD = 3
"""Blocks per process started before the first result is taken, so that one slow block leaves no process idle."""

Shared = TypeVar("Shared")
Block = TypeVar("Block")
Found = TypeVar("Found")
Opened = TypeVar("Opened", covariant=True)


class BlockWorkers(Protocol):
    """The workers that process blocks: local processes, or the nodes of a cluster (`index.workers.ray_cluster`).

    Attributes:
        remote: Whether the workers are other machines too. Then records are checked and texts embedded there.
    """

    @property
    def remote(self) -> bool: ...

    def start(self) -> None:
        """Start the workers in advance. Work requested earlier is done all the same."""
        ...

    def everywhere(self, work: Callable[[Shared, Block], Found], shared: Callable[[], Shared], blocks: Iterable[Block]) -> Iterator[Found]:
        """Apply a function to every block, and yield the results in order.

        Args:
            work: A function of a module.
            shared: Opens the other data that the work needs. It is called once in every process. Data on this machine's
                disk is an `OfFolder`.
        """
        ...


@dataclass(frozen=True, slots=True)
class OfFolder(Generic[Opened]):
    """A callable that opens data in a folder, or in a copy of it on another machine."""

    open: Callable[[Path], Opened]
    folder: Path

    def __call__(self) -> Opened:
        return self.open(self.folder)


class Processes:
    """A pool of local processes, one per processor, from `start` to the end of the context.

    Before `start`, and where one process is enough, this process does all the work.

    Args:
        most: Maximum number of processes.
    """

    remote = False

    def __init__(self, most: int) -> None:
        self._n = min(most, int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0))))
        self._pool: ProcessPoolExecutor | None = None
        self._works = 0

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=fault is not None)

    def start(self) -> None:
        """Start the processes without waiting for them."""
        if self._pool is None and self._n > 1:
            self._pool = ProcessPoolExecutor(self._n, multiprocessing.get_context("spawn"), _begin)
            # One thread per processor in each of the processes would overload the machine.
            with in_environment(dict.fromkeys(THREADS, "1")):
                for _ in range(self._n):
                    self._pool.submit(_nothing)

    def everywhere(self, work: Callable[[Shared, Block], Found], shared: Callable[[], Shared], blocks: Iterable[Block]) -> Iterator[Found]:
        """See `BlockWorkers.everywhere`."""
        if self._pool is None:
            here = shared()
            yield from (work(here, block) for block in blocks)
            return
        self._works += 1
        rest = iter(blocks)
        waiting = deque(self._given(self._pool, work, shared, block) for block in islice(rest, AHEAD * self._n))
        while waiting:
            found = waiting.popleft().result()
            waiting.extend(self._given(self._pool, work, shared, block) for block in islice(rest, 1))
            yield found

    def _given(
        self, pool: ProcessPoolExecutor, work: Callable[[Shared, Block], Found], shared: Callable[[], Shared], block: Block
    ) -> Future[Found]:
        return pool.submit(_at_work, self._works, work, shared, block)


ALONE = Processes(1)
"""This process does all the work."""


@contextmanager
def in_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for processes started inside the context."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_here: tuple[int, Any] = (0, None)


def _begin() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _nothing() -> None:
    """Do nothing: a process is started by this task before there is work."""


def _at_work(number: int, work: Callable[[Any, Block], Found], shared: Callable[[], Any], block: Block) -> Found:
    global _here
    if _here[0] != number:
        _here = number, shared()
    return work(_here[1], block)
