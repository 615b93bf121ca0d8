"""Decide whether an article is public, by one rule for all readers.

The rule uses the fields that content management systems write: `status`, `visibility`, `draft`, `is_published`,
`expires` and others, at the top of a record or in its `attributes`, `meta` and similar objects. A status outside of the
tables below does not count as public.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from index.ingest.record import PassedOver, Record
from index.ingest.validation import to_time
from recommender.errors import InvalidArticle


def _words(text: str) -> frozenset[str]:
    return frozenset(" ".join(text.split()).split(", "))


STATUS = _words("""
    status, poststatus, pubstatus, publishstatus, publishedstatus, publicationstatus, publishingstatus, articlestatus, contentstatus,
    storystatus, entrystatus, itemstatus, nodestatus, pagestatus, editorialstatus, reviewstatus, moderationstatus, moderationstate,
    publicationstate, publishstate, workflowstatus, workflowstate, visibility, postvisibility, privacystatus
""")
"""Fields that hold a word of `PUBLIC` or `REASONS`. Names are compared by letters and digits only, in lower case."""

LOOSE_STATUS = _words("""
    state, privacy, audience, workflow, stage, access, statusname, statuslabel, articlestate, contentstate, versionstate, editorialstate,
    statut, estado, stato
""")
"""Status fields that other sources use for other purposes, such as a state of the USA.

Words outside of the tables are ignored.
"""

PUBLIC_IF_TRUE = {
    field: reason
    for reason, fields in {
        "draft": "published, ispublished, publish, nodepublished, online, isonline",
        "review": "approved, isapproved",
        "private": "public, ispublic, visible, isvisible, active, isactive, enabled, isenabled",
    }.items()
    for field in _words(fields)
}
"""Fields that are false if an article is not public -> the reason. Dates and texts in these fields are ignored."""

PUBLIC_IF_FALSE = {
    field: reason
    for reason, fields in {
        "draft": "draft, isdraft, unpublished, isunpublished, entwurf, brouillon, borrador, bozza, rascunho",
        "scheduled": "scheduled, isscheduled",
        "members": "membersonly, ismembersonly, subscribersonly, issubscribersonly",
        "private": "hidden, ishidden, private, isprivate, disabled, isdisabled",
        "unlisted": "unlisted, isunlisted",
        "archived": "archived, isarchived, archivedat",
        "expired": "expired, isexpired",
        "deleted": """deleted, isdeleted, deletedat, deletedon, trashed, istrashed, trashedat, trashedon, removed, isremoved, removedat,
            unpublishedat, retracted, isretracted, killed, spiked""",
        "password-protected": "password, postpassword, protected, passwordprotected",
        "email": "emailonly, isemailonly",
    }.items()
    for field in _words(fields)
}
"""Fields that are empty or false if an article is public -> the reason if they are not."""

EXPIRES = _words("""
    expires, expiresat, expireson, expiry, expirydate, expiredate, expireat, expiration, expirationdate, expirationtime, unpublishat,
    unpublishon, unpublishdate, publishdown, publishend
""")
STARTS = _words("""
    embargo, embargoed, embargoeduntil, embargountil, embargodate, publishat, publishon, publishedat, publishdate, publishup, publishstart,
    golive, goliveat, golivedate, scheduledat, scheduledfor, scheduleddate
""")
"""Fields with the moment before which the article is not public."""

KINDS = _words("posttype")
"""Fields that distinguish articles from pages, attachments and comments."""

ARTICLE = "post"
SANITY_DRAFT = "drafts."
"""The beginning of ids of drafts in exports of Sanity."""

INSIDE = _words("attributes, fields, properties, data, meta, metadata, frontmatter, revision, content, workflow, system, sys")
"""Objects in a record that are searched as well."""

PUBLIC = _words("""
    publish, published, public, publicly, posted, live, open, online, active, visible, released, usable, final, confirmed, inherit,
    corrected, updated, republished, everyone, everybody, anyone, all, any, both, free, yes, true, on, 1, ok, success, 200, veröffentlicht,
    öffentlich, publié, publiée, publicado, publicada, público, pubblicato, pubblicata, gepubliceerd, udgivet, publicerad, publisert,
    julkaistu, opublikowany, opublikowane, опубликовано, опубликован, yayınlandı, 公開, 已发布
""")

REASONS = {
    word: reason
    for reason, words in {
        "draft": """draft, drafts, auto draft, autodraft, autosave, wip, work in progress, in progress, unfinished, unpublished,
            not published, hold, on hold, no, false, off, 0, entwurf, unveröffentlicht, brouillon, borrador, bozza, rascunho, concept,
            kladde, utkast,
            luonnos, szkic, черновик, taslak, 下書き, 草稿""",
        "review": """review, in review, pending, pending review, needs review, ready for review, under review, submitted, proposed, pitch,
            assigned, awaiting approval, pending approval, awaiting review""",
        "scheduled": """scheduled, schedule, future, planned, queued, embargoed, pre publish, geplant, programmé, programado,
            programmato""",
        "private": """private, hidden, internal, restricted, confidential, closed, secret, invisible, inactive, disabled, not public,
            privat, privé, privado, privato""",
        "unlisted": "unlisted",
        "members": """member, members, members only, subscriber, subscribers, subscribers only, paid, only paid, paid only, paying,
            paying subscribers, only free, free subscribers, premium, tiers, founding, registered, logged in, contributors, patrons,
            supporters""",
        "password-protected": "password, password protected, protected, passwort",
        "email": "email, email only, sent",
        "archived": "archived, archive, archiviert, archivé",
        "expired": "expired, ended",
        "rejected": "rejected, declined, denied, spam",
        "deleted": """deleted, trash, trashed, soft trashed, removed, withdrawn, withheld, canceled, cancelled, killed, spiked, retracted,
            discarded, 404, 410, -2, gelöscht, corbeille""",
    }.items()
    for word in _words(words)
}
"""Words for articles that are not public -> the reason, by which `--include-status` includes them."""

TRUE = _words("true, yes, y, on, t, 1, ✓, ✔")
FALSE = _words("false, no, n, off, f, 0, ✗, ✘, ✖")
EMPTY = frozenset(["", "none", "null"])
LONGEST = 60
"""Longest excerpt in characters of a source's own status."""


def passed_over(record: Record, include: Collection[str] = ()) -> PassedOver | None:
    """Return the reason for which an article is not public, or None if it is.

    Args:
        include: Reasons and words to ignore, as `normal` writes them.
    """
    if record.fields.get("withdrawn"):  # this takes precedence
        return None
    for reason, known in _reasons({**record.fields, **record.publication}, record.fields.get("published")):
        if normal(reason) not in include:
            shown = reason if known else f"unknown status {reason!r}"
            return PassedOver(record.file, record.line, record.fields.get("id"), shown, known)
    return None


def normal(word: str) -> str:
    """Return a status in lower case, with spaces between its words. Synonyms become one reason.

    >>> normal("Members-only"), normal("auto_draft"), normal("Legal check")
    ('members', 'draft', 'legal check')
    """
    word = _spaced(word)
    return REASONS.get(word, word)


def _spaced(word: str) -> str:
    return " ".join(re.split(r"[\s_]+|(?<=\w)-", word.strip().casefold()))


def _reasons(fields: Mapping[str, Any], published: Any) -> Iterator[tuple[str, bool]]:
    """Yield each reason against an article, kinds first, and True if the reason is in the tables."""
    named = list(_named(fields))
    for name, value in named:
        if name in KINDS and (kind := _word(value)) not in ("", ARTICLE):
            yield kind[:LONGEST], True
        if name == "id" and str(value).startswith(SANITY_DRAFT):
            yield "draft", True
    for name, value in named:
        if name in STATUS or name in LOOSE_STATUS:
            word = _spaced(_word(value).rpartition(":")[2])
            reason = REASONS.get(word)
            if word and word not in PUBLIC and (reason or name in STATUS) and not (reason == "scheduled" and _comes(published)):
                yield reason or _word(value)[:LONGEST], reason is not None
        elif name in PUBLIC_IF_TRUE:
            word = _spaced(_word(value))
            if reason := PUBLIC_IF_TRUE[name] if word in FALSE else REASONS.get(word):
                yield reason, True
        elif name in PUBLIC_IF_FALSE:
            if _spaced(_word(value)) not in FALSE | EMPTY:
                yield PUBLIC_IF_FALSE[name], True
        elif name in EXPIRES:
            if (moment := _moment(value)) and moment < datetime.now(UTC):
                yield "expired", True
        elif name in STARTS and _is_ahead(value, published):
            yield "scheduled", True


def _named(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        key = _key(str(name))
        yield key, value
        if key in INSIDE and isinstance(value, Mapping):
            inner = ((_key(str(name)), of) for name, of in value.items())
            yield from ((name, of) for name, of in inner if name not in EXPIRES | STARTS)  # of a page's cache, mostly


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    """Return the name of a field as the tables spell it."""
    return re.sub(r"[\W_]+", "", name).casefold()


def _word(value: Any) -> str:
    """Return the word that a value is or contains, or an empty string for everything else."""
    if isinstance(value, list) and value:
        return _word(value[0])
    if isinstance(value, Mapping):
        return next(
            (_word(value[name]) for name in ("value", "name", "code", "key", "slug", "label", "text", "title", "id") if name in value), ""
        )
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return " ".join(str(value).split()) if isinstance(value, str | int | float) else ""


def _moment(value: Any) -> datetime | None:
    """Return the moment of a date. A number is none: it may be a flag."""
    try:
        return to_time(value) if isinstance(value, str | date) else None
    except InvalidArticle:
        return None


def _is_ahead(value: Any, published: Any) -> bool:
    """Return True if the start is ahead, and the date of publication does not put it under embargo already."""
    start, day = _moment(value), _moment(published)
    if start is None:
        return _spaced(_word(value)) in TRUE
    return start > datetime.now(UTC) and (day is None or start > day)


def _comes(published: Any) -> bool:
    """Return True for a moment with a zone: a scheduled article is under embargo until then."""
    try:
        return _moment(published) is not None and datetime.fromisoformat(published.strip()).tzinfo is not None
    except (AttributeError, ValueError):
        return False
