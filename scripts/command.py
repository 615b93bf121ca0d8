"""What all commands share: one table from errors to exit codes, one line for people, no traceback without `--debug`."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from recommender.errors import (
    ClusterAway,
    FormatUnsupported,
    IndexBusy,
    IndexUnusable,
    InputError,
    JournalAway,
    ModelError,
    OutOfRange,
    ReadmoreError,
    StorageError,
    VectorsAway,
)

EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (OutOfRange, 2),
    (ModelError, 4),
    (FormatUnsupported, 4),
    (StorageError, 5),
    (VectorsAway, 5),
    (JournalAway, 5),
    (ClusterAway, 5),
    (IndexBusy, 6),
    (IndexUnusable, 7),
    (InputError, 3),
    (ReadmoreError, 3),
    (KeyboardInterrupt, 130),
)
"""The first that fits; anything else is a bug and exits 1. argparse exits 2 on wrong usage."""


def parser(description: str, examples: str) -> argparse.ArgumentParser:
    """A parser with examples under its help, and the switches that every command has."""
    made = argparse.ArgumentParser(
        description=description, epilog=f"examples:\n{examples}", formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    made.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return made


def run(main: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> NoReturn:
    """Run a command and exit with its code."""
    code = 0
    try:
        main(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except BaseException as error:
        code = next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)
        if arguments.debug or code == 1:
            raise
        print("interrupted" if isinstance(error, KeyboardInterrupt) else f"error: {error}", file=sys.stderr)
    sys.exit(code)
