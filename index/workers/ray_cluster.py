"""The same work on many blocks, on the nodes of a Ray cluster: what `index.workers.processes` is on one machine.

Work is a data set of Ray Data: numbered blocks go through a pool of actors, which open once what the work needs. Whatever dies at
work, process or node, Ray has its blocks worked on again; and what is found is taken by number, so what is found twice counts once.
"""

import logging
import os
import secrets
import shutil
import socket
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

AUTO = "auto"
"""In place of an address: a Ray of this build's own, on this machine."""

A_CPU = 0.25
"""Of a processor, that an actor reserves; there is an actor for every processor. If they reserved all, nothing else of Ray's would run; and
as long as a fourth of the cluster is left, it has room for all of them."""

WINDOW = 256 << 20
"""Bytes of blocks that the cluster is given together; for the next so many it starts new actors."""

MOST_BLOCKS = 2_048
"""And so many of them: each takes some 40 kB of this machine's memory while it is on its way, however small it is."""

PATIENCE_S = 900.0
"""In which something must be found, or the work is given up: it takes a block seconds, and a node that died is missed within a minute."""

REACHED_WITHIN_S = 10.0

ALWAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ENABLE_AUTO_CONNECT": "0",  # what was given up must not join anew
}
"""What this process, and a Ray of its own, are told of Ray."""

ALONE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Without clusters Ray listens on 127.0.0.1 alone; with them, on all addresses."""


class Cluster:
    """The nodes of a cluster, from the beginning of the context to its end.

    Args:
        address: host:port of a cluster of which this machine is a node; or AUTO.
        patience_s: See PATIENCE_S.
    """

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
        """Raises InputError, ClusterUnavailable."""
        try:
            import ray
            import ray.data
        except ModuleNotFoundError as error:
            raise InputError(f"{error.name} is not installed - pip install 'readmore[ray]'") from None
        warnings.filterwarnings("ignore", "`ray_remote_args_fn` is deprecated")  # there is no other way to place actors
        options: dict[str, Any] = {"address": self._address}
        if self._address == AUTO:
            # What Ray leaves on the disk goes with it. Its sockets lie there, too, and their paths must be short.
            folder = held(Path("/tmp") / f"{PREFIX}{secrets.token_hex(4)}")  # noqa: S108
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            n_cpus = int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))
            options = {"address": "local", "num_cpus": n_cpus, "include_dashboard": False, "_temp_dir": str(folder / "ray")}
        stack.callback(self._unless_lost, ray.shutdown)
        try:
            if self._address != AUTO:
                _reach(self._address)
            one_thread_each = {"env_vars": dict.fromkeys(THREADS, "1")}
            ray.init(**options, runtime_env=one_thread_each, log_to_driver=False, logging_level=logging.ERROR)
        except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:  # ConnectionError among them
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
        """See that the head is there: without it Ray would end this process, without a word, after a minute. Raises ClusterUnavailable."""
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
        """They are there."""

    def everywhere(self, work: Callable[[Shared, Block], Found], shared: Callable[[], Shared], blocks: Iterable[Block]) -> Iterator[Found]:
        """See `BlockWorkers.everywhere`.

        Raises:
            ClusterUnavailable: Nothing was found for long, or the cluster gave up, or the work failed. An error of ours is raised as it is.
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
    """Number, and what was found, of all blocks of a window, in any order."""
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


def _place(places: Iterator[str]) -> dict[str, Any]:
    """Where the next actor is to be, as long as that node lives: left alone, Ray puts all small ones on one node."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(next(places), soft=True)}


def _reach(address: str) -> None:
    """See whether anybody listens: Ray tries for minutes. Raises OSError or ValueError."""
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
    """What was found, by its number from 0 on, each once."""
    early: dict[int, bytes] = {}
    number = 0
    for its, what in found:
        if its >= number:
            early[its] = what
        while number in early:
            yield early.pop(number)
            number += 1
