"""Store the request of a running build in `unfinished.json`, so that `--resume` can continue an interrupted build.

The embeddings are in the cache. With the stored request, the caller need not repeat sources and options.
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
    """Store a build's request while the build runs. The build lock must be held.

    The file stays if the build is killed, or if the disk fails.
    """
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
    """Return the request of the interrupted build.

    Raises:
        InputError: There is no interrupted build.
    """
    path = index_dir / UNFINISHED
    try:
        request = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"no build to resume in {index_dir} ({type(error).__name__}) - give its sources, without --resume") from error
    if not isinstance(request, dict):
        raise InputError(f"{path} holds no build to resume - give its sources, without --resume")
    return request
