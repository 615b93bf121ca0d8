"""Measure the memory of a command with all processes that it started.

Processes that left its process group count too, such as a database server. All processes with the mark in their
environment are counted. A page shared by several counts once (proportional set size).
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARK = "READMORE_MEASURED"
"""The environment variable that carries the mark."""

EVERY_S = 0.5


class PeakMemory:
    """The peak memory, MB."""

    mb = 0


def held_mb(mark: str) -> int:
    """Return the memory of all processes that carry a mark, MB."""
    wanted = f"{MARK}={mark}".encode()
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                found = re.search(r"^Pss:\s+(\d+) kB", (process / "smaps_rollup").read_text(encoding="ascii"), re.MULTILINE)
                total += int(found[1]) if found else 0
        except OSError:  # the process has ended, or belongs to another user
            continue
    return total // 1000


@contextmanager
def watched(mark: str) -> Iterator[PeakMemory]:
    """Sample the memory repeatedly until the context ends."""
    peak, ended = PeakMemory(), threading.Event()

    def watch() -> None:
        while not ended.wait(EVERY_S):
            peak.mb = max(peak.mb, held_mb(mark))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield peak
    finally:
        ended.set()
        watching.join()
