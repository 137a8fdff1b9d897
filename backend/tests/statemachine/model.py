"""A portfolio in fractions: what every order, payment and session must do to it.

A method either changes the model as the portfolio must change, or raises `Refusal`, after which the
model is to be thrown away: `copy` first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Self
from uuid import UUID

from app.models import ActionKind
from tests.statemachine import exact
from tests.statemachine.book import SHARES, SIGNS, Book, Day, Etf, Refusal, Row
from tests.statemachine.exact import BUY, NONE, SELL, Bar, cents, micros, whole
from tests.statemachine.orders import Order, Proposal, Wish
from tests.statemachine.tape import Happening, Quote


@dataclass(slots=True)
class Model(Book):
    """A book with its orders, at the session it has caught up with."""

    orders: dict[UUID, Order] = field(default_factory=dict)
    proposals: dict[int, Proposal] = field(default_factory=dict)
    happened: frozenset[int] = frozenset()
    settled: Day = 0
    closed: bool = False

    def copy(self) -> Self:
        return replace(
            self,
            rows=list(self.rows),
            holdings=dict(self.holdings),
            lots=dict(self.lots),
            orders=dict(self.orders),
            proposals=dict(self.proposals),
        )

    # Time.

    def settle(self) -> None:
        """Catch up with what has become known and with the sessions that have come."""
        late = (each for each in self.tape.happenings if each.day <= self.settled)
        for happening in sorted(late, key=lambda each: (each.day, each.id)):
            self._happen(happening)
        while self.settled < self.tape.latest:
            self.settled += 1
            self._live(self.settled)

    def _live(self, day: Day) -> None:
        for happening in self.tape.on(day):
            self._happen(happening)
        waiting = sorted(
            (order for order in self.orders.values() if order.is_open and order.day < day),
            key=lambda order: (order.side == BUY, order.made),
        )
        for order in waiting:
            self.orders[order.id] = self._after(order, day)

    def _happen(self, what: Happening) -> None:
        """Once, to the shares held at the close before."""
        if what.id in self.happened:
            return
        self.happened |= {what.id}
        shares = self._shares_before(what.etf, what.day)
        if what.kind == ActionKind.SPLIT:
            self._divide(what, shares)
        elif shares:
            shares *= self.tape.ratio(what.etf, what.day - 1, what.day)
            amount = cents(micros(shares) * what.meant)
            value = Fraction(what.value)
            self.book(Row("dividend", what.day, amount, what.etf, micros(shares), value))

    def _shares_before(self, etf: Etf, day: Day) -> Fraction:
        moved = (
            SIGNS.get(row.kind, 0) * (row.quantity or NONE)
            for row in self.rows
            if row.etf == etf and row.day < day
        )
        return sum(moved, NONE)

    def _divide(self, what: Happening, shares: Fraction) -> None:
        if not shares:
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
        wished = order.left
        if order.origin == "stop":
            wished = min(wished, self.held(order.etf)) or wished
        quantity = wished if cap is None else min(wished, cap)
        if not quantity:
            return order
        done = exact.fill(order.side, quantity, met.reference, self.rules.costs, order.limit)
        if not done.gross:
            return order.given_up()
        try:
            self._book_fill(order, done, day)
        except Refusal as refusal:
            return order.given_up(str(refusal))
        order = order.plus(quantity)
        sold = order.origin == "stop" and not self.held(order.etf)
        return order.given_up() if order.is_open and sold else order

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
