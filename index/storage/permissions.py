"""Who may read an index on the disk: its own user alone, or a group where the operator says so.

A folder with the setgid bit is shared with its group (`chmod 2750` to read, `chmod 2770` to write, too): what is made in it gets the
group's bits of the folder. Without that bit files get the mode 600 and folders 700, whatever the umask. Others never get any.
"""

import stat
from contextlib import suppress
from pathlib import Path

SHARED = stat.S_ISGID


def make_index_dir(index_dir: Path) -> None:
    """Make the folder of an index, if it is not there. One that is there keeps its mode, which is the operator's."""
    if not index_dir.is_dir():
        index_dir.parent.mkdir(parents=True, exist_ok=True)
        index_dir.mkdir(mode=stat.S_IRWXU, exist_ok=True)


def make_private_dir(path: Path, index_dir: Path) -> None:
    """Make a folder in an index, if it is not there."""
    path.mkdir(parents=True, exist_ok=True)
    keep_private(path, index_dir)


def keep_private(path: Path, index_dir: Path) -> None:
    """Give a file or folder of an index its mode; one of another user, who shares the index, is left alone."""
    of_folder = index_dir.stat().st_mode
    group = of_folder & stat.S_IRWXG if of_folder & SHARED else 0
    mode = stat.S_IRWXU | group | of_folder & SHARED if path.is_dir() else stat.S_IRUSR | stat.S_IWUSR | group & ~stat.S_IXGRP
    with suppress(OSError):
        if stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)
