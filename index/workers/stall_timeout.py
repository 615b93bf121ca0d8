"""Wait for remote results, but give up when they stall."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from recommender.errors import ClusterUnavailable

Found = TypeVar("Found")

LOOK_S = 5.0
"""Seconds between checks whether results are still possible."""

AHEAD = 16
"""Number of results buffered ahead."""


def patiently(
    begin: Callable[[], Iterator[Found]], patience_s: float, stage: str, look: Callable[[], None] = lambda: None
) -> Iterator[Found]:
    """Yield the items of an iterator that runs in a thread of its own.

    Args:
        look: Called every `LOOK_S` seconds while no item arrives. It raises if none can.

    Raises:
        ClusterUnavailable: No item arrived for `patience_s` seconds, or the iterator raised an error.
    """
    found: queue.Queue[tuple[Found] | BaseException | None] = queue.Queue(AHEAD)
    given_up = threading.Event()

    def run() -> None:
        try:
            for one in begin():
                found.put((one,))
                if given_up.is_set():
                    return
            found.put(None)
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
            found.put(error)

    threading.Thread(target=run, daemon=True).start()
    n_found = 0
    try:
        while (said := _next(found, patience_s, stage, n_found, look)) is not None:
            if isinstance(said, BaseException):
                reason = f"{type(said).__name__}: {' '.join(str(said).split())[:300]}"
                raise ClusterUnavailable(
                    f"{stage}: the cluster gave up after {n_found} blocks ({reason}) - build again with --resume"
                ) from said
            n_found += 1
            yield said[0]
    finally:
        given_up.set()
        while not found.empty():
            found.get_nowait()


def _next(
    found: "queue.Queue[tuple[Found] | BaseException | None]", patience_s: float, stage: str, n_found: int, look: Callable[[], None]
) -> tuple[Found] | BaseException | None:
    end = time.monotonic() + patience_s
    while (left := end - time.monotonic()) > 0:
        try:
            return found.get(timeout=min(left, LOOK_S))
        except queue.Empty:
            look()
    raise ClusterUnavailable(
        f"{stage}: nothing came from the cluster for {patience_s:g} s, after {n_found} blocks"
        " - see that its nodes are alive and have processors left, and build again with --resume: what was found is kept"
    )
