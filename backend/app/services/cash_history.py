"""A portfolio's cash in the order of the sessions that its entries count for.

An entry that comes late and takes money away must find it there on its own day and leave enough for
every later one: the book of that day would be below zero otherwise, whatever there is today.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from operator import attrgetter
from typing import Protocol, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Refused
from app.core.money import ZERO, plain
from app.models import LedgerEntry


class Flow(Protocol):
    """What an entry does to the cash, and the session it counts for."""

    @property
    def session(self) -> date: ...

    @property
    def amount(self) -> Decimal: ...


@dataclass(frozen=True, slots=True)
class Low:
    """The lowest that the cash gets, and on which session."""

    session: date
    cash: Decimal


class NotThereThen(Refused):
    """The cash of now would be enough, and that of an earlier day is not."""

    def __init__(self, low: Low) -> None:
        super().__init__(
            f"On {low.session} the cash would be {plain(-low.cash)} USD below zero: "
            "take less, or name a later date."
        )
        self.missing = -low.cash
        self.session = low.session

    @property
    def way_out(self) -> str:
        """What closes the gap where nobody asked for the money."""
        return (
            f"on {self.session} the cash would be {plain(self.missing)} USD below zero; pay in that"
            " much for an earlier day, and import anything new"
        )


async def read(session: AsyncSession, portfolio_id: int) -> Sequence[Flow]:
    """The flows of all entries in the order of their sequence."""
    query = (
        select(LedgerEntry.session, LedgerEntry.amount)
        .where(LedgerEntry.portfolio_id == portfolio_id)
        .order_by(LedgerEntry.sequence)
    )
    return cast("Sequence[Flow]", (await session.execute(query)).all())


def lowest(flows: Sequence[Flow], new: Sequence[Flow]) -> Low:
    """How low the cash gets from the first of the `new` flows on; each is the last of its day."""
    first = min(flow.session for flow in new)
    cash, low = ZERO, None
    for flow in sorted((*flows, *new), key=attrgetter("session")):
        cash += flow.amount
        if flow.session >= first and (low is None or cash < low.cash):
            low = Low(flow.session, cash)
    assert low is not None
    return low


def require_enough(flows: Sequence[Flow], new: Sequence[Flow]) -> None:
    """Raise NotThereThen where the `new` flows would leave less than nothing on any day."""
    low = lowest(flows, new)
    if low.cash < 0:
        raise NotThereThen(low)
