"""The tax lots of a portfolio while entries are booked: which are opened, closed and split."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Protocol

from app.core.money import ZERO
from app.models import EntryKind
from app.quant import lots
from app.quant.lots import ClosedLot, Lot, LotMethod, Pick

OPENS = frozenset({EntryKind.BUY})
CLOSES = frozenset({EntryKind.SELL, EntryKind.SPLIT, EntryKind.CLOSURE})
"""Kinds that need the lots there are."""


class LotMovement(Protocol):
    """What an entry does to the lots of its ETF.

    `picks` are the lots a sale closes, None those of the method; `fraction` the shares of a split
    that were paid out in cash.
    """

    @property
    def kind(self) -> str: ...

    @property
    def etf_id(self) -> int | None: ...

    @property
    def quantity(self) -> Decimal | None: ...

    @property
    def amount(self) -> Decimal: ...

    @property
    def session(self) -> date: ...

    @property
    def picks(self) -> tuple[Pick, ...] | None: ...

    @property
    def fraction(self) -> Decimal: ...


@dataclass(slots=True)
class LotBook:
    """Open lots by ETF. `before` needs only those ETFs of which something is closed or split."""

    before: Mapping[int, tuple[Lot, ...]]
    method: LotMethod
    open: dict[int, tuple[Lot, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.open = dict(self.before)

    def book(self, entry: LotMovement, number: int) -> tuple[ClosedLot, ...] | None:
        """Do what the entry at place `number` does; the lots it closed, None if it is no such one.

        Raises LotsShort, NoSuchLot or LotTooSmall.
        """
        if entry.etf_id is None or entry.quantity is None:
            return None
        held = self.open.get(entry.etf_id, ())
        match entry.kind:
            case EntryKind.BUY:
                lot = Lot(number, entry.session, entry.quantity, -entry.amount)
                self.open[entry.etf_id] = (*held, lot)
                return None
            case EntryKind.SELL | EntryKind.CLOSURE:
                return self._close(entry, held, entry.quantity)
            case EntryKind.SPLIT:
                added = entry.quantity + entry.fraction
                held = lots.split(held, added, ex_date=entry.session)
                self.open[entry.etf_id] = held
                return self._close(entry, held, entry.fraction) if entry.fraction else None
            case _:
                return None

    def _close(
        self, entry: LotMovement, held: tuple[Lot, ...], quantity: Decimal
    ) -> tuple[ClosedLot, ...]:
        assert entry.etf_id is not None
        picks = entry.picks or lots.choose(held, quantity, self.method)
        self.open[entry.etf_id], closed = lots.close(held, picks)
        return closed

    def kept(self) -> list[tuple[int, Lot]]:
        """The lots that are new or changed, with their ETFs."""
        before = {lot.number: lot for held in self.before.values() for lot in held}
        return [
            (etf_id, lot)
            for etf_id, held in self.open.items()
            for lot in held
            if before.get(lot.number) != lot
        ]

    def gone(self) -> list[int]:
        """The numbers of the lots that were open before and are not any more."""
        left = {lot.number for held in self.open.values() for lot in held}
        return [
            lot.number for held in self.before.values() for lot in held if lot.number not in left
        ]


def picked(picks: tuple[Pick, ...]) -> Decimal:
    """The shares of all picks together."""
    return sum((pick.quantity for pick in picks), ZERO)
