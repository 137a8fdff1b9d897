"""What reaches a simulated book besides its trades: money paid in or out, and corporate actions.

They are few, so they are exact in plain decimals and fractions, with the meanings of
`services.action_entries`: who held before the ex-date is entitled to a dividend; a split leaves
whole steps of shares and pays for the rest; a closure pays for all.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from app.quant.backtest import booking
from app.quant.backtest.deciding import MILLIONTHS
from app.quant.backtest.filling import (
    Terms,
    affordable,
    liquidity_of,
    market_price,
    within_volume,
)
from app.quant.backtest.movement import Movement
from app.quant.backtest.rules import Fills, Timetable, TradingRules
from app.quant.backtest.state import ORDER, State, Why, with_room
from app.quant.backtest.tape import Event, EventKind, Tape
from app.quant.backtest.units import CENT_MICROS, SHARE
from app.quant.errors import QuantError

Payable: TypeAlias = defaultdict[int, list[tuple[int, int]]]
"""By the column in which they are paid: the row and the cents of dividends that were earned."""


class Overdrawn(QuantError):
    """More is to be withdrawn than there is in cash."""


@dataclass(slots=True)
class Ledger:
    """Handles the openings of `busy_columns`; `payable` are dividends not yet paid, `movements` is
    what was done so far."""

    rules: TradingRules
    timetable: Timetable
    events: dict[int, list[Event]]
    payable: Payable
    movements: list[Movement] = field(default_factory=list)

    @classmethod
    def of(
        cls, tape: Tape, rules: TradingRules, timetable: Timetable, payable: Payable | None
    ) -> "Ledger":
        found: defaultdict[int, list[Event]] = defaultdict(list)
        for event in tape.events:
            found[event.column].append(event)
        return cls(rules, timetable, dict(found), payable or defaultdict(list))

    def open_session(self, state: State, terms: Terms, tape: Tape) -> State:
        """What falls on the opening of the session; the state may need more room for trades.

        Raises Overdrawn.
        """
        column = int(state.now[0]["column"])
        self._move_money(state, tape)
        income: defaultdict[int, int] = defaultdict(int)
        for row, cents in self.payable.pop(column, ()):
            income[row] += self._credit(state, row, cents)
        todays = self.events.get(column, [])
        before = {event.row: int(state.etfs[event.row]["shares"]) for event in todays}
        for event in todays:
            if before[event.row] == 0:
                continue
            match event.kind:
                case EventKind.SPLIT:
                    self._split(state, terms, tape, event)
                case EventKind.DIVIDEND:
                    income[event.row] += self._dividend(state, event, before[event.row])
                case EventKind.CLOSURE:
                    state = _with_one_more(state)
                    _close(state, tape, event)
        if self.rules.dividends.reinvest:
            for row, cents in sorted(income.items()):
                state = _with_one_more(state)
                self._reinvest(state, terms, tape, (row, cents))
        return state

    def _move_money(self, state: State, tape: Tape) -> None:
        now = state.now[0]
        column = int(now["column"])
        amount = self.timetable.flows.get(column)
        if amount is None:
            return
        cents = int(amount.scaleb(2))
        if now["cash"] + cents < 0:
            cash = Decimal(int(now["cash"])).scaleb(-2)
            raise Overdrawn(
                f"On {tape.panel.sessions[column]} {-amount:,f} USD are to be withdrawn from cash "
                f"of {cash:,f}: keep a larger cash_buffer, or withdraw less."
            )
        now["cash"] += cents
        state.days[column]["flow"] += cents

    def _credit(self, state: State, row: int, cents: int) -> int:
        """A dividend after tax, in cents."""
        rate = Decimal(repr(self.rules.dividends.withholding))
        kept = cents - int((cents * rate).to_integral_value())
        state.now[0]["cash"] += kept
        column = int(state.now[0]["column"])
        state.days[column]["income"] += kept
        self.movements.append(Movement(column, row, cents=kept))
        return kept

    def _dividend(self, state: State, event: Event, held_before: int) -> int:
        """What is credited at once; what is paid later waits."""
        assert event.amount is not None
        ratio = Fraction(1)
        for each in self.events[event.column]:
            if each.row == event.row:
                ratio *= each.ratio
        shares = round(held_before * ratio)
        cents = round(Fraction(shares, SHARE) * Fraction(event.amount) * 100)
        if self.rules.dividends.on_pay_date and event.paid > event.column:
            self.payable[event.paid].append((event.row, cents))
            return 0
        return self._credit(state, event.row, cents)

    def _split(self, state: State, terms: Terms, tape: Tape, event: Event) -> None:
        row, ratio, now = event.row, event.ratio, state.now[0]
        column = int(now["column"])
        etf = state.etfs[row]
        for name in ("last", "highest"):
            etf[name] = round(int(etf[name]) / ratio)
        before = int(state.etfs[row]["shares"])
        exact = before * ratio
        kept = int(exact // terms.step) * terms.step
        prices = self._prices(tape)[row]
        price = market_price(prices, column) or int(state.etfs[row]["last"])
        cents = round((exact - kept) * price / (SHARE * CENT_MICROS))
        now["cash"] += cents
        worth = kept * price + cents * SHARE * CENT_MICROS
        if cents:
            basis = int(state.etfs[row]["basis"])
            state.etfs[row]["basis"] -= round(Fraction(basis * cents * SHARE * CENT_MICROS, worth))
        state.etfs[row]["shares"] = kept
        self.movements.append(Movement(column, row, kept - before, cents, float(ratio)))
        if not kept:
            booking.drop(state, row)
        for order in state.orders[: now["orders"]]:
            if order["row"] == row:
                wanted = int(order["quantity"]) * ratio
                order["quantity"] = int(wanted // terms.step) * terms.step

    def _prices(self, tape: Tape) -> Any:
        return tape.opens if self.rules.fills is Fills.NEXT_OPEN else tape.panel.close

    def _reinvest(self, state: State, terms: Terms, tape: Tape, income: tuple[int, int]) -> None:
        """Buy as many shares of what paid as the dividend pays for, costs included."""
        (row, cents), now, market = income, state.now[0], tape.arrays
        column = int(now["column"])
        at_open = self.rules.fills is Fills.NEXT_OPEN
        known = column if at_open else column + 1
        reference = market_price(self._prices(tape)[row], column)
        barred = column - int(state.etfs[row]["stopped"]) <= self.rules.stops.cooldown_sessions
        has_bar = reference and tape.panel.close[row, column] > 0
        if barred or not has_bar or market.closed[row] <= column:
            return
        liquidity = liquidity_of(market, row, known)
        ordered = affordable(terms, min(cents, int(now["cash"])), reference, liquidity)
        quantity = within_volume(terms, market, row, known, (ordered, reference))
        if not quantity:
            return
        order = np.zeros(1, ORDER)
        order["row"], order["buys"], order["quantity"] = row, 1, ordered
        order["part"], order["why"] = MILLIONTHS, Why.DIVIDEND
        booking.book(state, order[0], (quantity, ordered), terms, (reference, *liquidity))


def busy_columns(tape: Tape, timetable: Timetable) -> Iterator[int]:
    """The columns at whose opening something may happen to a book."""
    inside = range(timetable.first, timetable.last + 1)
    yield from (column for column in timetable.flows if column in inside)
    for event in tape.events:
        yield from (column for column in {event.column, event.paid} if column in inside)


def _close(state: State, tape: Tape, event: Event) -> None:
    """All shares are paid out at the given price, or else at the last one."""
    now, row = state.now[0], event.row
    quantity = int(state.etfs[row]["shares"])
    price = int(state.etfs[row]["last"])
    if event.amount is not None:
        price = int(event.amount.scaleb(6).to_integral_value())
    else:
        price = market_price(tape.panel.close[row], int(now["column"])) or price
    cents = round(Fraction(quantity * price, SHARE * CENT_MICROS))
    trade = state.trades[now["trades"]]
    now["trades"] += 1
    for name, value in (
        ("column", now["column"]),
        ("decided", now["column"]),
        ("row", row),
        ("quantity", quantity),
        ("ordered", quantity),
        ("reference", price),
        ("price", price),
        ("gross", cents),
        ("net", cents),
        ("part", MILLIONTHS),
        ("why", Why.CLOSURE),
        ("of_volume", np.nan),
    ):
        trade[name] = value
    now["cash"] += cents
    booking.drop(state, row)


def _with_one_more(state: State) -> State:
    return with_room(state) if state.now[0]["trades"] == len(state.trades) else state
