"""Define the journal's PostgreSQL tables: updates only, each row with the number of its last change, and no derived
data.

The columns are those of `live.db` (`recommender/live/database.py`). A retracted update keeps its row as a tombstone, so
machines that were away learn of it.
"""

import uuid

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Identity, Index, Integer, LargeBinary, MetaData, Table, Text

from recommender.types import FIELD

VERSION = 1

TABLES = MetaData()

STATE = Table(
    "readmore_state",
    TABLES,
    Column("one", Integer, CheckConstraint("one = 1"), primary_key=True, server_default="1", autoincrement=False),  # exactly one row
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),  # random, given once
    Column("sequence", BigInteger, nullable=False),  # number of the last change
    Column("numbered", BigInteger, nullable=False),  # number of the newest article
    Column("purged", BigInteger, nullable=False),  # articles may have been purged up to this change, because all kept releases hold them
)
MARK = Table(  # tells a change from one with the same number before the journal was restored to an older state
    "readmore_mark",
    TABLES,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("mark", Text, nullable=False),
)
ARTICLE = Table(
    "readmore_article",
    TABLES,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("sequence", BigInteger, nullable=False, index=True),
    Column("withdrawn", Boolean, nullable=False),
    *(Column(name, Text) for name in (*FIELD, "names", "model")),
    Column("chunks", LargeBinary),
    Column("vectors", LargeBinary),
)
OVERRIDE = Table(
    "readmore_override",
    TABLES,
    Column("article_id", Text, primary_key=True),
    Column("body", Text),  # NULL: retracted
    Column("sequence", BigInteger, nullable=False, index=True),
)
HISTORY = Table(
    "readmore_override_history",
    TABLES,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("at", Text, nullable=False),
    Column("article_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("key", Text),
    Column("body", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False, index=True),
)
Index("readmore_override_history_of", HISTORY.c.article_id, HISTORY.c.number)
JUDGEMENT = Table(
    "readmore_judgement",
    TABLES,
    Column("article_id", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("accepted", Boolean),  # NULL: retracted
    Column("at", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("key", Text),
    Column("sequence", BigInteger, nullable=False, index=True),
)
Index("readmore_judgement_of", JUDGEMENT.c.article_id, postgresql_using="hash")  # two long ids exceed the size limit of a B-tree entry

WORDS = (OVERRIDE, HISTORY, JUDGEMENT)
"""Tables of editorial data about articles."""

HISTORY_STAYS = (
    """
    CREATE FUNCTION readmore_stays() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit trail is never changed'; END $$
    """,
    """
    CREATE TRIGGER readmore_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON readmore_override_history
    FOR EACH STATEMENT EXECUTE FUNCTION readmore_stays()
    """,
)


def new_mark() -> str:
    """Return a unique mark for a change."""
    return uuid.uuid4().hex[:16]


def first_state() -> dict[str, object]:
    """Return the state of an empty journal."""
    return {"version": VERSION, "name": uuid.uuid4().hex, "sequence": 0, "numbered": 0, "purged": 0}
