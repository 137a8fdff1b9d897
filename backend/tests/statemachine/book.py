"""A portfolio's cash, shares and tax lots in fractions, as a fold of the entries of its ledger."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TypeAlias
from uuid import UUID

from tests.statemachine import exact
from tests.statemachine.exact import BUY, NONE, SELL, Costs, Lot, Picks, cents
from tests.statemachine.tape import SESSIONS, Tape

Etf: TypeAlias = int
Day: TypeAlias = int

SHARES = "shares"
"""Of a refusal: there are too few, or not those that were chosen."""
SIGNS = {BUY: 1, SELL: -1, "split": 1}


class Refusal(Exception):
    """What is asked for must be refused, and nothing may change."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of a portfolio that matter to its book."""

    costs: Costs
    step: Fraction
    method: str
    refuses_oversized: bool
    volume_share: Fraction = Fraction(1, 10)
    stop_loss: Fraction = Fraction(12, 100)


@dataclass(frozen=True, slots=True)
class Holding:
    quantity: Fraction
    basis: Fraction
    opened_on: Day


@dataclass(frozen=True, slots=True)
class Row:
    """An entry of the ledger; `paid_out` are the shares of a split that were paid in cash."""

    kind: str
    day: Day
    amount: Fraction
    etf: Etf | None = None
    quantity: Fraction | None = None
    price: Fraction | None = None
    fee: Fraction = NONE
    order: UUID | None = None
    key: str | None = None
    picks: Picks | None = None
    paid_out: Fraction = NONE


@dataclass(slots=True)
class Book:
    """What there is after all entries so far."""

    tape: Tape
    rules: Rules
    cash: Fraction = NONE
    rows: list[Row] = field(default_factory=list)
    holdings: dict[Etf, Holding] = field(default_factory=dict)
    lots: dict[Etf, tuple[Lot, ...]] = field(default_factory=dict)

    def book(self, row: Row) -> None:
        """Add one entry; refused where it would leave less than nothing."""
        if self.cash + row.amount < 0:
            raise Refusal("cash")
        if row.etf is not None:
            {BUY: self._buy, SELL: self._sell, "split": self._split}.get(row.kind, _nothing)(row)
        self.cash += row.amount
        self.rows.append(row)

    def _buy(self, row: Row) -> None:
        etf, quantity, number = row.etf, row.quantity, len(self.rows) + 1
        assert etf is not None
        assert quantity is not None
        held = self.holdings.get(etf, Holding(NONE, NONE, row.day))
        gross = -row.amount - row.fee
        self.holdings[etf] = replace(
            held, quantity=held.quantity + quantity, basis=held.basis + gross
        )
        lot = Lot(number, SESSIONS[row.day], quantity, -row.amount)
        self.lots[etf] = (*self.lots.get(etf, ()), lot)

    def _sell(self, row: Row) -> None:
        etf, quantity = row.etf, row.quantity
        assert etf is not None
        assert quantity is not None
        held = self.holdings.get(etf)
        if held is None or held.quantity < quantity:
            raise Refusal(SHARES)
        picks = row.picks or exact.chosen(self.lots[etf], quantity, self.rules.method)
        self._close_lots(etf, picks)
        self._keep(etf, held, held.quantity - quantity, of=held.quantity)

    def _split(self, row: Row) -> None:
        etf, added = row.etf, row.quantity
        assert etf is not None
        assert added is not None
        held = self.holdings[etf]
        after = held.quantity + added
        sold = row.amount / row.price if row.price else NONE
        self.lots[etf] = exact.scaled(self.lots[etf], after + row.paid_out)
        if row.paid_out:
            self._close_lots(etf, exact.chosen(self.lots[etf], row.paid_out, self.rules.method))
        self._keep(etf, held, after, of=after + sold)

    def _keep(self, etf: Etf, held: Holding, quantity: Fraction, *, of: Fraction) -> None:
        if not quantity:
            del self.holdings[etf]
            return
        basis = held.basis - cents(held.basis * (of - quantity) / of)
        self.holdings[etf] = replace(held, quantity=quantity, basis=basis)

    def _close_lots(self, etf: Etf, picks: Picks) -> None:
        left = exact.closed(self.lots.get(etf, ()), picks)
        if left is None:
            raise Refusal(SHARES)
        self.lots[etf] = left

    def held(self, etf: Etf) -> Fraction:
        return self.holdings[etf].quantity if etf in self.holdings else NONE

    def worth(self, day: Day) -> Fraction:
        """Cash and every position at the close of a day, each rounded to cents, by what counts
        for that day and earlier ones, whenever it was booked."""
        shares: dict[Etf, Fraction] = {}
        rows = [row for row in self.rows if row.day <= day]
        for row in rows:
            if row.etf is not None and row.kind in SIGNS:
                assert row.quantity is not None
                shares[row.etf] = shares.get(row.etf, NONE) + SIGNS[row.kind] * row.quantity
        values = (cents(held * self.tape.last(etf, day).price) for etf, held in shares.items())
        return sum((row.amount for row in rows), NONE) + sum(values, NONE)


def _nothing(_row: Row) -> None:
    """A payment moves no shares."""
