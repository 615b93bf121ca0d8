"""Parse HTML in separate processes, so that a page made to choke a parser costs one article and no more.

No HTML parser is safe from every page. The kernel enforces the limits, whatever the parser's C code does. An alarm ends
a worker at the time limit. RLIMIT_AS bounds its memory. The pipe that feeds it closes with the process that reads the
archive.
"""

import logging
import os
import resource
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, Generic, TypeVar

from recommender.errors import InvalidArticle

SECONDS = 5.0
"""Wall time limit per article."""

MEMORY = 2**30
"""Memory limit in bytes per article, in addition to the worker's memory at its start."""

MOST_WORKERS = 4

FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "pty.")
"""Audit events of Python that parsing never needs."""

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that stop a build. A terminal and a service manager send them to its workers as well."""

SPAWN = get_context("spawn")
STATM = Path("/proc/self/statm")

Key = TypeVar("Key")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Failure:
    """The reason why an article gave no result.

    Attributes:
        code: `too_slow`, `too_large` (memory), `bad_html` (the parser gave up), `worker_died` (killed twice, or a crash
            of the parser), or the code of the InvalidArticle that the function raised.
    """

    code: str
    reason: str


def extract(
    function: Callable[..., Result], items: Iterable[tuple[Key, tuple[Any, ...]]], most: int = MOST_WORKERS
) -> Iterator[tuple[Key, Result | Failure]]:
    """Call a function for each item in worker processes, and yield its results in the order of the items.

    Items are taken only a few ahead of the results. Workers start with the first item, and end when the iterator is
    exhausted or closed. They have no network, and start no other process.

    Args:
        function: A top-level function of a module, because workers import it. Its arguments and result must be
            picklable.
        items: Keys, which are returned unchanged, and arguments.
        most: Maximum number of workers.

    Raises:
        RuntimeError: Workers cannot start.
    """
    n_workers = min(os.cpu_count() or 1, most)
    source = iter(items)
    taken: deque[_Job[Key, Result]] = deque()
    waiting: deque[_Job[Key, Result]] = deque()
    workers: list[_Worker[Key, Result]] = []
    try:
        while True:
            for key, args in islice(source, 2 * n_workers - len(taken)):
                waiting.append(_Job(key, args))
                taken.append(waiting[-1])
            if not taken:
                return
            while len(workers) < min(n_workers, len(taken)):
                workers.append(_Worker(function))
            spoken = wait([worker.pipe for worker in workers], timeout=0 if taken[0].outcome else None)
            for worker in [worker for worker in workers if worker.pipe in spoken]:
                if again := worker.listen():
                    waiting.appendleft(again)
                if worker.is_gone:
                    workers.remove(worker)
            for worker in workers:
                if waiting and worker.takes(waiting[0]):
                    waiting.popleft()
            if outcome := taken[0].outcome:
                yield taken.popleft().key, outcome[0]
    finally:
        for worker in workers:
            worker.end()


@dataclass(slots=True, eq=False)
class _Job(Generic[Key, Result]):
    """An item, and its result in a tuple of one, or None before there is a result."""

    key: Key
    args: tuple[Any, ...]
    outcome: tuple[Result | Failure] | None = None
    n_deaths: int = 0


class _Worker(Generic[Key, Result]):
    """A process and its pipe, as seen from the process that reads the archive."""

    def __init__(self, function: Callable[..., Result]) -> None:
        self.pipe, theirs = SPAWN.Pipe()
        self.is_gone = False
        self._is_up = False
        self._job: _Job[Key, Result] | None = None
        self._process = SPAWN.Process(target=_work, args=(theirs, function), daemon=True)
        resource_tracker.ensure_running()  # the first process starts it, and that would unblock the signal
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # the signals concern this process only; the child inherits the mask
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()

    def takes(self, job: _Job[Key, Result]) -> bool:
        """Give the worker a job if it is running and idle. Return whether it took the job."""
        if not self._is_up or self._job:
            return False
        try:
            self.pipe.send(job.args)
        except OSError:  # it died while idle, so the job is not at fault
            return False
        self._job = job
        return True

    def listen(self) -> _Job[Key, Result] | None:
        """Receive a message of the worker: that it is running, a result, or the end of the pipe.

        Returns:
            A job for another worker. The first worker that dies with a job may have been killed for another reason.
        """
        job, self._job = self._job, None
        try:
            said = self.pipe.recv()
        except (EOFError, OSError):
            self._process.join(1.0)  # its own exit code is available then
            exitcode = self.end()
            if not self._is_up:
                raise RuntimeError(
                    f"a worker process could not start (exit code {exitcode}) - guard the calling script with `if __name__ == '__main__':`"
                ) from None
            said = _death(exitcode)
            if job and said.code == "worker_died" and not job.n_deaths:
                job.n_deaths += 1
                return job
        self._is_up = True
        if job:
            job.outcome = (said,)
        return None

    def end(self) -> int | None:
        """Remove all traces of the worker, and return its exit code."""
        self.is_gone = True
        self.pipe.close()
        self._process.kill()
        self._process.join()
        exitcode = self._process.exitcode
        self._process.close()
        return exitcode


def _death(exitcode: int | None) -> Failure:
    if exitcode == -signal.SIGALRM:
        return Failure("too_slow", f"reading it takes more than {SECONDS:g} s - simplify the HTML, or give the text itself")
    name = signal.Signals(-exitcode).name if exitcode and exitcode < 0 else f"exit code {exitcode}"
    return Failure(
        "worker_died", f"the process that read it ended with {name} - try it alone, with more memory; if it stays so, leave it out"
    )


def _work(pipe: Connection, function: Callable[..., Any]) -> None:
    """Process jobs until the pipe ends."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable()
    sys.addaudithook(_forbid)
    pipe.send(None)
    while True:
        try:
            args = pipe.recv()
        except (EOFError, OSError):
            return
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        _limit_memory()
        answer = _call(function, args)
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            pipe.send_bytes(answer)
        except OSError:
            return


def _call(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Return the function's result or failure, pickled."""
    try:
        return ForkingPickler.dumps(function(*args))
    except InvalidArticle as error:
        failure = Failure(error.code, str(error))
    except MemoryError:
        failure = Failure(
            "too_large", f"reading it takes more than {MEMORY >> 20} MiB of memory - simplify the HTML, or give the text itself"
        )
    except Exception as error:  # noqa: BLE001 - any error of a parser costs only this article
        failure = Failure("bad_html", f"{type(error).__name__}: {str(error)[:200]} - check the HTML, or give the text itself")
    return ForkingPickler.dumps(failure)


def _limit_memory() -> None:
    if STATM.exists():  # Linux only; elsewhere only the time is limited
        used = int(STATM.read_bytes().split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        limit = used + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def _forbid(event: str, args: tuple[Any, ...]) -> None:
    if event.startswith(FORBIDDEN):
        raise PermissionError(f"{event} is forbidden here")
