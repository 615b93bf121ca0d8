"""Separate the articles of a folder from the files of the site around them.

The rules are those of Jekyll, Hugo, Substack's export and Medium's.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from index.ingest.readers.substack import TABLE, is_export
from index.ingest.record import PassedOver

OF_SITES = frozenset(["_layouts", "_includes", "_site", "_sass", "_data", "_plugins"])
"""Folders of Jekyll that hold no article."""

OF_HUGO = frozenset(["archetypes", "hugo.toml", "hugo.yaml", "hugo.yml", "hugo.json", "config.toml", "config.yaml", "config/_default"])
"""Names beside the folder `content` in Hugo. A Hugo site has at least one of them."""

ABOUT = frozenset(["README", "LICENSE", "LICENCE", "CHANGELOG", "CONTRIBUTING", "CODE_OF_CONDUCT", "SECURITY"])
"""Names of files about a repository."""

SITE_FILE = "site file"
PAGE: Mapping[str, Any] = {"post_type": "page"}


@dataclass(frozen=True, slots=True)
class File:
    """A file that may hold articles.

    Attributes:
        id: Its path in the folder, without the extension.
        publication: Publication fields that follow from its place. See `Record.publication`.
    """

    path: Path
    id: str
    publication: Mapping[str, Any] = field(default_factory=dict)


def files_of(source: Path) -> Iterator[File | PassedOver]:
    """Yield the files of a folder in order of their paths, or the one file that a source is. Hidden ones are ignored.

    Raises:
        OSError: The folder or file does not exist.
    """
    if not source.is_dir():
        source.stat()
        yield File(source, source.stem, _by_name(source.absolute()))
        return
    inside, others = _walk(source)
    site = _Site(source, inside)
    for path in inside:
        publication = site.publication(path)
        if site.is_read_with_its_table(path):
            continue
        if publication is None:
            yield PassedOver(str(source / path), 1, None, SITE_FILE)
        else:
            yield File(source / path, path.with_suffix("").as_posix(), publication)
    yield from others


def _walk(source: Path) -> tuple[list[PurePath], list[PassedOver]]:
    """Return the paths of regular files inside a folder, and notes on everything else."""
    root = source.resolve()
    paths: list[PurePath] = []
    others: list[PassedOver] = []

    def fail(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(source, onerror=fail):
        links = [name for name in folders if not name.startswith(".") and Path(folder, name).is_symlink()]
        folders[:] = [name for name in folders if not name.startswith(".") and name not in links]
        for name in [*links, *(name for name in names if not name.startswith("."))]:
            path = Path(folder, name)
            if name in links or (path.is_symlink() and not path.resolve().is_relative_to(root)):
                others.append(PassedOver(str(path), 1, None, "symbolic link"))
            elif not path.is_file():
                others.append(PassedOver(str(path), 1, None, "broken link" if path.is_symlink() else "FIFO or device"))
            else:
                paths.append(path.relative_to(source))
    return sorted(paths, key=lambda path: path.parts), others


class _Site:
    """The sites in a folder, detected by folders and files that only they have."""

    def __init__(self, source: Path, paths: list[PurePath]) -> None:
        folders = {folder for path in paths for folder in path.parents}
        there = {*paths, *folders}
        self._is_of_drafts = source.resolve().name == "_drafts"
        self._jekyll = {folder.parent for folder in folders if folder.name == "_posts"}
        self._jekyll |= {path.parent for path in paths if path.name == "_config.yml" and self._jekyll}
        contents = {folder.parent for folder in folders if folder.name == "content"}
        self._hugo = {folder for folder in contents if any(folder / name in there for name in OF_HUGO)}
        self._takeout = {path.parents[2] for path in paths if path.name == "feed.atom" and path.parent.parent.name == "Blogs"}
        profiles = {path.parent.parent for path in paths if path.parts[-2:] == ("profile", "profile.html")}
        self._medium = {folder for folder in profiles if folder / "posts" in there}
        self._substack = {path.parent for path in paths if path.name == TABLE and is_export(source / path)}

    def is_read_with_its_table(self, path: PurePath) -> bool:
        """Return True for a post of Substack: `posts.csv` decides on it."""
        return path.suffix == ".html" and path.parent.name == "posts" and path.parent.parent in self._substack

    def publication(self, path: PurePath) -> Mapping[str, Any] | None:
        """Return the publication fields that a file's place implies, or None for a file of the site itself."""
        if self._is_of_drafts or "_drafts" in path.parts:
            return {"draft": True}
        if self._takeout.intersection(path.parents):
            return {} if path.name == "feed.atom" else None
        if OF_SITES.intersection(path.parts):
            return None
        for folder in path.parents:
            below = path.relative_to(folder).parts
            if folder in self._substack:
                return {} if below == (TABLE,) else None
            if folder in self._medium:
                return {} if below[0] == "posts" else None
            if folder in self._jekyll:
                if "_posts" in below:
                    return {}
                is_collection = below[0].startswith("_") and len(below) > 1
                return {"post_type": below[0].lstrip("_")} if is_collection else None if below[0].startswith("_") else PAGE
            if folder in self._hugo and below[0] != "content":
                return PAGE if len(below) == 1 else None
        return PAGE if path.stem in ABOUT else _by_name(path)


def _by_name(path: PurePath) -> Mapping[str, Any]:
    """Return the publication fields that a file's name implies."""
    if "_drafts" in path.parts:
        return {"draft": True}
    return {"post_type": "section page"} if path.stem.partition(".")[0] == "_index" else {}
