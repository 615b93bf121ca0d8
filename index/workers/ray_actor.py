"""Run work in a process of a node, after a check that the node has the code of the building machine."""

import hashlib
import os
import traceback
from collections.abc import Callable
from functools import cached_property
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import index
import recommender
from recommender.errors import ClusterUnavailable, ReadmoreError
from recommender.installation import PROGRAMS


class Actor:
    """A worker process of a node."""

    def __init__(self, work: Callable[[Any, Any], Any], opening: Callable[[], Any], expected: str) -> None:
        self._work, self._opening, self._expected = work, opening, expected

    def __call__(self, table: Any) -> Any:
        import pyarrow as pa

        found = [bytes(ForkingPickler.dumps(self._found(block.as_py()))) for block in table["block"]]
        return pa.table({"number": table["number"], "found": pa.array(found, pa.large_binary())})

    def _found(self, block: bytes) -> Any:
        """Return the result of a block, or the exception that the work raised.

        Ray itself would report only its text.
        """
        try:
            return self._work(self._here, ForkingPickler.loads(block))
        except ReadmoreError as error:
            return error
        except Exception as error:  # noqa: BLE001 - every exception is raised again in the build
            away = ClusterUnavailable(
                f"{self._work.__module__} failed on {os.uname().nodename} ({error!r:.300}) - build again with --resume"
            )
            away.add_note(traceback.format_exc())
            return away

    @cached_property
    def _here(self) -> Any:
        if code() != self._expected:
            raise _of_node("it has another version of Readmore than the machine that builds - install one on all nodes")
        try:
            return self._opening()
        except Exception as error:
            raise _of_node(f"{type(error).__name__}: {error}") from error


def _of_node(fault: str) -> ClusterUnavailable:
    return ClusterUnavailable(
        f"node {os.uname().nodename} cannot work ({fault}) - mend it, or take it out of the cluster, and build again with --resume"
    )


def code() -> str:
    """Return a fingerprint of the code that computes the content of a release."""
    digest = hashlib.sha256()
    for package in (index, recommender):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            name = path.relative_to(folder)
            if name.parts[0] != PROGRAMS.name:  # a wheel has the index inside the recommender, a checkout beside it
                digest.update(f"{name}\n".encode() + path.read_bytes())
    return digest.hexdigest()
