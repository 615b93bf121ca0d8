"""The same work on many blocks, in a process for every processor.

Processes are spawned, never forked: faiss and BLAS hang in a fork. They end when their parent ends, however that comes.
"""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

AHEAD = 3
"""Blocks for every process that are begun or made before the first of them is taken: none is idle because one block takes long."""

Shared = TypeVar("Shared")
Block = TypeVar("Block")
Found = TypeVar("Found")


def everywhere(
    work: Callable[[Shared, Block], Found], shared: Callable[[], Shared], blocks: Iterable[Block], *, alone: bool
) -> Iterator[Found]:
    """What some work makes of every block, in order.

    Args:
        work: A function of a module.
        shared: Opens what the work needs besides; called once in every process.
        alone: Whether this process is enough.
    """
    n_processes = int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))
    if alone or n_processes < 2:
        here = shared()
        yield from (work(here, block) for block in blocks)
        return
    rest = iter(blocks)
    context = multiprocessing.get_context("spawn")
    with _one_thread_each(), ProcessPoolExecutor(n_processes, context, _open, (shared,)) as processes:
        waiting = deque(processes.submit(_at_work, work, block) for block in islice(rest, AHEAD * n_processes))
        while waiting:
            found = waiting.popleft().result()
            waiting.extend(processes.submit(_at_work, work, block) for block in islice(rest, 1))
            yield found


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """For processes that are started inside: as many threads as there are processors, in each of them, would stand in each other's way."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_here: Any


def _open(shared: Callable[[], Any]) -> None:
    global _here
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _here = shared()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _at_work(work: Callable[[Any, Block], Found], block: Block) -> Found:
    return work(_here, block)
