"""Upsert and delete articles where several machines serve: first in the journal, then in this machine's replica.

An update is durable and reaches every machine once the journal has it. `put` also updates this machine before it
returns, so that its caller sees the change. If that fails, the service's watcher applies the update a moment later.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from index.journal.checks import check_turn
from index.journal.replication import follow_at_once
from index.live import upserts
from index.live.rows import columns_of
from recommender import Article, Recommender
from recommender.embedding.embedder import embed_articles

if TYPE_CHECKING:
    from index.journal.journal import Journal


def put(index_dir: Path, recommender: Recommender, article: Article, journal: "Journal | None") -> bool:
    """Upsert an article. See `index.live.upserts.put`.

    Args:
        journal: The journal that machines share. None: this machine is alone.

    Returns:
        Whether its id was new.

    Raises:
        InvalidArticle: It has neither a title nor a word of text.
        JournalUnavailable: The journal does not answer. Nothing was written, unless the commit itself failed.
        StorageError: This machine is alone, and its disk is full or the folder cannot be written.
    """
    if journal is None:
        return upserts.put(index_dir, recommender, article)
    manifest = recommender.release.manifest
    chunks, vectors = embed_articles([article], recommender.embedder)[0]
    columns = columns_of(article, chunks, vectors, manifest.model.sha256)
    with journal.turn() as turn:
        check_turn(index_dir, turn)
        stored = turn.find(article.id)
        said = stored.columns if stored is not None and stored.sequence > manifest.folded(turn.journal) else None
        if said == columns:
            return False
        in_release = recommender.catalogue.find_row(article.id) is not None
        withdrawn = stored is not None and stored.columns is None
        turn.put(article.id, columns)
    follow_at_once(index_dir, journal, recommender)
    return said is None and (withdrawn or not in_release)


def withdraw(index_dir: Path, recommender: Recommender, article_id: str, journal: "Journal | None") -> None:
    """Delete an article from all lists of all machines permanently. See `index.live.upserts.withdraw`.

    Raises:
        ArticleNotFound: No article has or had this id.
        JournalUnavailable: The journal does not answer.
        StorageError: This machine is alone, and its disk is full or the folder cannot be written.
    """
    if journal is None:
        upserts.withdraw(index_dir, recommender, article_id)
        return
    with recommender.live.reading() as view:
        known = article_id in view.rows or article_id in view.withdrawn or recommender.catalogue.find_row(article_id) is not None
    with journal.turn() as turn:
        check_turn(index_dir, turn)
        stored = turn.find(article_id)
        if stored is not None and stored.columns is None:
            return
        if stored is None and not known:
            raise recommender.not_found(article_id)
        turn.withdraw(article_id)
    follow_at_once(index_dir, journal, recommender)
