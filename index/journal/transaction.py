"""Write to the journal in an exclusive transaction.

`index.updates.editorial_writer.EditorialWriter` is the part that overrides need.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql

from index.journal.schema import ARTICLE, HISTORY, JUDGEMENT, MARK, OVERRIDE, STATE, new_mark
from index.live.rows import COLUMNS


@dataclass(frozen=True, slots=True)
class Stored:
    """An article's row in the journal.

    Attributes:
        sequence: Number of its last change.
        columns: Values in the order of `index.live.rows.COLUMNS`. None if the article was deleted.
    """

    number: int
    sequence: int
    columns: tuple[Any, ...] | None


class JournalTransaction:
    """An exclusive write transaction of the journal.

    Attributes:
        journal: Name of the journal.
        sequence: The last change before this transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        state = connection.execute(select(STATE.c.name, STATE.c.sequence).with_for_update()).one()
        self.journal: str = state.name
        self.sequence: int = state.sequence

    def find(self, article_id: str) -> Stored | None:
        """Return an article's row, or None if it was not upserted since the last builds."""
        found = self.connection.execute(select(ARTICLE).where(ARTICLE.c.id == article_id)).mappings().one_or_none()
        if found is None:
            return None
        columns = None if found["withdrawn"] else tuple(found[name] for name in COLUMNS)
        return Stored(found["number"], found["sequence"], columns)

    def mark(self, sequence: int) -> str | None:
        """Return the mark of a change, or None if no change has that number."""
        return self.connection.execute(select(MARK.c.mark).where(MARK.c.sequence == sequence)).scalar_one_or_none()

    def marks(self, first: int) -> dict[int, str]:
        """Return the marks of all changes from a number on."""
        found = self.connection.execute(select(MARK.c.sequence, MARK.c.mark).where(MARK.c.sequence >= first))
        return {row.sequence: row.mark for row in found}

    def said_at(self, article_id: str) -> int | None:
        """Return the number of the last editorial change of an article, or None if there was none."""
        return self.connection.execute(select(OVERRIDE.c.sequence).where(OVERRIDE.c.article_id == article_id)).scalar_one_or_none()

    def raise_to(self, sequence: int, numbered: int) -> None:
        """Raise the counters of changes and articles above the given numbers. This counts as a change itself."""
        raised = {STATE.c.sequence: func.greatest(STATE.c.sequence, sequence), STATE.c.numbered: func.greatest(STATE.c.numbered, numbered)}
        self.connection.execute(update(STATE).values(raised))
        self._change()

    def history(self, article_id: str) -> list[tuple[str, str, str | None, str]]:
        """Return the audit trail of an article, newest last: time, action, key and body of each entry."""
        columns = (HISTORY.c.at, HISTORY.c.action, HISTORY.c.key, HISTORY.c.body)
        told = self.connection.execute(select(*columns).where(HISTORY.c.article_id == article_id).order_by(HISTORY.c.number))
        return [(at, action, key, body) for at, action, key, body in told]

    def judged(self, article_id: str, target_id: str) -> str | None:
        """Return when a line was judged, or None if it never was."""
        of_it = (JUDGEMENT.c.article_id == article_id, JUDGEMENT.c.target_id == target_id)
        return self.connection.execute(select(JUDGEMENT.c.at).where(*of_it)).scalar_one_or_none()

    def put(self, article_id: str, columns: Sequence[Any]) -> None:
        """Upsert an article."""
        self._write(article_id, False, columns)

    def withdraw(self, article_id: str) -> None:
        """Delete an article and wipe its stored fields."""
        self._write(article_id, True, [None] * len(COLUMNS))

    def said(self, article_id: str) -> str | None:
        """See `EditorialWriter.said`."""
        return self.connection.execute(select(OVERRIDE.c.body).where(OVERRIDE.c.article_id == article_id)).scalar_one_or_none()

    def last(self, article_id: str, n: int) -> list[str]:
        """See `EditorialWriter.last`."""
        told = select(HISTORY.c.body).where(HISTORY.c.article_id == article_id).order_by(HISTORY.c.number.desc()).limit(n)
        return list(self.connection.execute(told).scalars())

    def say(self, article_id: str, action: str, body: str, key: str | None, at: str) -> None:
        """See `EditorialWriter.say`."""
        self._say(article_id, body, {"at": at, "action": action, "key": key, "body": body})

    def take_back(self, article_id: str, action: str, body: str, key: str | None, at: str) -> None:
        """See `EditorialWriter.take_back`."""
        self._say(article_id, None, {"at": at, "action": action, "key": key, "body": body})

    def judge(self, article_id: str, verdicts: Mapping[str, bool | None], at: str, owner: str, key: str | None) -> None:
        """See `EditorialWriter.judge`."""
        if not verdicts:
            return
        own = {"article_id": article_id, "at": at, "owner": owner, "key": key, "sequence": self._change()}
        of_these = (JUDGEMENT.c.article_id == article_id, JUDGEMENT.c.target_id.in_(list(verdicts)))
        self.connection.execute(delete(JUDGEMENT).where(*of_these))
        rows = [{**own, "target_id": target, "accepted": accepted} for target, accepted in verdicts.items()]
        self.connection.execute(insert(JUDGEMENT), rows)

    def _write(self, article_id: str, withdrawn: bool, columns: Sequence[Any]) -> None:
        values = {"sequence": self._change(), "withdrawn": withdrawn, **dict(zip(COLUMNS, columns, strict=True))}
        changed = self.connection.execute(update(ARTICLE).where(ARTICLE.c.id == article_id).values(values))
        if not changed.rowcount:
            self.connection.execute(insert(ARTICLE).values(number=self._next(STATE.c.numbered), id=article_id, **values))

    def _say(self, article_id: str, body: str | None, told: Mapping[str, str | None]) -> None:
        sequence = self._change()
        said = postgresql.insert(OVERRIDE).values(article_id=article_id, body=body, sequence=sequence)
        anew = {"body": said.excluded.body, "sequence": said.excluded.sequence}
        self.connection.execute(said.on_conflict_do_update(index_elements=[OVERRIDE.c.article_id], set_=anew))
        self.connection.execute(insert(HISTORY).values(article_id=article_id, sequence=sequence, **told))

    def _change(self) -> int:
        """Return the number of the next change."""
        sequence = self._next(STATE.c.sequence)
        self.connection.execute(insert(MARK).values(sequence=sequence, mark=new_mark()))
        return sequence

    def _next(self, count: "Column[int]") -> int:
        """Increment a counter of the state, and return the new value."""
        raised = update(STATE).values({count: count + 1}).returning(count)
        return int(self.connection.execute(raised).scalar_one())
