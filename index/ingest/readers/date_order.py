"""Decide the order of day and month in dates such as `3/1/2020`: by the other dates of the source, or by an option."""

from collections.abc import Callable
from typing import get_args

from index.ingest.record import Record, Records
from recommender.errors import InputError
from recommender.text.dates import AmbiguousDate, DateOrder, order_in, parse_date


class DateColumn:
    """The dates of one source.

    The first date of unknown order starts a second reading of the source, which looks for dates that decide.
    """

    def __init__(self, again: Callable[[], Records], order: DateOrder | None) -> None:
        self._again = again
        self._order = order

    def ordered(self, record: Record) -> Record:
        """Return the record with its date in ISO 8601 if the date needs the order.

        Raises:
            InputError: No date of the source decides, or they disagree.
        """
        written = record.fields.get("published")
        if not isinstance(written, str):
            return record
        try:
            parse_date(written)
        except AmbiguousDate:
            self._order = self._order or self._decide(record, written)
            return record.changed(published=parse_date(written, self._order).isoformat())
        except ValueError:
            pass  # validation reports it
        return record

    def _decide(self, record: Record, written: str) -> DateOrder:
        orders: set[DateOrder] = set()
        for other in self._again():
            value = other.fields.get("published") if isinstance(other, Record) else None
            if isinstance(value, str) and (order := order_in(value)):
                orders.add(order)
            if len(orders) > 1:
                break
        if len(orders) != 1:
            others = "its other dates have both orders" if orders else "no other date decides"
            raise InputError(
                f"{record.file}:{record.line} has the date {written[:40]!r}, which may begin with the day or the month, and {others}"
                f" - give --date-format {' or '.join(get_args(DateOrder))}; the index is as it was"
            )
        return orders.pop()
