"""Distribute blocks of the same work over the nodes of a Ray cluster, as `index.workers.processes` does on one machine.

The work is a Ray Data data set. Numbered blocks pass through a pool of actors, which open the shared data once. If a
process or a node dies, Ray repeats its blocks. Results are taken by number, so a repeated result counts once.
"""

import logging
import os
import secrets
import shutil
import socket
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import cycle
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import TracebackType
from typing import Any

from index.workers.processes import THREADS, Block, Found, OfFolder, Shared, in_environment
from index.workers.ray_actor import Actor, code
from index.workers.ray_files import PREFIX, begin, end, held
from index.workers.stall_timeout import patiently
from recommender.errors import ClusterUnavailable, InputError, ReadmoreError
from recommender.installation import not_installed

AUTO = "auto"
"""Value in place of an address: the build starts its own Ray on this machine."""

A_CPU = 0.25
"""Share of a processor that an actor reserves. There is one actor per processor.

If actors reserved whole processors, nothing else of Ray could run. With a fourth, all actors fit as long as a fourth of
the cluster is left.
"""

WINDOW = 256 << 20
"""Bytes of blocks given to the cluster together. The next window starts new actors."""

MOST_BLOCKS = 2_048
"""Maximum number of blocks in a window.

Each takes about 40 kB of this machine's memory in transit, however small it is.
"""

PATIENCE_S = 900.0
"""Seconds without a result after which the work is given up.

A block takes seconds, and a dead node is detected within a minute.
"""

REACHED_WITHIN_S = 10.0

ALWAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ENABLE_AUTO_CONNECT": "0",  # an abandoned process must not join again
}
"""Environment variables of Ray for this process and for a Ray of its own."""

ALONE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Without clusters Ray listens on 127.0.0.1 alone, with clusters on all addresses."""


class Cluster:
    """The nodes of a cluster, from the beginning of the context to its end.

    Args:
        address: host:port of a cluster that includes this machine, or AUTO.
        patience_s: See PATIENCE_S.
    """

    remote = True

    def __init__(self, address: str, patience_s: float = PATIENCE_S) -> None:
        self._address, self._patience_s = address, patience_s
        self._stack = ExitStack()
        self._head = ""
        self._lost = False

    def __enter__(self) -> "Cluster":
        with ExitStack() as stack:
            stack.enter_context(in_environment(ALWAYS))
            stack.enter_context(warnings.catch_warnings())
            if self._address == AUTO:
                stack.enter_context(in_environment({ALONE: "0", "RAY_AUTH_TOKEN": secrets.token_hex(32)}))
            self._join(stack)
            self._files = begin()
            stack.callback(self._unless_lost, end, self._files)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def _join(self, stack: ExitStack) -> None:
        """Join the cluster. Raises InputError, ClusterUnavailable."""
        try:
            import ray
            import ray.data
        except ModuleNotFoundError as error:
            raise InputError(not_installed(str(error.name), "ray")) from None
        warnings.filterwarnings("ignore", "`ray_remote_args_fn` is deprecated")  # the only way to place actors
        options: dict[str, Any] = {"address": self._address}
        if self._address == AUTO:
            # Ray's files are removed with the folder. It also holds its sockets, whose paths must be short.
            folder = held(Path("/tmp") / f"{PREFIX}{secrets.token_hex(4)}")  # noqa: S108
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            n_cpus = int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))
            options = {"address": "local", "num_cpus": n_cpus, "include_dashboard": False, "_temp_dir": str(folder / "ray")}
        stack.callback(self._unless_lost, _leave)
        try:
            if self._address != AUTO:
                _reach(self._address)
            one_thread_each = {"env_vars": dict.fromkeys(THREADS, "1")}
            ray.init(**options, runtime_env=one_thread_each, log_to_driver=False, logging_level=logging.ERROR)
        except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:  # includes ConnectionError
            raise ClusterUnavailable(
                f"no Ray cluster can be joined at {self._address} ({' '.join(str(error).split())[:300]})"
                " - start this machine as one of its nodes, with the cluster's token and version; see docs/ray.md"
            ) from error
        self._head = ray.get_runtime_context().gcs_address
        for name in ("ray.data", "ray"):
            logging.getLogger(name).setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = False

    def _look(self) -> None:
        """Verify that the head node answers, else raise ClusterUnavailable.

        Otherwise Ray would kill this process after a minute without a message.
        """
        try:
            _reach(self._head)
        except OSError as error:
            self._lost = True
            raise ClusterUnavailable(
                f"the head of the cluster at {self._head} is gone ({error}) - start it, and build again with --resume"
            ) from None

    def _unless_lost(self, do: Callable[..., object], *given: object) -> None:
        if not self._lost:
            do(*given)

    def start(self) -> None:
        """Do nothing: the nodes run already."""

    def everywhere(self, work: Callable[[Shared, Block], Found], shared: Callable[[], Shared], blocks: Iterable[Block]) -> Iterator[Found]:
        """See `BlockWorkers.everywhere`.

        Raises:
            ClusterUnavailable: There was no result for long, the cluster gave up, or the work failed. Errors of
                Readmore are raised unchanged.
        """
        opening = self._files.of(shared) if isinstance(shared, OfFolder) else shared
        stage = work.__module__.rpartition(".")[2]
        for window in _windows(blocks):
            n_found = 0
            for found in _in_order(patiently(partial(_found, work, opening, window), self._patience_s, stage, self._look)):
                what = ForkingPickler.loads(found)
                if isinstance(what, ReadmoreError):
                    raise what
                yield what
                n_found += 1
            if n_found < len(window):
                raise ClusterUnavailable(
                    f"{stage}: {n_found} of {len(window)} blocks came back from the cluster - build again with --resume"
                )


def _found(work: Callable[[Any, Any], Any], opening: Callable[[], Any], window: list[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the result of all blocks of a window, in any order."""
    import pyarrow as pa
    import ray

    blocks = [pa.table({"number": [number], "block": pa.array([block], pa.large_binary())}) for number, block in enumerate(window)]
    n_cpus = {node["NodeID"]: int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]}
    places = [node for turn in range(max(n_cpus.values())) for node, n in n_cpus.items() if turn < n]
    found = ray.data.from_arrow(blocks).map_batches(
        Actor,
        fn_constructor_args=(work, opening, code()),
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=min(len(places), len(blocks))),
        num_cpus=A_CPU,
        ray_remote_args_fn=partial(_place, cycle(places)),
    )
    for table in found.iter_batches(batch_size=None, batch_format="pyarrow"):
        yield from zip(table["number"].to_pylist(), table["found"].to_pylist(), strict=True)


def _leave() -> None:
    """Stop the executors of Ray Data, then leave Ray.

    `ray.shutdown` under an executor that still waits for its actors ends the process with SIGSEGV.
    """
    import ray

    for thread in threading.enumerate():
        if thread.name.startswith("StreamingExecutor-"):
            thread.shutdown(force=True)  # type: ignore[attr-defined]
            thread.join(30)
    ray.shutdown()


def _place(places: Iterator[str]) -> dict[str, Any]:
    """Return the placement of the next actor, while its node lives.

    By default Ray puts all small actors on one node.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(next(places), soft=True)}


def _reach(address: str) -> None:
    """Check whether a server listens, because Ray would try for minutes. Raises OSError or ValueError."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=REACHED_WITHIN_S).close()


def _windows(blocks: Iterable[Any]) -> Iterator[list[bytes]]:
    window: list[bytes] = []
    n_bytes = 0
    for block in blocks:
        window.append(bytes(ForkingPickler.dumps(block)))
        n_bytes += len(window[-1])
        if n_bytes >= WINDOW or len(window) == MOST_BLOCKS:
            yield window
            window, n_bytes = [], 0
    if window:
        yield window


def _in_order(found: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """Yield the results by number from 0, each once."""
    early: dict[int, bytes] = {}
    number = 0
    for its, what in found:
        if its >= number:
            early[its] = what
        while number in early:
            yield early.pop(number)
            number += 1
