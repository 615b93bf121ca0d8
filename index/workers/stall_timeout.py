"""What takes its time elsewhere is waited for, but not for ever."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from recommender.errors import ClusterUnavailable

Found = TypeVar("Found")

LOOK_S = 5.0
"""Seconds after which it is looked whether anything can come at all."""

AHEAD = 16
"""Of what is found, taken before it is asked for."""


def patiently(
    begin: Callable[[], Iterator[Found]], patience_s: float, stage: str, look: Callable[[], None] = lambda: None
) -> Iterator[Found]:
    """What an iterator yields, which runs in a thread of its own.

    Args:
        look: Called while nothing comes, every `LOOK_S`; raises if nothing can.

    Raises:
        ClusterUnavailable: It yields nothing for so long, or raises anything.
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
        except BaseException as error:  # noqa: BLE001 - it is raised again, where somebody waits
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
