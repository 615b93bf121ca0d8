"""Run long work on threads with short queues.

Lists by id never wait for this work. A call ends when no client waits for it any more.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from recommender import Recommender
from recommender.errors import Interrupted
from recommender.interruption import interruptible
from service.release_holder import ReleaseHolder

Answer = TypeVar("Answer")

SHORT_TEXT = 10_000
"""Characters of an ordinary draft, about 1,600 English words."""


STOPS = "The service stops. Retry in a second."


class Busy(Exception):
    """The call cannot be answered now. The message is for the client.

    Attributes:
        code: Stable name.
        retry_after_s: Seconds until the client may retry.
    """

    code = "busy"
    retry_after_s = 1


class LaneFull(Busy):
    """The queue is full."""


class TimedOut(Busy):
    """The call exceeded its time in the queue and on the thread."""

    code = "timed_out"
    retry_after_s = 5


class Lane:
    """One thread and a queue of calls.

    Attributes:
        name: Name of the thread.

    Args:
        waiting: Calls that may wait.
        timeout_s: Seconds after which a call times out, in the queue and on the thread together.
    """

    def __init__(self, name: str, waiting: int, timeout_s: float = 60.0) -> None:
        self.name = name
        self._most = 1 + waiting
        self._timeout_s = timeout_s
        self._taken = 0
        self._stopping = threading.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, call: Callable[[], Answer], receive: Receive | None = None, *, load: Callable[[], object] = lambda: None) -> Answer:
        """Run a call as `interruptible` and return its answer. Await it only on the event loop.

        Args:
            receive: Of a request whose body was read. The call ends when its client disconnects.
            load: Runs before the call. Its time does not count.

        Raises:
            LaneFull: The queue is full. Raised at once.
            TimedOut: The call was not started in time, or was stopped at its next checkpoint.
            ClientDisconnect: The client has disconnected.
        """
        if self._taken >= self._most:
            raise LaneFull("The queue is full. Retry in a second.")
        self._taken += 1
        deadline = time.monotonic() + self._timeout_s
        unwanted = threading.Event()

        def check() -> None:
            if unwanted.is_set() or self._stopping.is_set() or time.monotonic() > deadline:
                raise Interrupted("nobody waits for this any more")

        def work() -> Answer:
            nonlocal deadline
            with interruptible(check):
                check()
                began = time.monotonic()
                load()
                deadline += time.monotonic() - began
                return call()

        job = self._thread.submit(work)
        answer = asyncio.wrap_future(job)
        answer.add_done_callback(self._leave)
        gone = asyncio.ensure_future(_hung_up(receive))
        try:
            await self._ended(job, answer, gone)
            if not answer.done():
                raise ClientDisconnect
            return answer.result()
        except Interrupted:
            if self._stopping.is_set():
                raise Busy(STOPS) from None
            raise self._timed_out() from None
        finally:
            gone.cancel()
            unwanted.set()
            job.cancel()  # a running job ends at its own checkpoint

    async def _ended(self, job: Future[Answer], answer: asyncio.Future[Answer], gone: asyncio.Future[None]) -> None:
        either: set[asyncio.Future[Any]] = {answer, gone}
        await asyncio.wait(either, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if answer.done() or gone.done():
            return
        if job.cancel():  # it had not started
            raise self._timed_out()
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)

    def _timed_out(self) -> TimedOut:
        return TimedOut(f"No answer within {self._timeout_s:g} s. Retry in {TimedOut.retry_after_s} s, or send less text.")

    def _leave(self, answer: asyncio.Future[Answer]) -> None:
        self._taken -= 1
        if not answer.cancelled():
            answer.exception()  # marks the exception as retrieved

    def stop(self) -> None:
        """Stop the running call at its next checkpoint. Queued calls do not start."""
        self._stopping.set()

    def close(self) -> None:
        """Stop, and wait for the thread."""
        self.stop()
        self._thread.shutdown(cancel_futures=True)


async def _hung_up(receive: Receive | None) -> None:
    """Return when the client has disconnected."""
    if receive is None:
        await asyncio.Event().wait()
    else:
        while (await receive())["type"] != "http.disconnect":
            pass


class TextLanes:
    """One lane for texts as long as most articles, and one for longer texts. Ordinary drafts do not wait for long ones.

    Both lanes embed slice by slice, in turns (`recommender.embedding.embedder.SLICE`).
    """

    def __init__(self, waiting: int, timeout_s: float) -> None:
        self._short, self._long = (Lane(name, waiting, timeout_s) for name in ("text", "long-text"))

    async def run(self, serving: ReleaseHolder, n_characters: int, call: Callable[[Recommender], Answer], receive: Receive) -> Answer:
        """Run a call in the lane for its length; see `Lane.run`. The first text loads the model."""

        def work() -> Answer:
            with serving.held() as recommender:  # held on the thread, which may outlast the request
                return call(recommender)

        def load() -> None:
            with serving.held() as recommender:
                _ = recommender.embedder

        return await (self._short if n_characters <= SHORT_TEXT else self._long).run(work, receive, load=load)

    def stop(self) -> None:
        """Stop both lanes; see `Lane.stop`."""
        self._short.stop()
        self._long.stop()

    def close(self) -> None:
        """Close both lanes; see `Lane.close`."""
        self._short.close()
        self._long.close()
