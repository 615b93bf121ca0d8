"""Overlay the sources on the serving release, then overlay live upserts and deletes on both."""

import sqlite3
from contextlib import closing
from pathlib import Path

from index.archive.merged_archive import MergedArchive
from index.archive.reading import KnownChunks
from index.build_options import OnlineEdits
from index.build_report import ArchiveChanges
from index.live.upserts import LiveChanges, changes_since
from recommender.embedding.embedder import Embedder, check_model
from recommender.errors import IndexNotFound, IndexUnusable, ModelError
from recommender.live.database import LIVE_DB
from recommender.release.catalogue import immutable_uri
from recommender.release.manifest import CATALOGUE, Manifest, holding, open_release

NUMBERED = "SELECT url FROM article WHERE id NOT GLOB '*[^0-9]*' AND url IS NOT NULL ORDER BY row LIMIT 1000"


def lay_over_serving(
    index_dir: Path, incoming: MergedArchive, embedder: Embedder, edits: OnlineEdits | None, *, keep: bool
) -> tuple[ArchiveChanges, LiveChanges, KnownChunks | None]:
    """Merge the sources with the serving release and with live updates.

    Args:
        edits: The edits that machines share. None: this machine is alone.
        keep: Whether to keep articles of the release that the sources do not name.

    Returns:
        The new, changed and deleted articles. The live upserts and deletes. The chunks of the release, or None if the
            model would chunk differently.

    Raises:
        IndexUnusable: Releases exist but none is sound, so no article could be kept.
    """
    if edits is not None:
        edits.copy(index_dir)
    try:
        release = open_release(index_dir)
    except IndexUnusable as error:
        if keep and not isinstance(error, IndexNotFound):
            raise type(error)(f"{error}; to build without the articles it holds, give the whole archive and --delete-missing") from error
        if edits is not None:
            edits.check(index_dir, None)
        live = _take_live(index_dir, None, incoming)
        return incoming.all_new(), live, None
    with holding(release.folder):
        if edits is not None:
            edits.check(index_dir, release.manifest)
        live = _take_live(index_dir, release.manifest, incoming)
        try:
            check_model(embedder, release.manifest.model, release.folder)
            same_window = embedder.max_tokens == release.manifest.model.max_tokens
            known = KnownChunks.of_release(release.folder) if same_window else None
        except ModelError:  # Another model makes other chunks.
            known = None
        return incoming.lay_over(release.folder / CATALOGUE, keep), live, known


def numbered_urls(index_dir: Path) -> list[str]:
    """Return the URLs of articles of the serving release whose ids are the bare numbers that their site gives them."""
    try:
        catalogue = open_release(index_dir).folder / CATALOGUE
    except IndexUnusable:
        return []
    with closing(sqlite3.connect(immutable_uri(catalogue), uri=True)) as connection:
        return [url for (url,) in connection.execute(NUMBERED)]


def _take_live(index_dir: Path, serving: Manifest | None, incoming: MergedArchive) -> LiveChanges:
    """Let live upserts since the release replace articles of the sources, and leave out live deletes.

    A deleted article stays out, whatever the sources give.
    """
    live = changes_since(index_dir, serving)
    for number, article in live.articles:
        incoming.put(article, f"{LIVE_DB}:{number}")
    for article_id in live.withdrawn:
        incoming.withdraw(article_id)
    return live
