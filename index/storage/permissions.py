"""Restrict the files of an index to its own user, or to a group that the operator chooses.

A folder with the setgid bit is shared with its group (`chmod 2750` to read, `chmod 2770` to write as well). New files
in it get the folder's group bits. Without the bit, files get mode 600 and folders 700, whatever the umask. Others never
get access.
"""

import stat
from contextlib import suppress
from pathlib import Path

SHARED = stat.S_ISGID


def make_index_dir(index_dir: Path) -> None:
    """Create the folder of an index if it is missing. An existing folder keeps the mode that the operator chose."""
    if not index_dir.is_dir():
        index_dir.parent.mkdir(parents=True, exist_ok=True)
        index_dir.mkdir(mode=stat.S_IRWXU, exist_ok=True)


def make_private_dir(path: Path, index_dir: Path) -> None:
    """Create a folder in an index if it is missing."""
    path.mkdir(parents=True, exist_ok=True)
    keep_private(path, index_dir)


def keep_private(path: Path, index_dir: Path) -> None:
    """Set the mode of an index's file or folder. Files of another user, who shares the index, are left alone."""
    of_folder = index_dir.stat().st_mode
    group = of_folder & stat.S_IRWXG if of_folder & SHARED else 0
    mode = stat.S_IRWXU | group | of_folder & SHARED if path.is_dir() else stat.S_IRUSR | stat.S_IWUSR | group & ~stat.S_IXGRP
    with suppress(OSError):
        if stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)
