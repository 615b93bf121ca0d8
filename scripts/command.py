"""Run a command: map errors to exit codes, print errors as one line, and show tracebacks only with `--debug`."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType
from typing import NoReturn

from recommender.errors import (
    ClusterUnavailable,
    FormatUnsupported,
    IndexBusy,
    IndexUnusable,
    InputError,
    JournalUnavailable,
    ModelError,
    OutOfRange,
    ReadmoreError,
    StorageError,
    VectorsUnavailable,
)

EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (OutOfRange, 2),
    (ModelError, 4),
    (FormatUnsupported, 4),
    (StorageError, 5),
    (VectorsUnavailable, 5),
    (JournalUnavailable, 5),
    (ClusterUnavailable, 5),
    (IndexBusy, 6),
    (IndexUnusable, 7),
    (InputError, 3),
    (ReadmoreError, 3),
    (KeyboardInterrupt, 130),
)
"""Exit codes of errors; the first match counts. Other errors are bugs and exit 1. argparse exits 2 on usage errors."""


GRACE_S = 0.5
"""Seconds in which this process's own signal arrives after a worker died.

A service manager signals all processes of a command at once.
"""


class Stopped(KeyboardInterrupt):
    """A signal that ends the command as Ctrl-C does.

    Attributes:
        number: Number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Handle SIGTERM and SIGHUP like Ctrl-C. A SIGHUP that is ignored stays ignored (`nohup`).

    Raises:
        Stopped: A signal arrived. Further signals do not disturb the cleanup.
    """
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]

    def stop(number: int, frame: FrameType | None) -> None:
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(number)

    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
    resource_tracker.ensure_running()  # inherits ignored signals: a terminal signals it too, and it must outlive the workers
    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    except BrokenProcessPool:
        time.sleep(GRACE_S)
        raise
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def parser(program: str, description: str | None, examples: str) -> argparse.ArgumentParser:
    """Return a parser with examples below its help, and the switches that every command has."""
    made = argparse.ArgumentParser(
        prog=program,
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return made


def run(main: Callable[[argparse.Namespace], None], options: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code.

    Args:
        argv: The arguments. None takes those of this process.
    """
    arguments = options.parse_args(argv)
    code = 0
    try:
        main(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except BaseException as error:
        code = next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)
        if isinstance(error, Stopped):
            code = 128 + error.number
        if arguments.debug or code == 1:
            raise
        signalled = f" by {error}" if isinstance(error, Stopped) else ""
        print(f"interrupted{signalled}" if isinstance(error, KeyboardInterrupt) else f"error: {error}", file=sys.stderr)
    sys.exit(code)
