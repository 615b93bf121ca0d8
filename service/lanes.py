"""Threads for what takes long, each with a short queue: who comes when it is full is told so at once, and lists by id never wait."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Answer = TypeVar("Answer")


class LaneFull(Exception):
    """As many wait as may."""


class Lane:
    """One thread, and so many calls that wait for it.

    Attributes:
        name: Of its thread, and in messages.
    """

    def __init__(self, name: str, waiting: int) -> None:
        self.name = name
        self._most = 1 + waiting
        self._taken = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, call: Callable[[], Answer]) -> Answer:
        """The answer of a call; only ever awaited on the event loop.

        Raises:
            LaneFull: At once, if as many wait as may.
        """
        if self._taken >= self._most:
            raise LaneFull
        self._taken += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, call)
        finally:
            self._taken -= 1

    def close(self) -> None:
        """Wait for the call that runs; those behind it are not begun."""
        self._thread.shutdown(cancel_futures=True)
