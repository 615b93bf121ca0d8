"""Refresh a view of `live.db` incrementally: read only the changes since the last view.

Three counters tell the changes. Each article carries the number of its last change. `computed` names the articles whose
lists were computed since. The audit trail names every article whose override changed. So the cost of a view depends on
the number of changes since the last view, not on the number of articles and overrides.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from recommender.live.overlay import LiveCard, LiveOverlay
from recommender.overrides import Override
from recommender.release.catalogue import Catalogue
from recommender.text.urls import url_key
from recommender.types import CARD_COLUMNS, LIVE, card_of

ARTICLES = f"""
SELECT number, article.id, sequence, withdrawn, lang, own.article IS NOT NULL, canonical, {", ".join(CARD_COLUMNS)}
FROM article LEFT JOIN own ON own.article = number AND own.release = ?
"""
CHANGED = f"{ARTICLES} WHERE sequence > ? ORDER BY sequence"
COMPUTED = f"{ARTICLES} WHERE number IN (SELECT article FROM computed WHERE prepared > ? AND release = ?)"
ROWS = "SELECT number FROM article WHERE sequence > ? UNION SELECT article FROM computed WHERE prepared > ? AND release = ?"

LAST_ENTRY = "SELECT coalesce(max(number), 0), EXISTS (SELECT 1 FROM override) FROM override_history"
OVERRIDDEN = "SELECT article_id FROM override_history WHERE number > ?"
SAID = "SELECT body FROM override WHERE article_id = ?"


@dataclass(frozen=True, slots=True)
class Folded:
    """The changes that releases hold.

    Attributes:
        sequence: Number of the last change that the release holds.
        listed: Number of the last change in the newest release's list of withdrawn ids. Later ones come from `live.db`.
        withdrawn: The ids of that list.
        release: Name of the release.
    """

    sequence: int
    listed: int
    withdrawn: frozenset[str]
    release: str


def up_to_date(
    view: LiveOverlay, nothing: LiveOverlay, moment: tuple[int, int], folded: Folded, catalogue: Catalogue, connection: sqlite3.Connection
) -> LiveOverlay:
    """Return the view at another moment.

    Args:
        view: An earlier view of the same file, or `nothing`.
        nothing: The view of the release without the file.
        moment: See `LiveOverlay.moment`.
    """
    release = folded.release
    if not _accounted_for(view, moment[1], connection):
        view = nothing
    changed = connection.execute(CHANGED, (release, view.sequence)).fetchall()
    if view.lineage is not None and moment[1] != view.prepared:
        changed += connection.execute(COMPUTED, (release, view.prepared, release)).fetchall()
    after = _with_overrides(view, _with_articles(view, changed, folded, catalogue), changed, catalogue, connection)
    return replace(after, sequence=moment[0], prepared=moment[1], lineage=view.lineage or object())


def changed_rows(before: LiveOverlay, view: LiveOverlay, release: str, connection: sqlite3.Connection) -> set[int] | None:
    """Return the rows of live articles that changed between two views. None: all may have changed."""
    if before.lineage is not view.lineage or before.moment > view.moment or not _accounted_for(before, view.prepared, connection):
        return None
    return {LIVE + number for (number,) in connection.execute(ROWS, (before.sequence, before.prepared, release))}


def _accounted_for(view: LiveOverlay, prepared: int, connection: sqlite3.Connection) -> bool:
    """Return whether `computed` holds all changes since a view. Deleted rows have no number, so it then does not."""
    if view.lineage is None or prepared == view.prepared:
        return True
    (steps,) = connection.execute("SELECT count(*) FROM computed WHERE prepared > ?", (view.prepared,)).fetchone()
    return bool(steps == prepared - view.prepared)


def _with_articles(view: LiveOverlay, changed: Iterable[Any], folded: Folded, catalogue: Catalogue) -> LiveOverlay:
    """Apply changed articles to a view, in order of their changes."""
    articles, rows, urls, withdrawn = view.articles.mutate(), view.rows.mutate(), view.urls.mutate(), view.withdrawn.mutate()
    replaced, copies, unprepared = view.replaced.mutate(), view.copies.mutate(), view.unprepared.mutate()
    gone, dated = dict[int, datetime](), dict[int, datetime]()
    for number, id_, sequence, is_withdrawn, lang, prepared, canonical, *columns in changed:
        row, stored = LIVE + number, catalogue.find_row(id_)
        before = articles.pop(row, None)
        if before is not None:
            _take_out(urls, before.card.url and url_key(before.card.url), row)
            _take_out(copies, before.canonical, row)
            if before.card.published is not None and dated.pop(row, None) is None:
                gone[row] = before.card.published
        rows.pop(id_, None)
        withdrawn.pop(id_, None)
        unprepared.pop(row, None)
        if id_ in folded.withdrawn if sequence <= folded.listed else is_withdrawn:
            withdrawn[id_] = sequence
            if stored is not None:
                replaced[stored] = None
        elif sequence > folded.sequence and not is_withdrawn:
            card = card_of((row, *columns))
            articles[row], rows[id_] = LiveCard(card, sequence, lang, bool(prepared), canonical), row
            if card.url:
                having = (*urls.get(url_key(card.url), ()), row)
                urls[url_key(card.url)] = tuple(sorted(having, key=lambda row: articles[row].sequence))
            if canonical is not None:
                copies[canonical] = tuple(sorted((*copies.get(canonical, ()), row)))
            if not prepared:
                unprepared[row] = sequence
            if stored is not None:
                replaced[stored] = row
            if card.published is not None:
                dated[row] = card.published
        elif stored is not None:
            replaced.pop(stored, None)
    return replace(
        view,
        articles=articles.finish(),
        rows=rows.finish(),
        urls=urls.finish(),
        withdrawn=withdrawn.finish(),
        replaced=replaced.finish(),
        copies=copies.finish(),
        unprepared=unprepared.finish(),
        dates=view.dates.changed(((date, row) for row, date in gone.items()), [(date, row) for row, date in dated.items()]),
    )


def _take_out(rows_of: Any, key: Any, row: int) -> None:
    """Remove a row from a map of rows."""
    left = tuple(other for other in rows_of.get(key, ()) if other != row)
    if left:
        rows_of[key] = left
    else:
        rows_of.pop(key, None)


def _with_overrides(
    before: LiveOverlay, view: LiveOverlay, changed: Iterable[Any], catalogue: Catalogue, connection: sqlite3.Connection
) -> LiveOverlay:
    """Apply changed overrides to a view, and those of changed articles."""
    last, overridden = connection.execute(LAST_ENTRY).fetchone()
    hidden, ends = view.hidden.mutate(), view.ends.mutate()
    gone, new = list[tuple[datetime, str]](), list[tuple[datetime, str]]()
    for article_id, override in _overrides(before, last, changed, connection):
        old, now = ends.pop(article_id, ()), tuple(sorted(set(override.ends)))
        if now:
            ends[article_id] = now
        gone += [(end, article_id) for end in old if end not in now]
        new += [(end, article_id) for end in now if end not in old]
        if override.everywhere or len(hidden):
            for row in (catalogue.find_row(article_id), view.rows.get(article_id)):
                if row is not None:
                    hidden.pop(row, None)
                    if override.everywhere:
                        hidden[row] = override.everywhere_until
    for row in (LIVE + number for number, *_ in changed):
        if row not in view.articles:
            hidden.pop(row, None)
    return replace(
        view,
        hidden=hidden.finish(),
        ends=ends.finish(),
        moments=view.moments.changed(gone, new),
        entries=last,
        overridden=bool(overridden),
    )


def _overrides(before: LiveOverlay, last: int, changed: Iterable[Any], connection: sqlite3.Connection) -> Iterator[tuple[str, Override]]:
    """Yield the overrides that may have changed. An article without one yields an empty override."""
    if not before.entries:
        for article_id, body in connection.execute("SELECT article_id, body FROM override"):
            fields = json.loads(body)
            parts = (*fields.get("pins", ()), *fields.get("blocks", ()))
            if fields.get("everywhere") or any(part.get("until") for part in parts):  # few have one, and parsing is slow
                yield article_id, Override.from_dict(fields)
        return
    ids = {article_id for _, article_id, *_ in changed} if before.overridden else set[str]()
    if last != before.entries:
        ids |= {article_id for (article_id,) in connection.execute(OVERRIDDEN, (before.entries,))}
    for article_id in ids:
        found = connection.execute(SAID, (article_id,)).fetchone()
        yield article_id, Override.from_dict(json.loads(found[0]) if found else {})
