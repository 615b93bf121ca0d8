"""End long work early: a caller sets a check, and long work asks it between steps of some tenths of a second.

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
    """Have all work inside the context ask a check, in this thread.

    Args:
        check: Raises `Interrupted` to end the work.
    """
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def checkpoint() -> None:
    """Ask whether this work is still needed.

    Raises:
        Interrupted: It is not.
    """
    check = _check.get()
    if check is not None:
        check()
