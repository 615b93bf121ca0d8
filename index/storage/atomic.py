"""Replace a file atomically, and flush it to the disk."""

import os
from pathlib import Path

from index.storage.permissions import keep_private


def replace_file(path: Path, text: str) -> None:
    """Write a file of an index atomically: a reader sees the complete old or new text at any moment."""
    draft = path.with_name(f".{path.name}")
    draft.write_text(text, encoding="utf-8")
    keep_private(draft, path.parent)
    sync(draft)
    draft.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
