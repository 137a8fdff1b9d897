"""What a portfolio does by itself: rebalances and stops."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from tests.statemachine.book import Day, Etf, Refusal
from tests.statemachine.exact import BUY, SELL, cents, micros, whole
from tests.statemachine.model import Model
from tests.statemachine.orders import Order

COOLDOWN = 21
GOOD_FOR = 5
"""Sessions that a stopped ETF is barred, and that a proposal may be old."""


@dataclass(slots=True)
class Automatic(Model):
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
            Order(
                order_id,
                (made, str(order_id)),
                etf,
                side,
                quantity,
                day,
                origin="rebalance",
                day_only=False,
            )
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


def _is_stop(order: Order, etf: Etf) -> bool:
    return order.origin == "stop" and order.etf == etf
