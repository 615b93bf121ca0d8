"""Store the shared journal of upserts, deletes, overrides and judgements in PostgreSQL.

A writer locks the counter's row until its transaction ends. So changes are serialized, and their numbers follow the
order in which they become visible. A replica that knows the last number it copied (`index.journal.replication`) misses
no change. A change is durable when its transaction has ended. By then the server has written the change to its disk,
and to the disk of a synchronous standby if it has one.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from sqlalchemy import Connection, Table, create_engine, event, func, insert, inspect, select, text, update
from sqlalchemy.exc import DataError, DBAPIError, DisconnectionError, IntegrityError, InvalidRequestError
from sqlalchemy.exc import TimeoutError as NoConnection

from index.journal.address import JournalAddress
from index.journal.deadline import time_limit
from index.journal.events import Head, JournalEvent, JournalEvents
from index.journal.schema import ARTICLE, HISTORY_STAYS, MARK, STATE, TABLES, VERSION, WORDS, first_state
from index.journal.transaction import JournalTransaction
from recommender.errors import FormatUnsupported, InputError, JournalUnavailable
from recommender.types import FIELD

CONNECT_S = 3
"""Seconds to wait for a connection, for a free connection of the pool, and for the last number."""

WRITES_S, READS_S = 20.0, 120.0
"""Time limits in seconds for transactions that write and that read.

Reading is slow when a machine was away and has many changes to copy.
"""

OF_CONNECTIONS: dict[str, Any] = {
    "connect_timeout": CONNECT_S,
    "tcp_user_timeout": 5_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "application_name": "readmore",
    "client_encoding": "UTF8",
}
"""Keepalive settings, which detect a vanished server within seconds."""

OF_TRANSACTIONS = {
    "synchronous_commit": "on",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "15s",  # a machine that vanishes during a write does not block the others
}

FEW = 200
"""Number of articles read per query. Each may be a megabyte."""

WHO = re.compile(r'\b(user|role) "[^"]*"')
"""The user or role in a message of PostgreSQL, which `/readyz` does not reveal."""

MAKING = 0x7EAD307E
"""Id of the lock that is held while the tables are created."""


class Journal:
    """A client of the journal, safe to share between threads. It connects on first use.

    Attributes:
        away: Why the journal did not answer the last request. None if it answered.
        is_there: Whether a replica exists already. If so, the tables are never created: they must be restored.
    """

    def __init__(self, address: JournalAddress) -> None:
        self.address = address
        self.away: str | None = None
        self.is_there = False
        self._made = False
        self._engine = create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            pool_size=4,
            max_overflow=4,
            pool_timeout=CONNECT_S,
            hide_parameters=True,
        )
        event.listen(self._engine, "checkout", _is_there)

    def close(self) -> None:
        self._engine.dispose()

    def head(self) -> Head:
        """Return the current state of the journal.

        The journal is asked even if it was unavailable, so its return is noticed.

        Raises:
            JournalUnavailable: The journal does not answer, or denies access.
            FormatUnsupported: Another version of Readmore created it.
        """
        with self._asking(CONNECT_S) as connection:
            return _head(connection)

    @contextmanager
    def turn(self, limit_s: float = WRITES_S) -> Iterator[JournalTransaction]:
        """Open an exclusive write transaction, which is durable at its end.

        Args:
            limit_s: Time limit in seconds.

        Raises:
            JournalUnavailable: The journal does not answer. If the commit failed, it is unknown whether the change was
                made.
        """
        if self.away is not None:
            raise JournalUnavailable(self.away)
        with self._asking(limit_s) as connection:
            yield JournalTransaction(connection)

    def changes(self, since: int) -> JournalEvents:
        """Return the changes after a number, in order."""
        with self._asking(READS_S, of_one_moment=True) as connection:
            until = _head(connection).sequence
            rows = [JournalEvent(row["sequence"], "article", dict(row)) for row in _rows(connection, ARTICLE, since, until, FEW)]
            if len(rows) == FEW:
                until = rows[-1].number
            for table in WORDS:
                name = table.name.removeprefix("readmore_")
                rows += [JournalEvent(row["sequence"], name, dict(row)) for row in _rows(connection, table, since, until)]
            marks = connection.execute(select(MARK.c.sequence, MARK.c.mark).where(MARK.c.sequence.between(since, until)))
            return JournalEvents(until, sorted(rows, key=lambda change: change.number), {row.sequence: row.mark for row in marks})

    def purge(self, folded: int) -> None:
        """Remove articles that no build needs any more: every kept release holds their last change."""
        with self.turn() as turn:
            turn.connection.execute(ARTICLE.delete().where(~ARTICLE.c.withdrawn, ARTICLE.c.sequence <= folded))
            turn.connection.execute(update(STATE).values(purged=func.greatest(STATE.c.purged, folded)))

    def withdrawn(self) -> set[str]:
        """Return the ids of deleted articles."""
        with self._asking(READS_S) as connection:
            return set(connection.execute(select(ARTICLE.c.id).where(ARTICLE.c.withdrawn)).scalars())

    @contextmanager
    def _asking(self, limit_s: float, *, of_one_moment: bool = False) -> Iterator[Connection]:
        """Open a transaction, and translate errors of PostgreSQL into errors of Readmore."""
        try:
            with self._engine.connect() as connection, time_limit(_driven(connection), limit_s):
                if not self._made:
                    with connection.begin():  # a transaction of its own, so that what follows may be rolled back
                        _make(connection, anew=not self.is_there)
                    self._made = self.is_there = True
                if of_one_moment:
                    connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                with connection.begin():
                    settings = {**OF_TRANSACTIONS, "statement_timeout": f"{limit_s:g}s"}
                    connection.execute(select(*(func.set_config(name, value, True) for name, value in settings.items())))
                    yield connection
            self.away = None
        except (DataError, IntegrityError):  # a bug in Readmore
            raise
        except (DBAPIError, NoConnection, InvalidRequestError) as error:  # the last: lost repeatedly during checkout
            self._made = False  # another journal may come back
            told = str(error.orig if isinstance(error, DBAPIError) else error).strip().partition("\n")[0]
            told = self.address.without_options(WHO.sub(r"\1", told))[:300]
            self.away = f"PostgreSQL at {self.address.where} does not answer ({told}) - see that it runs, and that it lets us in"
            raise JournalUnavailable(self.away) from None  # SQLAlchemy's error shows the statement

    def _connect(self) -> Any:
        try:
            return psycopg.connect(self.address.url, **OF_CONNECTIONS)
        except psycopg.ProgrammingError:
            raise InputError(f"{self.address} has options that PostgreSQL does not know - see its manual on connection URIs") from None


def _driven(connection: Connection) -> psycopg.Connection[Any]:
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def _is_there(driven: psycopg.Connection[Any], *_: object) -> None:
    """Make the pool reconnect if an idle connection was lost."""
    try:
        with time_limit(driven, CONNECT_S):
            driven.execute("")
            driven.rollback()
    except psycopg.OperationalError as error:
        raise DisconnectionError from error


def _make(connection: Connection, *, anew: bool) -> None:
    """Create the tables if they are missing and may be created."""
    if not inspect(connection).has_table(STATE.name):
        if not anew:
            raise JournalUnavailable("the tables of the journal are gone - bring them back from a backup, see docs/shared.md")
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
        if encoding != "UTF8":
            raise InputError(f"the database has the encoding {encoding}, which cannot hold all texts - make one with ENCODING 'UTF8'")
        connection.execute(select(func.pg_advisory_xact_lock(MAKING)))
        if not connection.execute(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": STATE.name}).scalar_one():
            TABLES.create_all(connection, checkfirst=False)
            for statement in HISTORY_STAYS:
                connection.execute(text(statement))
            connection.execute(insert(STATE).values(**first_state()))
    known = {column["name"] for column in inspect(connection).get_columns(ARTICLE.name)}
    for name in FIELD.keys() - known:  # a field that articles have had since the tables were made
        connection.execute(text(f"ALTER TABLE {ARTICLE.name} ADD COLUMN IF NOT EXISTS {name} text"))
    version = connection.execute(select(STATE.c.version)).scalar_one()
    if version != VERSION:
        raise FormatUnsupported(
            f"the journal has format {version}, this version of Readmore reads {VERSION} - use the version of the other machines"
        )


def _head(connection: Connection) -> Head:
    of_last = select(MARK.c.mark).where(MARK.c.sequence == STATE.c.sequence).scalar_subquery()
    return Head(*connection.execute(select(STATE.c.name, STATE.c.sequence, STATE.c.purged, of_last)).one())


def _rows(connection: Connection, table: Table, since: int, until: int, limit: int | None = None) -> Sequence[Any]:
    wanted = select(table).where(table.c.sequence > since, table.c.sequence <= until)
    order = [table.c.sequence, *table.primary_key.columns]
    return connection.execute(wanted.order_by(*order).limit(limit)).mappings().all()
