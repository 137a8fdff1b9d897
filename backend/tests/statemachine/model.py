"""A portfolio in fractions: what every order, payment and session must do to it.

A method either changes the model as the portfolio must change, or raises `Refusal`, after which the
model is to be thrown away: `copy` first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from typing import TypeAlias
from uuid import UUID

from app.models import ActionKind
from tests.statemachine import exact
from tests.statemachine.exact import BUY, NONE, SELL, Bar, Costs, Lot, Picks, cents, micros, whole
from tests.statemachine.tape import SESSIONS, Happening, Quote, Tape

Etf: TypeAlias = int
Day: TypeAlias = int

SHARES = "shares"
COOLDOWN = 21
GOOD_FOR = 5
"""Sessions that a stopped ETF is barred, and that a proposal may be old."""
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


@dataclass(frozen=True, slots=True)
class Wish:
    """An order as it is asked for; either a quantity or a notional amount."""

    etf: Etf
    side: str
    quantity: Fraction | None = None
    notional: Fraction | None = None
    limit: Fraction | None = None
    stop: Fraction | None = None
    good_till_cancelled: bool = False
    next_open: bool = False
    picks: Picks | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """`made` orders them in time; `seen` is the last session that anything happened in."""

    id: UUID
    made: tuple[object, ...]
    etf: Etf
    side: str
    quantity: Fraction
    day: Day
    origin: str = "user"
    filled: Fraction = NONE
    state: str = "accepted"
    limit: Fraction | None = None
    stop: Fraction | None = None
    triggered: bool = False
    day_only: bool = True
    picks: Picks | None = None
    key: str | None = None
    lacked_shares: bool = False

    @property
    def is_open(self) -> bool:
        return self.state in {"accepted", "partially_filled"}

    @property
    def left(self) -> Fraction:
        return self.quantity - self.filled

    def plus(self, quantity: Fraction) -> "Order":
        filled = self.filled + quantity
        state = "filled" if filled == self.quantity else "partially_filled"
        return replace(self, filled=filled, state=state)

    def given_up(self, why: str = "") -> "Order":
        """Ended by the lack of means: what was never filled is rejected."""
        state = "cancelled" if self.filled else "rejected"
        return replace(self, state=state, lacked_shares=why == SHARES)

    def picks_for(self, quantity: Fraction) -> Picks | None:
        """The chosen lots of the next shares, in the order they were chosen."""
        if self.picks is None:
            return None
        end, at, found = self.filled + quantity, NONE, []
        for number, part in self.picks:
            taken = min(at + part, end) - max(at, self.filled)
            at += part
            if taken > 0:
                found.append((number, taken))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Proposal:
    """Lines of a rebalance: ETF, side and quantity in shares of the day it was decided."""

    day: Day
    at_sequence: int
    lines: tuple[tuple[Etf, str, Fraction], ...]
    executed: bool = False


@dataclass(slots=True)
class Model:
    tape: Tape
    rules: Rules
    cash: Fraction = NONE
    rows: list[Row] = field(default_factory=list)
    holdings: dict[Etf, Holding] = field(default_factory=dict)
    lots: dict[Etf, tuple[Lot, ...]] = field(default_factory=dict)
    orders: dict[UUID, Order] = field(default_factory=dict)
    proposals: dict[int, Proposal] = field(default_factory=dict)
    settled: Day = 0
    closed: bool = False

    def copy(self) -> "Model":
        return replace(
            self,
            rows=list(self.rows),
            holdings=dict(self.holdings),
            lots=dict(self.lots),
            orders=dict(self.orders),
            proposals=dict(self.proposals),
        )

    # The book.

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

    # Time.

    def settle(self) -> None:
        """Catch up with the sessions that have come."""
        while self.settled < self.tape.latest:
            self.settled += 1
            self._live(self.settled)

    def _live(self, day: Day) -> None:
        for happening in self.tape.on(day):
            if happening.etf in self.holdings:
                self._happen(happening)
        waiting = sorted(
            (order for order in self.orders.values() if order.is_open and order.day < day),
            key=lambda order: (order.side == BUY, order.made),
        )
        for order in waiting:
            self.orders[order.id] = self._after(order, day)

    def _happen(self, what: Happening) -> None:
        shares = self.held(what.etf)
        if what.kind == ActionKind.DIVIDEND:
            amount = cents(shares * what.meant)
            row = Row("dividend", what.day, amount, what.etf, shares, Fraction(what.value))
            self.book(row)
            return
        price = self.tape.last(what.etf, what.day).price
        exactly = shares * what.meant
        kept = whole(exactly, self.rules.step)
        left = exactly - kept
        paid = cents(left * price)
        out = micros(left) if paid else NONE
        self.book(Row("split", what.day, paid, what.etf, kept - shares, price, paid_out=out))

    def _after(self, order: Order, day: Day) -> Order:
        """A waiting order at the end of a session."""
        order = self._in_new_shares(order, self.tape.ratio(order.etf, day - 1, day))
        bar = self.tape.bars[day][order.etf]
        if order.is_open and bar is not None:
            order = self._met(order, bar, day)
        if order.is_open and order.day_only and day == order.day + 1:
            order = replace(order, state="expired")
        return order

    def _in_new_shares(self, order: Order, ratio: Fraction) -> Order:
        if ratio == 1:
            return order
        left = whole(order.left * ratio, self.rules.step)
        if not left or order.picks is not None:
            return replace(order, state="cancelled")
        return replace(
            order,
            quantity=order.filled + left,
            limit=None if order.limit is None else micros(order.limit / ratio),
            stop=None if order.stop is None else micros(order.stop / ratio),
        )

    def _met(self, order: Order, bar: Bar, day: Day) -> Order:
        met = exact.meet(order.side, order.limit, order.stop, triggered=order.triggered, bar=bar)
        order = replace(order, triggered=order.triggered or met.triggered)
        if met.reference is None:
            return order
        cap = self._cap(order.etf, day - 1, met.reference)
        quantity = order.left if cap is None else min(order.left, cap)
        if not quantity:
            return order
        done = exact.fill(order.side, quantity, met.reference, self.rules.costs, order.limit)
        if not done.gross:
            return order.given_up()
        try:
            self._book_fill(order, done, day)
        except Refusal as refusal:
            return order.given_up(str(refusal))
        return order.plus(quantity)

    # Orders.

    def place(self, wish: Wish, order_id: UUID, made: tuple[object, ...], key: str | None) -> Order:
        """Take an order and fill at once what the latest close fills."""
        self.require_open()
        self.settle()
        day = self.tape.latest
        quote = self.tape.quote(wish.etf, day)
        if quote is None:
            raise Refusal("price")
        quantity = self._size(wish, quote)
        cap = self._cap(wish.etf, day, quote.price)
        if cap is not None and quantity > cap and (self.rules.refuses_oversized or not cap):
            raise Refusal("oversized")
        if wish.picks is not None and sum(part for _, part in wish.picks) != quantity:
            raise Refusal("picks")
        order = Order(
            order_id,
            made,
            wish.etf,
            wish.side,
            quantity,
            day,
            limit=wish.limit,
            stop=wish.stop,
            day_only=not wish.good_till_cancelled,
            picks=wish.picks,
            key=key,
        )
        cash, held = self.cash, self.held(wish.etf)
        if not wish.next_open:
            order = self._fill_at_once(order, quote, cap)
        if order.is_open:
            self._require_means(order, quote, cash, held)
        self.orders[order_id] = order
        return order

    def _size(self, wish: Wish, quote: Quote) -> Fraction:
        step = self.rules.step
        if wish.quantity is not None:
            if wish.quantity % step:
                raise Refusal("step")
            return wish.quantity
        assert wish.notional is not None
        sized = exact.most_for if wish.side == BUY else exact.most_of
        reference = wish.limit or wish.stop or quote.price
        quantity = sized(wish.notional, reference, self.rules.costs, step)
        if not quantity:
            raise Refusal("too small")
        return quantity

    def _cap(self, etf: Etf, day: Day, reference: Fraction) -> Fraction | None:
        median = self.tape.median_value(etf, day)
        if median is None:
            return None
        return whole(median * self.rules.volume_share / reference, self.rules.step)

    def _fill_at_once(self, order: Order, quote: Quote, cap: Fraction | None) -> Order:
        met = exact.meet(
            order.side, order.limit, order.stop, triggered=False, bar=Bar.at(quote.price)
        )
        order = replace(order, triggered=met.triggered)
        if met.reference is None:
            return order
        quantity = order.quantity if cap is None else min(order.quantity, cap)
        done = exact.fill(order.side, quantity, met.reference, self.rules.costs, order.limit)
        if not done.gross:
            raise Refusal("too small")
        self._book_fill(order, done, order.day)
        return order.plus(quantity)

    def _require_means(self, order: Order, quote: Quote, cash: Fraction, held: Fraction) -> None:
        if order.side == SELL:
            if order.quantity > held:
                raise Refusal(SHARES)
            return
        reference = order.limit or order.stop or quote.price
        if -exact.fill(BUY, order.quantity, reference, self.rules.costs).net > cash:
            raise Refusal("cash")

    def _book_fill(self, order: Order, done: exact.Fill, day: Day) -> None:
        row = Row(
            order.side,
            day,
            done.net,
            order.etf,
            done.quantity,
            done.price,
            done.fee,
            order.id,
            order.key,
            order.picks_for(done.quantity),
        )
        self.book(row)

    def cancel(self, order_id: UUID) -> None:
        if self.orders[order_id].state == "cancelled":
            return
        if not self.orders[order_id].is_open:
            raise Refusal("ended")
        self.settle()
        order = self.orders[order_id]
        if order.is_open:
            self.orders[order_id] = replace(order, state="cancelled")
        elif order.state != "cancelled":
            raise Refusal("ended")

    def batch(
        self, wanted: Sequence[Order], *, rests: bool, ended: str | None = None
    ) -> list[Order]:
        """Trade a list at the latest close: sales first, each cut to what there is."""
        for order in list(self.orders.values()):
            if order.is_open and order.origin == ended:
                self.orders[order.id] = replace(order, state="cancelled")
        done = []
        for order in sorted(wanted, key=lambda each: each.side == BUY):
            self.orders[order.id] = self._traded(order, rests=rests)
            done.append(self.orders[order.id])
        return done

    def _traded(self, order: Order, *, rests: bool) -> Order:
        quote = self.tape.quote(order.etf, order.day)
        if quote is None:
            return order.given_up()
        costs, step = self.rules.costs, self.rules.step
        most = (
            self.held(order.etf)
            if order.side == SELL
            else exact.most_for(self.cash, quote.price, costs, step)
        )
        cap = self._cap(order.etf, order.day, quote.price)
        quantity, waits = min(order.quantity, most), False
        if cap is not None and quantity > cap:
            waits = rests and order.quantity <= most
            quantity = NONE if self.rules.refuses_oversized else cap
        if not quantity:
            return order.given_up()
        try:
            self._book_fill(order, exact.fill(order.side, quantity, quote.price, costs), order.day)
        except Refusal:
            return order.given_up()
        order = order.plus(quantity)
        return order if waits or not order.is_open else replace(order, state="cancelled")

    # What a portfolio does by itself.

    def execute(self, number: int, ids: Sequence[UUID], made: datetime) -> None:
        """Trade a proposal once, in shares of today; its open orders of before are given up."""
        self.require_open()
        proposal = self.proposals[number]
        if proposal.executed:
            raise Refusal("executed")
        self.settle()
        day = self.tape.latest
        if len(self.rows) != proposal.at_sequence or day - proposal.day > GOOD_FOR:
            raise Refusal("out of date")
        if any(side == BUY and self._is_barred(etf) for etf, side, _ in proposal.lines):
            raise Refusal("stopped out")
        wanted = [
            Order(order_id, (made, str(order_id)), etf, side, quantity, day, origin="rebalance")
            for order_id, (etf, side, shares) in zip(ids, proposal.lines, strict=True)
            if (quantity := self._in_shares_of_today(etf, shares, proposal.day))
        ]
        self.batch(wanted, rests=True, ended="rebalance")
        self.proposals[number] = replace(proposal, executed=True)

    def _in_shares_of_today(self, etf: Etf, shares: Fraction, day: Day) -> Fraction:
        ratio = self.tape.ratio(etf, day, self.tape.latest)
        return shares if ratio == 1 else whole(shares * ratio, self.rules.step)

    def _is_barred(self, etf: Etf) -> bool:
        """A stop that is open or acted within the cool-down bars its ETF from being bought."""
        return any(
            order.is_open
            or (
                self.tape.latest - order.day <= COOLDOWN
                and (order.filled > 0 or order.lacked_shares)
            )
            for order in self.orders.values()
            if order.origin == "stop" and order.etf == etf
        )

    def breaches(self) -> list[Etf]:
        """The positions whose stop acts: at a close of today, 12 % under what was paid."""
        day = self.tape.latest
        return [
            etf
            for etf, held in sorted(self.holdings.items())
            if (bar := self.tape.bars[day][etf]) is not None
            and self.tape.ratio(etf, day - 1, day) == 1
            and bar.close <= micros(held.basis / held.quantity) * (1 - self.rules.stop_loss)
            and cents(held.quantity * bar.close) > Fraction(1, 100)
            and not any(order.is_open for order in self.orders.values() if _is_stop(order, etf))
        ]

    def check_stops(
        self, id_for: Callable[[Etf, Day], UUID], made: datetime, *, attended: bool
    ) -> None:
        """Each breach makes one order: filled now for who asks, at the next open otherwise."""
        self.require_open()
        self.settle()
        day = self.tape.latest
        firing = {etf: id_for(etf, self.holdings[etf].opened_on) for etf in self.breaches()}
        firing = {etf: each for etf, each in firing.items() if each not in self.orders}
        for order in list(self.orders.values()):
            buys_by_itself = order.side == BUY and order.origin == "rebalance"
            if order.is_open and buys_by_itself and order.etf in firing:
                self.orders[order.id] = replace(order, state="cancelled")
        for etf, order_id in firing.items():
            order = Order(
                order_id,
                (made, str(order_id)),
                etf,
                SELL,
                self.held(etf),
                day,
                origin="stop",
                day_only=False,
            )
            if attended:
                self.batch([order], rests=True)
            else:
                self.orders[order_id] = order

    # Everything else that an owner does.

    def move(self, kind: str, amount: Fraction, day: Day, etf: Etf | None = None) -> None:
        """Money for a session that may be past: no prefix since then may have less than nothing."""
        self.require_open()
        self.settle()
        new = Row(kind, day, amount, etf)
        cash = NONE
        for row in sorted((*self.rows, new), key=lambda each: each.day):
            cash += row.amount
            if cash < 0 and row.day >= day:
                raise Refusal("cash")
        self.book(new)

    def close(self, sales: Sequence[Order]) -> None:
        self.require_open()
        if any(not order.left == NONE for order in self.batch(sales, rests=False)):
            raise Refusal("unsold")
        for order in list(self.orders.values()):
            if order.is_open:
                self.orders[order.id] = replace(order, state="cancelled")
        self.closed = True

    def require_open(self) -> None:
        if self.closed:
            raise Refusal("closed")


def _is_stop(order: Order, etf: Etf) -> bool:
    return order.origin == "stop" and order.etf == etf


def _nothing(_row: Row) -> None:
    """A payment moves no shares."""
