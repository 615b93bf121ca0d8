"""The same work on many blocks, in a process for every processor.

Processes are spawned, never forked: faiss and BLAS hang in a fork. They end when their parent ends, however that comes.
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
"""Blocks for every process that are begun or made before the first of them is taken: none is idle because one block takes long."""

Shared = TypeVar("Shared")
Block = TypeVar("Block")
Found = TypeVar("Found")
Opened = TypeVar("Opened", covariant=True)


class BlockWorkers(Protocol):
    """Who works on blocks: the processes of this machine, or the nodes of a cluster (`index.workers.ray_cluster`)."""

    def start(self) -> None:
        """Be ready soon; work that is asked for before is done all the same."""
        ...

    def everywhere(self, work: Callable[[Shared, Block], Found], shared: Callable[[], Shared], blocks: Iterable[Block]) -> Iterator[Found]:
        """What some work makes of every block, in order.

        Args:
            work: A function of a module.
            shared: Opens what the work needs besides; called once in every process. What lies on this machine's disk is an `OfFolder`.
        """
        ...


@dataclass(frozen=True, slots=True)
class OfFolder(Generic[Opened]):
    """Opens what lies in a folder; on another machine, in a copy of it."""

    open: Callable[[Path], Opened]
    folder: Path

    def __call__(self) -> Opened:
        return self.open(self.folder)


class Processes:
    """One for every processor, from `start` to the end of the context; before, and where one is enough, this process does all.

    Args:
        most: No more than so many.
    """

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
        """Start them, without waiting until they are there."""
        if self._pool is None and self._n > 1:
            self._pool = ProcessPoolExecutor(self._n, multiprocessing.get_context("spawn"), _begin)
            # As many threads as there are processors, in each of them, would stand in each other's way.
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
"""This process does all."""


@contextmanager
def in_environment(values: Mapping[str, str]) -> Iterator[None]:
    """For processes that are started inside."""
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
    """What a process is started for before there is work."""


def _at_work(number: int, work: Callable[[Any, Block], Found], shared: Callable[[], Any], block: Block) -> Found:
    global _here
    if _here[0] != number:
        _here = number, shared()
    return work(_here[1], block)
