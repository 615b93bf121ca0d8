"""`unfinished.json`: what a build at work was asked for, so that one that was cut short can be taken up again by `--resume`.

What it had embedded is in the cache; this spares its caller from having to know with which sources and options it ran.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from index.storage.atomic import replace_file
from recommender.errors import ClusterUnavailable, InputError, JournalUnavailable, ReadmoreError, StorageError, VectorsUnavailable

UNFINISHED = "unfinished.json"


@contextmanager
def unfinished(index_dir: Path, request: Mapping[str, Any]) -> Iterator[None]:
    """Note a build's request while it is at work; the lock must be held. The note stays if the build is killed, or the disk fails it."""
    path = index_dir / UNFINISHED
    replace_file(path, json.dumps(request, indent=1) + "\n")
    try:
        yield
    except (StorageError, VectorsUnavailable, ClusterUnavailable, JournalUnavailable):
        raise
    except ReadmoreError:  # the same request would fail again
        path.unlink(missing_ok=True)
        raise
    path.unlink(missing_ok=True)


def read_unfinished(index_dir: Path) -> dict[str, Any]:
    """The request of the build that was cut short.

    Raises:
        InputError: There is none.
    """
    path = index_dir / UNFINISHED
    try:
        request = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"no build to resume in {index_dir} ({type(error).__name__}) - give its sources, without --resume") from error
    if not isinstance(request, dict):
        raise InputError(f"{path} holds no build to resume - give its sources, without --resume")
    return request
