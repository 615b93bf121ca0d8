"""Interrupt long work early: a caller sets a check, and long work runs it every few tenths of a second.

with interruptible(check):
    recommender.related_to(draft)
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Check = Callable[[], None]

_check: ContextVar[Check | None] = ContextVar("check", default=None)


@contextmanager
def interruptible(check: Check) -> Iterator[None]:
    """Run a check at every checkpoint of this thread's work inside the context.

    Args:
        check: Function that raises `Interrupted` to end the work.
    """
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def checkpoint() -> None:
    """Run the check of this thread, if there is one.

    Raises:
        Interrupted: The caller no longer needs this work.
    """
    check = _check.get()
    if check is not None:
        check()
